"""The bot's thread: contexts do not leak, the switch interval comes back, an end ends everything."""

from __future__ import annotations

import asyncio
import contextvars
import sys
import threading

import pytest

from contractdesk.desk.thread import SWITCH_INTERVAL_S, LoopThread

CELL: contextvars.ContextVar[str] = contextvars.ContextVar("CELL", default="none")


async def cell() -> str:
    return CELL.get()


def test_a_task_does_not_inherit_the_context_of_the_cell_that_started_it() -> None:
    thread = LoopThread("test")
    thread.start()
    try:
        token = CELL.set("cell 7")
        assert thread.submit(cell()).result(5) == "none"
        CELL.reset(token)
    finally:
        thread.stop()


def test_the_switch_interval_is_short_while_any_desk_runs_and_then_as_before() -> None:
    before = sys.getswitchinterval()
    first, second = LoopThread("first"), LoopThread("second")
    first.start()
    second.start()
    first.stop()
    assert sys.getswitchinterval() == pytest.approx(SWITCH_INTERVAL_S)
    second.stop()
    assert sys.getswitchinterval() == pytest.approx(before)


def test_stopping_cancels_tasks_tells_those_who_wait_and_ends_the_thread() -> None:
    thread = LoopThread("ending")
    thread.start()
    forever = thread.submit(asyncio.sleep(3600))
    thread.stop()
    with pytest.raises(RuntimeError, match="closed"):
        forever.result(5)
    assert not thread.alive
    assert "ending" not in {running.name for running in threading.enumerate()}
    with pytest.raises(RuntimeError, match="ended"):
        thread.submit(cell()).result(5)


def test_whoever_asks_while_the_loop_ends_is_told_so() -> None:
    """It has looked for the last time at what is to be done, and is not closed yet."""
    thread = LoopThread("closing")
    stopped, ending, asked = threading.Event(), threading.Event(), threading.Event()

    def last() -> None:
        ending.set()
        asked.wait(5)

    thread.start()
    thread.call(stopped.wait, 5)
    thread.stop(timeout_s=0)
    thread.call(last)  # in the loop's last round, beside the stop
    stopped.set()
    assert ending.wait(5)
    late = thread.submit(asyncio.sleep(3600))
    asked.set()
    with pytest.raises(RuntimeError, match="closed"):
        late.result(5)


def test_an_error_of_a_coroutine_reaches_the_caller() -> None:
    async def fails() -> None:
        raise ValueError("no")

    thread = LoopThread("errors")
    thread.start()
    try:
        with pytest.raises(ValueError, match="no"):
            thread.submit(fails()).result(5)
    finally:
        thread.stop()
