"""The trailing stop end to end: the exchange's stops follow its marks by its own bars, and never leave."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import talib

import contractdesk as cd
from contractdesk.desk import embedded
from tests.rules.still import OPENING
from tests.rules.venue import BTC, ETH, NS_PER_S, SOL, VENUE, Seat, covered, held, live_stops
from tests.rules.witness import longest_naked_s, moments, most_live, naked_between

D = Decimal
MULTIPLE = D("2.5")
STEP = D("0.1")  # ATRs: less is not worth a request
TICK = {BTC: D("0.1"), ETH: D("0.01"), SOL: D("0.01")}
SIZE = {BTC: "0.004", ETH: "0.08", SOL: "1.6"}  # 240 USDT
ADDED = {BTC: "0.002", ETH: "0.01", SOL: "0.2"}
OPENING_ATR = {BTC: D(60), ETH: D(3), SOL: D("0.14")}  # of the history: every bar spans 0.1 % (SOL: 14 ticks)
WALK = ("0.2", "1", "0.5", "1.05", "2.1", "0.5", "3.3333")  # ATRs in favour of the position, from the opening
SIDES = [("buy", 1), ("sell", -1)]
MIN_NS = 60 * NS_PER_S


class Walk:
    """A trail as it has to be, by the marks that the test has asked for and the exchange's klines."""

    def __init__(self, at: Seat, symbol: str, sign: int) -> None:
        self.at, self.symbol, self.sign = at, symbol, sign
        self.marks: list[tuple[int, Decimal]] = [(0, OPENING[VENUE[symbol]])]

    def atr(self, ns: int) -> Decimal:
        """TA-Lib's, of the minutes that the exchange had closed by then."""
        path = f"/fapi/v1/klines?symbol={VENUE[self.symbol]}&interval=1m&limit=100"
        rows = json.loads(embedded.get(self.at.venue.address, path))
        bars = [row for row in rows if row[0] * 1_000_000 + MIN_NS <= ns]
        high, low, close = (np.array([float(bar[column]) for bar in bars]) for column in (2, 3, 4))
        return D(repr(float(talib.ATR(high, low, close, 14)[-1])))

    def best(self, ns: int) -> Decimal:
        seen = [mark for printed, mark in self.marks if printed <= ns]
        return max(seen) if self.sign > 0 else min(seen)

    def level(self, best: Decimal, atr: Decimal) -> Decimal:
        """2.5 ATR behind the best mark, on the tick away from it."""
        tick, away = TICK[self.symbol], ROUND_FLOOR if self.sign > 0 else ROUND_CEILING
        return ((best - self.sign * MULTIPLE * atr) / tick).to_integral_value(away) * tick

    def go(self, atrs: str) -> None:
        """Move the mark by so many ATRs from the opening, in favour of the position."""
        tick = TICK[self.symbol]
        away = (D(atrs) * OPENING_ATR[self.symbol] / tick).to_integral_value() * tick
        asked_ns = self.at.truth()["now_ns"]  # it is printed after this, and again and again
        mark = OPENING[VENUE[self.symbol]] + self.sign * away
        self.at.venue.move(**{VENUE[self.symbol]: mark})
        self.marks.append((asked_ns, mark))
        self.at.desk.wait_for(lambda s: s.symbols[self.symbol].mark == mark, 10)

    def followed(self, before: Decimal) -> dict[str, Any]:
        """Wait until one stop stands over all that is held, where it has to be after ``before``."""

        def there(now: dict[str, Any]) -> bool:
            if not covered(now, self.symbol):
                return False
            stop, ns = D(live_stops(now, self.symbol)[0]["trigger_price"]), now["now_ns"]
            # A bar may have closed since it was moved, and a stop never loosens.
            return stop in {self.wanted(before, ns, atr) for atr in (self.atr(ns), self.atr(ns - MIN_NS))}

        return self.at.until(there)

    def wanted(self, before: Decimal, ns: int, atr: Decimal) -> Decimal:
        level = self.level(self.best(ns), atr)
        gained = self.sign * (level - before)
        return level if gained > 0 and gained >= STEP * atr else before

    def judge(self, truth: dict[str, Any]) -> list[Decimal]:
        """Every stop that ever stood was where it had to be, and the triggers only ever tighten."""
        rows = [row for row in truth["algo_orders"] if row["symbol"] == VENUE[self.symbol]]
        triggers = [D(row["trigger_price"]) for row in rows]
        assert all(self.sign * (after - before) >= 0 for before, after in pairwise(triggers))
        for row, trigger in list(zip(rows, triggers, strict=True))[1:]:
            ns = row["created_ns"]
            atrs = {self.atr(ns), self.atr(ns - 2 * NS_PER_S)}  # a bar may have closed just then
            assert trigger in {self.level(self.best(ns), atr) for atr in atrs} | set(triggers[:1]), trigger
        return triggers


def opened(at: Seat, symbol: str, side: str) -> Decimal:
    """A position of 240 USDT whose stop follows; where it stands."""
    order = at.desk.buy if side == "buy" else at.desk.sell
    assert order(symbol, size=SIZE[symbol], stop=cd.atr_stop(14, 2.5)).done
    (stop,) = live_stops(at.until(lambda now: covered(now, symbol)), symbol)
    return D(stop["trigger_price"])


def trigger(truth: dict[str, Any], symbol: str) -> Decimal:
    (stop,) = live_stops(truth, symbol)
    return D(stop["trigger_price"])


@pytest.mark.parametrize("symbol", [BTC, ETH, SOL])
@pytest.mark.parametrize(("side", "sign"), SIDES)
def test_it_follows_the_best_mark_and_closes_there(
    seat: Callable[..., Seat], symbol: str, side: str, sign: int
) -> None:
    at = seat()
    walk = Walk(at, symbol, sign)
    stop = opened(at, symbol, side)
    for atrs in WALK:
        walk.go(atrs)
        stop = trigger(walk.followed(stop), symbol)
    triggers = walk.judge(at.truth())
    assert len(set(triggers)) >= 4
    at.venue.move(**{VENUE[symbol]: stop})
    truth = at.until(lambda now: not held(now, symbol))
    assert naked_between(truth, symbol) == []
    assert most_live(truth, symbol) <= 2
    assert truth["algo_orders"][-1]["status"] == "FINISHED"


@pytest.mark.parametrize("signs", [(1, -1, 1), (-1, 1, -1)])
def test_three_at_once_follow_each_its_own_market(seat: Callable[..., Seat], signs: tuple[int, ...]) -> None:
    """Two of them go in favour of their positions, one against, in turn."""
    at = seat()
    walks = [Walk(at, symbol, sign) for symbol, sign in zip((BTC, ETH, SOL), signs, strict=True)]
    stops = [opened(at, walk.symbol, "buy" if walk.sign > 0 else "sell") for walk in walks]
    for way in (("1", "1.5", "-0.5"), ("2", "0.5", "1"), ("1.5", "2.5", "2")):
        for walk, atrs in zip(walks, way, strict=True):
            walk.go(atrs)
        stops = [trigger(walk.followed(stop), walk.symbol) for walk, stop in zip(walks, stops, strict=True)]
    truth = at.truth()
    for walk, stop in zip(walks, stops, strict=True):
        assert len(set(walk.judge(truth))) >= 3
        assert trigger(truth, walk.symbol) == stop
        assert naked_between(truth, walk.symbol) == []
        assert most_live(truth, walk.symbol) <= 2


@pytest.mark.parametrize(("side", "sign"), SIDES)
@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "answer", "status": 503, "msg": "Service Unavailable", "count": 2},
        {"kind": "answer", "status": 400, "code": -1000, "msg": "an unknown error", "count": 1},
        {"kind": "drop_request", "when": "before", "count": 1},
        {"kind": "drop_request", "when": "after", "count": 1},
    ],
)
def test_the_cancel_of_the_old_stop_fails(
    seat: Callable[..., Seat], side: str, sign: int, fault: dict[str, Any]
) -> None:
    at = seat()
    walk = Walk(at, ETH, sign)
    stop = opened(at, ETH, side)
    at.venue.fault(**fault, match={"method": "DELETE", "path": "/fapi/v1/algoOrder"})
    for atrs in ("1", "2"):
        walk.go(atrs)
        stop = trigger(walk.followed(stop), ETH)
    (row,) = at.venue.get("fault")
    assert row["injected"] == fault["count"]
    truth = at.truth()
    walk.judge(truth)
    assert naked_between(truth, ETH) == []
    assert most_live(truth, ETH) <= 2


@pytest.mark.parametrize("symbol", [BTC, ETH, SOL])
@pytest.mark.parametrize(("side", "sign"), SIDES)
def test_an_add_fills_while_the_stop_is_being_moved(
    seat: Callable[..., Seat], symbol: str, side: str, sign: int
) -> None:
    """The new stop is 300 ms under way when the add fills: what was held before stays covered throughout."""
    at = seat(risk={"size_cap": "0.1"})
    walk = Walk(at, symbol, sign)
    stop = opened(at, symbol, side)
    at.venue.fault("delay", ms=300, when="before", match={"role": "stop"})
    walk.go("1")  # the best mark; an add at the far side of the spread takes at once
    at.until(lambda _: any(row["fault"] for row in at.requests()))
    order = at.desk.buy if side == "buy" else at.desk.sell
    far = walk.marks[-1][1] * (1 - sign * D("0.02"))
    fixed = (far / TICK[symbol]).to_integral_value() * TICK[symbol]
    assert order(symbol, size=ADDED[symbol], stop=fixed).done  # looser than the one that stands: it counts
    total = D(SIZE[symbol]) + D(ADDED[symbol])
    truth = at.until(lambda now: abs(held(now, symbol)) == total and covered(now, symbol))
    assert sign * (trigger(truth, symbol) - stop) > 0
    truth = walk.followed(stop)
    assert all(moment.naked <= D(ADDED[symbol]) for moment in list(moments(truth, symbol))[2:])
    assert longest_naked_s(truth, symbol) < 3
    assert most_live(truth, symbol) <= 2
    walk.judge(truth)
