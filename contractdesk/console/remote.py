"""``contractdesk halt``: halts the desks of other processes, by their kernels' control channels."""

from __future__ import annotations

import queue
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat
from pathlib import Path

import msgspec
from msgspec import Struct

from contractdesk.console.control import REPLY, REQUEST, Action, Outcome, Reply, Request
from contractdesk.desk.lock import Owner, owners
from contractdesk.errors import ConfigError

CONFIRM_S = {Action.HALT: 5.0, Action.FLATTEN: 25.0}  # a desk bounds its own verbs below that


PAST = {Action.HALT: "halted", Action.FLATTEN: "halted and flattened"}


class Answer(Struct, frozen=True, kw_only=True):
    """What to tell the person, and whether it is what was asked for."""

    text: str
    confirmed: bool


def ask(action: Action, desk: str = "", reason: str = "") -> list[Answer]:
    """Ask for ``action`` on the desk of that name, or on all that are open under this state folder.

    All kernels at once: one that is slow, or hangs, keeps no other one waiting. Bounded in time. Raises
    ConfigError where there is no such desk.
    """
    running = owners()
    meant = [owner for owner in running if desk in ("", owner.desk)]
    if not meant:
        there = ", ".join(sorted(owner.desk for owner in running)) or "none"
        raise ConfigError(f"no desk {desk!r} is open; open: {there}" if desk else "no desk is open")
    kernels: dict[str, list[Owner]] = defaultdict(list)
    for owner in meant:
        kernels[owner.kernel].append(owner)
    request = Request(action=action, desk=desk, reason=reason)
    with ThreadPoolExecutor(len(kernels)) as at_once:
        replies = list(at_once.map(_reply, kernels, repeat(request)))
    return [
        answer
        for held, reply in zip(kernels.values(), replies, strict=True)
        for answer in _answers(held, request, reply)
    ]


def _reply(kernel: str, request: Request) -> Reply | None:
    """What a kernel answers; a failure to ask it is told as one, and not raised over the other kernels."""
    if not kernel:
        return Reply(error="it is no Jupyter kernel")
    try:
        return send(Path(kernel), request, CONFIRM_S[request.action])
    except Exception as error:
        return Reply(error=f"it could not be asked: {type(error).__name__}: {error}")


def _answers(held: list[Owner], request: Request, reply: Reply | None) -> Iterator[Answer]:
    """What became of the desks of one process."""
    if reply is not None and not reply.error:
        yield from (_answer(request, outcome) for outcome in reply.outcomes)
        return
    within_s = CONFIRM_S[request.action]
    why = f"it has not answered within {within_s:g} s" if reply is None else reply.error
    for owner in held:
        text = f"{owner.desk}: {PAST[request.action]} NOT confirmed: process {owner.pid} holds it, and {why}."
        way = f"Stops stay at the venue, and so do entries that rest; `kill {owner.pid}` ends the process."
        yield Answer(text=f"{text} {way}", confirmed=False)


def _answer(request: Request, outcome: Outcome) -> Answer:
    word = PAST[request.action] if outcome.done else f"{PAST[request.action]} NOT confirmed"
    return Answer(text=f"{outcome.desk} ({outcome.label}): {word}\n{outcome.text}", confirmed=outcome.done)


def send(connection: Path, request: Request, within_s: float) -> Reply | None:
    """Ask a kernel over its control channel; None where it does not answer in time, or is gone."""
    from jupyter_client.blocking.client import BlockingKernelClient

    client = BlockingKernelClient(connection_file=str(connection))
    try:
        client.load_connection_file()
    except OSError:
        return None
    client.start_channels(shell=False, iopub=False, stdin=False, hb=False, control=True)
    try:
        message = client.session.msg(REQUEST, msgspec.to_builtins(request))
        client.control_channel.send(message)
        while True:
            got = client.get_control_msg(timeout=within_s)
            if got["msg_type"] == REPLY and got["parent_header"].get("msg_id") == message["msg_id"]:
                return msgspec.convert(got["content"], Reply)
    except queue.Empty:
        return None
    finally:
        client.stop_channels()
