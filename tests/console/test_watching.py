"""What is named can be looked at and traded when the verb returns; what cannot be says so in one sentence."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from contractdesk.console.desk import Desk
from contractdesk.console.opening import open_desk
from contractdesk.console.watching import READY_S
from contractdesk.errors import ConfigError, UserError
from contractdesk.strategy import intents
from contractdesk.strategy.bars import BarSeries
from contractdesk.strategy.library import TrendFollow
from tests.console.loopback import BTC, Watcher, truth

ETH = "ETH/USDT:USDT"


@pytest.fixture(scope="module")
def fresh(home: Path) -> Iterator[Desk]:
    """A desk on which nobody has watched anything yet; the tests of this module follow one another."""
    desk = open_desk("embedded", name="looking", seed=7, idle_limit_s=60)
    yield desk
    desk.close(leave="flatten")


def test_a_first_look_at_a_book_waits_for_its_picture(fresh: Desk) -> None:
    assert not fresh.snapshot.symbols
    book = fresh.book("ETHUSDT")
    assert book.valid
    assert book.bids
    assert book.mark is not None
    assert fresh.why_not(ETH).rows == ()
    assert "nothing blocks" in repr(fresh.why_not(ETH))


def test_a_size_in_a_symbol_that_nobody_watched_is_a_size_with_the_accounts_leverage(fresh: Desk) -> None:
    preview = fresh.size(BTC, stop=intents.atr_stop(14, 2.5))
    assert preview.refusal == ""
    assert preview.stop_price is not None
    assert preview.initial_margin < preview.notional
    assert repr(preview).startswith(f"buy {BTC}: would pass\n  size, contracts")
    assert "<table" in preview._repr_html_()


def test_a_start_waits_for_its_own_bars_though_the_symbol_was_looked_at(
    fresh: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    strategy = TrendFollow([BTC], "1s", fast=5, slow=15)
    trend = fresh.start(strategy, name="trend")
    assert f"{strategy.warmup} wanted" in capsys.readouterr().out
    (line,) = fresh._strategies.warmups[trend.id]
    # The first second with a trade in it begins the bars: a quiet one at the beginning makes none.
    assert int(line.split()[0]) >= strategy.warmup - 2
    assert fresh.snapshot.symbols[BTC].ready
    trend.stop()


def test_the_bars_of_an_atr_by_hand_are_loaded_when_they_are_named(fresh: Desk) -> None:
    bought = fresh.buy(BTC, notional=130, stop=intents.atr_stop(14, 20, "5m"))
    assert bought.done, bought
    assert not fresh.snapshot.refusals
    assert "5m" in fresh._session.state.symbols[BTC].watched, "a desk that is reopened streams them again"
    with pytest.raises(ConfigError, match="7s"):
        fresh.buy(BTC, notional=130, stop=intents.atr_stop(14, 20, "7s"))


def test_bars_that_are_there_and_not_streamed_are_loaded_anew(fresh: Desk) -> None:
    async def left_behind() -> None:
        fresh._session.state.symbols[BTC].series["15m"] = BarSeries("15m")

    fresh._session.submit(left_behind()).result(10)
    assert fresh.size(BTC, stop=intents.atr_stop(14, 20, "15m")).refusal == ""


def test_a_moved_stop_is_told_once_the_old_one_is_gone_and_a_refused_one_at_once(fresh: Desk) -> None:
    moved = fresh.move_stop(BTC, 40_000)
    assert moved.done
    assert [line.split(":")[0] for line in moved.stops] == ["placed", "cancelled"]
    refused = fresh.move_stop(BTC, 99_000)
    assert not refused.done
    assert refused.refused is not None
    assert [Decimal(o["trigger_price"]) for o in truth(fresh)["open_algo_orders"]] == [40_000]


def test_what_closes_a_position_is_told_with_its_stop_gone(fresh: Desk) -> None:
    closed = fresh.close_position(BTC)
    assert closed.done
    assert [line.split(":")[0] for line in closed.stops] == ["cancelled"]
    assert "closing" in repr(fresh.why(closed.order.request.client_id if closed.order else ""))


def test_a_symbol_that_is_set_to_isolated_margin_is_not_entered_until_it_is_cross_again(fresh: Desk) -> None:
    assert fresh.set_margin_mode(ETH, "isolated").done
    assert [row[0] for row in fresh.why_not(ETH).rows] == ["margin_mode"]
    refused = fresh.buy(ETH, notional=130, stop=intents.atr_stop(14, 20)).refused
    assert refused is not None
    assert refused.rule == "margin_mode"
    assert fresh.set_margin_mode(ETH, "cross").done
    assert fresh.why_not(ETH).rows == ()


def test_wrong_arguments_are_one_sentence(fresh: Desk) -> None:
    with pytest.raises(UserError, match="start\\(\\) takes a strategy"):
        fresh.start("trend")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="derives from"):
        fresh.swap("trend", int)  # type: ignore[type-var]
    with pytest.raises(UserError, match="stopped: start"):
        fresh.tune("trend", fast=4)


def test_in_a_cell_an_error_is_the_persons_own_line_and_the_sentence(fresh: Desk) -> None:
    try:
        fresh.cancel("nonsense")
    except UserError as error:
        shown = error._render_traceback_()
    assert len(shown) == 2
    assert 'fresh.cancel("nonsense")' in shown[0]
    assert "desk.orders" in shown[1]


def test_a_symbol_that_does_not_get_ready_is_said_after_a_bounded_time(
    fresh: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert READY_S <= 15
    monkeypatch.setattr("contractdesk.console.watching.READY_S", 0.01)
    monkeypatch.setattr("contractdesk.console.watching.tradeable", lambda _: False)
    fresh.start(Watcher([ETH], "1s"), name="watcher")
    said = capsys.readouterr().out
    assert "NOT COMPLETE" in said
    assert "it trades as soon as that is" in said
