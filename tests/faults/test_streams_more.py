"""Rows 40-45: sockets that are closed again and again, refused subscriptions, floods and garbage."""

from __future__ import annotations

import json
import time

import pytest

from contractdesk.domain.intents import Intent
from contractdesk.strategy import intents
from contractdesk.strategy.base import BarView, Context, Strategy
from contractdesk.venues.binance import session
from tests.faults.case import Case, row
from tests.faults.desks import D, Take, booked, bought, creates, never_twice, under_stop
from tests.faults.wishes import enters, refuses, refuses_soon, sockets
from tests.rules.venue import ETH, Seat, covered, eventually, held, live_stops

pytestmark = pytest.mark.timeout(240)
LISTEN_KEY = {"method": "POST", "path": "/fapi/v1/listenKey"}
MARK = "ethusdt@markPrice@1s"
DROPS = 20


def asked(at: Seat, method: str, path: str) -> int:
    return sum(1 for each in at.requests() if (each["method"], each["path"]) == (method, path))


# -- 40-42: connections and subscriptions --------------------------------------------------------


@row(40)
def test_row_40_every_socket_is_cut_twenty_times(
    seat: Take, case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The longest pause of the backoff is shortened, so that twenty drops do not take four minutes."""
    monkeypatch.setattr(session, "RECONNECT_CAP_S", 1.0)
    at = seat()
    bought(at)
    wanted = sockets(at)
    most = 0
    for number in range(DROPS):
        if number == DROPS // 2:
            at.second.trade(ETH, "SELL", "0.02", reduceOnly="true")
        case.strike("cut", path=("private", "public", "market")[number % 3])
        eventually(lambda: len(sockets(at)), lambda now: now == len(wanted), 20)
        most = max(most, len(sockets(at)))
    eventually(lambda: sockets(at), lambda now: now == wanted, 20)
    truth = under_stop(at, D("0.03"))
    booked(at, D("0.03"))
    never_twice(at)
    assert most <= len(wanted)
    at.desk.resume()
    healed = enters(at, within_s=75)  # what was read anew so often has cost the minute's weight
    weight = sum(each["weight"] for each in at.requests())
    assert not [each for each in at.requests() if each["status"] in (418, 429)]
    assert len(live_stops(truth, ETH)) == 1
    case.saw(
        f"{DROPS} drops: never more than {most} sockets, the same streams in the end, the fill meanwhile "
        f"booked; {weight} of weight and no 429; an entry {healed:.1f} s later"
    )


@row(41)
def test_row_41_subscriptions_are_refused_and_asked_for_again(seat: Take, case: Case) -> None:
    at = seat()
    bought(at)
    wanted = sockets(at)
    case.strike("refuse_topics", path="market", stream="ethusdt@", count=3)
    case.strike("cut", path="market")
    by = refuses_soon(at, "freshness_symbol", within_s=10)
    refuses(at, "freshness_symbol")
    eventually(lambda: sockets(at), lambda now: now == wanted, 30)
    healed = enters(at, within_s=20)
    case.saw(f"refused by {by} until every stream was confirmed; an entry {healed:.1f} s later")


@row(42)
def test_row_42_there_is_no_listen_key_on_a_reconnect(seat: Take, case: Case) -> None:
    at = seat()
    bought(at)
    gone = case.strike("answer", status=400, code=-1021, msg="Timestamp", count=0, match=LISTEN_KEY)
    case.strike("cut", path="private")
    by = refuses_soon(at, "freshness_stream", within_s=10)
    refuses(at, "freshness_stream")
    reads = asked(at, "GET", "/fapi/v3/account")
    at.second.trade(ETH, "SELL", "0.02", reduceOnly="true")
    began = time.monotonic()
    at.until(lambda now: held(now, ETH) == D("0.03") and covered(now, ETH), 15)
    took = time.monotonic() - began
    assert asked(at, "GET", "/fapi/v3/account") > reads
    tries = asked(at, "POST", LISTEN_KEY["path"])
    case.lift(gone)
    at.desk.wait_for(lambda s: s.private_stream_ready, 40)
    at.desk.resume()
    healed = enters(at, within_s=20)
    case.saw(
        f"refused by {by}; by REST alone the stop fitted after {took:.1f} s; {tries} keys asked for; "
        f"an entry {healed:.1f} s after the stream was back"
    )


# -- 43-45: what comes over them -----------------------------------------------------------------


@row(43)
def test_row_43_ten_thousand_messages_and_our_own_fills_among_them(seat: Take, case: Case) -> None:
    at = seat()
    bought(at)
    sold = D(0)
    for number in range(10):
        case.pull("trade", symbol="ETHUSDT", count=1_000)
        if number % 3 == 0:
            at.second.trade(ETH, "SELL", "0.01", reduceOnly="true")
            sold += D("0.01")
    case.count(9_990)  # prints, beside the ten pulls of the lever
    left = D("0.05") - sold
    truth = at.until(lambda now: held(now, ETH) == left and covered(now, ETH), 20)
    booked(at, left)
    assert len(truth["fills"]) == 5
    at.desk.resume()
    healed = enters(at, within_s=20)
    book = json.loads(_depth(at))
    best = at.desk.book(ETH).bids[0][0]
    assert D(str(best)) == D(book["bids"][0][0])
    case.saw(
        f"10,000 prints: our 4 fills among them are booked, the stop fits {left}; "
        f"an entry {healed:.1f} s later"
    )


def _depth(at: Seat) -> str:
    from contractdesk.desk import embedded

    return embedded.get(at.venue.address, "/fapi/v1/depth?symbol=ETHUSDT&limit=5")


GARBAGE = [
    {"path": "", "text": "{]"},
    {"path": "", "text": ""},
    {"path": "", "text": "null"},
    {"path": "market", "text": json.dumps({"stream": MARK, "data": {"e": "markPriceUpdate", "s": 7}})},
    {
        "stream": MARK,
        "text": json.dumps({"e": "markPriceUpdate", "E": 1, "s": "ETHUSDT", "p": "0", "i": "0"}),
    },
    {"stream": MARK, "text": json.dumps({"e": "somethingNew", "E": 1, "s": "ETHUSDT"})},
]
PRIVATE = [
    {"e": "SOMETHING_NEW", "E": 1},
    {"e": "ORDER_TRADE_UPDATE", "E": 1, "T": 1, "o": {"s": "ETHUSDT", "x": "TRADE"}},
    {"e": "ACCOUNT_UPDATE", "E": 1, "T": 1, "a": 5},
]


@row(44, suite=True)
def test_row_44_garbage_and_unknown_words(seat: Take, case: Case) -> None:
    at = seat()
    truth = bought(at)
    for frame in GARBAGE:
        case.pull("frame", **frame)
    for event in PRIVATE:
        case.pull("frame", account=at.name, text=json.dumps(event))
    order = next(each for each in truth["orders"] if each["symbol"] == "ETHUSDT")
    queries = asked(at, "GET", "/fapi/v1/order")
    case.pull("frame", account=at.name, text=json.dumps(_odd(order)))
    eventually(lambda: asked(at, "GET", "/fapi/v1/order"), lambda now: now > queries, 10)
    assert at.truth()["open_algo_orders"] == truth["open_algo_orders"]
    healed = enters(at, within_s=15)
    under_stop(at, D("0.06"))
    case.saw(f"10 frames: nothing sent, the unknown order was asked for; an entry {healed:.1f} s later")


def _odd(order: dict[str, object]) -> dict[str, object]:
    """An order update whose kind of execution nobody knows."""
    detail = {
        "s": "ETHUSDT", "c": order["client_id"], "S": "BUY", "o": "MARKET", "f": "GTC", "q": "0.050",
        "p": "0", "ap": "0", "sp": "0", "x": "TELEPORTED", "X": "FILLED", "i": order["order_id"], "l": "0",
        "z": "0.050", "L": "0", "n": "0", "N": "USDT", "T": int(time.time() * 1000), "t": 0, "b": "0",
        "a": "0", "m": False, "R": False, "wt": "CONTRACT_PRICE", "ot": "MARKET", "ps": "BOTH", "cp": False,
        "rp": "0", "pP": False, "si": 0, "ss": 0, "V": "NONE", "pm": "NONE", "gtd": 0, "er": "0",
    }  # fmt: skip
    stamp = int(time.time() * 1000)
    return {"e": "ORDER_TRADE_UPDATE", "T": stamp, "E": stamp, "o": detail}


class OnceABar(Strategy):
    """Notes each bar that it sees, and enters at the first one after it is told to."""

    seen: list[int] = []  # noqa: RUF012  # of the one desk of the scenario

    def on_bar(self, bar: BarView, ctx: Context) -> Intent | None:
        self.seen.append(bar.open_ns)
        return intents.enter_long(bar.symbol, size="0.01", stop=intents.fixed_stop("2900"))


def kline(open_ms: int) -> str:
    """A closed one-minute bar."""
    body = {
        "t": open_ms, "T": open_ms + 59_999, "s": "ETHUSDT", "i": "1m", "f": 1, "L": 2, "o": "3000.00",
        "c": "3000.00", "h": "3001.00", "l": "2999.00", "v": "1", "n": 1, "x": True, "q": "3000", "V": "1",
        "Q": "1", "B": "0",
    }  # fmt: skip
    return json.dumps({"e": "kline", "E": open_ms + 60_000, "s": "ETHUSDT", "k": body})


def late_mark(price: str, age_ms: int) -> str:
    stamp = int(time.time() * 1000) - age_ms
    said = {"e": "markPriceUpdate", "E": stamp, "s": "ETHUSDT", "p": price, "i": price, "P": price, "r": "0"}
    return json.dumps(said | {"T": stamp + 3_600_000})


@row(45)
def test_row_45_late_and_repeated_bars_and_marks(seat: Take, case: Case) -> None:
    at = seat()
    at.desk.buy(ETH, size="0.05", stop=intents.atr_stop(14, 2.5), trail=True)
    kept = at.until(lambda now: covered(now, ETH))["open_algo_orders"]
    OnceABar.seen.clear()
    at.desk.start(OnceABar([ETH], "1m"), name="once")
    sent = len(creates(at, "entry"))
    minute = int(at.truth()["now_ns"]) // 60_000_000_000 * 60_000
    again = [minute - 60_000, minute - 180_000, minute - 600_000]  # these are known already
    for open_ms in (*again, minute, minute, *again):
        case.pull("frame", stream="ethusdt@kline_1m", text=kline(open_ms))
    eventually(lambda: len(OnceABar.seen), bool, 10)
    for price in ("3090", "2960"):
        case.pull("frame", stream=MARK, text=late_mark(price, 30_000))
    handled = at.desk.snapshot.events_handled
    at.desk.wait_for(lambda s: s.events_handled > handled + 20, 20)
    trigger = D(kept[0]["trigger_price"])
    assert all(D(stop["trigger_price"]) == trigger for stop in live_stops(at.truth(), ETH)), "it has moved"
    assert at.desk.snapshot.symbols[ETH].mark == 3_000
    assert len(set(OnceABar.seen)) == len(OnceABar.seen), "a bar was seen twice"
    assert OnceABar.seen[0] // 1_000_000 >= minute
    at.until(lambda _: len(creates(at, "entry")) - sent == len(OnceABar.seen), 10)
    case.saw("10 frames: the stop stood where it stood, and each new bar was acted on once")
