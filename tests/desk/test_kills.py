"""Kernels that are killed, by a small selection of ``make kills``; and whether its judge would notice."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from contractdesk.domain.orders import OrderRole
from contractdesk.engine import client_ids

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
MS = 1_000_000
Row = dict[str, Any]
# Of the benchmark's: a suite shares its host with others. "after the fill, before the stop" and the two next.
CYCLES = ["--first", "5", "--cycles", "3", "--within", "90", "--naked", "30000"]


@pytest.fixture
def judge(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return importlib.import_module("kills_judge")


def test_a_desk_is_as_the_exchange_says_after_its_kernel_was_killed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "kills.py", *CYCLES],
        cwd=BENCHMARKS,
        env=os.environ | {"TMPDIR": str(tmp_path), "PYTHONPATH": str(BENCHMARKS.parent)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    assert "3 cycles, seed 1" in done.stdout
    assert list(tmp_path.glob("contractdesk-kills-*")) == []


def test_time_without_a_stop_is_counted_from_the_fill(judge: Any) -> None:
    account = told(
        fills=[(10, "BUY", "0.02"), (50, "BUY", "0.02")], stops=[(15, 90, "0.02"), (80, 0, "0.04")]
    )
    assert judge.longest_naked_ms(account, 0) == 30.0  # from the second fill to the stop that covers both
    assert judge.longest_naked_ms(account, 60 * MS) == 20.0


def test_a_stop_that_is_too_small_or_of_the_wrong_side_covers_nothing(judge: Any) -> None:
    fills = [(10, "BUY", "0.02")]
    assert judge.longest_naked_ms(told(fills, [(10, 0, "0.01")]), 0) == 90.0
    assert judge.longest_naked_ms(told(fills, [(10, 0, "0.02")], side="BUY"), 0) == 90.0
    assert judge.longest_naked_ms(told(fills, [(10, 0, "0.02")]), 0) == 0.0


def test_a_gap_between_two_stops_is_seen(judge: Any) -> None:
    account = told([(10, "SELL", "0.02")], [(10, 40, "0.02"), (43, 0, "0.02")], side="BUY")
    assert judge.longest_naked_ms(account, 0) == 3.0


def test_a_third_stop_counts_unless_it_arrived_late_and_goes_at_once(judge: Any) -> None:
    brief = told([(0, "BUY", "0.02")], [(0, 0, "0.02"), (10, 40, "0.02"), (30, 40, "0.02")])
    assert judge.most_stops(brief, [], 0, 500.0) == 3
    late = {**create("2", reduce_only=True), "ns": 0}  # of the last one: it came 30 ms before it was accepted
    assert judge.most_stops(brief, [late], 0, 500.0) == 3
    late["ns"] = -30 * MS
    assert judge.most_stops(brief, [late], 0, 500.0) == 2
    assert judge.most_stops(brief, [late], 0, 10.0) == 3


def test_an_id_that_is_sent_twice_and_an_entry_too_many_are_duplicates(judge: Any) -> None:
    first, second = (client_ids.make("abcd", 1, number, OrderRole.ENTRY) for number in (1, 2))
    account = {"orders": [{"created_ns": 5, "client_id": first}, {"created_ns": 6, "client_id": second}]}
    rows = [create(first), create(second)]
    assert judge.duplicates(rows, set(), account, 0, 2) == []
    assert len(judge.duplicates(rows, set(), account, 0, 1)) == 1
    assert len(judge.duplicates([*rows, create(first)], set(), account, 0, 2)) == 1
    assert len(judge.duplicates(rows, {first}, account, 0, 2)) == 1


def test_only_a_desk_may_send_what_could_open_a_position(judge: Any) -> None:
    opened = create(client_ids.make("abcd", 7, 1, OrderRole.ENTRY))
    stop = create(client_ids.make("abcd", 7, 2, OrderRole.STOP), reduce_only=True)
    assert judge.opened_by_others([opened, stop], {7}) == []
    assert len(judge.opened_by_others([opened, stop], {6})) == 1
    assert judge.opened_by_others([stop], set()) == []


def test_a_fill_that_is_missing_or_booked_twice_is_lost(judge: Any) -> None:
    account = told([(10, "BUY", "0.02"), (20, "SELL", "0.01")], [])
    assert judge.lost_fills(account, {"fills": ["0+", "1-"]}, 0) == []
    assert judge.lost_fills(account, {"fills": ["0+"]}, 0) == ["1-"]
    assert judge.lost_fills(account, {"fills": ["0+", "0+", "1-"]}, 0) == ["0+"]


def told(fills: list[tuple[int, str, str]], stops: list[tuple[int, int, str]], side: str = "SELL") -> Row:
    """An account at 100 ms: fills (ms, side, size), and stops (from ms, to ms or 0, size)."""
    signed = [Decimal(size) * (1 if way == "BUY" else -1) for _, way, size in fills]
    return {
        "now_ns": 100 * MS,
        "positions": {"BTCUSDT": {"size": str(sum(signed, Decimal(0)))}},
        "fills": [
            {"symbol": "BTCUSDT", "trade_id": number, "side": way, "quantity": size, "ts_ns": ms * MS}
            for number, (ms, way, size) in enumerate(fills)
        ],
        "algo_orders": [
            {
                "symbol": "BTCUSDT",
                "client_id": str(number),
                "side": side,
                "quantity": size,
                "reduce_only": True,
                "created_ns": begun * MS,
                "closed_ns": ended * MS,
            }
            for number, (begun, ended, size) in enumerate(stops)
        ],
    }


def create(client_id: str, *, reduce_only: bool = False) -> Row:
    return {"method": "POST", "path": "/fapi/v1/order", "client_id": client_id, "reduce_only": reduce_only}
