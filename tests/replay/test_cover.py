"""Time without a stop: of made stories to the nanosecond, and of replays by the latencies that make it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from contractdesk.replay.cover import Cover, Stretch, stretches
from contractdesk.replay.models import ConstantLatency, Models
from contractdesk.replay.orders import StopTerms
from contractdesk.replay.result import Result
from tests.replay.markets import BTC, RISK, Turner, played, walk

D = Decimal
END = 1_000


def stop(name: str, size: str, venue: int, heard: int, *, sells: bool = True) -> StopTerms:
    return StopTerms(name, BTC.symbol, sells, D(size), D(100), venue, heard)


def cover(sizes: list[tuple[int, str]], *reports: StopTerms) -> Cover:
    made = Cover()
    for stretch in stretches([(at, D(size)) for at, size in sizes], reports, END):
        made.add(stretch)
    return made


def test_a_stop_covers_from_when_it_is_heard_of_until_the_venue_ends_it() -> None:
    found = cover([(100, "2"), (900, "0")], stop("a", "2", 150, 180), stop("a", "0", 700, 730))
    assert (found.naked_ns, found.longest_ns) == (80 + 200, 200)
    assert found.share == pytest.approx(520 / 800)


def test_a_stop_that_ended_before_it_was_heard_of_never_covered() -> None:
    found = cover([(100, "2")], stop("a", "2", 150, 180), stop("a", "0", 160, 190))
    assert (found.naked_ns, found.share) == (900, 0)


def test_what_a_stop_does_not_cover_is_naked_and_the_share_counts_contracts() -> None:
    found = cover([(100, "2"), (500, "4")], stop("a", "2", 100, 100))
    assert (found.naked_ns, found.longest_ns) == (500, 500)
    assert found.share == pytest.approx((2 * 400 + 2 * 500) / (2 * 400 + 4 * 500))


def test_the_stop_of_the_other_side_covers_nothing() -> None:
    found = cover([(100, "-2")], stop("a", "2", 100, 100), stop("b", "2", 300, 300, sells=False))
    assert (found.naked_ns, found.longest_ns) == (200, 200)


def test_while_one_stop_replaces_the_other_both_count_and_never_for_more_than_there_is() -> None:
    found = cover([(0, "2")], stop("a", "2", 0, 0), stop("b", "2", 100, 120), stop("a", "0", 130, 150))
    assert (found.naked_ns, found.share) == (0, 1)


steps = st.lists(st.tuples(st.integers(0, 900), st.integers(-3, 3)), max_size=6)
told = st.lists(
    st.tuples(
        st.sampled_from("abc"), st.integers(0, 4), st.integers(0, 900), st.integers(0, 90), st.booleans()
    ),
    max_size=8,
)


@settings(max_examples=60)
@given(steps, told)
def test_it_is_what_one_sees_at_every_single_moment(
    sizes: list[tuple[int, int]], reports: list[tuple[str, int, int, int, bool]]
) -> None:
    sides = {name: sells for name, _, _, _, sells in reports}
    rows = [
        stop(name, str(size), venue, venue + later, sells=sides[name])
        for name, size, venue, later, _ in sorted(reports, key=lambda row: row[2])
    ]
    moves = sorted(sizes, key=lambda row: row[0])
    found = list(stretches([(at, D(size)) for at, size in moves], rows, END))

    def seen(moment: int) -> tuple[int, int]:
        held = ([0] + [size for at, size in moves if at <= moment])[-1]
        covered = 0
        for name in sides:
            own = [row for row in rows if row.client_id == name and row.sells == (held > 0)]
            venue = ([D(0)] + [row.size for row in own if row.venue_ns <= moment])[-1]
            heard = sorted((row for row in own if row.heard_ns <= moment), key=lambda row: row.heard_ns)
            covered += int(min(venue, heard[-1].size if heard else D(0)))
        return held, min(abs(held), covered)

    for moment in range(0, END, 7):
        within = [each for each in found if each.begin_ns <= moment < each.end_ns]
        assert [(each.size, each.covered) for each in within] == ([seen(moment)] if seen(moment)[0] else [])


def ran(**more: Any) -> Result:
    latency = ConstantLatency(entry_ms=40, answer_ms=70)
    strategy = Turner(BTC.symbol, timeframe="5m", multiple=D(3))
    models = Models(latency=latency, mark_every_s=4)
    return played(walk(0.5), [BTC], [strategy], models=models, **more)


@pytest.mark.parametrize("amends", [True, False], ids=["stops are amended", "stops are replaced"])
def test_a_fill_is_naked_for_two_answers_and_an_entry(amends: bool) -> None:
    """The desk hears of the fill, sends the stop, and hears that it stands: 70 + 40 + 70 ms."""
    result = ran(amend_stop=amends)
    table = result.protection
    assert len(table) == len(result.trips) > 8
    assert table["opened"].tolist() == result.trips["opened"].tolist()
    alone = table[table["naked"] > pd.Timedelta(0)]
    assert len(alone) == len(table)
    assert set(table["longest_naked"]) == {pd.Timedelta(milliseconds=180)}
    once = table[table["naked"] == table["longest_naked"]]
    expected = 1 - once["naked"] / once["held"]
    assert once["under_stop"].tolist() == pytest.approx(expected.tolist()), "all contracts at once"
    assert result.metrics.longest_naked_ns == 180_000_000
    share = (table["under_stop"] * table["held"] / table["held"].sum()).sum()
    assert result.metrics.under_stop == pytest.approx(share)


def test_the_line_of_stops_follows_the_market_and_ends_where_they_fired() -> None:
    result = ran(risk=replace(RISK, trailing=True))
    assert len(result.stops) > 2 * len(result.trips), "they were moved"
    fired = result.slippage[result.slippage["role"] == "stop"]
    assert len(fired) > 0
    for row in fired.itertuples():
        before = result.stops[result.stops["time"] < row.time]
        assert before["price"].iloc[-1] == row.seen, "the trigger that was hit is the line's last level"
        assert result.stops[result.stops["time"] == row.time]["price"].isna().all()


def test_a_stretch_knows_its_length() -> None:
    stretch = Stretch(3, 10, D(-2), D(1))
    assert (stretch.span_ns, stretch.naked) == (7, True)
