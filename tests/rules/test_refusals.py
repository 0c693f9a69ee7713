"""What a trader is told: refusals with what was found, the limit and what would pass; tunings, journaled."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from contractdesk.domain.events import RiskTuned, StrategyTuned
from contractdesk.errors import ConfigError
from contractdesk.storage.journal_reader import JournalReader
from contractdesk.strategy.base import Strategy
from contractdesk.strategy.params import Param
from tests.rules.venue import BTC, ETH, SOL, Seat

D = Decimal

# What is wished, of an equity of 10,000; then the row that comes of it, whole.
WISHES: list[tuple[str, str, dict[str, Any], tuple[str, str, str, str]]] = [
    (
        "sell", ETH, {"size": "0.101", "stop": 3_050},
        ("size_cap", "3.03 % of equity (303.00 USDT)", "<= 3 % of equity (300.00 USDT)", "size <= 0.1"),
    ),
    (
        "buy", ETH, {"size": "0.05", "limit": 3_000},
        ("hard_stop", "no stop", "every entry has a stop", "stop=atr_stop(14, 2.5)"),
    ),
    (
        "buy", SOL, {"size": "1", "limit": 150, "stop": 151},
        ("hard_stop", "stop 151", "stop < 150", "a stop with stop < 150"),
    ),
    (
        "sell", BTC, {"size": "0.001", "limit": 60_000, "stop": 61_000},
        ("venue_terms", "60.00 USDT notional", ">= 100.00 USDT", "notional >= 100.00 USDT"),
    ),
]  # fmt: skip


def test_each_refusal_is_a_row_that_says_why_and_what_would_pass(seat: Callable[..., Seat]) -> None:
    at = seat()
    for side, symbol, wish, row in WISHES:
        receipt = getattr(at.desk, side)(symbol, **wish)
        assert not receipt.done
        last = at.desk.refusals.df.iloc[-1]
        assert (last["rule"], last["found"], last["limit"], last["would_pass"]) == row
        assert (last["symbol"], last["strategy_id"]) == (symbol, "by hand")
        assert all(words in receipt.summary for words in row)
        story = repr(at.desk.why(str(last["intent_id"])))
        assert all(words in story for words in (row[0], row[1], row[2]))
    assert len(at.desk.refusals) == len(WISHES)
    assert at.creates() == []


def test_what_would_pass_passes(seat: Callable[..., Seat]) -> None:
    at = seat()
    refused = at.desk.sell(ETH, size="0.5", stop=3_050).refused
    assert refused is not None
    size = refused.would_pass.removeprefix("size <= ")
    assert at.desk.sell(ETH, size=size, stop=3_050).done
    assert at.size(ETH) == -D(size)


OUT_OF_RANGE = [
    ("size_cap", "10.01", "0", "10"),
    ("size_cap", "-0.01", "0", "10"),
    ("breaker_drop", "1.01", "0.001", "1"),
    ("breaker_window_s", 901, "10", "900"),
    ("margin_guard", "0.04", "0.05", "1"),
    ("trail_multiple", "0.09", "0.1", "50"),
    ("stop_liquidation_buffer", "0.51", "0", "0.5"),
    ("funding_gate", "nan", "0", "1"),
    ("open_interest_drop", "1.01", "0", "1"),
]


def test_out_of_range_is_refused_with_the_range(seat: Callable[..., Seat]) -> None:
    at = seat()
    before = at.desk.risk.settings
    for setting, value, low, high in OUT_OF_RANGE:
        with pytest.raises(ConfigError, match=f"{setting}.*from {low} to {high}"):
            at.desk.risk.tune(**{setting: value})
    assert at.desk.risk.settings == before


def test_a_tuned_limit_binds_the_next_entry_and_is_journaled(seat: Callable[..., Seat]) -> None:
    """3 % of 10,000 are 0.1 ETH sold at 3,000; 1.5 % are half of that, 4.5 % half as much again."""
    at = seat()
    began_ns = at.truth()["now_ns"]
    receipt = at.desk.risk.tune(size_cap="0.015")
    assert (receipt.done, receipt.summary) == (True, "size_cap 3 % -> 1.5 % of equity a symbol")
    refused = at.desk.sell(ETH, size="0.051", stop=3_050).refused
    assert refused is not None
    assert (refused.rule, refused.would_pass) == ("size_cap", "size <= 0.05")
    assert at.desk.sell(ETH, size="0.05", stop=3_050).done
    assert at.desk.risk.tune(size_cap="0.045").done
    assert at.desk.sell(ETH, size="0.09", stop=3_050).done  # 0.14 x 3,000 = 420 of some 449.99
    assert at.size(ETH) == D("-0.14")
    ended_ns = at.truth()["now_ns"]
    at.desk.close(leave="flatten")
    with JournalReader(at.desk.journal_path) as journal:
        said = [event for _, event in journal.events() if isinstance(event, RiskTuned)]
    assert [(event.who, event.settings) for event in said] == [
        ("person", {"size_cap": "0.015"}),
        ("person", {"size_cap": "0.045"}),
    ]
    assert began_ns <= said[0].ts_ns <= said[1].ts_ns <= ended_ns


class Patient(Strategy):
    """Wishes nothing."""

    bars = Param(20, ge=2, le=500, doc="bars")


def test_a_tuned_strategy_is_refused_with_the_range_and_journaled(seat: Callable[..., Seat]) -> None:
    at = seat()
    handle = at.desk.start(Patient([ETH], "1m"), name="patient")
    began_ns = at.truth()["now_ns"]
    for value in (1, 501):
        with pytest.raises(ConfigError, match=r"bars.* 2 to 500"):
            at.desk.tune("patient", bars=value)
    assert at.desk.tune("patient", bars=500).done
    at.desk.wait_for(lambda _: handle.params == {"bars": 500}, 10)
    ended_ns = at.truth()["now_ns"]
    at.desk.close()
    with JournalReader(at.desk.journal_path) as journal:
        (said,) = [event for _, event in journal.events() if isinstance(event, StrategyTuned)]
    assert (said.who, said.strategy_id, said.params) == ("person", "patient", {"bars": 500})
    assert began_ns <= said.ts_ns <= ended_ns
