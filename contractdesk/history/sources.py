"""Which importer understands a file or folder."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from contractdesk.errors import UserError
from contractdesk.history import captures, dump_binance, dump_bybit, dump_okx, tapes
from contractdesk.history.csv_rows import first_line
from contractdesk.history.raw import Source

_DUMPS = {"binance": dump_binance, "bybit": dump_bybit, "okx": dump_okx}
_SUFFIXES = (".zip", ".gz", ".csv", ".jsonl", ".log", ".txt")


def find_sources(paths: Iterable[str | Path], venue: str) -> list[Source]:
    """Files and folders in the order of their names; a folder that is no tape stands for its files.

    UserError where one is missing, or nothing is there to import.
    """
    found = [source for path in paths for source in _expand(Path(path), venue)]
    if not found:
        raise UserError("nothing to import: name dumps, captures, tapes, or folders of them")
    return found


def _expand(path: Path, venue: str) -> list[Source]:
    if not path.exists():
        raise UserError(f"no file or folder at {path}")
    if not path.is_dir():
        return [_file(path, venue)]
    if tapes.is_tape(path):
        return [Source(path=path, rules=tapes.RULES, read=tapes.read)]
    files = sorted(each for each in path.iterdir() if each.suffix in _SUFFIXES)
    return [_file(each, venue) for each in files]


def _file(path: Path, venue: str) -> Source:
    if path.suffix != ".zip" and captures.is_capture(first_line(path)):
        if venue != "binance":
            raise UserError(f"{path.name} is a raw capture; of these, only Binance's streams are understood")
        return Source(path=path, rules=captures.RULES, read=captures.read)
    dump = _DUMPS.get(venue)
    if dump is None:
        raise UserError(f"no importer for the dumps of {venue!r}; there are {', '.join(_DUMPS)}")
    return Source(path=path, rules=dump.RULES, read=dump.read)
