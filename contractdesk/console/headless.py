"""Runs a notebook without a browser, and says how its desks ended."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from msgspec import Struct

from contractdesk.console.result import VARIABLE, Ending, Result, read
from contractdesk.console.tables import shown

# The kernel warns that its sockets are not encrypted; they are on loopback, and each message is signed.
QUIET_KERNEL = ["--log-level=ERROR"]


class Outcome(Struct, frozen=True, kw_only=True):
    """An executed notebook, and the last picture of each desk that it opened."""

    notebook: Path
    failure: str  # of the first cell that raised; "" = none
    results: tuple[Result, ...]

    @property
    def ending(self) -> Ending:
        """The worst of all: an unprotected position, then a halt, then a failed cell."""
        ends = [result.ending for result in self.results]
        return max([*ends, Ending.NOTEBOOK_FAILED if self.failure else Ending.WELL])

    @property
    def lines(self) -> list[str]:
        """A short report."""
        told = [f"{self.failure}"] if self.failure else []
        for result in self.results:
            told += _told(result)
        return [*told, f"notebook: {self.notebook}"]


def execute(notebook: Path, output: Path, parameters: dict[str, Any]) -> Outcome:
    """Execute ``notebook`` into ``output`` with papermill; a failing cell is reported, not raised."""
    import papermill
    from papermill.exceptions import PapermillExecutionError

    output.parent.mkdir(parents=True, exist_ok=True)
    failure = ""
    with tempfile.TemporaryDirectory(prefix="contractdesk-") as folder:
        path = Path(folder) / "result.json"
        before = os.environ.get(VARIABLE)
        os.environ[VARIABLE] = str(path)
        try:
            papermill.execute_notebook(
                str(notebook),
                str(output),
                parameters=parameters,
                progress_bar=True,
                cwd=str(notebook.parent),
                extra_arguments=QUIET_KERNEL,
            )
        except PapermillExecutionError as error:
            failure = f"cell {error.exec_count}: {error.ename}: {error.evalue}"
        finally:
            if before is None:
                del os.environ[VARIABLE]
            else:
                os.environ[VARIABLE] = before
        results = tuple(read(path))
    return Outcome(notebook=output, failure=failure, results=results)


def _told(result: Result) -> list[str]:
    held = ", ".join(f"{symbol} {shown(size)}" for symbol, size in result.positions.items()) or "flat"
    naked = ", ".join(f"{symbol} {shown(size)}" for symbol, size in result.unprotected.items())
    return [
        f"{result.desk} {result.label}: {result.state} {result.state_reason}".rstrip(),
        f"  equity {shown(result.equity)}, realized {shown(result.realized_pnl)}, fees {shown(result.fees)},"
        f" funding {shown(result.funding)}, {result.fills} fills",
        f"  position {held}; {result.stops} stops" + (f"; WITHOUT STOP: {naked}" if naked else ""),
    ]
