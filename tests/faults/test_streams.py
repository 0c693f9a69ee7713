"""Rows 34-39: books with holes, sockets that are dead or dumb, listen keys that are gone."""

from __future__ import annotations

from typing import Any

import pytest

from contractdesk.venues.binance import account_feed
from tests.faults.case import Case, row
from tests.faults.desks import D, Take, bought, creates, never_twice, under_stop
from tests.faults.wishes import count_requests, enters, refuses, refuses_soon, sockets, stir
from tests.rules.venue import ETH, Seat, covered, eventually, held

pytestmark = pytest.mark.timeout(180)
DEPTH = {"method": "GET", "path": "/fapi/v1/depth"}
BOOK = ("freshness_book", "freshness_symbol")
MINUTE = 60.0


def snapshots(at: Seat) -> int:
    """How often the whole book was read: a look at its head weighs 2, not 20."""
    return sum(1 for row in at.requests() if row["path"] == DEPTH["path"] and row["weight"] == 20)


# -- 34, 35: what the book says ----------------------------------------------------------------


@row(34, suite=True)
def test_row_34_a_hole_in_the_depth(seat: Take, case: Case) -> None:
    at = seat()
    bought(at)
    mute = case.strike("answer", status=503, msg="Service Unavailable", count=0, match=DEPTH)
    case.strike("depth_gap", symbol="ETHUSDT", count=1)
    stir(at)
    at.desk.wait_for(lambda s: not _stirred(at) and not s.symbols[ETH].book_valid, 10)
    by = refuses(at, *BOOK)
    read = snapshots(at)
    case.lift(mute)
    healed = enters(at, within_s=5)
    assert snapshots(at) > read
    assert held(under_stop(at, D("0.06")), ETH) == D("0.06")
    case.saw(f"refused by {by} meanwhile; a new snapshot, and an entry {healed:.1f} s after it could be read")


def _stirred(at: Seat) -> None:
    stir(at)


SPOILT = {
    "crossed": {"bids": [["3100.00", "5"]]},
    "a price of zero": {"asks": [["0", "5"]]},
    "a negative price": {"bids": [["-1", "5"]]},
    "a negative size": {"bids": [["2999.00", "-5"]]},
    "no offers": {"asks": [[f"3000.{cents:02d}", "0"] for cents in range(1, 60)]},
}


@pytest.mark.parametrize("how", SPOILT)
@row(35)
def test_row_35_a_book_that_cannot_be(seat: Take, case: Case, how: str) -> None:
    at = seat()
    kept = bought(at)["open_algo_orders"]
    sent = len(at.creates())
    case.strike("spoil_depth", symbol="ETHUSDT", count=1, **SPOILT[how])
    hold = case.strike("answer", status=503, msg="Service Unavailable", count=0, match=DEPTH)
    eventually(lambda: (stir(at), at.desk.why_not(ETH).column("rule"))[1], set(BOOK).intersection)
    by = refuses(at, *BOOK)
    assert len(at.creates()) == sent
    assert at.truth()["open_algo_orders"] == kept
    case.lift(hold)
    healed = enters(at, within_s=15)
    case.saw(f"{how}: refused by {by}, nothing sent; read anew, an entry after {healed:.1f} s")


# -- 36, 37: sockets that say nothing ------------------------------------------------------------


@row(36)
def test_row_36_every_socket_is_open_and_dead(seat: Take, case: Case) -> None:
    at = seat()
    bought(at)
    before = sockets(at)
    case.strike("freeze")
    by = refuses_soon(at, "freshness_book", "freshness_mark", within_s=6)
    refuses(at)
    at.second.trade(ETH, "SELL", "0.02", reduceOnly="true")  # nobody hears of it
    truth = at.until(lambda now: held(now, ETH) == D("0.03") and covered(now, ETH), 15)
    eventually(lambda: [each[0] for each in sockets(at)], lambda now: now == [p for p, _ in before], 20)
    eventually(lambda: [names for _, names in sockets(at)], lambda now: now == [n for _, n in before], 20)
    never_twice(at)
    took = _took_s(truth, at)
    at.desk.resume()
    healed = enters(at, within_s=15)
    case.saw(
        f"refused by {by}; 3 sockets renewed with the same streams; "
        f"a fill elsewhere was known in {took:.1f} s; an entry {healed:.1f} s after it could trade again"
    )


def _took_s(truth: dict[str, Any], at: Seat) -> float:
    """From the last fill until the stop fitted it, by the exchange's clock."""
    fill = [row for row in truth["fills"] if row["symbol"] == "ETHUSDT"][-1]
    stop = truth["open_algo_orders"][-1]
    return float((stop["created_ns"] - fill["ts_ns"]) / 1e9)


DUMB = [
    ("public", "ethusdt@depth", "freshness_book"),
    ("market", "ethusdt@markPrice", "freshness_mark"),
]


@pytest.mark.parametrize(("path", "stream", "rule"), DUMB)
@row(37)
def test_row_37_pings_are_answered_and_the_subscription_is_silent(
    seat: Take, case: Case, path: str, stream: str, rule: str
) -> None:
    at = seat()
    kept = bought(at)["open_algo_orders"]
    mute = case.strike("mute", path=path, stream=stream, count=0)
    eventually(lambda: (stir(at), at.desk.why_not(ETH).column("rule"))[1], {rule}.intersection, 15)
    refuses(at)
    assert at.truth()["open_algo_orders"] == kept
    case.lift(mute)
    healed = enters(at, within_s=20)
    case.saw(f"{stream} alone is silent: refused by {rule}; an entry {healed:.1f} s after it spoke again")


# -- 38, 39: the private stream ------------------------------------------------------------------


def part_closed_elsewhere(at: Seat, size: str, left: str, within_s: float) -> float:
    """Another client closes a part; seconds until our stop fits what is left."""
    at.second.trade(ETH, "SELL", size, reduceOnly="true")
    truth = at.until(lambda now: held(now, ETH) == D(left) and covered(now, ETH), within_s)
    return _took_s(truth, at)


def streams_again(at: Seat, size: str, left: str) -> float:
    """The private stream tells: what another client closes is known much sooner than REST is read."""
    took = part_closed_elsewhere(at, size, left, 15)
    assert took < 5, took
    return took


@row(38)
def test_row_38_the_listen_key_expires(seat: Take, case: Case) -> None:
    at = seat()
    bought(at)
    case.pull("expire_listen_key", account=at.name)
    took = part_closed_elsewhere(at, "0.02", "0.03", 15)
    at.desk.wait_for(lambda s: s.private_stream_ready, 15)
    again = streams_again(at, "0.01", "0.02")
    keys = [r for r in at.requests() if (r["method"], r["path"]) == ("POST", "/fapi/v1/listenKey")]
    assert len(keys) == 2
    case.saw(f"a new key; the fill meanwhile was known in {took:.1f} s, the next one in {again:.1f} s")


@row(38)
def test_row_38_another_client_deletes_the_listen_key(seat: Take, case: Case) -> None:
    at = seat()
    bought(at)
    at.second.signed("DELETE", "/fapi/v1/listenKey")
    assert count_requests(at, case, "DELETE", "/fapi/v1/listenKey") == 1
    took = part_closed_elsewhere(at, "0.02", "0.03", 15)
    opened = ("POST", "/fapi/v1/listenKey")
    eventually(
        lambda: [r for r in at.requests() if (r["method"], r["path"]) == opened], lambda k: len(k) == 2
    )
    at.desk.wait_for(lambda s: s.private_stream_ready, 15)
    again = streams_again(at, "0.01", "0.02")
    case.saw(
        f"nobody says so: the fill was read in {took:.1f} s and a new key asked for; "
        f"the next fill was known in {again:.1f} s"
    )


@row(38)
def test_row_38_the_keepalive_is_refused(seat: Take, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account_feed, "KEY_LIFE_NS", 2_000_000_000)
    at = seat()
    bought(at)
    keepalive = {"method": "PUT", "path": "/fapi/v1/listenKey"}
    case.strike("answer", status=400, code=-1125, msg="This listenKey does not exist.", match=keepalive)
    eventually(lambda: case.injected, bool, 15)
    monkeypatch.undo()
    took = part_closed_elsewhere(at, "0.02", "0.03", 15)
    at.desk.wait_for(lambda s: s.private_stream_ready, 15)
    case.saw(f"-1125: a new connection; the fill meanwhile was known in {took:.1f} s")


@row(39)
def test_row_39_the_private_stream_is_silent_while_a_part_is_closed(seat: Take, case: Case) -> None:
    at = seat()
    bought(at)
    mute = case.strike("drop_event", event="", count=0)
    took = part_closed_elsewhere(at, "0.02", "0.03", 15)
    assert took <= 10, took
    case.lift(mute)
    case.saw(f"REST alone told: the stop fits after {took:.1f} s")


@row(39)
def test_row_39_the_private_stream_is_silent_while_an_entry_fills(seat: Take, case: Case) -> None:
    at = seat()
    receipt = at.desk.buy(ETH, size="0.05", limit="2999.95", stop="2950")
    assert receipt.done
    mute = case.strike("drop_event", event="", count=0)
    at.other("SELL", ETH, "0.05")
    truth = under_stop(at, within_s=20, naked_s=13)
    case.lift(mute)
    assert len(creates(at, "entry")) == 1
    case.saw(f"a resting entry filled unheard: under its stop {_took_s(truth, at):.1f} s later")
