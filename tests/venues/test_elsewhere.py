"""Changes of leverage and modes that were not our own are told, once."""

from __future__ import annotations

from decimal import Decimal

from contractdesk.domain.account import MarginMode, PositionMode
from contractdesk.domain.events import ModesRead
from contractdesk.venues.elsewhere import HEDGED, Elsewhere

BTC, ETH = "BTC/USDT:USDT", "ETH/USDT:USDT"
TEN, FIVE = Decimal(10), Decimal(5)


def read(
    leverage: Decimal = TEN,
    mode: MarginMode = MarginMode.CROSS,
    position: PositionMode = PositionMode.ONE_WAY,
) -> ModesRead:
    return ModesRead(ts_ns=1, position_mode=position, margin_modes={BTC: mode}, leverages={BTC: leverage})


def test_what_is_read_first_is_no_news_and_a_change_is_told_once() -> None:
    known = Elsewhere()
    assert known.modes(read(), {BTC}) == []
    assert known.modes(read(FIVE), {BTC}) == [f"the leverage of {BTC} was changed elsewhere from 10 to 5"]
    assert known.modes(read(FIVE), {BTC}) == []
    assert known.leverage(BTC, TEN)


def test_what_we_have_set_ourselves_is_no_news() -> None:
    known = Elsewhere()
    known.modes(read(), {BTC})
    known.set_leverage(BTC, FIVE)
    known.set_margin_mode(BTC, MarginMode.ISOLATED)
    assert known.modes(read(FIVE, MarginMode.ISOLATED), {BTC}) == []
    assert known.leverage(BTC, FIVE) == ""


def test_symbols_that_nobody_here_watches_may_be_changed() -> None:
    known = Elsewhere()
    known.modes(read(), {ETH})
    assert known.modes(read(FIVE), {ETH}) == []
    assert known.modes(read(FIVE, MarginMode.ISOLATED), {BTC}) == [
        f"the margin mode of {BTC} was changed elsewhere to isolated"
    ]


def test_hedge_mode_is_told_for_as_long_as_it_lasts() -> None:
    known = Elsewhere()
    assert known.modes(read(position=PositionMode.HEDGE), {BTC}) == [HEDGED]
    assert known.modes(read(position=PositionMode.HEDGE), {BTC}) == [HEDGED]
