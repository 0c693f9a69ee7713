"""CSV dumps, zipped, gzipped or plain, as columns of text: streamed, and no line is lost silently."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv
from numpy.typing import NDArray

from contractdesk.errors import UserError
from contractdesk.history.raw import Corrupt
from contractdesk.storage.grid import Floats, Ints

BLOCK_BYTES = 4 << 20
_TRUE, _FALSE = ("true", "1", "t"), ("false", "0", "f")


class Cells:
    """Some lines of a file. What a column cannot be read as is noted in ``corrupt``, cell by cell."""

    def __init__(self, rows: Ints, columns: Mapping[str, pa.Array], corrupt: list[Corrupt]) -> None:
        self._columns = columns
        self.rows = rows
        self.corrupt = corrupt

    def only(self, wanted: NDArray[np.bool_]) -> Cells:
        """The lines that are wanted."""
        mask = pa.array(wanted)
        kept = {name: column.filter(mask) for name, column in self._columns.items()}
        return Cells(self.rows[wanted], kept, self.corrupt)

    def __contains__(self, name: str) -> bool:
        return name in self._columns

    def texts(self, name: str) -> NDArray[Any]:
        return np.asarray(self._columns[name].to_numpy(zero_copy_only=False), dtype=object)

    def floats(self, name: str) -> Floats:
        """NaN where a cell is no number."""
        return cast("Floats", self._numbers(name, pa.float64(), np.nan))

    def ints(self, name: str) -> Ints:
        """0 where a cell is no whole number."""
        return cast("Ints", self._numbers(name, pa.int64(), 0))

    def flags(self, name: str) -> NDArray[np.bool_]:
        """False where a cell is neither true nor false."""
        lower = pc.utf8_lower(self._columns[name])
        true = pc.is_in(lower, value_set=pa.array(_TRUE)).to_numpy(zero_copy_only=False)
        known = true | pc.is_in(lower, value_set=pa.array(_FALSE)).to_numpy(zero_copy_only=False)
        self._spoil(name, np.flatnonzero(~known))
        return cast("NDArray[np.bool_]", true)

    def signs(self, name: str, plus: str, minus: str) -> NDArray[np.int8]:
        """+1 and -1 for two words in any case; 0 where a cell is another."""
        lower = pc.utf8_lower(self._columns[name])
        up = pc.equal(lower, plus).to_numpy(zero_copy_only=False)
        down = pc.equal(lower, minus).to_numpy(zero_copy_only=False)
        self._spoil(name, np.flatnonzero(~(up | down)))
        signs: NDArray[np.int8] = up.astype(np.int8) - down.astype(np.int8)
        return signs

    def _numbers(self, name: str, kind: pa.DataType, otherwise: float) -> NDArray[Any]:
        column = self._columns[name]
        try:
            return cast("NDArray[Any]", pc.cast(column, kind).to_numpy())
        except pa.ArrowInvalid:  # some cell is no number: find out which
            read = [_number(text.as_py(), kind) for text in column]
        self._spoil(name, [place for place, value in enumerate(read) if value is None])
        return np.array([otherwise if value is None else value for value in read], kind.to_pandas_dtype())

    def _spoil(self, name: str, places: Sequence[int] | NDArray[np.int64]) -> None:
        column = self._columns[name]
        self.corrupt += [Corrupt(int(self.rows[at]), name, str(column[int(at)].as_py())) for at in places]


def _number(text: str, kind: pa.DataType) -> float | None:
    try:
        return cast("float", pc.cast(pa.scalar(text), kind).as_py())
    except pa.ArrowInvalid:
        return None


def read_cells(
    path: Path, layouts: Sequence[Sequence[str]], aliases: Mapping[str, str], needed: Collection[str]
) -> Iterator[Cells]:
    """The file's lines, in blocks. A header is recognised by its first cell, which is then no number.

    ``aliases`` maps a header's names to ours; ``layouts`` are the columns of files without a header,
    told apart by their number. UserError for a file that is none of these, or has not what is ``needed``.
    """
    names, skipped = _names(path, layouts, aliases)
    if missing := sorted(set(needed) - set(names)):
        raise UserError(f"{path.name} has no column {', '.join(missing)}: it is no such dump")
    bad: list[pc_csv.InvalidRow] = []

    def note(row: pc_csv.InvalidRow) -> str:
        bad.append(row)
        return "skip"

    with open_csv(path) as file:
        blocks = pc_csv.open_csv(
            file,
            pc_csv.ReadOptions(
                use_threads=False, block_size=BLOCK_BYTES, column_names=names, skip_rows=skipped
            ),
            pc_csv.ParseOptions(invalid_row_handler=note),
            pc_csv.ConvertOptions(column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False),
        )
        row = 1
        for block in blocks:
            lost = [Corrupt(each.number - skipped, "line", each.text) for each in bad]
            rows = _numbers_of(row, block.num_rows, [each.row for each in lost])
            row = int(rows[-1]) + 1 if len(rows) else row
            here = [each for each in lost if each.row < row]
            del bad[: len(here)]  # the parser is ahead of us: these are of blocks to come
            yield Cells(rows, {name: block[name] for name in names}, here)
        if bad:
            rest = [Corrupt(each.number - skipped, "line", each.text) for each in bad]
            yield Cells(_numbers_of(row, 0, []), {name: pa.array([], pa.string()) for name in names}, rest)


def _numbers_of(first: int, count: int, lost: Sequence[int]) -> Ints:
    """The numbers from ``first`` on of ``count`` lines, but for those that were lost."""
    numbers = np.arange(first, first + count + len(lost), dtype=np.int64)
    return numbers[~np.isin(numbers, lost)][:count]


def _names(path: Path, layouts: Sequence[Sequence[str]], aliases: Mapping[str, str]) -> tuple[list[str], int]:
    """(column names, lines to skip)."""
    first = first_line(path)
    cells = [cell.strip() for cell in first.split(",")]
    if not cells[0].strip("-").replace(".", "", 1).isdigit():
        return [aliases.get(cell.partition("/")[0].lower(), cell) for cell in cells], 1
    for layout in layouts:
        if len(layout) == len(cells):
            return list(layout), 0
    raise UserError(f"{path.name} has {len(cells)} columns and no header: {first[:80]!r} is not understood")


def first_line(path: Path) -> str:
    """Decoded leniently: some headers are in GBK."""
    with open_csv(path) as file:
        head = file.read(4096)
    if not head:
        raise UserError(f"{path.name} is empty")
    return head.split(b"\n", 1)[0].decode("utf-8", "replace").strip("\ufeff\r ")


@contextmanager
def open_csv(path: Path) -> Iterator[IO[bytes]]:
    """The CSV within; UserError where there is none, or several."""
    try:
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                members = [name for name in archive.namelist() if name.endswith(".csv")]
                if len(members) != 1:
                    raise UserError(f"{path.name} holds {len(members)} CSV files: one was expected")
                with archive.open(members[0]) as file:
                    yield file
        elif path.suffix == ".gz":
            with gzip.open(path, "rb") as zipped:
                yield cast("IO[bytes]", zipped)
        else:
            with path.open("rb") as plain:
                yield plain
    except (zipfile.BadZipFile, gzip.BadGzipFile, EOFError, OSError, pa.ArrowInvalid) as exc:
        raise UserError(f"{path} cannot be read ({exc}): download it again") from exc
