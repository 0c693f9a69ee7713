"""Opening a venue: keys, modes, wrong addresses and symbols; one clear error, and nothing half-started."""

from __future__ import annotations

import asyncio
import io
import logging
import traceback
from decimal import Decimal

import msgspec
import pytest

from contractdesk.clock import SystemClock
from contractdesk.domain.account import MarginMode, PositionMode
from contractdesk.domain.events import Event, OutcomeUnknown
from contractdesk.errors import (
    ContractdeskError,
    CredentialsError,
    UnknownSymbol,
    VenueRejected,
    VenueUnreachable,
)
from contractdesk.venues.binance import api
from contractdesk.venues.binance.endpoints import at
from contractdesk.venues.binance.venue import BinanceVenue
from contractdesk.venues.credentials import Credentials, Secret

from .rig import SYMBOL, Rig, live, open_rig, request

D = Decimal


async def refused(rig: Rig) -> ContractdeskError:
    """The error with which opening fails; nothing is left running."""
    before = asyncio.all_tasks()
    with pytest.raises(ContractdeskError) as caught:
        await rig.venue.open(rig.emit)
    assert asyncio.all_tasks() == before
    return caught.value


@live
async def test_more_fills_in_a_week_than_can_be_listed_keep_nobody_out(
    exchange: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of whatever program; then all contracts are asked for the fills since the desk was left."""
    async with open_rig(exchange, watch=False) as rig:
        await rig.venue.submit(request())
        await rig.seen("OrderFilled")
        await rig.venue.close()
        monkeypatch.setattr(api, "MAX_PAGES", 0)
        rig.venue = rig.new_venue()
        await rig.venue.open(rig.emit)
        state = await rig.venue.read_state(0)
        theirs = await rig.truth("fills")
        assert [fill.trade_id for fill in state.fills] == [str(row["trade_id"]) for row in theirs]


@pytest.mark.parametrize(
    ("scopes", "word"),
    [
        ({"withdrawals": True}, "withdrawals"),
        ({"futures": False, "spot": True}, "spot-only"),
        ({"reading": False}, "reading"),
    ],
)
@live
async def test_a_key_is_refused_by_the_name_of_its_scope(
    exchange: str, scopes: dict[str, bool], word: str
) -> None:
    rig = Rig(exchange)
    await rig.account(**scopes)
    error = await refused(rig)
    assert isinstance(error, CredentialsError)
    assert word in str(error) or "-2015" in str(error)


@live
async def test_a_wrong_key_or_secret_is_said_to_be_one(exchange: str) -> None:
    unknown = Rig(exchange)
    error = await refused(unknown)
    assert isinstance(error, CredentialsError)
    assert "check the key" in str(error)
    assert unknown.key not in str(error)
    known = Rig(exchange)
    await known.account()
    known.secret = "not-its-secret"
    known.venue = known.new_venue()
    assert isinstance(await refused(known), CredentialsError)


@live
async def test_an_unreachable_venue_is_named() -> None:
    error = await refused(Rig("http://127.0.0.1:9"))
    assert isinstance(error, VenueUnreachable)
    assert "http://127.0.0.1:9" in str(error)


@live
async def test_a_wrong_symbol_names_near_ones(exchange: str) -> None:
    async with open_rig(exchange, watch=False) as rig:
        assert rig.venue.resolve("btcusdt") == rig.venue.resolve(SYMBOL)
        with pytest.raises(UnknownSymbol, match="BTC/USDT:USDT"):
            await rig.venue.watch("BTC/USD:USDT", ("1m",), 10)


@live
async def test_modes_are_read_set_and_checked(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        venue = rig.venue
        assert all(check.passed for check in await venue.preflight())
        await venue.set_leverage(SYMBOL, D(7))
        await rig.seen("LeverageChanged", lambda event: event.leverage == 7)
        for mode in (PositionMode.HEDGE, PositionMode.HEDGE):
            await venue.set_position_mode(mode)
        await venue.set_margin_mode(SYMBOL, MarginMode.CROSS)
        checks = {check.name: check for check in await venue.preflight()}
        assert not checks["position mode"].passed
        assert "one-way" in checks["position mode"].advice
        modes = rig.of("ModesRead")[-1]
        assert modes.position_mode is PositionMode.HEDGE
        assert modes.leverages[SYMBOL] == 7
        await venue.set_position_mode(PositionMode.ONE_WAY)


@live
async def test_without_a_key_there_is_market_data_only(exchange: str) -> None:
    events: list[Event] = []
    venue = BinanceVenue(at(exchange), None, SystemClock(), seed=1)
    await venue.open(events.append)
    try:
        await venue.watch(SYMBOL, ("1m",), 5)
        with pytest.raises(CredentialsError, match="without a key"):
            await venue.read_account()
        assert all(check.passed for check in await venue.preflight())
    finally:
        await venue.close()


@live
async def test_a_closed_venue_can_be_opened_again(exchange: str) -> None:
    async with open_rig(exchange) as rig:
        await rig.venue.close()
        with pytest.raises(VenueUnreachable, match="not open"):
            await rig.venue.read_account()
        await rig.venue.open(rig.emit)
        await rig.venue.watch(SYMBOL, ("1m",), 5)
        assert (await rig.venue.read_account()).wallet_balance == D(10_000)


@live
async def test_what_is_woken_in_the_instant_of_closing_does_not_miss_it(exchange: str) -> None:
    """``asyncio.wait_for`` of Python 3.11 swallows a cancellation that comes with the awaited event."""
    async with open_rig(exchange) as rig:
        rig.venue._feeds[SYMBOL].wake()
        await asyncio.sleep(0)  # what was waited for has come, and who waited has not heard it yet
        async with asyncio.timeout(5):
            await rig.venue._unwatch(SYMBOL)


@live
async def test_no_key_secret_signature_or_listen_key_appears_anywhere(exchange: str) -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    shown: list[str] = []
    try:
        async with open_rig(exchange) as rig:
            await rig.fault("drop_request", when="after", match={"method": "POST"})
            outcome = await rig.venue.submit(request(price=D(30_000)))
            assert isinstance(outcome, OutcomeUnknown)
            await rig.fault("answer", status=400, code=-2013, msg="no", match={"path": "/fapi/v3/account"})
            try:
                await rig.venue.read_account()
            except VenueRejected as error:
                shown.append("".join(traceback.format_exception(error)))
            mark = rig.mark()
            await rig.fault("cut")
            await rig.seen("StreamRestored", since=mark)
            shown.extend((repr(vars(rig.venue)), str(outcome), msgspec.json.encode(rig.events).decode()))
            for canary in (rig.key, rig.secret):
                assert not any(canary in text for text in (*shown, stream.getvalue()))
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert shown[0]
    for word in ("signature=", "listenKey=", "X-MBX-APIKEY"):
        assert not any(word in text for text in (*shown, stream.getvalue())), word


def test_credentials_show_nothing() -> None:
    assert "canary" not in repr(Credentials("main", Secret("canary-1"), Secret("canary-2")))
