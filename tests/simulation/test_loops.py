"""Time without waiting: order, stalls and kills are the scheduler's."""

from __future__ import annotations

import asyncio
from random import Random

from contractdesk.clock import NS_PER_S
from tests.simulation.loops import LATEST_S, HostLoop, Scheduler, Timeline


def hosts(*names: str) -> tuple[Timeline, Scheduler, list[HostLoop]]:
    timeline = Timeline()
    scheduler = Scheduler(timeline, Random(1))  # noqa: S311
    loops = [HostLoop(name, timeline, Random(name)) for name in names]  # noqa: S311
    for loop in loops:
        scheduler.add(loop)
    return timeline, scheduler, loops


def test_an_hour_passes_in_no_time_and_in_order() -> None:
    timeline, scheduler, (one, two) = hosts("one", "two")
    seen: list[tuple[str, int]] = []

    async def live(name: str, every_s: float) -> None:
        for _ in range(3):
            await asyncio.sleep(every_s)
            seen.append((name, round(asyncio.get_running_loop().time())))

    one.create_task(live("one", 1000))
    two.create_task(live("two", 700))
    assert not scheduler.run_until(lambda: False, 3600 * NS_PER_S)
    assert seen == [("two", 700), ("one", 1000), ("two", 1400), ("one", 2000), ("two", 2100), ("one", 3000)]
    assert timeline.now_s == 3600


def test_a_timer_is_late_but_never_early() -> None:
    timeline, scheduler, (loop,) = hosts("one")
    fired: list[float] = []
    for number in range(100):
        loop.call_later(number, lambda: fired.append(timeline.now_s))
    scheduler.run_until(lambda: len(fired) == 100, 200 * NS_PER_S)
    assert all(number <= at_s <= number + 2 * LATEST_S for number, at_s in enumerate(fired))


def test_a_stalled_loop_does_nothing_until_it_goes_on_and_a_removed_one_nothing_any_more() -> None:
    timeline, scheduler, (one, two) = hosts("one", "two")
    seen: list[str] = []

    async def live(name: str) -> None:
        while True:
            await asyncio.sleep(0.1)
            seen.append(name)

    for loop in (one, two):
        loop.create_task(live(loop.name))
    one.stalled_until_ns = 5 * NS_PER_S
    scheduler.run_until(lambda: False, 4 * NS_PER_S)
    assert set(seen) == {"two"}
    scheduler.run_until(lambda: False, 6 * NS_PER_S)
    assert set(seen) == {"one", "two"}
    scheduler.remove(two)
    seen.clear()
    scheduler.run_until(lambda: False, 8 * NS_PER_S)
    assert set(seen) == {"one"}
    assert timeline.now_ns == 8 * NS_PER_S


def test_work_for_a_thread_is_done_on_the_loop_and_its_error_is_heard() -> None:
    _, scheduler, (loop,) = hosts("one")

    async def work() -> tuple[int, str]:
        found = await asyncio.to_thread(int, "7")
        try:
            await asyncio.to_thread(int, "seven")
        except ValueError as error:
            return found, str(error)
        return found, ""

    task = loop.create_task(work())
    scheduler.run_until(task.done, NS_PER_S)
    assert task.result()[0] == 7
    assert "seven" in task.result()[1]
