"""The whole desk under faults of its exchange; the exchange's log and the journal are the witnesses."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from contractdesk.console.desk import Desk
from contractdesk.console.opening import open_desk
from contractdesk.desk import embedded
from contractdesk.domain.commands import SubmitOrder
from contractdesk.domain.events import BookInvalidated, BookSnapshotRead
from contractdesk.domain.intents import Intent
from contractdesk.domain.market import NS_PER_S
from contractdesk.storage.inputs import read_inputs
from contractdesk.storage.journal_reader import JournalReader
from contractdesk.strategy import intents
from contractdesk.strategy.base import BarView, Context, Strategy
from tests.console.loopback import BTC, address, ready, truth

LOOKED_BACK = 60  # bars: from before the cut to the end


class Eager(Strategy):
    """Enters at every bar while flat, with a stop one per cent away, and leaves at the next."""

    def on_bar(self, bar: BarView, ctx: Context) -> Intent | None:
        if not ctx.position(bar.symbol).flat:
            return intents.exit_position(bar.symbol)
        if ctx.entering(bar.symbol):
            return None
        return intents.enter_long(bar.symbol, stop=intents.fixed_stop(round(bar.close * 0.99)))


class Diarist(Strategy):
    """Notes when each bar began, and those that it could look back on; trades nothing."""

    opened: list[int] = []  # noqa: RUF012  # of the one desk of this module
    behind: list[int] = []  # noqa: RUF012

    def on_bar(self, bar: BarView, ctx: Context) -> None:
        self.opened.append(bar.open_ns)
        self.behind[:] = ctx.bars(bar.symbol, LOOKED_BACK).open_ns.tolist()


def strike(desk: Desk, **fault: Any) -> None:
    embedded.post(address(desk), "/control/fault", fault)


def creates(desk: Desk) -> list[dict[str, Any]]:
    """Every request that wanted a new order, from the exchange's own log."""
    rows = json.loads(embedded.get(address(desk), "/control/requests"))
    return [row for row in rows if row["method"] == "POST" and row["role"] != "other"]


@pytest.fixture(scope="module")
def faulty(home: Path) -> Iterator[Desk]:
    desk = open_desk("embedded", name="faulty", seed=5, idle_limit_s=120)
    yield desk
    desk.close(leave="flatten")


@pytest.mark.recording
def test_each_gap_of_the_recorded_book_is_resynced_and_no_entry_is_taken_in_between(
    home: Path, recordings: Path
) -> None:
    captures = str(recordings / "ws" / "binance_raw" / "binance_usdm_btcusdt_2023040[45].gz")
    with open_desk("embedded", name="gaps", recording=captures, speed=20, idle_limit_s=60) as desk:
        desk.start(Eager([BTC], "1s"), name="eager")
        ready(desk)
        strike(desk, kind="depth_gap", symbol="BTCUSDT", every=20, count=8)
        desk.wait_for(lambda s: s.strategies[0].fills >= 12, 60)
        journal, tape = desk.journal_path, desk.tape_path
        desk.flatten()
    with JournalReader(journal) as reader:
        submitted = {seq for seq, command in reader.commands() if isinstance(command, SubmitOrder)}
        events = list(read_inputs(reader, tape))
    valid, gaps, healed, entries = False, 0, 0, 0
    for seq, event in events:
        match event:
            case BookInvalidated():
                valid, gaps = False, gaps + 1
            case BookSnapshotRead():
                valid, healed = True, healed + 1
        if seq in submitted:
            entries += 1
            assert valid, f"entry at input {seq}, on a book that had a gap"
    assert gaps >= 4
    assert healed >= gaps
    assert entries >= 4


def test_after_a_cut_the_hole_in_the_bars_is_closed_and_no_create_is_sent_twice(faulty: Desk) -> None:
    Diarist.opened.clear()
    faulty.start(Diarist(["ETH/USDT:USDT"], "1s"), name="diarist")
    faulty.start(Eager([BTC], "1s"), name="eager")
    faulty.wait_for(lambda s: len(Diarist.opened) >= 3 and s.strategies[1].fills >= 2, 30)
    strike(faulty, kind="drop_request", when="after", match={"method": "POST", "role": "entry"})
    for path in ("market", "public", "private"):
        strike(faulty, kind="cut", path=path)
    noted = len(Diarist.opened)
    faulty.wait_for(lambda s: len(Diarist.opened) >= noted + 4 and s.strategies[1].fills >= 6, 60)
    faulty.stop()
    assert Diarist.opened == sorted(set(Diarist.opened)), "a bar came twice, or too late"
    # What closed while the symbol was not ready is not told; it is history, and complete.
    steps = {after - before for before, after in pairwise(Diarist.behind)}
    assert steps == {NS_PER_S}, "a bar is missing"
    assert set(Diarist.opened[noted - 3 :]) <= set(Diarist.behind)
    sent = Counter(row["client_id"] for row in creates(faulty))
    assert sent
    assert max(sent.values()) == 1, [name for name, times in sent.items() if times > 1]


def test_a_clock_3_s_off_is_compensated_and_7_s_off_refuses_entries_with_an_alarm(faulty: Desk) -> None:
    faulty.flatten()
    faulty.resume()
    strike(faulty, kind="shift_clock", ms=-3_000)
    bought = faulty.buy(BTC, notional=250, stop=intents.fixed_stop(50_000))
    assert bought.done, bought
    faulty.close_position(BTC)

    strike(faulty, kind="shift_clock", ms=-7_000)
    faulty.account_state()  # it is answered -1021, so the clock is measured again
    picture = faulty.wait_for(lambda s: abs(s.clock_offset_ms) > 5_000, 30)
    assert any("clock" in notice.code for notice in picture.notices), picture.notices
    orders = len(truth(faulty)["orders"])
    refused = faulty.buy(BTC, notional=250, stop=intents.fixed_stop(50_000))
    assert refused.refused is not None
    assert refused.refused.rule == "freshness_clock"
    assert len(truth(faulty)["orders"]) == orders
    strike(faulty, kind="shift_clock", ms=0)
