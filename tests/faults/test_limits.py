"""Rows 46-55: limits and bans, clocks, keys, maintenance, contracts that are halted or delisted."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from contractdesk.clock import NS_PER_S, SystemClock
from contractdesk.desk import opening
from contractdesk.domain.views import TradingState
from contractdesk.errors import UserError
from contractdesk.venues import key_gate
from tests.faults.case import Case, row
from tests.faults.desks import STOPS, D, Take, bought, creates, in_background, under_stop
from tests.faults.wishes import enters, refuses, refuses_soon, wished
from tests.rules.venue import ETH, Seat, StillVenue, covered, eventually, held, live_stops

pytestmark = pytest.mark.timeout(240)
ACCOUNT = {"method": "GET", "path": "/fapi/v3/account"}
ON_ITS_WAY_NS = NS_PER_S // 5  # what had been sent before the refusal was read


def after(at: Seat, status: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The first request with that answer, and all that came later than what was on its way then."""
    rows = at.requests()
    first = next(each for each in rows if each["status"] == status)
    return first, [each for each in rows if each["ns"] > first["ns"] + ON_ITS_WAY_NS]


# -- 46, 47: limits ------------------------------------------------------------------------------


@row(46)
def test_row_46_429_with_retry_after(seat: Take, case: Case) -> None:
    at = seat()
    bought(at)
    fault = case.strike("answer", status=429, code=-1003, msg="Too many", retry_after_s=4, match=ACCOUNT)
    eventually(lambda: case.struck(fault), bool, 10)
    in_background(at.desk.move_stop, ETH, 2_960)
    entry = wished(at)
    at.until(lambda now: [D(s["trigger_price"]) for s in live_stops(now, ETH)] == [2_960], 20)
    limited, later = after(at, 429)
    assert min(each["ns"] for each in later) - limited["ns"] >= 4 * NS_PER_S
    assert later[0]["role"] == "stop", later[0]
    sent = [each for each in later if each["client_id"] and each["client_id"] == entry.client_id]
    assert all(each["ns"] > later[0]["ns"] for each in sent)
    wait = (later[0]["ns"] - limited["ns"]) / NS_PER_S
    case.saw(f"silence of {wait:.2f} s for Retry-After 4, then the stop's move before everything else")


@row(47)
def test_row_47_a_ban_while_in_position(seat: Take, case: Case) -> None:
    at = seat()
    bought(at)
    case.pull("ban", seconds=12)
    eventually(lambda: [r for r in at.requests() if r["status"] == 418], bool, 15)
    refuses(at)
    at.venue.move(ETHUSDT="2940")  # the stop rests on the venue, and does not need us
    at.until(lambda now: held(now, ETH) == 0, 10)
    rows = [r for r in at.requests() if r["status"] == 418]
    at.until(lambda _: at.requests()[-1]["ns"] > rows[0]["ns"] + 10 * NS_PER_S, 20)
    banned, later = after(at, 418)
    wait = (min(each["ns"] for each in later) - banned["ns"]) / NS_PER_S
    assert wait >= 10, later[0]
    assert len([r for r in at.requests() if r["status"] == 418]) == len(rows)
    at.desk.wait_for(lambda s: not any(p.size for p in s.positions), 15)
    assert any(notice.code == "venue_silenced" for notice in at.desk.snapshot.notices)
    at.venue.restore()
    case.saw(f"not a request for {wait:.1f} s; the stop closed it on the venue meanwhile, and that is booked")


# -- 48, 49: clocks ------------------------------------------------------------------------------


class Steerable(SystemClock):
    """A host whose wall clock can be set, or which sleeps: the monotonic clock stands still then."""

    def __init__(self) -> None:
        self.set_ns = 0

    def now_ns(self) -> int:
        return super().now_ns() + self.set_ns


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Steerable:
    """The clock of the desk of this scenario; the exchange has its own."""
    clock = Steerable()
    monkeypatch.setattr(opening, "SystemClock", lambda: clock)
    return clock


def out_of_window(at: Seat) -> int:
    return sum(1 for each in at.requests() if each["code"] == -1021)


@pytest.mark.parametrize("ms", [7_000, -7_000])
@row(48)
def test_row_48_the_venues_clock_is_7_s_off(seat: Take, case: Case, ms: int) -> None:
    at = seat()
    bought(at)
    shift = case.strike("shift_clock", ms=ms)
    case.count(1)
    by = refuses_soon(at, "freshness_clock", within_s=75)
    refuses(at, "freshness_clock")
    assert any(notice.code == "clock_offset" for notice in at.desk.snapshot.notices)
    missed = out_of_window(at)
    assert at.desk.close_position(ETH, size="0.02").done
    under_stop(at, D("0.03"))
    assert out_of_window(at) == missed <= 8
    case.lift(shift)
    case.saw(
        f"{ms / 1000:+.0f} s: measured anew after {missed} refusals, {by} and an alarm; a reduce went through"
    )


@pytest.mark.parametrize("seconds", [7, -7])
@row(48)
def test_row_48_the_hosts_clock_is_set(seat: Take, case: Case, host: Steerable, seconds: int) -> None:
    at = seat()
    bought(at)
    host.set_ns = seconds * NS_PER_S
    case.count(1)
    refuses_soon(at, "freshness_clock", within_s=40)  # set back, the desk's clock nears it little by little
    refuses(at, "freshness_clock")
    assert at.desk.close_position(ETH, size="0.02").done
    under_stop(at, D("0.03"))
    assert out_of_window(at) == 0
    host.set_ns = 0
    enters(at, within_s=20)
    case.saw(f"set by {seconds:+d} s: refused while it is off, and no request out of its window")


@row(48)
def test_row_48_the_host_sleeps_ten_minutes(seat: Take, case: Case, host: Steerable) -> None:
    at = seat()
    bought(at)
    slept = case.strike("shift_clock", ms=600_000)  # time goes on elsewhere
    host.set_ns = 600 * NS_PER_S
    case.count(1)
    since = at.venue.asked()
    at.desk.wait_for(lambda s: any(notice.code == "time_gap" for notice in s.notices), 10)
    woke = enters(at, within_s=30)
    rows = [each for each in at.requests() if each["seq"] > since]
    first = next(each for each in rows if each["role"] == "entry")
    before = {each["path"] for each in rows if each["seq"] < first["seq"]}
    assert {"/fapi/v1/openOrders", "/fapi/v1/openAlgoOrders", "/fapi/v3/positionRisk"} <= before
    assert out_of_window(at) == 0
    under_stop(at, D("0.06"), naked_s=5)
    host.set_ns = 0
    case.lift(slept)
    case.saw(f"compared whole before an entry {woke:.1f} s after it woke; no request out of its window")


@row(49)
def test_row_49_a_stop_is_refused_for_its_timestamp(seat: Take, case: Case) -> None:
    at = seat()
    case.strike("answer", status=400, code=-1021, msg="Timestamp", match=STOPS)
    assert at.desk.buy(ETH, size="0.05", stop="2950").done
    truth = under_stop(at)
    sent = creates(at, "stop")
    assert [each["code"] for each in sent] == [-1021, 0]
    assert sent[0]["client_id"] == sent[1]["client_id"]
    between = [r["path"] for r in at.requests() if sent[0]["seq"] < r["seq"] < sent[1]["seq"]]
    assert "/fapi/v1/time" in between
    took = (sent[1]["ns"] - sent[0]["ns"]) / NS_PER_S
    assert covered(truth, ETH)
    case.saw(f"the clock was measured and the stop sent once more, {took:.2f} s later")


# -- 50, 52: keys --------------------------------------------------------------------------------


def rekey(at: Seat, **scopes: bool) -> None:
    """The desk's key, known to the venue with these scopes."""
    key = {"key": f"{at.name}-key", "secret": f"{at.name}-secret", "account": at.name}
    at.venue.post("account", key | {"scopes": scopes})


@row(50)
def test_row_50_the_key_is_revoked(seat: Take, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_gate, "PROBE_S", 4)
    at = seat()
    kept = bought(at)["open_algo_orders"]
    case.pull("revoke", key=f"{at.name}-key")
    at.desk.wait_for(lambda s: s.state is TradingState.HALTED and "key" in s.state_reason, 15)
    refuses(at)
    seq, start_ns = at.venue.asked(), at.truth()["now_ns"]
    truth = at.until(lambda now: now["now_ns"] > start_ns + 10 * NS_PER_S, 20)
    signed = [r for r in at.requests() if r["seq"] > seq and r["code"] == -2015]
    assert len(signed) <= 6, [r["path"] for r in signed]
    assert truth["open_algo_orders"] == kept
    rekey(at)
    eventually(lambda: at.desk.resume().done and at.desk.snapshot.private_stream_ready, bool, 30)
    healed = enters(at, within_s=30)
    case.saw(
        f"halted with an alarm, {len(signed)} signed requests in 10 s, the stop stands; "
        f"with the key back and resumed an entry after {healed:.1f} s"
    )


@row(50)
def test_row_50_the_permission_to_trade_is_gone(seat: Take, case: Case) -> None:
    at = seat()
    kept = bought(at)["open_algo_orders"]
    rekey(at, futures=False)
    assert not at.desk.buy(ETH, size="0.01", stop="2950").done
    at.desk.wait_for(lambda s: s.state is TradingState.HALTED and "key" in s.state_reason, 15)
    refuses(at)
    tried = [r for r in creates(at, "entry") if r["code"] == -2015]
    assert len(tried) == 1
    case.count(len(tried))
    assert at.truth()["open_algo_orders"] == kept
    rekey(at)
    case.saw("one entry was refused with -2015, then none is sent: halted; the stop stands")


@pytest.mark.parametrize("scope", ["withdrawals"])
@row(52, suite=True)
def test_row_52_a_key_that_may_withdraw(
    venue: StillVenue, case: Case, monkeypatch: pytest.MonkeyPatch, scope: str
) -> None:
    name = f"keen{scope}"
    monkeypatch.setenv(f"CONTRACTDESK_BINANCE_{name.upper()}_TESTNET_KEY", f"{name}-key")
    monkeypatch.setenv(f"CONTRACTDESK_BINANCE_{name.upper()}_TESTNET_SECRET", f"{name}-secret")
    venue.admit(name, "10000")
    key = {"key": f"{name}-key", "secret": f"{name}-secret", "account": name}
    case.pull("account", **key, scopes={scope: True})
    since = venue.asked()
    with pytest.raises(UserError, match=scope):
        venue.open(name)
    rows = venue.get(f"requests?since={since}")
    assert {each["method"] for each in rows} == {"GET"}
    assert not any("order" in each["path"].lower() for each in rows)
    case.saw(f"refused, {len(rows)} requests, none of them about an order")


# -- 54: maintenance -----------------------------------------------------------------------------


@row(54)
def test_row_54_maintenance(seat: Take, case: Case) -> None:
    """15 s instead of ten minutes; meanwhile the venue loses the stop."""
    at = seat()
    bought(at)
    down = case.strike("answer", status=503, msg="Service Unavailable", count=0)
    closed = case.strike("refuse", seconds=600)
    case.strike("cut")
    at.venue.post("expire_algos", {"account": at.name, "symbol": "ETHUSDT"})
    refuses_soon(at, "freshness_stream", within_s=10)
    refuses(at)
    seq, start_ns = at.venue.asked(), at.truth()["now_ns"]
    at.until(lambda now: now["now_ns"] > start_ns + 15 * NS_PER_S, 25)
    rows = [r for r in at.requests() if r["seq"] > seq]
    assert len(rows) / 15 <= 5, Counter(r["path"] for r in rows)
    end_ns = at.truth()["now_ns"]
    case.lift(down)
    case.lift(closed)
    truth = at.until(lambda now: covered(now, ETH) or not held(now, ETH), 20)
    back = (max(s["created_ns"] for s in truth["algo_orders"]) - end_ns) / NS_PER_S
    at.desk.wait_for(lambda s: s.private_stream_ready, 30)
    at.desk.resume()
    healed = enters(at, within_s=30)
    how = f"its stop again after {back:.1f} s" if held(truth, ETH) else "closed"
    case.saw(f"{len(rows) / 15:.1f} requests a second meanwhile; then {how}, an entry {healed:.1f} s later")
