"""A process with desks is killed: each one's guardian cancels, stops or closes what is its own, no more.

One process holds all of them, so that one kill tells all the stories.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from msgspec import Struct

from contractdesk.console.opening import open_desk
from contractdesk.desk.lock import guardian_gone
from contractdesk.desk.paths import DeskPaths, state_home
from tests.desk.guarded import (
    STOP,
    Account,
    Exchange,
    Trader,
    alive,
    eventually,
    exchange_of_its_own,
    supersede,
    trading,
)
from tests.rules.venue import Hand

BTC = "BTC/USDT:USDT"
THEIRS = Decimal("0.002")  # bought by somebody else on the same account
STORIES: dict[str, dict[str, float]] = {
    "bare": {}, "late": {}, "rests": {}, "refused": {}, "shared": {}, "unwritten": {},
    "alone": {"alert_s": 0.7, "flatten_s": 1.5},
}  # fmt: skip
BARE = ("bare", "refused", "shared", "unwritten")  # killed with contracts and no stop


class Killed(Struct):
    """The process is gone; this is what there was a moment before."""

    trader: Trader
    accounts: dict[str, Account]
    held: dict[str, Decimal]
    standing_stop: str  # the client id of the one that "rests" had
    seen: dict[str, bytes]  # of the guardian of "bare", from outside
    given: bytes  # the environment of the process that was killed
    last_seq: int  # of the exchange's request log, then

    def guardian_epoch(self, name: str) -> int:
        return self.trader.epochs[name] + 1


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with exchange_of_its_own(tmp_path_factory.mktemp("state")) as exchange:
        yield exchange


@pytest.fixture(scope="module")
def killed(venue: Exchange) -> Iterator[Killed]:
    accounts = {name: Account(venue, name) for name in STORIES}
    second = Hand(venue, "shared-second", "shared")  # type: ignore[arg-type]
    second.trade(BTC, "BUY", str(THEIRS))
    terms = {"symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC", "quantity": "0.01"}
    second.signed("POST", "/fapi/v1/order", price="55000", **terms)
    with trading(accounts, STORIES) as trader:
        yield _tell(trader, accounts)


def _tell(trader: Trader, accounts: dict[str, Account]) -> Killed:
    """Bring every desk to where its story begins, and kill them all."""
    for name in ("rests", "alone"):
        assert trader.ask(f"{name} buy 130 {STOP}")["done"]
    assert trader.ask(f"rests buy 130 {STOP} 58500")["done"]
    for path in (DeskPaths.of("unwritten").guardian_log, accounts["unwritten"].lock.with_suffix(".guardian")):
        path.mkdir()  # neither its log nor its presence can be written
    for name in BARE:
        accounts[name].no_stop_of(trader.epochs[name])
    match = {
        "method": "POST",
        "role": "stop",
        "client_id": accounts["refused"].prefix(trader.epochs["refused"] + 1),
    }
    refusal = {"status": 400, "code": -2021, "msg": "Order would immediately trigger."}
    accounts["refused"].venue.fault("answer", count=0, match=match, **refusal)
    bare = {name: accounts[name] for name in BARE}
    for name in bare:
        trader.say(f"{name} send 130 {STOP}")
    there = {"shared": THEIRS}
    eventually(lambda: all(account.held > there.get(name, 0) for name, account in bare.items()))
    assert all(account.stops == [] for account in bare.values())
    paths = {part: Path(f"/proc/{trader.guardians['bare']}/{part}") for part in ("cmdline", "environ")}
    killed = Killed(
        trader=trader,
        accounts=accounts,
        held={name: account.held for name, account in accounts.items()},
        standing_stop=accounts["rests"].stops[0]["client_id"],
        seen={part: path.read_bytes() for part, path in paths.items()},
        given=Path(f"/proc/{trader.process.pid}/environ").read_bytes(),
        last_seq=0,
    )
    accounts["late"].slow("entry", 2_000)  # within its request window
    trader.say(f"late send 130 {STOP}")
    eventually(lambda: bool(accounts["late"].sent()))
    trader.kill()
    killed.last_seq = accounts["bare"].venue.requests()[-1]["seq"]
    return killed


def test_a_filled_and_uncovered_position_gets_its_stop(killed: Killed) -> None:
    account = killed.accounts["bare"]
    eventually(lambda: account.stopped(killed.held["bare"]), lambda: account.truth)
    assert account.held == killed.held["bare"]
    assert account.stops[0]["client_id"].startswith(account.prefix(killed.guardian_epoch("bare")))
    assert "guardian_took_over" in account.codes()


def test_its_many_reads_leave_the_weight_of_the_address_to_the_next_desk(killed: Killed) -> None:
    """Three rounds a second that ask for all symbols would spend a minute's weight in eight seconds."""
    account = killed.accounts["bare"]
    eventually(lambda: account.stopped(killed.held["bare"]), lambda: account.truth)
    rows = [row for row in account.venue.requests() if row["seq"] > killed.last_seq]
    reads = [row for row in rows if row["path"].endswith(("/openOrders", "/openAlgoOrders"))]
    assert reads
    assert {row["weight"] for row in reads} == {1}


def test_one_that_can_write_nothing_down_protects_all_the_same(killed: Killed) -> None:
    account = killed.accounts["unwritten"]
    eventually(lambda: account.stopped(killed.held["unwritten"]), lambda: account.truth)
    assert account.stops[0]["client_id"].startswith(account.prefix(killed.guardian_epoch("unwritten")))


def test_an_entry_that_arrives_after_the_guardian_began_is_met_too(killed: Killed) -> None:
    account = killed.accounts["late"]
    eventually(lambda: bool(account.held), lambda: account.truth)
    eventually(lambda: account.stopped(account.held), lambda: account.truth)
    assert account.stops[0]["client_id"].startswith(account.prefix(killed.guardian_epoch("late")))


def test_an_entry_that_rests_is_cancelled_and_a_stop_that_stands_is_left(killed: Killed) -> None:
    account = killed.accounts["rests"]
    eventually(lambda: account.entries == [], lambda: account.truth)
    eventually(lambda: "guardian_cancelled" in account.codes())
    assert account.held == killed.held["rests"]
    assert [row["client_id"] for row in account.stops] == [killed.standing_stop]
    assert account.sent(killed.guardian_epoch("rests")) == []  # there was nothing to place


def test_a_stop_that_is_refused_means_that_the_position_is_closed(killed: Killed) -> None:
    account = killed.accounts["refused"]
    eventually(lambda: not account.held, lambda: account.truth)
    closing = [row for row in account.sent(killed.guardian_epoch("refused")) if row["role"] == "reduce"]
    assert [row["reduce_only"] for row in closing] == [True]
    eventually(lambda: not alive(killed.trader.guardians["refused"]))  # nothing is left to protect
    assert "guardian_left" in account.codes()


def test_what_is_not_the_desks_is_left_alone(killed: Killed) -> None:
    account = killed.accounts["shared"]
    own = killed.held["shared"] - THEIRS
    eventually(lambda: account.stopped(own), lambda: account.truth)
    assert account.held == own + THEIRS
    assert len(account.entries) == 1  # the other's limit order


def test_alone_for_long_it_alerts_and_where_it_may_it_closes(killed: Killed) -> None:
    account = killed.accounts["alone"]
    eventually(lambda: "guardian_alone" in account.codes())
    (alert,) = [row for row in account.guardian_log() if row.get("event", {}).get("code") == "guardian_alone"]
    assert (alert["log.level"], alert["event"]["kind"]) == ("critical", "alert")
    assert BTC in alert["message"]
    eventually(lambda: not account.held, lambda: account.truth)
    eventually(lambda: account.stops == [], lambda: account.truth)  # last, and not before
    (stop,) = account.truth["algo_orders"]
    assert stop["closed_ns"] >= account.truth["fills"][-1]["ts_ns"]


def test_nothing_of_the_key_is_seen_from_outside(killed: Killed) -> None:
    account = killed.accounts["bare"]
    secrets = [account.key.encode(), account.secret.encode()]
    assert secrets[0] in killed.given  # it had a chance to leak
    for part, seen in killed.seen.items():
        assert not any(secret in seen for secret in secrets), part
    eventually(lambda: bool(account.guardian_log()))
    for path in state_home().rglob("*"):
        if path.is_file() and "exchange" not in path.parts:
            assert not any(secret in path.read_bytes() for secret in secrets), path


def test_a_new_desk_takes_over_while_the_guardian_works(
    venue: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = Account(venue, "heir")
    trader = Trader({account: {}})
    epoch = trader.epochs["heir"]
    account.no_stop_of(epoch)
    trader.say(f"heir send 130 {STOP}")
    eventually(lambda: bool(account.held))
    held = account.held
    account.slow("stop", 1_000, epoch + 1)
    trader.end()
    eventually(lambda: bool(account.sent(epoch + 1)))
    for name, value in account.environment.items():
        monkeypatch.setenv(name, value)
    desk = open_desk("binance", "heir", "testnet", name="heir", endpoints=venue.endpoints, guardian=False)
    assert account.epoch == epoch + 2
    assert guardian_gone(account.lock)  # it had left before the account was read
    eventually(lambda: not alive(trader.guardians["heir"]))
    desk.wait_for(lambda s: s.private_stream_ready and s.protected_fraction == 1, 10)
    assert account.stopped(held), account.truth
    assert account.sent(epoch + 2) == []  # the guardian's stop is the desk's own now
    (row,) = [row for row in desk.snapshot.positions if row.size]
    assert (row.origin, row.size, row.guarded) == ("own", held, held)
    assert {"stop_found", "guardian_acted"} <= {notice.code for notice in desk.snapshot.notices}
    assert desk.flatten().done
    assert (account.held, account.stops) == (Decimal(0), [])
    desk.close()


def test_lists_that_lag_behind_do_not_make_it_pile_up_stops(venue: Exchange) -> None:
    account = Account(venue, "lag")
    trader = Trader({account: {}})
    account.no_stop_of(trader.epochs["lag"])
    trader.say(f"lag send 130 {STOP}")
    eventually(lambda: bool(account.held))
    match = {"method": "GET", "path": "/fapi/v1/openAlgoOrders"}
    fault = venue.fault("answer", count=0, status=200, msg="[]", match=match)  # whatever rests there
    trader.end()
    eventually(lambda: bool(account.stops))
    eventually(lambda: struck(venue, fault) >= 6)  # it has looked in vain so often
    assert account.stopped(account.held), account.truth
    venue.heal()
    eventually(lambda: "guardian_took_over" in account.codes())
    assert len(account.truth["algo_orders"]) == 1
    supersede(account)


def struck(venue: Exchange, fault: int) -> int:
    """How often it has met a request."""
    return next(int(row["injected"]) for row in venue.faults() if row["id"] == fault)
