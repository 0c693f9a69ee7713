"""Somebody's own widgets, linked to a real desk, and TAB, in a browser."""

from __future__ import annotations

import time

import pytest
from playwright.sync_api import Page
from playwright.sync_api import TimeoutError as TooLate

from tests.e2e.lab import Lab, interrupt, open_notebook, run_cell
from tests.e2e.watch import Wire

pytestmark = pytest.mark.timeout(300)
OPEN = """
%load_ext contractdesk
%desk open embedded name=reactive seed=7 fresh=True idle_limit_s=60
%desk start TrendFollow symbols=BTC/USDT:USDT timeframe=1s longs=False shorts=False
"""
OWN = """
import ipywidgets
from traitlets import dlink

state, lag, mid = ipywidgets.Label(), ipywidgets.Label(), ipywidgets.Label()
dlink((desk.state, "trading"), (state, "value"), lambda word: f"trading {word}")
dlink((desk.state, "loop_lag_ms"), (lag, "value"), lambda ms: f"lag {ms}")
ear = desk.observe(lambda books: setattr(mid, "value", f"mid {books['BTC/USDT:USDT'].mid}"), "book")
ipywidgets.VBox([state, lag, mid])
"""
BUSY = """
try:
    while True: pass
except KeyboardInterrupt:
    print("interrupted")
"""
CELLS = (OPEN, OWN, "desk.console()", BUSY, "%desk halt", "%desk close", "")
# Every text that begins so, as often as it changed.
WATCH = """
() => {
  window.seen = {mid: new Set(), lag: new Set()};
  const look = () => {
    for (const node of document.querySelectorAll('.jupyter-widgets')) {
      const word = node.textContent.split(' ')[0];
      if (node.children.length < 2 && window.seen[word]) window.seen[word].add(node.textContent);
    }
  };
  new MutationObserver(look).observe(document.body, {subtree: true, childList: true, characterData: true});
}
"""


def output_of(page: Page, index: int) -> str:
    output = page.locator(".jp-Notebook .jp-Cell").nth(index).locator(".jp-OutputArea-output")
    return output.first.inner_text(timeout=60_000)


def completes(page: Page, index: int, text: str, whole: str) -> None:
    """Type ``text`` into an empty cell and press TAB; again where the kernel was too slow for the lab."""
    field = page.locator(".jp-Notebook .jp-Cell").nth(index).locator(".cm-content")
    field.click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Backspace")
    page.keyboard.insert_text(text)
    for _ in range(5):
        page.keyboard.press("Tab")
        try:
            page.wait_for_function(
                "([index, whole]) => document.querySelectorAll('.jp-Notebook .jp-Cell')[index]"
                ".querySelector('.cm-content').textContent === whole",
                arg=[index, whole],
                timeout=5_000,
            )
        except TooLate:
            continue
        return
    assert field.inner_text() == whole


def test_own_widgets_follow_the_desk_in_a_busy_cell_within_the_budget_and_tab_completes(
    page: Page, lab: Lab
) -> None:
    wire = Wire(page)
    open_notebook(page, lab, lab.write("reactive.ipynb", *map(str.strip, CELLS)))
    page.keyboard.press("Control+b")
    for index in range(3):
        run_cell(page, index)
    page.locator(".cd-ladder-canvas").first.wait_for(timeout=120_000)
    page.evaluate(WATCH)
    since = time.monotonic()
    run_cell(page, 3)
    page.locator("#jp-main-statusbar", has_text="| Busy").wait_for(timeout=30_000)
    page.wait_for_function("() => window.seen.mid.size >= 5 && window.seen.lag.size >= 5", timeout=90_000)
    most = wire.most_in_a_second(since)
    interrupt(page, 3)
    assert most <= 50
    run_cell(page, 4)
    page.locator(".jupyter-widgets", has_text="trading HALTED").first.wait_for(timeout=30_000)
    last = len(CELLS) - 1
    completes(page, last, 'desk.buy("BTC/USDT:U', 'desk.buy("BTC/USDT:USDT')
    completes(page, last, "%desk flatten ET", "%desk flatten ETH/USDT:USDT")
    run_cell(page, 5)
    assert "close:" in output_of(page, 5)
