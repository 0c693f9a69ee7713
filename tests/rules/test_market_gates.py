"""Open interest and funding end to end, to the unit: three symbols, long and short, each for itself."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from contractdesk.domain.intents import Gauge
from tests.rules.venue import BTC, ETH, SOL, VENUE, Seat, covered, held

D = Decimal
SIZE = {BTC: "0.004", ETH: "0.08", SOL: "1.6"}  # 240 USDT
STOP = {BTC: (59_000, 61_000), ETH: (2_950, 3_050), SOL: ("147.5", "152.5")}
NEXT = {BTC: ETH, ETH: SOL, SOL: BTC}
SIDES = {"buy": 1, "sell": -1}

# 5 % below what the exchange opens with: 84,000, 1,900,000 and 9,000,000; and a lot less.
INTEREST = [
    (BTC, "79800", "79799.999"),
    (ETH, "1805000", "1804999.999"),
    (SOL, "8550000", "8549999.99"),
]


def enter(at: Seat, symbol: str, side: str) -> Any:
    order = at.desk.buy if side == "buy" else at.desk.sell
    return order(symbol, size=SIZE[symbol], stop=STOP[symbol][side == "sell"])


def passes(at: Seat, symbol: str, side: str) -> None:
    """It is filled at the exchange, and closed again."""
    assert enter(at, symbol, side).done
    truth = at.until(lambda now: covered(now, symbol))
    assert held(truth, symbol) == SIDES[side] * D(SIZE[symbol])
    assert at.desk.close_position(symbol).done
    assert at.size(symbol) == 0


def refuses(at: Seat, symbol: str, side: str) -> Any:
    """Nothing has reached the exchange; the refusal."""
    sent = len(at.creates())
    refused = enter(at, symbol, side).refused
    assert refused is not None
    assert (len(at.creates()), at.size(symbol)) == (sent, 0)
    return refused


def gauge(at: Seat, rule: str) -> Gauge:
    return next(row for row in at.desk.snapshot.risk if row.rule == rule)


# -- open interest ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("symbol", "least", "less"), INTEREST)
def test_open_interest_to_the_lot(seat: Callable[..., Seat], symbol: str, least: str, less: str) -> None:
    at = seat()
    passes(at, NEXT[symbol], "buy")
    at.venue.post("open_interest", {"symbol": VENUE[symbol], "amount": less})
    for side in SIDES:
        refused = refuses(at, symbol, side)
        assert (refused.rule, refused.limit) == (
            "open_interest", "at most 5 % below the highest of 3600 s",
        )  # fmt: skip
        assert refused.would_pass.startswith(f">= {least} ")
        passes(at, NEXT[symbol], side)
    at.venue.post("open_interest", {"symbol": VENUE[symbol], "amount": least})
    at.desk.wait_for(lambda _: gauge(at, "open_interest").passed, 20)
    for side in SIDES:
        passes(at, symbol, side)


# -- funding ---------------------------------------------------------------------------------------

LIMIT, UNIT = D("0.0005"), D("0.00000001")  # 0.05 % in 8 hours, and the smallest step of a rate
EVERY_H = [(BTC, 8), (ETH, 4), (SOL, 1)]
JITTER_MS = (3, -2, 0, 9, 1, 7, -1, 2, 5)
MS_PER_HOUR = 3_600_000


def recall(at: Seat, symbol: str, hours: int) -> None:
    """Settlements each so many hours, of 0.05 % in all; before them one of 1 % that is 8 h old and more."""
    now_ms, count = at.truth()["now_ns"] // 1_000_000, 8 // hours
    ages = [
        hours // 2 * MS_PER_HOUR + MS_PER_HOUR // 2 + place * hours * MS_PER_HOUR for place in range(count)
    ]
    rows = [[now_ms - age + jitter, str(LIMIT / count)] for age, jitter in zip(ages, JITTER_MS, strict=False)]
    before = [now_ms - ages[-1] - hours * MS_PER_HOUR, "0.01"]
    assert now_ms - before[0] > 8 * MS_PER_HOUR > ages[-1]
    at.venue.post("past_funding", {"symbol": VENUE[symbol], "rates": [before, *reversed(rows)]})


def fund(at: Seat, symbol: str, rate: Decimal, total: Decimal) -> None:
    """Settle now, and wait until the desk knows ``total`` of the last 8 hours."""
    at.venue.post("fund", {"symbol": VENUE[symbol], "rate": str(rate)})
    words = f"{(total * 100).normalize():+f} % in"
    at.desk.wait_for(lambda _: words in gauge(at, "funding_gate").found, 20)


@pytest.mark.parametrize(("symbol", "hours"), EVERY_H)
def test_funding_to_the_last_digit(seat: Callable[..., Seat], symbol: str, hours: int) -> None:
    at = seat()
    recall(at, symbol, hours)
    for side in SIDES:
        passes(at, symbol, side)
    fund(at, symbol, UNIT, LIMIT + UNIT)
    refused = refuses(at, symbol, "buy")
    assert (refused.rule, refused.limit) == ("funding_gate", "<= +0.05 % in 8 h for longs")
    assert refused.found == f"+0.050001 % in {8 // hours + 1} settlements"
    passes(at, symbol, "sell")
    passes(at, NEXT[symbol], "buy")

    fund(at, symbol, -2 * LIMIT - UNIT, -LIMIT)
    at.desk.risk.tune(funding_gate_shorts=True)
    for side in SIDES:
        passes(at, symbol, side)
    fund(at, symbol, -UNIT, -LIMIT - UNIT)
    refused = refuses(at, symbol, "sell")
    assert (refused.rule, refused.limit) == ("funding_gate", ">= -0.05 % in 8 h for shorts")
    passes(at, symbol, "buy")
    at.desk.risk.tune(funding_gate_shorts=False)
    passes(at, symbol, "sell")
