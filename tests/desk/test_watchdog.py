"""A callback that does not return is ended; one that does, in time or just in time, is left alone."""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Iterator

import pytest

from contractdesk.clock import SystemClock
from contractdesk.desk.watchdog import LOOK_S, Watchdog
from contractdesk.errors import CallbackOverrun

LIMIT_S = 0.2


@pytest.fixture
def watchdog() -> Iterator[Watchdog]:
    made = Watchdog(SystemClock(), LIMIT_S)
    made.start()
    yield made
    made.stop()


def forever() -> None:
    while True:
        pass


def stubborn() -> None:
    """Catches whatever is an exception, and goes on; what ends it is none."""
    swallowed: list[Exception] = []
    while True:
        try:
            time.sleep(0.01)
        except Exception as error:
            swallowed.append(error)


@pytest.mark.parametrize("step", [forever, stubborn])
def test_what_does_not_return_is_ended(watchdog: Watchdog, step: object) -> None:
    with pytest.raises(CallbackOverrun, match=f"after {LIMIT_S:g} s"):
        watchdog.run(step)  # type: ignore[arg-type]
    assert watchdog.run(lambda: 5) == 5


def test_it_is_ended_in_whatever_thread_it_runs(watchdog: Watchdog) -> None:
    seen: list[str] = []

    def work() -> None:
        try:
            watchdog.run(forever)
        except CallbackOverrun:
            seen.append(threading.current_thread().name)

    thread = threading.Thread(target=work, name="loop")
    thread.start()
    thread.join(20)
    assert seen == ["loop"]


def test_what_returns_in_time_and_what_fails_is_left_alone(watchdog: Watchdog) -> None:
    assert watchdog.run(lambda: "done") == "done"
    with pytest.raises(ZeroDivisionError):
        watchdog.run(lambda: 1 / 0)
    time.sleep(LIMIT_S + 3 * LOOK_S)
    assert watchdog.fired == 0


def test_a_callback_is_not_blamed_for_a_stall_of_the_whole_process() -> None:
    """As where a cell calls into C, which keeps the interpreter to itself."""
    watchdog = Watchdog(SystemClock(), 0.5)
    watchdog.start()

    def stalled() -> str:
        ctypes.PyDLL(None).usleep(900_000)
        until = time.monotonic() + 1.5 * LOOK_S
        while time.monotonic() < until:
            pass
        return "done"

    assert watchdog.run(stalled) == "done"
    watchdog.stop()


def test_just_at_the_limit_it_ends_or_returns_and_nothing_comes_later(watchdog: Watchdog) -> None:
    """Hundreds of steps that end when they are looked at: the code after them is never hit."""
    made = Watchdog(SystemClock(), 0.001)
    made.start()
    ended = returned = 0
    for _ in range(40):
        until = time.monotonic() + LOOK_S

        def step(until: float = until) -> None:
            while time.monotonic() < until:
                pass

        try:
            made.run(step)
            returned += 1
        except CallbackOverrun:
            ended += 1
        for _ in range(2_000):
            pass  # here nothing may be raised
    made.stop()
    assert ended + returned == 40
