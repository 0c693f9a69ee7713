"""COIN-M as the venue reads it: terms, frames as they were recorded, and a session on the exchange.

Recorded are a listing of 2021, a capture of 2024 (before the merger of the products: no ``st``), and in
``MERGED`` frames of September 2026 in the venue's own wording.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from msgspec import json as msgjson

from contractdesk.clock import ManualClock
from contractdesk.domain.account import MarginMode, PositionMode
from contractdesk.domain.events import BarClosed, MarkPriced, OrderAccepted, StreamName, TradePrinted
from contractdesk.domain.instrument import ContractKind
from contractdesk.domain.market import Bar, unpack_levels
from contractdesk.domain.orders import OrderRole, Side
from contractdesk.errors import VenueProtocolError
from contractdesk.exchange.listings import default_listings
from contractdesk.venues.backoff import Backoff
from contractdesk.venues.binance import endpoints, rows
from contractdesk.venues.binance.codec_market import SymbolFact, decode_market, decode_snapshot
from contractdesk.venues.binance.market_streams import MarketStreams
from contractdesk.venues.binance.markets import read_instruments
from contractdesk.venues.binance.product import COINM, USDM
from contractdesk.venues.binance.venue import BinanceVenue
from contractdesk.venues.book_sync import DepthDelta
from contractdesk.venues.credentials import Credentials, Secret

from .captures import frames, is_stream
from .rig import WIDE, Rig, live, request

D = Decimal
TS = 42
COIN = default_listings()[3].instrument
SYMBOL, VENUE = "BTC/USD:BTC", "BTCUSD_PERP"
CAPTURE = "binance_coinm_btcusd_perp_20240808.gz"
ROW: dict[str, Any] = {
    "symbol": "BTCUSD_PERP", "pair": "BTCUSD", "contractType": "PERPETUAL", "contractStatus": "TRADING",
    "contractSize": 100, "marginAsset": "BTC", "maintMarginPercent": "2.5000",
    "requiredMarginPercent": "5.0000", "baseAsset": "BTC", "quoteAsset": "USD",
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "1000", "maxPrice": "4520958", "tickSize": "0.1"},
        {"filterType": "LOT_SIZE", "stepSize": "1", "maxQty": "1000000", "minQty": "1"},
        {"filterType": "MARKET_LOT_SIZE", "stepSize": "1", "maxQty": "60000", "minQty": "1"},
    ],
}  # fmt: skip


def unified(row: Any) -> str:
    return f"{row['baseAsset']}/{row['quoteAsset']}:{row['marginAsset']}"


def body(*listed: dict[str, Any]) -> bytes:
    return json.dumps({"symbols": listed}).encode()


def bracket_row(floor: str) -> rows.BracketRow:
    """As the venue sends it; how the floor is spelt depends on the version of its documentation."""
    bracket = {"bracket": 2, "initialLeverage": 100, "qtyCap": 10, floor: 5, "maintMarginRatio": 0.005}
    text = json.dumps({"symbol": VENUE, "brackets": [bracket | {"cum": 0.005}]})
    return msgjson.decode(text, type=rows.BracketRow, strict=False)


# -- terms ------------------------------------------------------------------------------------


@pytest.mark.parametrize("floor", ["qtyFloor", "qtylFloor"])
def test_a_golden_row_with_its_tiers(floor: str) -> None:
    (found,) = read_instruments(body(ROW), {VENUE: bracket_row(floor)}, unified).values()
    assert (found.symbol, found.kind, found.settle) == (SYMBOL, ContractKind.INVERSE, "BTC")
    assert (found.contract_size, found.lot_size, found.tick_size) == (D(100), D(1), D("0.1"))
    assert (found.min_notional, found.max_size, found.max_market_size) == (D(0), D(1_000_000), D(60_000))
    (tier,) = found.tiers
    assert (tier.floor, tier.cap, tier.max_leverage) == (D(5), D(10), D(100))
    assert (tier.maintenance_rate, tier.maintenance_amount) == (D("0.005"), D("0.005"))


def test_a_contract_that_has_stopped_trading_is_listed_only_while_it_is_held() -> None:
    stopped = body(ROW | {"contractStatus": "SETTLING"})
    assert read_instruments(stopped, {}, unified) == {}
    assert len(read_instruments(stopped, {}, unified, {VENUE})) == 1


def test_a_bracket_without_bounds_is_refused() -> None:
    with pytest.raises(VenueProtocolError):
        read_instruments(body(ROW), {VENUE: bracket_row("floor")}, unified)


@pytest.mark.recording
def test_a_real_listing_is_read_to_the_last_row_under_ccxts_names(recordings: Path) -> None:
    import ccxt

    exchange = ccxt.binancecoinm()
    (path,) = (recordings / "markets" / "binance").glob("*dapi*")
    listed = [row for row in json.loads(path.read_bytes())["symbols"] if row["contractStatus"] == "TRADING"]
    found = read_instruments(
        path.read_bytes(), {}, lambda row: str(exchange.parse_market(row)["symbol"])
    )  # fmt: skip
    assert {each.venue_symbol for each in found.values()} == {row["symbol"] for row in listed}
    assert {each.kind for each in found.values()} == {ContractKind.INVERSE}
    sizes = {each.venue_symbol: each.contract_size for each in found.values()}
    assert sizes == {row["symbol"]: row["contractSize"] for row in listed}
    assert {D(10), D(100)} == set(sizes.values())
    btc = found[SYMBOL]
    assert (btc.tick_size, btc.lot_size, btc.settle, btc.min_notional) == (D("0.1"), D(1), "BTC", D(0))


# -- frames -----------------------------------------------------------------------------------

MERGED: dict[str, tuple[str, object]] = {
    "markPriceUpdate": (
        '{"stream":"btcusd_perp@markPrice@1s","data":{"e":"markPriceUpdate","E":1790373638000,'
        '"s":"BTCUSD_PERP","p":"83732.50000000","ap":"83732.50000000","P":"83805.72765516",'
        '"i":"83786.17543766","r":"-0.00000573","T":1790380800000,"st":2}}',
        MarkPriced(
            ts_ns=TS,
            symbol=SYMBOL,
            mark=D("83732.5"),
            index=D("83786.17543766"),
            funding_rate=D("-0.00000573"),
            next_funding_ns=1_790_380_800_000_000_000,
            venue_ns=1_790_373_638_000_000_000,
        ),
    ),
    "kline": (
        '{"stream":"btcusd_perp@kline_1m","data":{"e":"kline","E":1790373660003,"s":"BTCUSD_PERP","k":{'
        '"t":1790373600000,"T":1790373659999,"s":"BTCUSD_PERP","i":"1m","f":1155840109,"L":1155840149,'
        '"o":"83723.8","c":"83732.4","h":"83732.5","l":"83723.8","v":"180","n":41,"x":true,'
        '"q":"0.21498328","V":"94","Q":"0.11224187","B":"0"}}}',
        BarClosed(
            ts_ns=TS,
            symbol=SYMBOL,
            timeframe="1m",
            bar=Bar(
                open_ns=1_790_373_600_000_000_000,
                open=D("83723.8"),
                high=D("83732.5"),
                low=D("83723.8"),
                close=D("83732.4"),
                volume=D(180),  # contracts
            ),
        ),
    ),
    "trade": (
        '{"stream":"btcusd_perp@trade","data":{"e":"trade","E":1790373534694,"T":1790373534694,'
        '"s":"BTCUSD_PERP","t":1155839922,"p":"83781.6","q":"1","X":"MARKET","m":false}}',
        TradePrinted(
            ts_ns=TS,
            symbol=SYMBOL,
            trade_id=1_155_839_922,
            price=D("83781.6"),
            size=D(1),
            taker=Side.BUY,
            venue_ns=1_790_373_534_694_000_000,
        ),
    ),
}
DEPTH = (
    '{"stream":"btcusd_perp@depth@100ms","data":{"e":"depthUpdate","E":1790373637622,"T":1790373637613,'
    '"s":"BTCUSD_PERP","ps":"BTCUSD","U":11660059838224,"u":11660059844303,"pu":11660059836647,'
    '"b":[["82997.3","1382"],["83517.9","0"]],"a":[["83732.5","2458"]],"st":2}}'
)


@pytest.mark.parametrize("name", MERGED)
def test_frames_of_the_merged_venue(name: str) -> None:
    frame, fact = MERGED[name]
    assert decode_market(frame.encode(), {VENUE: COIN}, TS) == fact


class Listener:
    """Stands where a feed stands."""

    def __init__(self) -> None:
        self.facts: list[SymbolFact] = []

    def on_fact(self, fact: SymbolFact) -> None:
        self.facts.append(fact)


def reader(listener: Listener) -> MarketStreams:
    """Its streams are never started."""
    backoff = Backoff(base_s=1, cap_s=1, random=lambda: 0.5)
    market = MarketStreams(
        ManualClock(1), lambda _: None, {VENUE: COIN}, {SYMBOL: listener},  # type: ignore[dict-item]
        ws_url="ws://nowhere", product=COINM, backoff=backoff, proxy=False, times=None,
    )  # fmt: skip
    market.scan(COIN)
    return market


@live
async def test_depth_of_the_merged_venue_goes_through_the_scanner() -> None:
    listener = Listener()
    market = reader(listener)
    market._reader(StreamName.PUBLIC)(DEPTH.encode())
    assert market.scanned == 1
    (delta,) = listener.facts
    assert delta == decode_market(DEPTH.encode(), {VENUE: COIN}, TS)
    assert isinstance(delta, DepthDelta)
    assert unpack_levels(delta.bids) == [(829_973, 1_382), (835_179, 0)]


@pytest.mark.recording
@live
async def test_every_recorded_frame_decodes_and_scanner_and_codec_agree(recordings: Path) -> None:
    listener, counts, previous = Listener(), Counter[str](), 0
    market = reader(listener)
    read = market._reader(StreamName.PUBLIC)
    for frame in frames(recordings, CAPTURE):
        if not is_stream(frame):
            snapshot = decode_snapshot(frame, COIN)
            counts["snapshot"] += len(unpack_levels(snapshot.bids)) > 0
            continue
        fact = decode_market(frame, {VENUE: COIN}, 1)
        counts[type(fact).__name__] += 1
        if isinstance(fact, DepthDelta):
            assert fact.previous_id == previous or not previous, "the chain is whole"
            previous = fact.last_id
            read(frame)
            assert listener.facts.pop() == fact
    assert counts == {"DepthDelta": 26_847, "NoneType": 19_136, "TradePrinted": 2_286, "snapshot": 1}
    assert market.scanned == 26_847


# -- products ---------------------------------------------------------------------------------


def test_each_product_has_its_own_hosts_sections_and_paths() -> None:
    for product, root, stream in ((USDM, "fapi", "fstream"), (COINM, "dapi", "dstream")):
        assert root in product.production.rest_url
        assert root in product.testnet.rest_url
        assert stream in product.production.ws_url
        assert product.calls(endpoints.NEW_ORDER).api == f"{root}Private"
        assert product.calls(endpoints.OPEN_INTEREST_HISTORY).api == f"{root}Data"
        assert product.calls(endpoints.KEY_SCOPES).api == "sapi"
    assert USDM.private_stream("K") == "/private/ws?listenKey=K"
    assert COINM.private_stream("K") == "/ws/K"


@pytest.mark.parametrize("product", [USDM, COINM])
def test_ccxt_knows_every_endpoint(product: Any) -> None:
    """ccxt refuses a path that its table has not: these go through ``request`` unseen, so look here."""
    import ccxt

    table = getattr(ccxt, product.ccxt)().api
    named = [value for value in vars(endpoints).values() if isinstance(value, endpoints.Endpoint)]
    special = {id(each) for each in (product.account, product.positions, product.brackets)}
    own = {"ACCOUNT", "POSITIONS", "BRACKETS", "SYMBOL_CONFIG", "ACCOUNT_CONFIG"}
    linear_only = {id(getattr(endpoints, name)) for name in own} - special
    coin_only = {id(value) for name, value in vars(endpoints).items() if name.startswith("COIN_")} - special
    skipped = linear_only | coin_only if product is COINM else coin_only
    for endpoint in named:
        if id(endpoint) in skipped:
            continue
        call = product.calls(endpoint)
        assert call.path in table[call.api][call.method.lower()], call.name


# -- a session on the exchange ----------------------------------------------------------------


class CoinRig(Rig):
    """A rig whose account has 2 BTC and whose venue speaks COIN-M."""

    def new_venue(self) -> BinanceVenue:
        credentials = Credentials("test", Secret(self.key), Secret(self.secret))
        return BinanceVenue(
            endpoints.at(self.url), credentials, self.clock,
            product=COINM, asset="BTC", seed=1, times=self.times, quota=WIDE,
        )  # fmt: skip


@asynccontextmanager
async def coin_rig(url: str) -> AsyncIterator[CoinRig]:
    rig = CoinRig(url)
    await rig.control("POST", "limits", {"weight_1m": WIDE.weight_1m})
    await rig.control(
        "POST", "account", {"key": rig.key, "secret": rig.secret, "balance": "2", "asset": "BTC"}
    )
    await rig.venue.open(rig.emit)
    try:
        yield rig
    finally:
        await rig.control("DELETE", "fault")
        await rig.venue.close()


def order(side: Side = Side.BUY, size: str = "10", role: OrderRole = OrderRole.ENTRY, **terms: Any) -> Any:
    return request(role, side, size, symbol=SYMBOL, **terms)


@live
async def test_opening_reads_the_coin_account_its_modes_and_its_terms(exchange: str) -> None:
    async with coin_rig(exchange) as rig:
        assert set(rig.venue.instruments) == {SYMBOL}
        instrument = rig.venue.resolve("btcusd_perp")
        assert (instrument.kind, instrument.contract_size) == (ContractKind.INVERSE, D(100))
        assert [tier.cap for tier in instrument.tiers][:3] == [D(5), D(10), D(20)]
        modes = rig.of("ModesRead")[-1]
        assert modes.position_mode is PositionMode.ONE_WAY
        assert (modes.margin_modes, modes.leverages) == ({SYMBOL: MarginMode.CROSS}, {SYMBOL: D(20)})
        account = await rig.venue.read_account()
        assert (account.asset, account.wallet_balance, account.positions) == ("BTC", D(2), ())
        assert all(check.passed for check in await rig.venue.preflight())
        await rig.venue.set_leverage(SYMBOL, D(7))
        await rig.venue.set_margin_mode(SYMBOL, MarginMode.ISOLATED)
        failed = [check.name for check in await rig.venue.preflight() if not check.passed]
        assert failed == []  # no symbol is watched yet
        assert rig.of("ModesRead")[-1].leverages == {SYMBOL: D(7)}
        assert rig.of("ModesRead")[-1].margin_modes == {SYMBOL: MarginMode.ISOLATED}


@live
async def test_a_watched_contract_streams_over_the_unrouted_path(exchange: str) -> None:
    async with coin_rig(exchange) as rig:
        await rig.venue.watch(SYMBOL, ("1m", "1s"), 30)
        for kind in (
            "BookSnapshotRead",
            "BookChanged",
            "TradePrinted",
            "MarkPriced",
            "BarsLoaded",
            "SymbolReady",
        ):
            assert (await rig.seen(kind)).symbol == SYMBOL
        interest = await rig.seen("OpenInterestRead")
        assert interest.amount == D(11_800_000) * 100
        paths = {path for path, _ in await rig.streams()}
        assert paths >= {""}
        assert rig.venue._session.market.quarantined.total() == 0  # type: ignore[union-attr]
        assert rig.venue._session.market.scanned > 0  # type: ignore[union-attr]


@live
async def test_orders_stops_fills_and_funding_are_in_contracts_and_coins(exchange: str) -> None:
    async with coin_rig(exchange) as rig:
        await rig.venue.watch(SYMBOL, ("1m",), 5)
        entry = order()
        assert isinstance(await rig.venue.submit(entry), OrderAccepted)
        filled = await rig.seen("OrderFilled", lambda e: e.client_id == entry.client_id)
        assert (filled.fill.fee_asset, filled.fill.fee > 0) == ("BTC", True)
        stop = order(Side.SELL, role=OrderRole.STOP, trigger_price=D(50_000), reduce_only=True)
        assert isinstance(await rig.venue.submit(stop), OrderAccepted)
        await rig.control("POST", "fund", {"symbol": VENUE, "rate": "0.0003"})
        paid = await rig.seen("FundingPaid")
        (booked,) = [row for row in await rig.truth("ledger") if row["kind"] == "FUNDING_FEE"]
        assert paid.amount == D(booked["amount"]) < 0
        state = await rig.venue.read_state(0)
        assert sum(fill.signed_size for fill in state.fills) == 10
        assert [(o.client_id, o.size) for o in state.orders] == [(stop.client_id, D(10))]
        (held,) = state.account.positions
        assert (held.symbol, held.size, held.leverage) == (SYMBOL, D(10), D(20))
        theirs = (await rig.truth("positions"))[VENUE]  # type: ignore[call-overload]
        assert held.liquidation_price == D(theirs["liquidation_price"])
        out = order(Side.SELL, role=OrderRole.EXIT, reduce_only=True)
        await rig.venue.submit(out)
        await rig.seen("PositionReported", lambda e: e.size == 0)
        assert (await rig.venue.cancel(SYMBOL, stop.client_id, conditional=True)).client_id == stop.client_id


@live
async def test_a_strangers_linear_trade_is_not_told(exchange: str) -> None:
    """The account also holds USDT: what happens there is the other product's."""
    async with coin_rig(exchange) as rig:
        wish = {
            "key": f"{rig.key}-two",
            "secret": "s",
            "account": rig.key,
            "balance": "1000",
            "asset": "USDT",
        }
        await rig.control("POST", "account", wish)
        mark = rig.mark()
        await rig.control("POST", "transfer", {"account": rig.key, "asset": "USDT", "amount": "5"})
        await rig.control("POST", "transfer", {"account": rig.key, "asset": "BTC", "amount": "1"})
        change = await rig.seen("WalletChanged", since=mark)
        assert (change.asset, change.wallet_balance) == ("BTC", D(3))
        assert (await rig.venue.read_account()).wallet_balance == D(3)
