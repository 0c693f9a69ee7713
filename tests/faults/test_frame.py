"""The frame of the matrix itself: it must be able to say no."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from tests.faults.__main__ import SILENT
from tests.faults.matrix import MATRIX, NOT_APPLICABLE
from tests.faults.table import Matrix

SCENARIO = """
from tests.faults.case import row
from tests.faults.conftest import case

@row(1)
def test_row_01(case):
    case.count({counted})
    case.saw("one order")
    assert {holds}
"""


def run(folder: Path, rows: list[int], **terms: object) -> tuple[int, str]:
    """The exit code and the table of one made-up scenario of row 1.

    The file is named after its folder: pytest would not import a second ``test_made_up`` in one process.
    """
    (folder / f"test_of_{folder.name}.py").write_text(SCENARIO.format(**terms))
    out = io.StringIO()
    matrix = Matrix(rows, out)
    apart = ["--import-mode", "importlib", "-p", "no:cacheprovider"]
    pytest.main([str(folder), *apart, *SILENT], plugins=[matrix])
    return matrix.conclude(), out.getvalue()


def test_a_row_that_holds_passes(tmp_path: Path) -> None:
    code, table = run(tmp_path, [1, 51], counted=2, holds=True)
    assert code == 0, table
    assert "1 rows passed, 0 did not, 1 not applicable; 2 faults injected" in table
    assert "one order" in table


@pytest.mark.parametrize(
    ("rows", "counted", "holds", "word"),
    [
        ([1], 2, False, "FAILED"),
        ([1], 0, True, "was never injected"),
        ([1, 2], 2, True, "NOT RUN"),
    ],
)
def test_a_row_that_fails_or_strikes_nothing_or_is_missing_makes_it_fail(
    tmp_path: Path, rows: list[int], counted: int, holds: bool, word: str
) -> None:
    code, table = run(tmp_path, rows, counted=counted, holds=holds)
    assert code == 1, table
    assert word in table


def test_the_matrix_is_whole() -> None:
    assert list(MATRIX) == list(range(1, 68))
    assert set(NOT_APPLICABLE) == {51, 53}
    assert {fault.severity for fault in MATRIX.values()} == {1, 2, 3}
