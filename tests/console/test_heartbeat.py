"""What is told of the desks to the outside: what they are, when, and that nothing ends it but their end."""

from __future__ import annotations

import math
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from contractdesk.clock import NS_PER_MS, ManualClock
from contractdesk.console.desk import Desk
from contractdesk.console.heartbeat import Heartbeat, state_of
from contractdesk.console.opening import open_desk
from contractdesk.domain.views import TradingState
from tests.console.loopback import BTC
from tests.e2e.synthetic import Market

WITHIN_S = 60.0


class Heard:
    """What was sent, waited for by content."""

    def __init__(self) -> None:
        self.contents: list[dict[str, Any]] = []
        self.failing = 0
        self._news = threading.Condition()

    def __call__(self, content: dict[str, Any]) -> None:
        with self._news:
            if self.failing:
                self.failing -= 1
                raise OSError("the socket is gone")
            self.contents.append(content)
            self._news.notify_all()

    def wait(self, count: int) -> None:
        with self._news:
            assert self._news.wait_for(lambda: len(self.contents) >= count, WITHIN_S)


@pytest.fixture
def heard() -> Heard:
    return Heard()


def test_a_beat_says_what_the_desk_is_and_holds(desk: Desk, heard: Heard) -> None:
    desk.buy(BTC, notional=150, stop=desk.book(BTC).best_bid * 95 / 100)
    held = desk.wait_for(
        lambda s: s.positions and s.positions[0].size and s.protected_fraction == 1 and s.margin_ratio
    )
    Heartbeat(lambda: [desk], heard, ManualClock()).step()
    ((told,),) = [content["desks"] for content in heard.contents]
    assert (told["name"], told["label"], told["venue"]) == ("test", "EMBEDDED", "embedded")
    assert (told["state"], told["breaker"], told["asset"]) == ("ACTIVE", "", "USDT")
    assert abs(Decimal(told["equity"]) - held.equity) < 50
    assert told["holding"]
    assert told["protected_fraction"] == 1.0
    assert told["naked_s"] == 0.0
    assert 0 < told["margin_ratio"] < 0.05
    assert told["private_stream_ready"]
    assert told["feed_age_ms"] >= 0


def test_the_feeds_age_is_of_what_is_watched_and_always_a_number_or_null() -> None:
    snapshot = Market().step()
    ((symbol, view),) = snapshot.symbols.items()
    ages = []
    for watched in (False, True):
        other = replace(view, feed_age_ms=math.inf, watched=watched)
        both = replace(snapshot, symbols={symbol: view, "ETH/USDT:USDT": other})
        ages.append(state_of("test", "EMBEDDED", "embedded", both, 0.0).feed_age_ms)
    assert ages == [view.feed_age_ms, None]


def test_it_is_told_once_a_second_and_at_once_when_the_state_changes(desk: Desk, heard: Heard) -> None:
    clock = ManualClock()
    heartbeat = Heartbeat(lambda: [desk], heard, clock)
    for _ in range(25):
        assert heartbeat.step()
        clock.advance(100 * NS_PER_MS)
    assert [content["sequence"] for content in heard.contents] == [1, 2, 3]
    desk.halt()
    heartbeat.step()
    assert [content["desks"][0]["state"] for content in heard.contents] == ["ACTIVE"] * 3 + ["HALTED"]
    desk.resume()
    desk.wait_for(lambda s: s.state is TradingState.ACTIVE)


def test_a_desk_that_makes_no_new_picture_is_silent(home: Path, heard: Heard) -> None:
    ended = open_desk("embedded", name="ended", seed=3, idle_limit_s=20)
    ended.close()  # its last picture stays
    clock = ManualClock()
    heartbeat = Heartbeat(lambda: [ended], heard, clock)
    for _ in range(5):
        heartbeat.step()
        clock.advance(1_000 * NS_PER_MS)
    assert [content["desks"][0]["silent_ms"] for content in heard.contents] == [0, 1_000, 2_000, 3_000, 4_000]


def test_it_ends_with_the_last_desk_and_begins_again_with_the_next(desk: Desk, heard: Heard) -> None:
    desks = [desk]
    heartbeat = Heartbeat(lambda: desks, heard)
    for _ in range(2):
        desks[:] = [desk]
        before = len(heard.contents)
        heartbeat.begin()
        heartbeat.begin()
        heard.wait(before + 2)
        (thread,) = [t for t in threading.enumerate() if t.name == "contractdesk-heartbeat"]
        desks.clear()
        thread.join(WITHIN_S)
        assert not heartbeat.running
        assert heard.contents[-1]["desks"] == ()
        assert all(content["desks"] for content in heard.contents[before:-1])


def test_what_cannot_be_sent_ends_nothing(
    desk: Desk, heard: Heard, capfd: pytest.CaptureFixture[str]
) -> None:
    desks = [desk]
    heard.failing = 1
    heartbeat = Heartbeat(lambda: desks, heard)
    heartbeat.begin()
    heard.wait(1)
    assert not heard.failing
    desks.clear()
    heard.wait(2)
    assert capfd.readouterr() == ("", "")  # a notebook's cell hears nothing of it
