"""The venue of a recorded session: it hears marks, and knows the book that was shown."""

from __future__ import annotations

from msgspec.structs import replace

from contractdesk.domain.events import OrderFilled, OrderRejected
from contractdesk.replay.models import FixedSlippage
from tests.domain.terms import LINEAR
from tests.replay.venue import BUY, SELL, D, Venue

LAST = 600_000


def broken(*, on_marks: bool = True) -> Venue:
    """1 BTC long with 3,000 USDT, and 4,000 of them lost by a trade."""
    other = replace(LINEAR, symbol="ETH/USDT:USDT")
    venue = Venue(LINEAR, other, balance="3000", leverage="50", on_marks=on_marks, slippage=FixedSlippage(0))
    venue.trade(LAST)
    venue.enter(BUY, 1000)
    venue.trade(LAST)
    venue.stop(SELL, 1000, 550_000)
    venue.trade(560_000)
    return venue


def test_a_broke_account_is_closed_at_the_next_mark_of_any_contract() -> None:
    for place in (0, 1):
        venue = broken()
        if place:
            venue.trade(30_000, place=1)
        assert venue.lots == 1000
        venue.mark(560_000 if not place else 30_000, place)
        assert venue.lots == 0
        assert venue.all(OrderFilled)[-1].fill.client_id.startswith("autoclose-")
        venue.enter(BUY, 1)
        assert venue.all(OrderRejected)[-1].message == "Margin is insufficient."


def test_funding_may_be_the_end() -> None:
    venue = broken()
    venue.matching.on_funding(0, D("0.0001"), venue.now_ns)
    assert venue.lots == 0


def test_where_no_marks_are_told_only_a_trade_ends_it() -> None:
    """The law of the horizon run: at marks and settlements nothing happens that it does not see coming."""
    venue = broken(on_marks=False)
    held = venue.lots
    venue.mark(560_000)
    venue.matching.on_funding(0, D("0.0001"), venue.now_ns)
    assert venue.lots == held
