"""The audit is only worth something if it sees what is wrong: each case is one small history."""

from __future__ import annotations

from typing import Any

import pytest

from contractdesk.desk.audit import coverages

SECOND = 1_000_000_000


def fill(at_s: float, side: str, quantity: str, order_id: int = 1) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "ts_ns": int(at_s * SECOND),
        "side": side,
        "quantity": quantity,
        "order_id": order_id,
    }


def stop(from_s: float, to_s: float, side: str, quantity: str) -> dict[str, Any]:
    return {
        "symbol": "BTCUSDT",
        "type": "STOP_MARKET",
        "side": side,
        "quantity": quantity,
        "reduce_only": True,
        "close_position": False,
        "created_ns": int(from_s * SECOND),
        "closed_ns": int(to_s * SECOND),
    }


def audited(fills: list[dict[str, Any]], stops: list[dict[str, Any]], now_s: float = 100) -> Any:
    account = {"fills": fills, "algo_orders": stops, "ledger": []}
    (row,) = coverages(account, int(now_s * SECOND))
    return row


def test_a_position_is_naked_until_its_stop_is_live() -> None:
    row = audited([fill(10, "BUY", "2"), fill(20, "SELL", "2", 2)], [stop(10.5, 20, "SELL", "2")])
    assert row.longest_naked_s == pytest.approx(0.5)
    assert row.round_trips == 1


def test_a_stop_that_is_too_small_leaves_the_rest_naked() -> None:
    fills = [fill(10, "BUY", "1"), fill(12, "BUY", "1"), fill(20, "SELL", "2", 2)]
    row = audited(fills, [stop(10, 20, "SELL", "1")])
    assert row.longest_naked_s == pytest.approx(8)
    assert row.partly_filled == 1


def test_a_stop_on_the_wrong_side_covers_nothing() -> None:
    row = audited([fill(10, "SELL", "1"), fill(15, "BUY", "1", 2)], [stop(9, 30, "SELL", "1")])
    assert row.longest_naked_s == pytest.approx(5)


def test_a_position_that_still_stands_naked_counts_until_now() -> None:
    row = audited([fill(10, "BUY", "1")], [stop(10, 40, "SELL", "1")], now_s=50)
    assert row.longest_naked_s == pytest.approx(10)


def test_replacing_a_stop_new_first_leaves_no_gap() -> None:
    stops = [stop(10, 15.2, "SELL", "1"), stop(15, 20, "SELL", "1")]
    row = audited([fill(10, "BUY", "1"), fill(20, "SELL", "1", 2)], stops)
    assert row.longest_naked_s == 0
    assert row.stops == 2


def test_a_flip_through_zero_is_a_round_trip() -> None:
    row = audited(
        [fill(10, "BUY", "1"), fill(11, "SELL", "3", 2)],
        [stop(10, 0, "SELL", "9"), stop(11, 0, "BUY", "9")],
    )
    assert row.round_trips == 1
    assert row.longest_naked_s == 0
