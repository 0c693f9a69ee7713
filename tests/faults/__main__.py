"""``python -m tests.faults [row ...]``: the fault matrix, run against the desk, as a table.

Exit code 1 when a row has failed, or was never injected.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.faults.matrix import MATRIX
from tests.faults.table import Matrix

FOLDER = Path(__file__).parent
SILENT = ["-o", "addopts=--strict-markers --strict-config", "-p", "no:terminal"]  # the table speaks


def main(words: list[str]) -> int:
    """``words`` are numbers of rows; none means all."""
    try:
        wanted = [int(word) for word in words] or list(MATRIX)
    except ValueError:
        wanted = [0]
    if unknown := [number for number in wanted if number not in MATRIX]:
        print(f"a row is a number from 1 to {len(MATRIX)}, not {' '.join(words) or unknown}")  # noqa: T201
        return 2
    matrix = Matrix(wanted, sys.stdout)
    chosen = ["-k", " or ".join(f"row_{number:02d}" for number in wanted)] if words else []
    pytest.main([str(FOLDER), *SILENT, *chosen], plugins=[matrix])
    return matrix.conclude()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
