"""End to end: a strategy in this process trades on an exchange in another; the two books agree."""

from __future__ import annotations

from decimal import Decimal

import pytest

from contractdesk.console.desk import Desk
from contractdesk.desk import embedded
from contractdesk.desk.audit import agreements, coverages
from contractdesk.domain.instrument import Rounding
from contractdesk.domain.orders import OrderRole
from contractdesk.domain.views import TradingState
from contractdesk.errors import ConfigError, UnknownSymbol, UserError
from tests.console.loopback import BTC, Pendulum, address, ready, truth


def test_it_opens_reconciled_and_says_where_it_trades(desk: Desk) -> None:
    picture = desk.wait_for(lambda s: s.state is TradingState.ACTIVE, 10)
    assert picture.wallet_balance == Decimal(10_000)
    assert desk.label == "EMBEDDED"
    assert "EMBEDDED" in repr(desk)
    assert "EMBEDDED" in desk._repr_html_()
    assert BTC in desk._ipython_key_completions_()


def test_preflight_passes(desk: Desk) -> None:
    table = desk.preflight()
    assert all(table.column("passed")), table


def test_a_strategy_trades_each_contract_is_stopped_and_the_books_agree(desk: Desk) -> None:
    handle = desk.start(Pendulum([BTC], "1s", hold=2), name="pendulum")
    desk.wait_for(lambda s: len(s.fills) >= 4, 60)
    handle.tune(hold=1000)
    desk.wait_for(lambda s: any(row.size and row.guarded == abs(row.size) for row in s.positions), 30)
    embedded.post(address(desk), "/control/fund", {"symbol": "BTCUSDT", "rate": "0.0004"})
    picture = desk.wait_for(lambda s: any(row.funding for row in s.positions), 10)

    account = truth(desk)
    rows = agreements(account, picture)
    assert rows
    assert all(row.equal for row in rows), rows
    assert all(row.desk for row in rows), rows  # none of them is trivially zero
    (coverage,) = coverages(account, account["now_ns"])
    assert coverage.longest_naked_s < 3
    assert coverage.funded == 1


def test_the_tables_and_the_pnl_equal_the_ledger(desk: Desk) -> None:
    account = truth(desk)
    booked = {
        kind: sum(Decimal(e["amount"]) for e in account["ledger"] if e["kind"] == kind)
        for kind in ("REALIZED_PNL", "COMMISSION", "FUNDING_FEE")
    }
    assert desk.pnl.realized == booked["REALIZED_PNL"]
    assert desk.pnl.fees == -booked["COMMISSION"]
    assert desk.pnl.funding == booked["FUNDING_FEE"]
    assert len(desk.fills) == len(account["fills"])
    assert list(desk.pnl.df(by=["strategy"])["strategy"]) == ["pendulum"]
    assert len(desk.funding.payments) == 1


def test_why_tells_the_story_of_an_order_from_signal_to_stop(desk: Desk) -> None:
    entry = next(o for o in reversed(desk.snapshot.orders) if o.request.role is OrderRole.ENTRY and o.filled)
    for name in (entry.request.client_id, entry.venue_id):
        story = repr(desk.why(name))
        assert "size_cap" in story
        assert "stop order" in story
        assert "fill" in story
    with pytest.raises(UserError, match="nothing known"):
        desk.why("nonsense")


def test_starting_again_says_what_runs_and_changes_nothing(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    again = desk.start(Pendulum([BTC], "1s", hold=7), name="pendulum")
    said = capsys.readouterr().out
    assert "already running with hold=1000" in said
    assert "tune(hold=7)" in said
    assert again.params == {"hold": 1000}
    with pytest.raises(UserError, match="already trades"):
        desk.start(Pendulum([BTC], "1s"), name="second")


def test_bad_parameters_and_symbols_are_one_clear_error(desk: Desk) -> None:
    with pytest.raises(ConfigError, match="1 to 1000"):
        desk.tune("pendulum", hold=0)
    with pytest.raises(UnknownSymbol, match="BTC"):
        desk.start(Pendulum(["BTX/USDT:USDT"]), name="other")
    assert "other" not in [row.strategy_id for row in desk.snapshot.strategies]


def test_an_order_by_hand_passes_the_same_gate(desk: Desk) -> None:
    receipt = desk.buy(BTC, size=5, stop=50_000)
    assert not receipt.done
    assert receipt.refused is not None
    assert receipt.refused.rule == "size_cap"
    assert receipt.refused.would_pass
    assert desk.refusals.column("rule")[-1] == "size_cap"


def test_halt_keeps_the_stops_resume_goes_on(desk: Desk) -> None:
    receipt = desk.halt("a test")
    assert desk.snapshot.state is TradingState.HALTED
    assert receipt.done
    assert any("kept" in line for line in receipt.stops)
    assert any(order["status"] == "NEW" for order in truth(desk)["algo_orders"])
    assert desk.resume().done
    assert desk.snapshot.state is TradingState.ACTIVE


def test_move_stop_moves_it_on_the_exchange(desk: Desk) -> None:
    (row,) = [row for row in desk.positions if row["size"]]
    target = row["mark"] * (Decimal("0.9") if row["size"] > 0 else Decimal("1.1"))
    target = desk.book(BTC).instrument.round_price(target, Rounding.NEAREST)
    assert desk.move_stop(BTC, target).done
    standing = [o for o in truth(desk)["algo_orders"] if o["status"] == "NEW"]
    assert [Decimal(o["trigger_price"]) for o in standing] == [target]


def test_flatten_closes_all_and_leaves_nothing_behind(desk: Desk) -> None:
    receipt = desk.flatten()
    assert receipt.done, receipt
    assert desk.snapshot.state is TradingState.REDUCING
    account = truth(desk)
    assert all(Decimal(row["size"]) == 0 for row in account["positions"].values())
    assert not account["open_orders"]
    assert not [o for o in account["algo_orders"] if o["status"] == "NEW"]
    assert all(row.equal for row in agreements(account, desk.snapshot))


def test_close_releases_everything_and_open_again_goes_on(desk: Desk) -> None:
    ready(desk)
    assert desk.close().done
    assert not desk.is_open
    assert "CLOSED" in repr(desk)
    with pytest.raises(UserError, match="closed"):
        desk.halt()
