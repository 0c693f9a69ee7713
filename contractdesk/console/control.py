"""Halting from outside: a kernel answers on its control channel, whatever its cells are doing.

A request names an action and perhaps a desk; it is begun at once on the desk's own thread, and answered
when it is confirmed. Nothing here opens or resumes anything. How the desks stand is told beside it, on iopub.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from enum import Enum
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import Struct

from contractdesk.console.heartbeat import STATE, Heartbeat
from contractdesk.errors import ContractdeskError, UserError

if TYPE_CHECKING:
    from contractdesk.console.desk import Desk
    from contractdesk.console.receipts import Receipt
    from contractdesk.console.verbs import Verbs

REQUEST, REPLY = "contractdesk_request", "contractdesk_reply"  # message types on the control channel


class Action(Enum):
    """What may be asked for from outside."""

    HALT = "halt"
    FLATTEN = "flatten"  # and it is halted first
    LIST = "list"  # only says how they stand


class Request(Struct, frozen=True, kw_only=True):
    """Content of a ``contractdesk_request``."""

    action: Action
    desk: str = ""  # "" = all of this kernel
    reason: str = ""


class Outcome(Struct, frozen=True, kw_only=True):
    """What came of it on one desk."""

    desk: str
    label: str  # EMBEDDED, PAPER, TESTNET or LIVE
    state: str
    done: bool  # confirmed
    text: str


class Reply(Struct, frozen=True, kw_only=True):
    """Content of a ``contractdesk_reply``; ``error`` where nothing was begun."""

    outcomes: tuple[Outcome, ...] = ()
    error: str = ""


def connection_file() -> str:
    """Of the kernel that this process is; "" elsewhere."""
    kernel = _kernel()
    return "" if kernel is None else str(kernel.parent.abs_connection_file)


def listen(desks: Callable[[], Iterable[Desk]]) -> None:
    """Answer on the control channel of this process's kernel, and tell on its iopub, if it is one.

    To be called whenever a desk was opened. ``desks`` gives those that are open at the time.
    """
    kernel = _kernel()
    if kernel is None:
        return
    handler = kernel.control_handlers.get(REQUEST)
    if not isinstance(handler, _Handler):
        handler = kernel.control_handlers[REQUEST] = _Handler(kernel, desks)
    handler.heartbeat.begin()


class _Handler:
    """Runs in the kernel's control thread: it hands the work on, and the answer comes when it is done."""

    def __init__(self, kernel: Any, desks: Callable[[], Iterable[Desk]]) -> None:
        self._kernel = kernel
        self._desks = desks
        self.heartbeat = Heartbeat(desks, self._tell)

    def _tell(self, content: dict[str, Any]) -> None:
        """Without a parent: it belongs to no cell."""
        self._kernel.session.send(self._kernel.iopub_socket, STATE, content, ident=STATE.encode())

    def __call__(self, stream: Any, identity: Any, parent: dict[str, Any]) -> None:
        def answer(reply: Reply) -> None:
            content = msgspec.to_builtins(reply)
            stream.io_loop.add_callback(self._kernel.session.send, stream, REPLY, content, parent, identity)

        try:
            serve(msgspec.convert(parent["content"], Request), list(self._desks()), answer)
        except (msgspec.ValidationError, ContractdeskError) as error:
            answer(Reply(error=str(error)))
        except Exception as error:  # without an answer the asker would wait for one
            answer(Reply(error=f"{type(error).__name__}: {error}"))


def serve(request: Request, desks: list[Desk], answer: Callable[[Reply], object]) -> None:
    """Begin what is asked for on every desk that is meant; ``answer`` is called once, when all have ended.

    From any thread. UserError where no such desk is open.
    """
    # Here, not above: the terminal's halt imports this module, and is not to wait for the engine's import.
    from contractdesk.console.calls import begun
    from contractdesk.console.verbs import Verbs

    meant = [desk for desk in desks if request.desk in ("", desk.name)]
    if request.action is Action.LIST:
        answer(Reply(outcomes=tuple(_standing(desk) for desk in meant)))
        return
    if not meant:
        there = ", ".join(desk.name for desk in desks) or "none is"
        raise UserError(f"no desk {request.desk!r} is open in this kernel; open: {there}")
    found: list[Outcome] = []
    lock = threading.Lock()  # each desk ends on a thread of its own

    def ended(desk: Desk, done: Future[Receipt]) -> None:
        with lock:
            found.append(_outcome(desk, done))
            last = len(found) == len(meant)
        if last:
            answer(Reply(outcomes=tuple(sorted(found, key=lambda outcome: outcome.desk))))

    for desk in meant:
        session = desk._session  # noqa: SLF001  (one component)
        future = begun(session, _act(Verbs(session), request))
        future.add_done_callback(lambda done, desk=desk: ended(desk, done))  # type: ignore[misc]


async def _act(verbs: Verbs, request: Request) -> Receipt:
    halted = await verbs.halt(request.reason or f"{request.action.value} asked from outside the notebook")
    return halted if request.action is Action.HALT else await verbs.flatten()


def _standing(desk: Desk) -> Outcome:
    state = desk.snapshot.state.value
    return Outcome(desk=desk.name, label=desk.label, state=state, done=True, text=desk.snapshot.state_reason)


def _outcome(desk: Desk, done: Future[Receipt]) -> Outcome:
    error = done.exception()
    receipt = None if error else done.result()
    return Outcome(
        desk=desk.name,
        label=desk.label,
        state=desk.snapshot.state.value,
        done=receipt is not None and receipt.done,
        text=receipt.text if receipt is not None else f"{type(error).__name__}: {error}",
    )


def _kernel() -> Any:
    """This process's kernel; None where there is none. It imports nothing."""
    module = sys.modules.get("ipykernel.kernelapp")
    if module is None or not module.IPKernelApp.initialized():
        return None
    return module.IPKernelApp.instance().kernel
