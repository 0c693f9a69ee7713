"""What the wall-clock benchmarks share: a real kernel to run cells in, and the sheet of figures."""

from __future__ import annotations

import json
import queue
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from jupyter_client.manager import KernelManager

CELL_WITHIN_S = 180
BUSY = "while True: pass"


class Kernel:
    """A real ipykernel in a process of its own, driven over its sockets."""

    def __init__(self, folder: Path, log: IO[bytes] | None = None) -> None:
        """Its process is started, and its stderr goes to ``log``; ``ready`` waits for its sockets."""
        self._manager = KernelManager()
        self._manager.start_kernel(cwd=str(folder), stderr=log)
        self._client = self._manager.blocking_client()

    def ready(self) -> None:
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)

    def run(self, code: str, *, fails: bool = False) -> dict[str, Any]:
        """Execute a cell; the JSON of its last printed line, if that is one."""
        printed: list[str] = []
        reply = self._client.execute_interactive(
            code, timeout=CELL_WITHIN_S, output_hook=lambda message: _collect(message, printed)
        )
        failed = reply["content"]["status"] != "ok"
        if failed != fails:
            raise SystemExit(f"cell {code!r} ended {reply['content']}")
        lines = "".join(printed).strip().splitlines()
        return json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}

    def run_and_interrupt(self, code: str, after_s: float) -> None:
        """Execute an endless cell and interrupt it, as the stop button does."""
        with self.running(code):
            try:
                reply = self._client.get_shell_msg(timeout=after_s)
            except queue.Empty:
                return  # the cell is still busy, as it should be
            raise SystemExit(f"cell {code!r} ended {reply['content']}")

    @contextmanager
    def running(self, code: str) -> Iterator[None]:
        """An endless cell that runs meanwhile, and is interrupted in the end."""
        request = self._client.execute(code, stop_on_error=False)
        self._await(self._client.get_iopub_msg, lambda said: said["msg_type"] == "execute_input", request)
        try:
            yield
        finally:
            self._manager.interrupt_kernel()
            self._await(self._client.get_shell_msg, lambda _: True, request)

    def _await(
        self, receive: Callable[..., dict[str, Any]], wanted: Callable[[dict[str, Any]], bool], request: str
    ) -> None:
        """Read a channel up to the wanted answer to ``request``."""
        while True:
            said = receive(timeout=CELL_WITHIN_S)
            if said["parent_header"].get("msg_id") == request and wanted(said):
                return

    def send(self, code: str) -> None:
        """Execute a cell and wait for nothing: the kernel may die of it."""
        self._client.execute(code)

    @property
    def dead(self) -> bool:
        return not self._manager.is_alive()

    def kill(self) -> None:
        """SIGKILL, from outside; what it holds open is closed by the kernel of the system."""
        if not self.dead:
            self._manager.signal_kernel(signal.SIGKILL)
        end = time.monotonic() + CELL_WITHIN_S
        while not self.dead:
            if time.monotonic() > end:
                raise SystemExit("a killed kernel does not end")
            time.sleep(0.005)

    def bury(self) -> None:
        """Let go of the sockets and files of one that is dead."""
        self._client.stop_channels()
        self._manager.cleanup_resources()

    def end(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel()


def _collect(message: dict[str, Any], printed: list[str]) -> None:
    if message["msg_type"] == "stream" and message["content"]["name"] == "stdout":
        printed.append(message["content"]["text"])


@contextmanager
def kernel() -> Iterator[Kernel]:
    with tempfile.TemporaryDirectory(prefix="contractdesk-accept-") as folder:
        made = Kernel(Path(folder))
        try:
            made.ready()
            yield made
        finally:
            made.end()


class Sheet:
    """What was measured, printed as it comes."""

    def __init__(self) -> None:
        self.sound = True

    def figure(self, what: str, value: float, unit: str, aim: float | None = None) -> None:
        verdict = "" if aim is None else f"  aim {aim:g} {unit}: {'met' if value <= aim else 'MISSED'}"
        print(f"{what:<52} {value:>9.3f} {unit}{verdict}", flush=True)

    def fact(self, what: str, *, holds: bool) -> None:
        self.sound &= holds
        print(f"{what:<52} {'yes' if holds else 'NO':>9}", flush=True)
