"""The private stream: golden frames by the documentation, and whose fills they are in any order."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest

from contractdesk.domain.events import (
    Event,
    LeverageChanged,
    MarginCalled,
    OrderAccepted,
    OrderAmended,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    PositionReported,
    StopTriggered,
    WalletChanged,
)
from contractdesk.domain.fills import Fill, Liquidity
from contractdesk.errors import VenueProtocolError
from contractdesk.venues.binance.attribution import HOLD_NS
from contractdesk.venues.binance.codec_user import decode_user
from contractdesk.venues.binance.user_events import (
    AskFills,
    AskFunding,
    AskOrder,
    AskParent,
    Outcome,
    RenewKey,
    UserEvents,
)

from .terms import BTCUSDT, INSTRUMENTS

D = Decimal
TS = 1_000
SYMBOL = BTCUSDT.symbol
ORDER: dict[str, Any] = {
    "s": "BTCUSDT", "c": "cd1e", "S": "SELL", "o": "LIMIT", "f": "GTC", "q": "0.010", "p": "9910", "ap": "0",
    "sp": "0", "x": "NEW", "X": "NEW", "i": 8886774, "l": "0", "z": "0", "L": "0", "n": "0", "N": "USDT",
    "T": 1568879465650, "t": 0, "b": "0", "a": "9.91", "m": False, "R": False, "wt": "CONTRACT_PRICE",
    "ot": "LIMIT", "ps": "BOTH", "cp": False, "rp": "0", "pP": False, "si": 0, "ss": 0, "V": "EXPIRE_TAKER",
    "pm": "NONE", "gtd": 0, "er": "0",
}  # fmt: skip
ALGO: dict[str, Any] = {
    "caid": "cd1s", "aid": 2148719, "at": "CONDITIONAL", "o": "STOP_MARKET", "s": "BTCUSDT", "S": "SELL",
    "ps": "BOTH", "f": "GTC", "q": "0.01", "X": "NEW", "ai": "", "ap": "0", "aq": "0", "act": "0",
    "tp": "7500", "p": "0", "V": "EXPIRE_MAKER", "wt": "MARK_PRICE", "pm": "NONE", "cp": False, "pP": False,
    "R": True, "tt": 0, "gtd": 0, "rm": "",
}  # fmt: skip


def order_frame(**fields: Any) -> bytes:
    body = {"e": "ORDER_TRADE_UPDATE", "E": 1568879465651, "T": 1568879465650, "o": ORDER | fields}
    return json.dumps(body).encode()


def algo_frame(**fields: Any) -> bytes:
    return json.dumps({"e": "ALGO_UPDATE", "T": 1, "E": 2, "o": ALGO | fields}).encode()


def feed(machine: UserEvents, *given: bytes, ts_ns: int = TS) -> list[Outcome]:
    return [outcome for frame in given for outcome in machine.on_update(decode_user(frame), ts_ns)]


@pytest.fixture
def machine() -> UserEvents:
    return UserEvents(INSTRUMENTS)


def test_a_fill_in_every_field(machine: UserEvents) -> None:
    frame = order_frame(
        x="TRADE", X="PARTIALLY_FILLED", l="0.004", z="0.004", L="9910.1", n="-0.00792808", t=77, m=True
    )
    fill = Fill(
        symbol=SYMBOL,
        trade_id="77",
        client_id="cd1e",
        venue_order_id="8886774",
        signed_size=D("-0.004"),
        price=D("9910.1"),
        fee=D("-0.00792808"),
        fee_asset="USDT",
        liquidity=Liquidity.MAKER,
        venue_ns=1_568_879_465_650_000_000,
        ts_ns=TS,
    )
    filled = OrderFilled(ts_ns=TS, client_id="cd1e", symbol=SYMBOL, venue_ns=fill.venue_ns, fill=fill)
    assert feed(machine, frame) == [filled]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"x": "NEW"}, OrderAccepted),
        ({"x": "CANCELED", "X": "CANCELED"}, OrderCancelled),
        ({"x": "EXPIRED", "X": "EXPIRED"}, OrderExpired),
        ({"x": "EXPIRED", "X": "EXPIRED_IN_MATCH"}, OrderExpired),
        ({"x": "AMENDMENT", "p": "9911"}, OrderAmended),
        ({"x": "SOMETHING_NEW"}, AskOrder),
    ],
)
def test_the_life_of_a_regular_order(machine: UserEvents, fields: dict[str, str], kind: type) -> None:
    (outcome,) = feed(machine, order_frame(**fields))
    assert type(outcome) is kind


@pytest.mark.parametrize("client_id", ["autoclose-1", "adl_autoclose", "settlement_autoclose-9"])
def test_what_the_venue_forces_is_a_fill_under_its_own_id(machine: UserEvents, client_id: str) -> None:
    feed(machine, algo_frame())  # an armed stop on the same side does not make it wait
    (filled,) = feed(machine, order_frame(c=client_id, x="CALCULATED", X="FILLED", l="0.01", L="7000", t=5))
    assert isinstance(filled, OrderFilled)
    assert filled.client_id == client_id


def test_a_forced_fill_without_an_id_is_asked_for(machine: UserEvents) -> None:
    forced = order_frame(c="autoclose-1", x="CALCULATED", X="FILLED", l="0.01", L="7000", t=0)
    assert feed(machine, forced, forced) == [AskFills(SYMBOL)] * 2


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"X": "NEW"}, [OrderAccepted]),
        ({"X": "TRIGGERING"}, []),
        ({"X": "TRIGGERED", "ai": "99"}, [StopTriggered]),
        ({"X": "FINISHED", "ai": 99}, [StopTriggered]),
        ({"X": "CANCELED"}, [OrderCancelled]),
        ({"X": "REJECTED", "rm": "Reduce Only reject"}, [OrderRejected]),
        ({"X": "EXPIRED"}, [OrderExpired]),
        ({"X": "BRAND_NEW"}, [AskOrder]),
    ],
)
def test_the_life_of_a_conditional_order(
    machine: UserEvents, fields: dict[str, Any], kind: list[type]
) -> None:
    assert [type(outcome) for outcome in feed(machine, algo_frame(**fields))] == kind


def test_a_rejection_at_the_trigger_says_so(machine: UserEvents) -> None:
    (rejected,) = feed(machine, algo_frame(X="REJECTED", rm="Reduce Only reject"))
    assert isinstance(rejected, OrderRejected)
    assert rejected.at_trigger
    assert rejected.message == "Reduce Only reject"


CHILD = [
    algo_frame(X="TRIGGERED", ai="500"),
    algo_frame(X="FINISHED", ai="500", aq="0.010"),
    order_frame(c="venue-made", i=500, o="MARKET", x="NEW"),
    order_frame(c="venue-made", i=500, x="TRADE", X="PARTIALLY_FILLED", l="0.004", L="7499", t=1),
    order_frame(c="venue-made", i=500, x="TRADE", X="FILLED", l="0.006", L="7498", t=2),
]


@pytest.mark.parametrize("order", list(permutations(range(5))))
def test_a_childs_fills_are_the_stops_in_any_order(order: tuple[int, ...]) -> None:
    machine = UserEvents(INSTRUMENTS)
    feed(machine, algo_frame())
    outcomes = feed(machine, *(CHILD[index] for index in order))
    fills = [outcome for outcome in outcomes if isinstance(outcome, OrderFilled)]
    assert {(fill.client_id, fill.fill.trade_id) for fill in fills} == {("cd1s", "1"), ("cd1s", "2")}
    assert len(fills) == 2
    assert sum(isinstance(outcome, StopTriggered) for outcome in outcomes) == 1
    assert not any(isinstance(outcome, OrderAccepted) for outcome in outcomes)
    assert machine.orders.holding == 0


def test_a_query_can_name_the_parent_too(machine: UserEvents) -> None:
    feed(machine, algo_frame())
    (ask,) = feed(machine, CHILD[3])
    assert isinstance(ask, AskParent)
    assert [armed.client_id for armed in ask.candidates] == ["cd1s"]
    triggered, filled = machine.on_parent("cd1s", SYMBOL, "500", TS)
    assert isinstance(triggered, StopTriggered)
    assert isinstance(filled, OrderFilled)
    assert filled.client_id == filled.fill.client_id == "cd1s"


def test_what_nobody_claims_is_foreign_after_its_time(machine: UserEvents) -> None:
    feed(machine, algo_frame(), CHILD[3])
    assert machine.on_time(TS + HOLD_NS - 1) == ()
    (filled,) = machine.on_time(TS + HOLD_NS)
    assert isinstance(filled, OrderFilled)
    assert filled.client_id == "venue-made"


def test_our_own_regular_orders_never_wait(machine: UserEvents) -> None:
    feed(machine, algo_frame())
    machine.orders.sent("cd1e")
    assert [type(outcome) for outcome in feed(machine, order_frame())] == [OrderAccepted]


LITE = (
    b'{"e":"TRADE_LITE","E":1721895408092,"T":1721895408214,"s":"BTCUSDT","q":"0.001","p":"0","m":false,'
    b'"c":"cd1e","S":"BUY","L":"64089.20","l":"0.040","t":77,"i":8886774}'
)


def test_a_hint_is_no_fill_but_is_asked_for_when_nothing_follows(machine: UserEvents) -> None:
    assert feed(machine, LITE) == []
    assert machine.on_time(TS + HOLD_NS) == (AskFills(SYMBOL),)
    assert machine.on_time(TS + 2 * HOLD_NS) == ()


def test_a_hint_in_a_contract_that_is_not_listed_disturbs_nobody(machine: UserEvents) -> None:
    assert feed(machine, LITE.replace(b"BTCUSDT", b"BTCUSDT_260327")) == []
    assert machine.on_time(TS + HOLD_NS) == ()


@pytest.mark.parametrize("hint_first", [True, False])
def test_a_hint_whose_fill_came_is_forgotten(machine: UserEvents, hint_first: bool) -> None:
    full = order_frame(x="TRADE", X="FILLED", l="0.01", L="9910", t=77)
    feed(machine, *((LITE, full) if hint_first else (full, LITE)))
    assert machine.on_time(TS + HOLD_NS) == ()


def test_account_updates(machine: UserEvents) -> None:
    frame = json.dumps(
        {
            "e": "ACCOUNT_UPDATE",
            "E": 7,
            "T": 6,
            "a": {
                "m": "ORDER",
                "B": [{"a": "USDT", "wb": "122624.12345678", "cw": "100.12", "bc": "50.12345678"}],
                "P": [
                    {"s": "BTCUSDT", "pa": "-10", "ep": "6563.6", "bep": "0", "cr": "0", "up": "-1",
                     "mt": "cross", "iw": "0", "ps": "BOTH"},
                    {"s": "BTCUSDT", "pa": "20", "ep": "6563.6", "bep": "0", "cr": "0", "up": "2850",
                     "mt": "isolated", "iw": "13200", "ps": "LONG"},
                ],
            },
        }
    ).encode()  # fmt: skip
    expected: list[Event] = [
        WalletChanged(
            ts_ns=TS,
            asset="USDT",
            wallet_balance=D("122624.12345678"),
            change=D("50.12345678"),
            cause="ORDER",
            venue_ns=7_000_000,
        ),
        PositionReported(ts_ns=TS, symbol=SYMBOL, size=D(-10), entry_price=D("6563.6"), venue_ns=7_000_000),
    ]
    assert feed(machine, frame) == expected
    assert feed(machine, frame.replace(b"ORDER", b"FUNDING_FEE"))[-1] == AskFunding(
        7_000_000, D("50.12345678")
    )


def test_the_other_updates(machine: UserEvents) -> None:
    call = b'{"e":"MARGIN_CALL","E":1,"cw":"3.16","p":[{"s":"BTCUSDT","ps":"LONG","pa":"1.327"}]}'
    config = b'{"e":"ACCOUNT_CONFIG_UPDATE","E":1,"T":1,"ac":{"s":"BTCUSDT","l":25}}'
    assets = b'{"e":"ACCOUNT_CONFIG_UPDATE","E":1,"T":1,"ai":{"j":true}}'
    expired = b'{"e":"listenKeyExpired","E":"1736996475556","listenKey":"Wsc"}'
    combined = b'{"stream":"key","data":' + expired + b"}"
    assert feed(machine, call, config, assets, expired, combined) == [
        MarginCalled(ts_ns=TS, symbols=(SYMBOL,)),
        LeverageChanged(ts_ns=TS, symbol=SYMBOL, leverage=D(25)),
        RenewKey(),
        RenewKey(),
    ]


@pytest.mark.parametrize("frame", [b"x", b"{}", b'{"e":"NEVER_HEARD_OF"}', b'{"e":"ALGO_UPDATE","E":1}'])
def test_what_is_not_understood_is_refused(frame: bytes) -> None:
    with pytest.raises(VenueProtocolError):
        decode_user(frame)
