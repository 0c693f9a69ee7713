"""A desk whose process dies: its guardian cancels, stops or closes what is its own, and nothing else."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from contractdesk.console.opening import open_desk
from contractdesk.desk.paths import DeskPaths, state_home
from tests.desk.guarded import STOP, Account, Exchange, Trader, alive, eventually, supersede
from tests.rules.venue import Hand

BTC = "BTC/USDT:USDT"
Hire = Callable[..., Trader]


@pytest.fixture(scope="module")
def venue(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    folder = tmp_path_factory.mktemp("state")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CONTRACTDESK_STATE", str(folder))
        patch.setenv("XDG_CONFIG_HOME", str(folder))
        exchange = Exchange()
        yield exchange
        exchange.close()


@pytest.fixture
def hire(venue: Exchange) -> Iterator[Hire]:
    """``hire("name", uncovered_s=...)``: a trader of a new account, with its guardian."""
    traders: list[Trader] = []

    def start(name: str, **guardian: object) -> Trader:
        account = Account(venue, name)
        traders.append(Trader(account, **guardian))
        return traders[-1]

    yield start
    venue.heal()
    for trader in traders:
        trader.end()
        supersede(trader.account)


def filled_and_bare(trader: Trader) -> Decimal:
    """Buy while no stop of the desk gets through; returns what is held then."""
    account = trader.account
    account.no_stop_of(trader.epoch)
    trader.say(f"buy 150 {STOP}")
    eventually(lambda: bool(account.held), account.truth)
    assert account.stops == []
    return account.held


def test_a_filled_and_uncovered_position_gets_its_stop(hire: Hire) -> None:
    trader = hire("bare")
    account = trader.account
    held = filled_and_bare(trader)
    trader.kill()
    eventually(lambda: account.stopped(held), lambda: account.truth)
    assert account.held == held
    assert account.stops[0]["client_id"].startswith(account.prefix(trader.epoch + 1))
    assert "guardian_took_over" in account.codes()
