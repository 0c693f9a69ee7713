"""Runs a notebook without a browser, and says how its desks ended."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from msgspec import Struct

from contractdesk.clock import NS_PER_S, SystemClock
from contractdesk.console.result import VARIABLE, Ending, Report, Result, gravest, read
from contractdesk.console.tables import shown
from contractdesk.errors import ConfigError

# The kernel warns that its sockets are not encrypted; they are on loopback, and each message is signed.
QUIET_KERNEL = ["--log-level=ERROR"]


class Outcome(Struct, frozen=True, kw_only=True):
    """An executed notebook, and the last picture of each desk that it opened."""

    notebook: Path  # the executed one
    failure: str  # of the first cell that raised; "" = none
    results: tuple[Result, ...]
    stopped: signal.Signals | None = None  # what interrupted it
    took_s: float = 0.0

    @property
    def ending(self) -> Ending:
        """The gravest of all that happened."""
        ends = [result.ending for result in self.results]
        if self.stopped is not None:
            ends.append(Ending.INTERRUPTED if self.stopped is signal.SIGINT else Ending.TERMINATED)
        return gravest([*ends, Ending.NOTEBOOK_FAILED if self.failure else Ending.WELL])

    @property
    def lines(self) -> list[str]:
        """A short report."""
        told = [f"{self.failure}"] if self.failure else []
        for result in self.results:
            told += _told(result)
        return [*told, f"notebook: {self.notebook}"]


def execute(
    notebook: Path, output: Path, parameters: Mapping[str, Any], *, report: Path | None = None
) -> Outcome:
    """Execute ``notebook`` into ``output`` with papermill; a failing cell is reported, not raised.

    ``report``: where the result file is written, whatever happened. An interrupt halts the desks first.
    ConfigError, and nothing runs, where the notebook cannot be read or lacks a parameter.
    """
    check(notebook, parameters)
    output.parent.mkdir(parents=True, exist_ok=True)
    clock = SystemClock()
    began_ns, started_ns = clock.now_ns(), clock.monotonic_ns()
    with tempfile.TemporaryDirectory(prefix="contractdesk-") as folder:
        path = Path(folder) / "result.json"
        with _noting(path):
            failure, stopped = _run(notebook, output, parameters, path)
        results = tuple(read(path))
    took_s = (clock.monotonic_ns() - started_ns) / NS_PER_S
    outcome = Outcome(notebook=output, failure=failure, results=results, stopped=stopped, took_s=took_s)
    if report is not None:
        Report.of(
            outcome.ending, failure=failure, notebook=notebook, output=output, started=_utc(began_ns),
            ended=_utc(clock.now_ns()), took_s=took_s, desks=results,
        ).write(report)  # fmt: skip
    return outcome


def check(notebook: Path, parameters: Mapping[str, Any]) -> None:
    """ConfigError with one clear sentence where the notebook cannot be run with these parameters."""
    import nbformat
    import papermill

    try:
        nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    except (nbformat.reader.NotJSONError, nbformat.ValidationError, UnicodeDecodeError, AttributeError):
        raise ConfigError(f"{notebook} is not a Jupyter notebook") from None
    except OSError as error:
        raise ConfigError(f"{notebook} cannot be read: {error.strerror}") from None
    known = list(papermill.inspect_notebook(str(notebook)))
    for name in parameters:
        if name not in known:
            raise ConfigError(_unknown(notebook.name, name, known))


def _unknown(notebook: str, name: str, known: list[str]) -> str:
    if not known:
        return f"{notebook} takes no parameters, so {name!r} has no place: tag a cell of it 'parameters'"
    close = get_close_matches(name, known, n=1)
    meant = f" (did you mean {close[0]!r}?)" if close else ""
    return f"{notebook} has no parameter {name!r}{meant}; it has: {', '.join(known)}"


def _run(
    notebook: Path, output: Path, parameters: Mapping[str, Any], noted: Path
) -> tuple[str, signal.Signals | None]:
    """What failed, "" = nothing, and the signal that ended it."""
    import papermill
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    from contractdesk.console.braking import NAME, Brake

    with Brake(lambda: any(not result.ended for result in read(noted))) as brake:
        try:
            papermill.execute_notebook(
                str(notebook.resolve()),  # it works in the notebook's folder
                str(output.resolve()),
                parameters=dict(parameters),
                engine_name=NAME,
                progress_bar=True,
                cwd=str(notebook.resolve().parent),
                extra_arguments=QUIET_KERNEL,
                brake=brake,
            )
        except NoSuchKernel as error:
            raise ConfigError(
                f"{notebook} asks for the kernel {error.name!r}, which is not installed"
            ) from None
        except PapermillExecutionError as error:
            where = f"cell {error.exec_count}" if error.exec_count else "before the first cell"
            if brake.pulled is not None:
                return f"interrupted in {where}", brake.pulled
            return f"{where}: {error.ename}: {error.evalue}", None
        except DeadKernelError:
            return "the kernel died", brake.pulled
        except (RuntimeError, OSError) as error:  # it did not start; the disk is full
            return f"the run ended: {error}", brake.pulled
        except KeyboardInterrupt:
            return "interrupted", brake.pulled or signal.SIGINT
    return "", brake.pulled


@contextmanager
def _noting(path: Path) -> Iterator[None]:
    """Let the desks of the kernels that are started here note their results in ``path``."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(path)
    try:
        yield
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before


def _utc(ts_ns: int) -> datetime:
    return datetime.fromtimestamp(ts_ns // NS_PER_S, UTC)


def _told(result: Result) -> list[str]:
    held = ", ".join(f"{row.symbol} {shown(row.size)}" for row in result.positions) or "flat"
    naked = ", ".join(f"{row.symbol} {shown(row.naked)}" for row in result.positions if row.naked)
    end = "" if result.ended else "; IT NEVER SAID HOW IT ENDED: what stands here is how it began"
    trips = result.breaker.trips
    tripped = f"; the breaker tripped {trips} time{'s' if trips > 1 else ''}" if trips else ""
    return [
        f"{result.desk} {result.label}: {result.state} {result.state_reason}".rstrip() + tripped + end,
        f"  equity {shown(result.equity)}, realized {shown(result.realized_pnl)}, fees {shown(result.fees)},"
        f" funding {shown(result.funding)}, {result.fills} fills",
        f"  position {held}; {result.stops} stops" + (f"; WITHOUT STOP: {naked}" if naked else ""),
    ]
