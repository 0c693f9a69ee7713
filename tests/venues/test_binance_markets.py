"""exchangeInfo to instruments: a golden row, and a real listing."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from contractdesk.errors import VenueProtocolError
from contractdesk.venues.binance import rows
from contractdesk.venues.binance.markets import read_instruments

D = Decimal
ROW: dict[str, Any] = {
    "symbol": "BTCUSDT", "pair": "BTCUSDT", "contractType": "PERPETUAL", "status": "TRADING",
    "maintMarginPercent": "2.5000", "requiredMarginPercent": "5.0000", "baseAsset": "BTC",
    "quoteAsset": "USDT", "marginAsset": "USDT", "underlyingType": "COIN",
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "556.80", "maxPrice": "4529764", "tickSize": "0.10"},
        {"filterType": "LOT_SIZE", "stepSize": "0.001", "maxQty": "1000", "minQty": "0.001"},
        {"filterType": "MARKET_LOT_SIZE", "stepSize": "0.001", "maxQty": "120", "minQty": "0.001"},
        {"filterType": "MAX_NUM_ORDERS", "limit": 200},
        {"filterType": "MIN_NOTIONAL", "notional": "100"},
        {"filterType": "POSITION_RISK_CONTROL", "positionControlSide": "NONE"},
    ],
}  # fmt: skip


def unified(row: Any) -> str:
    return f"{row['baseAsset']}/{row['quoteAsset']}:{row['marginAsset']}"


def body(*listed: dict[str, Any]) -> bytes:
    return json.dumps({"timezone": "UTC", "symbols": listed}).encode()


def test_a_golden_row_with_its_tiers() -> None:
    tier = rows.Bracket(
        initial_leverage=D(125),
        notional_cap=D(300_000),
        notional_floor=D(0),
        maint_margin_ratio=D("0.004"),
        cum=D(0),
    )
    brackets = {"BTCUSDT": rows.BracketRow("BTCUSDT", [tier])}
    (instrument,) = read_instruments(body(ROW), brackets, unified).values()
    assert instrument.symbol == "BTC/USDT:USDT"
    assert (instrument.tick_size, instrument.lot_size) == (D("0.10"), D("0.001"))
    assert (instrument.max_size, instrument.max_market_size) == (D(1000), D(120))
    assert instrument.min_notional == D(100)
    assert instrument.tiers[0].maintenance_rate == D("0.004")


def test_without_brackets_the_tier_is_careful() -> None:
    (instrument,) = read_instruments(body(ROW), {}, unified).values()
    (tier,) = instrument.tiers
    assert (tier.max_leverage, tier.maintenance_rate) == (D(20), D("0.025"))


def test_what_does_not_trade_is_not_listed() -> None:
    assert read_instruments(body(ROW | {"status": "SETTLING"}), {}, unified) == {}


def test_what_has_stopped_trading_stays_listed_while_it_is_held() -> None:
    found = read_instruments(body(ROW | {"status": "SETTLING"}), {}, unified, {"BTCUSDT"})
    assert [each.venue_symbol for each in found.values()] == ["BTCUSDT"]


@pytest.mark.parametrize("broken", [b"x", body({"symbol": "X"}), body(ROW | {"filters": []})])
def test_what_is_not_understood_is_refused(broken: bytes) -> None:
    with pytest.raises(VenueProtocolError):
        read_instruments(broken, {}, unified)


@pytest.mark.recording
def test_a_real_listing_is_read_to_the_last_row(recordings: Path) -> None:
    (path,) = (recordings / "markets" / "binance").glob("*fapi*")
    found = read_instruments(path.read_bytes(), {}, lambda row: str(row["symbol"]))  # type: ignore[index]
    assert len(found) > 80
    assert found["BTCUSDT"].tick_size > 0
