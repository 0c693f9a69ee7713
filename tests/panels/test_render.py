from __future__ import annotations

import math
import subprocess
import sys
from decimal import Decimal

import pytest
from msgspec.structs import replace

from contractdesk.domain.views import DeskSnapshot, TradingState
from contractdesk.panels import gist
from contractdesk.panels.grid import Tone
from contractdesk.panels.render import html_of, text_of
from tests.e2e.synthetic import Market


@pytest.fixture(scope="module")
def snapshot() -> DeskSnapshot:
    market = Market()
    for _ in range(300):
        last = market.step()
    return last


def item(snapshot: DeskSnapshot, key: str) -> gist.Item:
    return next(item for item in gist.items(snapshot) if item.key == key)


def test_the_text_says_how_the_desk_stands(snapshot: DeskSnapshot) -> None:
    text = text_of(snapshot, name="console", label="EMBEDDED")
    head = text.splitlines()[0]
    assert head.startswith("console EMBEDDED  ACTIVE  Equity 10,000")
    assert "protected 100 %" in head
    assert head.endswith("2023-04-04 23:58:30 UTC")
    assert all(title in text for title in ("Positions", "Orders", "Fills", "Refusals"))


def test_times_in_words_are_of_the_chosen_zone(snapshot: DeskSnapshot) -> None:
    text = text_of(snapshot, tz="Europe/Berlin")
    assert text.splitlines()[0].endswith("2023-04-05 01:58:30 CEST")
    assert "Time CEST" in text
    assert "2023-04-05 01:58:30 CEST" in html_of(snapshot, tz="Europe/Berlin")


def test_the_html_needs_no_script_and_no_style_sheet(snapshot: DeskSnapshot) -> None:
    html = html_of(snapshot, name="<b>x</b>", label="PAPER")
    assert "PAPER" in html
    assert "&lt;b&gt;x" in html
    assert "<script" not in html
    assert "<style" not in html


def test_a_desk_that_has_not_started_says_so() -> None:
    blank = DeskSnapshot(ts_ns=0, state=TradingState.REDUCING, state_reason="starting", asset="USDT")
    assert text_of(blank) == (
        "desk  REDUCING (starting)  Equity 0.00 USDT  uPnL 0.00  Margin \u2013  Protection flat  Feed \u2013"
        "  Loop lag 0.0 ms  not started\nPositions: no position"
    )
    assert "starting" in html_of(blank)


def test_naked_contracts_are_told_in_seconds(snapshot: DeskSnapshot) -> None:
    naked = replace(snapshot, naked_s=0.4, protected_fraction=Decimal("0.5"))
    assert item(naked, "protection") == gist.Item("protection", "Protection", "naked 0.4 s", Tone.ALARM)
    half = replace(snapshot, protected_fraction=Decimal("0.5"))
    assert item(half, "protection").text == "protected 50.0 %"


def test_the_feed_is_as_old_as_its_oldest_symbol_and_down_without_the_private_stream(
    snapshot: DeskSnapshot,
) -> None:
    view = next(iter(snapshot.symbols.values()))
    old = replace(snapshot, symbols={"a": view, "b": replace(view, feed_age_ms=3_000.0)})
    assert (item(old, "feed").text, item(old, "feed").tone) == ("3.0 s", Tone.ALARM)
    assert item(replace(snapshot, private_stream_ready=False), "feed").tone is Tone.ALARM


def test_what_nobody_watches_does_not_age_the_feed_and_what_has_not_come_yet_is_an_alarm(
    snapshot: DeskSnapshot,
) -> None:
    view = next(iter(snapshot.symbols.values()))
    listed = replace(view, feed_age_ms=math.inf, watched=False)
    left = replace(view, feed_age_ms=86_400_000.0, watched=False)
    shown = replace(snapshot, symbols={"a": view, "b": listed, "c": left})
    assert item(shown, "feed") == item(snapshot, "feed")
    assert gist.feed_age_ms(shown) == view.feed_age_ms
    nobody = replace(snapshot, symbols={"b": listed, "c": left})
    assert item(nobody, "feed") == gist.Item("feed", "Feed", "\u2013")
    awaited = replace(snapshot, symbols={"a": view, "b": replace(listed, watched=True)})
    assert item(awaited, "feed") == gist.Item("feed", "Feed", "\u2013", Tone.ALARM)
    assert gist.feed_age_ms(awaited) is None


@pytest.mark.parametrize(("lag_ms", "tone"), [(1.4, Tone.PLAIN), (251, Tone.WARN), (2_001, Tone.ALARM)])
def test_loop_lag_is_graded(snapshot: DeskSnapshot, lag_ms: float, tone: Tone) -> None:
    assert item(replace(snapshot, loop_lag_ms=lag_ms), "lag").tone is tone


@pytest.mark.parametrize(("ratio", "tone"), [("0.2", Tone.PLAIN), ("0.7", Tone.WARN), ("0.9", Tone.ALARM)])
def test_margin_is_graded(snapshot: DeskSnapshot, ratio: str, tone: Tone) -> None:
    assert item(replace(snapshot, margin_ratio=Decimal(ratio)), "margin").tone is tone


def test_neither_the_panels_nor_their_renderer_load_widgets() -> None:
    code = (
        "import sys, contractdesk.panels, contractdesk.panels.render\n"
        "heavy = {'ipywidgets', 'bqplot', 'anywidget', 'IPython', 'numpy', 'traitlets'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.strip() == "[]"
