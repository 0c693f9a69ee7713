"""The results file of a sweep: a line of JSON for each run, written when it is known.

``<folder>/<key>.jsonl``; the key names code, data, settings and models, each line its own parameters.
A process that was killed leaves at worst half a line, which is cut off at the next opening.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from contractdesk.errors import StorageError, UserError
from contractdesk.replay.sweeps.plan import Params, Plan
from contractdesk.replay.sweeps.work import Row

_ROW = msgspec.json.Decoder(Row)


def sweeps_root(folder: str | Path | None = None) -> Path:
    """The folder that was given, ``CONTRACTDESK_SWEEPS``, or the user's own."""
    if folder is not None:
        return Path(folder)
    if chosen := os.environ.get("CONTRACTDESK_SWEEPS"):
        return Path(chosen)
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "contractdesk" / "sweeps"


class Record:
    """The runs that are known, by their parameters. A context manager: it owns the file while it is open."""

    def __init__(self, folder: Path, plan: Plan, *, resume: bool = True) -> None:
        """Open, or make, the file; without ``resume`` what it holds is thrown away.

        Raises UserError while another sweep writes it, StorageError where the disk refuses.
        """
        self.path = folder / f"{plan.key}.jsonl"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a+b")
            self._own()
            self._rows = {_key(row.params): row for row in self._read()} if resume else {}
            if not resume:
                self._file.truncate(0)
        except OSError as exc:
            raise StorageError(f"the results file {self.path}: {exc}") from exc
        self.found = len(self._rows)  # before anything was added

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __iter__(self) -> Iterator[Row]:
        return iter(self._rows.values())

    def get(self, params: Params) -> Row | None:
        return self._rows.get(_key(params))

    def add(self, row: Row) -> None:
        """Keep a row for good; not one that was lost with its worker or host: it is to be run again."""
        if row.lost:
            return
        self._rows[_key(row.params)] = row
        self._file.write(msgspec.json.encode(row) + b"\n")
        self._file.flush()

    def _own(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            self._file.close()
            raise UserError(
                f"the same sweep runs already, here or in another process: it writes {self.path}"
            ) from exc

    def _read(self) -> list[Row]:
        self._file.seek(0)
        content = self._file.read()
        whole = content[: content.rfind(b"\n") + 1]
        if len(whole) < len(content):
            self._file.truncate(len(whole))
        try:
            return [_ROW.decode(line) for line in whole.splitlines()]
        except msgspec.MsgspecError as exc:
            self._file.close()
            raise StorageError(
                f"{self.path} is damaged ({exc}): remove it, or sweep with resume=False"
            ) from exc


def _key(params: Params) -> str:
    return msgspec.json.encode(params, order="sorted").decode()
