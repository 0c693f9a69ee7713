"""A process with desks that stands still (SIGSTOP, as a call that holds the interpreter) and goes on.

Each desk's guardian is as patient as what is at risk allows; the desk, when it wakes, recovers by itself.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import Struct

from tests.desk.guarded import STOP, Account, Trader, eventually, exchange_of_its_own, trading

STILL_S = 2.5
STORIES: dict[str, dict[str, float]] = {
    "bare": {}, "covered": {"covered_s": 2.0}, "patient": {"covered_s": 60.0}, "flat": {},
}  # fmt: skip


class Stalled(Struct):
    """The process stood still and goes on; ``told`` is what each desk says once it is ready again."""

    trader: Trader
    accounts: dict[str, Account]
    told: dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def stalled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stalled]:
    with exchange_of_its_own(tmp_path_factory.mktemp("state")) as venue:
        accounts = {name: Account(venue, name) for name in STORIES}
        with trading(accounts, STORIES) as trader:
            yield _tell(trader, accounts)


def _tell(trader: Trader, accounts: dict[str, Account]) -> Stalled:
    for name in ("covered", "patient"):
        assert trader.ask(f"{name} buy 130 {STOP}")["done"]
    assert trader.ask(f"covered buy 130 {STOP} 58500")["done"]
    bare = accounts["bare"]
    bare.no_stop_of(trader.epochs["bare"])
    trader.say(f"bare send 130 {STOP}")
    eventually(lambda: bool(bare.held))
    time.sleep(0.3)  # the desk has told its guardian of the fill
    trader.process.send_signal(signal.SIGSTOP)
    time.sleep(STILL_S)
    for name in ("bare", "covered"):
        eventually(lambda account=accounts[name]: account.epoch > trader.epochs[account.name])  # type: ignore[misc]
    eventually(lambda: bool(bare.stops), lambda: bare.truth)
    eventually(lambda: accounts["covered"].entries == [])
    bare.venue.heal()
    trader.process.send_signal(signal.SIGCONT)
    told = {name: _ready(trader, name, taken=name in ("bare", "covered")) for name in STORIES}
    return Stalled(trader=trader, accounts=accounts, told=told)


def _ready(trader: Trader, name: str, *, taken: bool) -> dict[str, Any]:
    """What it says once it is itself again; ``taken``: after its account had been taken over."""
    told: dict[str, Any] = {}

    def ready() -> bool:
        told.update(trader.ask(f"{name} tell"))
        back = not taken or "lease_regained" in told["notices"]
        anew = not taken or told["pid"] not in (0, trader.guardians[name])
        return bool(back and anew and told["ready"] and told["guardian"] == "watching")

    eventually(ready, told)
    return told


def test_a_fill_without_a_stop_is_not_left_alone_for_two_seconds(stalled: Stalled) -> None:
    account, epoch = stalled.accounts["bare"], stalled.trader.epochs["bare"]
    assert account.stopped(account.held), account.truth
    assert account.stops[0]["client_id"].startswith(account.prefix(epoch + 1))  # the guardian's, kept


def test_what_is_covered_is_checked_and_what_rests_is_cancelled(stalled: Stalled) -> None:
    account, epoch = stalled.accounts["covered"], stalled.trader.epochs["covered"]
    assert account.stopped(account.held), account.truth
    assert account.stops[0]["client_id"].startswith(account.prefix(epoch))  # the desk's own, as it was
    assert account.sent(epoch + 1) == []


def test_within_its_patience_a_guardian_does_nothing(stalled: Stalled) -> None:
    for name in ("patient", "flat"):
        account = stalled.accounts[name]
        assert account.epoch == stalled.trader.epochs[name]
        assert account.codes() == []
        assert "lease_lost" not in stalled.told[name]["notices"]


def test_the_desk_sends_nothing_under_an_epoch_that_is_over(stalled: Stalled) -> None:
    for name in ("bare", "covered"):
        account, epoch = stalled.accounts[name], stalled.trader.epochs[name]
        taken_ns = min(
            line["@timestamp"]
            for line in account.guardian_log()
            if line.get("event", {}).get("code") == "guardian_took_over"
        )
        late = [row for row in account.sent(epoch) if row["ns"] > _ns(taken_ns)]
        assert late == []


def test_the_desk_takes_the_account_back_and_tells_what_was_done(stalled: Stalled) -> None:
    for name in ("bare", "covered"):
        told, account = stalled.told[name], stalled.accounts[name]
        assert account.epoch == stalled.trader.epochs[name] + 2
        assert told["state"] == "ACTIVE"
        assert "lease_lost" in told["notices"]
        assert "silent for" in told["notices"]["lease_regained"]
        assert told["pid"] != stalled.trader.guardians[name]  # a new guardian, for the new epoch
        (position,) = told["positions"]
        assert position == ["own", str(account.held), str(account.held)]


def test_then_it_trades_again_under_the_new_epoch(stalled: Stalled) -> None:
    account, epoch = stalled.accounts["covered"], stalled.trader.epochs["covered"]
    held = account.held
    eventually(lambda: stalled.trader.ask(f"covered buy 130 {STOP}")["done"])  # its feeds are fresh again
    assert account.held > held
    eventually(lambda: account.stopped(account.held), lambda: account.truth)
    assert {row["role"] for row in account.sent(epoch + 2)} == {"entry", "stop"}


def _ns(timestamp: str) -> int:
    from datetime import datetime

    return int(datetime.fromisoformat(timestamp).timestamp() * 1e9)
