"""papermill's own engine with a brake: whoever interrupts a run leaves every desk halted and under its stops.

The first signal halts the desks over the kernel's control channel, whatever its cell is doing, and only then
interrupts the cell: what the notebook shows at that moment is kept, and the kernel ends in order. A second
one, or a cell that does not let go, ends the kernel with what the venue holds: the stops.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final, Self

from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_output
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import NBClientEngine, papermill_engines
from papermill.log import logger

from contractdesk.console.control import Action, Request
from contractdesk.console.remote import CONFIRM_S, send

SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LET_GO_S = 15.0  # for an interrupted cell to end; then the kernel is shut down over it
STARTUP_S = 60.0
SHUTDOWN_S = 20.0  # for a kernel to end in order: its desks cancel entries, and say how they ended
REASON = "the run was interrupted"
NAME = "contractdesk"  # of the engine, for papermill


class Brake:
    """Pulled by a signal while it is entered; ``open_desks`` says whether there is anything to halt."""

    def __init__(self, open_desks: Callable[[], bool]) -> None:
        self._open_desks = open_desks
        self._kernel: Any = None
        self._before: dict[signal.Signals, Any] = {}
        self._over = threading.Event()
        self.pulled: signal.Signals | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # elsewhere signals are not ours to take
            heard = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]  # nohup
            self._before = {number: signal.signal(number, self._on_signal) for number in heard}
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def hold(self, kernel: Any) -> None:
        """The kernel that it stops: a kernel manager of jupyter_client."""
        self._kernel = kernel

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        if self.pulled is not None or self._kernel is None:
            self.pulled = self.pulled or signal.Signals(number)
            raise KeyboardInterrupt
        self.pulled = signal.Signals(number)
        threading.Thread(target=self._stop, name="contractdesk-brake", daemon=True).start()

    def _stop(self) -> None:
        if self._open_desks():
            send(
                Path(self._kernel.connection_file),
                Request(action=Action.HALT, reason=REASON),
                CONFIRM_S[Action.HALT],
            )
        with suppress(RuntimeError):  # it has ended meanwhile
            asyncio.run(_interrupted(self._kernel))
        if not self._over.wait(LET_GO_S):
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


async def _interrupted(kernel: Any) -> None:
    await kernel.interrupt_kernel()


class Client(PapermillNotebookClient):  # type: ignore[misc]  # papermill has no types
    """Runs no further cell once the brake is pulled, and gives the kernel time to end in order."""

    def __init__(self, nb_man: Any, *, brake: Brake, **options: Any) -> None:
        super().__init__(nb_man, **options)
        self._brake = brake

    def create_kernel_manager(self) -> Any:
        manager = super().create_kernel_manager()
        manager.shutdown_wait_time = SHUTDOWN_S
        self._brake.hold(manager)
        return manager

    def execute_cell(self, cell: Any, cell_index: int, **options: Any) -> Any:
        if self._brake.pulled is not None:
            raise CellExecutionError("", "KeyboardInterrupt", REASON)
        try:
            return super().execute_cell(cell, cell_index, **options)
        except CellExecutionError as error:
            _note(cell, error)
            raise


def _note(cell: Any, error: CellExecutionError) -> None:
    """IPython only prints what is wrong with a magic's line: the cell is to hold it as an error, too."""
    if not any(output.output_type == "error" for output in cell.outputs):
        # Without a traceback: below the cell stands already what was printed.
        told = new_output("error", ename=error.ename, evalue=error.evalue, traceback=[])  # type: ignore[no-untyped-call]
        cell.outputs.append(told)


class Engine(NBClientEngine):  # type: ignore[misc]  # papermill has no types
    """papermill's, with our client; ``brake`` comes through ``papermill.execute_notebook``."""

    @classmethod
    def execute_managed_notebook(
        cls, nb_man: Any, kernel_name: str, *, brake: Brake, extra_arguments: list[str], **_ours: Any
    ) -> Any:
        client = Client(
            nb_man, brake=brake, kernel_name=kernel_name, extra_arguments=extra_arguments, timeout=None,
            startup_timeout=STARTUP_S, log=logger,
        )  # fmt: skip
        return client.execute()


papermill_engines.register(NAME, Engine)
