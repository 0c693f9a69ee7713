"""The size cap end to end: 3 % of the exchange's own margin balance, met to the lot and to the cent."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest

from contractdesk.domain.intents import Intent
from contractdesk.strategy import intents
from contractdesk.strategy.base import BarView, Context, Strategy
from tests.rules.venue import BTC, ETH, SOL, VENUE, Seat, covered, held, live_stops
from tests.rules.witness import longest_naked_s, most_live

D = Decimal
CENT = D("0.01")
CAP = D("0.03")
LOT = {BTC: D("0.001"), ETH: D("0.001"), SOL: D("0.01")}
OTHERS = {BTC: "0.002", ETH: "0.007", SOL: "0.04"}  # above each least notional
STOP = {BTC: (59_000, 61_000), ETH: (2_950, 3_050), SOL: ("147.5", "152.5")}

# A market buy counts at the best ask, 10 ticks above the mark, and the collar of 0.5 %; a market sell at the
# mark, which is worse than the best bid. The equity is that of which the notional is 3 %, to the last digit.
AT_THE_CAP = [
    (BTC, "buy", "0.005", "10050.1675"),  # 0.005 x 60,001.0 x 1.005 = 301.505025 = 3 % of 10,050.1675
    (BTC, "sell", "0.005", "10000"),  # 0.005 x 60,000.0 = 300
    (ETH, "buy", "0.100", "10050.335"),  # 0.1 x 3,000.10 x 1.005 = 301.51005
    (ETH, "sell", "0.100", "10000"),  # 0.1 x 3,000 = 300
    (SOL, "buy", "2.00", "10056.7"),  # 2 x 150.10 x 1.005 = 301.701
    (SOL, "sell", "2.00", "10000"),  # 2 x 150 = 300
]


def enter(seat: Seat, symbol: str, side: str, size: Decimal | str, **more: Any) -> Any:
    """A wish by hand, stopped some 1.7 % away; its receipt."""
    order = seat.desk.buy if side == "buy" else seat.desk.sell
    return order(symbol, size=size, stop=STOP[symbol][side == "sell"], **more)


def signed(side: str, size: Decimal | str) -> Decimal:
    return D(size) if side == "buy" else -D(size)


def worst_share(truth: dict[str, Any], symbol: str) -> Decimal:
    """Position at mark and open entries of its worse direction at their worst, of the margin balance."""
    mark = D(truth["marks"][VENUE[symbol]]["mark_price"])
    sides = {"BUY": D(0), "SELL": D(0)}
    for order in truth["open_orders"]:
        if order["symbol"] == VENUE[symbol] and not order["reduce_only"]:
            left = D(order["quantity"]) - D(order["executed"])
            sides[order["side"]] += left * max(mark, D(order["price"]))
    exposure = abs(held(truth, symbol)) * mark + max(sides.values())
    return exposure / D(truth["balances"]["USDT"]["margin_balance"])


@contextmanager
def sampled(seat: Seat) -> Iterator[list[dict[str, Any]]]:
    """Pictures of the exchange, one after the other for as long as the context lasts."""
    pictures, over = [seat.truth()], threading.Event()

    def sample() -> None:
        while not over.wait(0.01):
            pictures.append(seat.truth())

    thread = threading.Thread(target=sample)
    thread.start()
    try:
        yield pictures
    finally:
        over.set()
        thread.join()
        pictures.append(seat.truth())


@pytest.mark.parametrize(("symbol", "side", "size", "equity"), AT_THE_CAP)
def test_to_the_lot(seat: Callable[..., Seat], symbol: str, side: str, size: str, equity: str) -> None:
    at = seat(balance=equity)
    refused = enter(at, symbol, side, D(size) + LOT[symbol]).refused
    assert refused is not None
    assert (refused.rule, refused.would_pass) == ("size_cap", f"size <= {D(size).normalize():f}")
    assert at.creates() == []
    assert enter(at, symbol, side, size).done
    assert at.size(symbol) == signed(side, size)
    assert [row["role"] for row in at.creates()] == ["entry", "stop"]


@pytest.mark.parametrize(("symbol", "side", "size", "equity"), AT_THE_CAP)
def test_to_the_cent(seat: Callable[..., Seat], symbol: str, side: str, size: str, equity: str) -> None:
    at = seat(balance=str(D(equity) - CENT))
    refused = enter(at, symbol, side, size).refused
    assert refused is not None
    assert refused.rule == "size_cap"
    assert (at.creates(), at.size(symbol)) == ([], 0)


@pytest.mark.parametrize(
    ("leverage", "side", "size", "equity"),
    [
        (20, "sell", "0.100", "10000"),  # 0.1 x 60,000 / 20 = 300 of margin
        (5, "sell", "0.025", "10000"),  # 0.025 x 60,000 / 5 = 300
        (20, "buy", "0.100", "10050.1675"),  # 0.1 x 60,001.0 x 1.005 / 20 = 301.505025
    ],
)
def test_by_margin_to_the_lot(
    seat: Callable[..., Seat], leverage: int, side: str, size: str, equity: str
) -> None:
    at = seat(balance=equity, risk={"cap_basis": "margin"})
    at.desk.set_leverage(BTC, leverage)
    refused = enter(at, BTC, side, D(size) + LOT[BTC]).refused
    assert refused is not None
    assert refused.rule == "size_cap"
    assert "of margin" in refused.found
    assert at.creates() == []
    assert enter(at, BTC, side, size).done
    assert at.size(BTC) == signed(side, size)


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_the_equity_of_this_moment_is_what_counts(seat: Callable[..., Seat], side: str) -> None:
    at = seat(balance="20000")
    assert enter(at, ETH, side, "0.050").done  # 150 of 600
    at.transfer("-10000")
    at.desk.wait_for(lambda s: s.wallet_balance < 10_000)
    refused = enter(at, ETH, side, "0.060").refused  # 330 of 300, less the fee
    assert refused is not None
    assert refused.rule == "size_cap"
    assert at.size(ETH) == signed(side, "0.050")
    at.transfer("10000")
    at.desk.wait_for(lambda s: s.wallet_balance > 10_000)
    assert enter(at, ETH, side, "0.060").done
    assert at.size(ETH) == signed(side, "0.110")


# -- signals that repeat ---------------------------------------------------------------------------


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_five_wishes_at_once_are_two(seat: Callable[..., Seat], side: str) -> None:
    """Each rests for 0.045 x 3,000 = 135 of 300, so two fit; all five are asked before one is answered."""
    at = seat()
    enter(at, ETH, side, "1")  # refused; brings the symbol to where it can be traded
    at.venue.fault("delay", ms=700, count=0, match={"role": "entry"})
    verb = at.desk.aio.buy if side == "buy" else at.desk.aio.sell
    stop = STOP[ETH][side == "sell"]

    async def together() -> list[Any]:
        return await asyncio.gather(*(verb(ETH, size="0.045", limit=3_000, stop=stop) for _ in range(5)))

    with sampled(at) as pictures:
        receipts = asyncio.run(together())
        assert (
            sorted(one.refused.rule if one.refused else "" for one in receipts) == ["", ""] + ["size_cap"] * 3
        )
        assert [row["role"] for row in at.creates()] == ["entry"] * 2
        at.venue.forgive()
        at.other("SELL" if side == "buy" else "BUY", ETH, "0.070")  # fills one of them and half of the next
        truth = at.until(lambda now: sum(D(row["quantity"]) for row in live_stops(now, ETH)) == D("0.070"))
        assert held(truth, ETH) == signed(side, "0.070")
        assert enter(at, ETH, side, "0.011").refused.rule == "size_cap"  # 0.09 + 0.011 = 0.101 x 3,000 = 303
        assert at.size(ETH) == signed(side, "0.070")
    assert len(pictures) >= 5
    assert max(worst_share(one, ETH) for one in pictures) <= CAP
    assert max(worst_share(one, ETH) for one in pictures) > D("0.026")  # 0.09 x 3,000 = 270


class Insatiable(Strategy):
    """Wishes for more at every bar, on ``side``: as much as the cap lets it, and a limit of the same."""

    side = "buy"

    def on_bar(self, bar: BarView, ctx: Context) -> list[Intent]:
        enter = intents.enter_long if self.side == "buy" else intents.enter_short
        away = 0.98 if self.side == "buy" else 1.02
        stop = intents.fixed_stop(round(bar.close * away, 1))
        wishes = [enter(bar.symbol, stop=stop), enter(bar.symbol, stop=stop, limit=bar.close, notional=120)]
        self.state["bars"] = self.state.get("bars", 0) + 1
        return wishes


class Bearish(Insatiable):
    """The same, short."""

    side = "sell"


@pytest.mark.parametrize(("kind", "sign"), [(Insatiable, 1), (Bearish, -1)])
def test_a_strategy_that_wishes_at_every_bar_does_not_pyramid(
    seat: Callable[..., Seat], kind: type[Insatiable], sign: int
) -> None:
    at = seat(balance="10010")  # what opening costs makes 3 % of it less: 300.30, then 300.27
    with sampled(at) as pictures:
        for symbol in LOT:
            at.other("BUY", symbol, OTHERS[symbol])  # bars begin with a trade
        at.desk.start(kind([BTC, ETH, SOL], "1s"), name="insatiable")
        at.desk.wait_for(lambda s: len(s.refusals) >= 18 and len(s.fills) >= 3, 40)
        at.until(lambda now: all(held(now, symbol) * sign > 0 for symbol in (BTC, ETH, SOL)))
        at.desk.stop("insatiable")
    for symbol in (BTC, ETH, SOL):
        shares = [worst_share(one, symbol) for one in pictures]
        assert D("0.023") < max(shares) <= CAP  # BTC in lots of 60: 0.004 of it are 240 of 300
        assert all(held(one, symbol) * sign >= 0 for one in pictures)
    truth = at.until(lambda now: all(covered(now, symbol) for symbol in LOT))
    for symbol in LOT:
        assert longest_naked_s(truth, symbol) < 3
        assert most_live(truth, symbol) <= 2
