"""Two ways to call a verb: blocking from any cell, or awaited on the cell's own loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from functools import update_wrapper
from typing import Any, Concatenate, ParamSpec, Protocol, TypeVar

from contractdesk.console.receipts import Receipt, cell, say
from contractdesk.desk.session import Session
from contractdesk.errors import UserError

P = ParamSpec("P")
T = TypeVar("T")
V = TypeVar("V")
LONGEST_S = 30.0  # every verb bounds itself well below this


class Caller(Protocol):
    """What holds a session: a Desk, or its awaitable face."""

    _session: Session


def start(session: Session, work: Coroutine[Any, Any, T]) -> Future[T]:
    """Hand a coroutine to the desk's loop; UserError where the desk is closed."""
    if not session.alive:
        work.close()
        raise UserError("this desk is closed; open it again with open_desk()")
    return session.thread.submit(work)


def begun(session: Session, work: Coroutine[Any, Any, T]) -> Future[T]:
    """As ``start``, for one of several desks: one that is closed keeps no other one from what is asked."""
    try:
        return start(session, work)
    except UserError as error:
        refused: Future[T] = Future()
        refused.set_exception(error)
        return refused


def run(session: Session, work: Coroutine[Any, Any, T], verb: str, timeout_s: float = LONGEST_S) -> T:
    """Wait for a coroutine on the desk's loop. An interrupt leaves it running, and says so."""
    if session.thread.current:
        work.close()
        raise UserError(f"{verb}() would wait for its own thread; use `await desk.aio.{verb}()` there")
    future = start(session, work)
    try:
        return future.result(timeout_s)
    except KeyboardInterrupt:
        say(f"interrupted: {verb}() goes on in the background; desk.orders and desk.positions show it")
        raise
    except TimeoutError:
        if future.done():
            raise  # the verb's own
        raise TimeoutError(
            f"{verb}() has not ended within {timeout_s:.0f} s; it goes on in the background"
        ) from None


def blocking(
    side: str, verb: Callable[Concatenate[V, P], Coroutine[Any, Any, T]]
) -> Callable[Concatenate[Any, P], T]:
    """The verb as a method of ``Desk``: waits, then says what was done."""

    def method(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> T:
        result = run(self._session, verb(getattr(self, side), *args, **kwargs), verb.__name__)
        return announced(result)

    update_wrapper(method, verb)
    return method


def awaitable(
    side: str, verb: Callable[Concatenate[V, P], Coroutine[Any, Any, T]]
) -> Callable[Concatenate[Any, P], Awaitable[T]]:
    """The verb as a method of ``desk.aio``: starts at once, and can be awaited on any loop."""

    def method(self: Any, /, *args: P.args, **kwargs: P.kwargs) -> Awaitable[T]:
        return asyncio.wrap_future(start(self._session, verb(getattr(self, side), *args, **kwargs)))

    update_wrapper(method, verb)
    return method


def announced(result: T) -> T:
    """Say what a receipt holds."""
    if isinstance(result, Receipt):
        say(result.text)
        result.said_in = cell()
    return result
