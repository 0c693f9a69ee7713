"""What the limits over the whole desk are measured from: entries sent, and the day's profit."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from contractdesk.engine.engine import Engine
from contractdesk.engine.state import DAY_NS
from tests.engine.bench import CONFIG, NS_PER_S, START, Bench, D, enter
from tests.engine.test_breaker import later

WIDE = replace(CONFIG, risk=replace(CONFIG.risk, size_cap=D(10)))


def wait(bench: Bench, seconds: int) -> None:
    """Let time pass on a desk that is awake, and know the account and the histories of then."""
    bench.advance(seconds)
    bench.histories()
    bench.answer_account()


def test_entries_of_the_last_hour_are_counted_whatever_became_of_them() -> None:
    bench = Bench(config=replace(CONFIG, risk=replace(CONFIG.risk, max_entries_per_hour=2)))
    bench.reject(bench.enter("0.01").approved.request.client_id)
    wait(bench, 1800)
    bench.reject(bench.enter("0.01").approved.request.client_id)
    bench.alive()
    bench.ask(enter("0.01"))
    refused = bench.engine.snapshot().refusals[-1]
    assert (refused.rule, refused.found) == ("entry_rate", "2 in the last hour")
    assert refused.would_pass == "1800 s of waiting"
    bench.engine = Engine.restore(bench.engine.checkpoint(), {})
    wait(bench, 1801)
    bench.alive()
    bench.ask(enter("0.01"))
    assert len(bench.engine.view.entry_times) == 2  # the first one has left the hour


@pytest.mark.parametrize(("mark", "refuses"), [("28333.7", False), ("28333.6", True)])
def test_the_days_loss_refuses_entries_at_its_limit(mark: str, *, refuses: bool) -> None:
    """0.3 x (30,000 - 28,333.6) and the fee of 0.1 are 500.02 of 10,000: 5 %; one tick higher is not."""
    limited = replace(WIDE, risk=replace(WIDE.risk, max_daily_loss=D("0.05"), breaker_drop=D("0.5")))
    bench = Bench(config=limited)
    later(bench, 1)
    entry = bench.enter("0.3", "26000").approved.request.client_id
    bench.accept(entry)
    bench.fill(entry, "0.3")
    later(bench, 1, mark)
    bench.make_ready(D(mark))
    bench.ask(enter("0.001", "26000"))
    rules = [row.rule for row in bench.engine.snapshot().refusals]
    assert ("daily_loss" in rules) is refuses


def test_a_new_day_begins_at_nothing() -> None:
    bench = Bench(config=WIDE)
    bench.open("0.3", "26000")
    later(bench, 1, "29000")
    assert bench.engine.view.day_change == D("-0.03001")  # 300, and the fee of 0.1
    rest = DAY_NS - START % DAY_NS
    bench.now_ns = START + rest + NS_PER_S
    assert bench.engine.view.day_change == D("-0.03001")
    later(bench, 1, "28900")
    assert bench.engine.view.day_change == 0
    later(bench, 1, "28800")
    assert bench.engine.view.day_change == D(-30) / D(9_670)  # the wallet is what was read: 10,000
