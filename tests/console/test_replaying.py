"""A live session on the loopback exchange and its replay: the same orders, and what differs is named."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from contractdesk.cli import commands
from contractdesk.console.desk import Desk
from contractdesk.console.replaying import replay_session
from contractdesk.errors import ConfigError, UserError
from contractdesk.replay.models import ConstantLatency, FixedSlippage, Models
from contractdesk.replay.twin_report import TwinReport
from tests.console.loopback import BTC, Watcher, ready

SIZE = Decimal("0.004")
ROUNDS = 3


def a_moment(desk: Desk) -> None:
    """Of the desk's time: what a person does next does not depend on how fast the last answer came."""
    since_ns = desk.snapshot.ts_ns
    desk.wait_for(lambda s: s.ts_ns > since_ns + 300_000_000, 20)


@pytest.fixture(scope="module")
def traded(desk: Desk) -> Desk:
    """Three round trips by hand, each under its stop."""
    desk.start(Watcher([BTC], "1m"), name="watcher")
    ready(desk)
    mark = desk.snapshot.symbols[BTC].mark
    assert mark is not None
    for number in range(ROUNDS):
        enter, away = (desk.buy, "0.95") if number % 2 == 0 else (desk.sell, "1.05")
        assert enter(BTC, size=SIZE, stop=(mark * Decimal(away)).quantize(Decimal(1))).done
        desk.wait_for(lambda s: any(row.size and row.guarded == abs(row.size) for row in s.positions), 20)
        a_moment(desk)
        assert desk.close_position(BTC).done
        desk.wait_for(lambda s: not any(row.size for row in s.positions), 20)
        a_moment(desk)
    desk.wait_for(lambda s: not any(order.status.open for order in s.orders), 20)
    return desk


@pytest.fixture(scope="module")
def fitted(traded: Desk) -> ConstantLatency:
    """The latency that the session itself suggests."""
    found = traded.replay().fitted
    assert found is not None, "nine orders tell it"
    return found


@pytest.fixture(scope="module")
def twin(traded: Desk, fitted: ConstantLatency) -> TwinReport:
    return traded.replay(models=Models(latency=fitted, slippage=FixedSlippage(1)))


def test_the_replay_sends_the_same_orders(twin: TwinReport) -> None:
    assert twin.same_commands, twin.divergence
    assert len(twin.live) == len(twin.replayed) == 3 * ROUNDS
    assert not twin.cut


def test_every_fill_of_the_session_was_made_again(twin: TwinReport) -> None:
    table = twin.orders
    taking = table[table["role"].isin(["entry", "exit"])]
    assert len(taking) == 2 * ROUNDS
    assert taking["live_price"].notna().all()
    assert taking["replayed_price"].notna().all()
    # What the market did between the fitted latency and each order's own is all that differs.
    assert (taking["live_worse_by"].abs() / taking["live_price"]).max() < 0.0005


def test_the_replay_made_its_own_answers(twin: TwinReport) -> None:
    ours = {fill.trade_id for story in twin.replayed.values() for fill in story.fills}
    theirs = {fill.trade_id for story in twin.live.values() for fill in story.fills}
    assert ours
    assert ours != theirs


def test_a_fitted_latency_is_not_complained_of(twin: TwinReport) -> None:
    assert not [words for words in twin.verdicts if words.startswith("latency")]


@pytest.mark.parametrize("leg", ["entry", "answer"])
def test_a_latency_that_is_wrong_by_100_ms_is_named(traded: Desk, fitted: ConstantLatency, leg: str) -> None:
    late = replace(fitted, **{f"{leg}_ms": getattr(fitted, f"{leg}_ms") + 100})
    report = traded.replay(models=Models(latency=late))
    assert any(words.startswith(f"latency: the {leg} took") for words in report.verdicts), report
    assert f"({leg}_ms)" in repr(report)


def test_the_session_is_found_by_its_desks_name(traded: Desk) -> None:
    named = replay_session("test")
    assert list(named.live) == list(traded.replay().live)


def test_a_session_that_is_not_there_and_a_time_that_is_none_are_refused(home: Path) -> None:
    with pytest.raises(UserError, match="there are test"):
        replay_session("nobody")
    with pytest.raises(ConfigError, match="give a length such as 6h"):
        replay_session("test", since="yesterday")


def test_the_terminal_says_what_is_off_and_ends_with_1(traded: Desk, fitted: ConstantLatency) -> None:
    late = str(fitted.entry_ms + 100)
    done = CliRunner().invoke(commands, ["twin", "test", "--latency-ms", late])
    assert done.exit_code == 1, done.output
    assert "off: latency: the entry took" in done.output
