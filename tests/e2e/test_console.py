"""The console in a browser, over a synthetic desk: what is drawn is compared with what was put in."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.e2e.lab import PATIENCE_S, Lab, interrupt, open_notebook, run_cell, set_theme
from tests.e2e.watch import Wire, await_frames, colours_on_ladder, overflowing, said, value_of

SHOW = """
from tests.e2e.synthetic import SyntheticDesk
from contractdesk.panels import Panels
desk = SyntheticDesk().start()
Panels(desk).console()
"""
LOOKS = (
    ("light", "JupyterLab Light", 1440, 900),
    ("dark", "JupyterLab Dark", 1440, 900),
    ("narrow", "JupyterLab Light", 520, 1500),
    ("narrow dark", "JupyterLab Dark", 520, 1500),
)
ALONE = """
from IPython.display import display
for name in Panels.names():
    if name != "console":
        display(getattr(Panels(desk), name)())
"""
PRICE, SIZE = r"28,\d{3}\.\d(?!\d)", r"0\.\d{3}(?!\d)"
# What each panel shows of the synthetic desk, by its title: not zero, with the instrument's digits.
VALUES = {
    "synthetic": r"(10,0|9,9)\d\d\.\d\d USDT",
    "BTC/USDT 1s": PRICE,
    "BTC/USDT:USDT": rf"28,131\.5|long {SIZE} @ {PRICE}",
    "Equity": r"[+\u2212]\d\.\d\d USDT",
    "Depth": r"bids [1-9]\d? %",
    "Risk": r"[1-9]\.\d\d % of equity",
    "Positions": rf"\+0\.0(07|10)\s+{PRICE}\s+{PRICE}",
    "Orders": rf"28,148\.0.*\s+{SIZE}",
    "Fills": rf"{SIZE}\s+{PRICE}\s+0\.\d{{4}} USDT",
    "Refusals": r"451\.20 USDT",
    "Strategies": r"fast=12",
    "Funding": r"\+0\.0100 %\s+\u22120\.0\d{3}",
    "Log": r"fetched again in 0\.2 s",
    "Latency": r"p50 11 ms",
}
UNDER_THE_POINTER = r"""
() => /^\d\d:\d\d:\d\d  (O 28,\d{3}\.\d  H 28,|entry|exit)/.test(
  document.querySelector('.cd-price-canvas').dataset.under ?? '')
"""
BUSY = """
try:
    while True: pass
except KeyboardInterrupt:
    print("interrupted")
"""
# What would flush, and so lose, a running cell's figures.
HOOKS = """
import time
fired = []
get_ipython().events.register("post_execute", lambda: fired.append(1))
until = time.monotonic() + 4
while time.monotonic() < until: pass
print("fired", len(fired))
"""
CLICK_TIME = "button => button.addEventListener('click', () => { window.clicked = Date.now(); })"
REPORT = "import json; print('calls', json.dumps(desk.calls))"


def show(page: Page, lab: Lab, name: str, *more: str) -> Wire:
    """Open a notebook with the console in its first cell, and wait until the ladder moves."""
    wire = Wire(page)
    open_notebook(page, lab, lab.write(name, SHOW.strip(), *map(str.strip, more)))
    page.keyboard.press("Control+b")
    run_cell(page, 0)
    page.locator(".cd-ladder-canvas").first.wait_for()
    await_frames(page, 5)
    return wire


def calls(page: Page, index: int) -> list[Any]:
    """What the desk was asked to do, as the kernel says in cell ``index``."""
    run_cell(page, index)
    output = page.locator(".jp-Notebook .jp-Cell").nth(index).locator(".jp-OutputArea-output pre")
    text = output.first.inner_text()
    return list(json.loads(text.removeprefix("calls ")))


def test_the_console_draws_what_the_desk_says_within_fifty_messages_a_second(page: Page, lab: Lab) -> None:
    wire = show(page, lab, "draws.ipynb")
    since = time.monotonic()
    assert colours_on_ladder(page) > 50
    assert page.locator(".cd-label").all_inner_texts() == ["EMBEDDED"] * 7
    assert value_of(page, "protection") == "protected 100 %"
    assert value_of(page, "equity").endswith(" USDT")
    assert value_of(page, "equity").startswith(("10,0", "9,9"))
    page.get_by_role("tab", name="Orders 3").click()
    assert "28,131.5" in page.locator(".cd-table").inner_text()
    await_frames(page, 60)
    assert 10 < wire.most_in_a_second(since) <= 50


def test_the_ladder_moves_and_halt_reaches_the_desk_while_a_cell_is_busy(page: Page, lab: Lab) -> None:
    show(page, lab, "busy.ipynb", BUSY, REPORT)
    run_cell(page, 1)
    page.locator("#jp-main-statusbar", has_text="| Busy").wait_for()
    page.wait_for_timeout(9_000)  # past the 8 s after which a browser that cannot acknowledge is left alone
    await_frames(page, 20)  # a probe in 5 s would draw four

    page.locator(".cd-button-halt").evaluate(CLICK_TIME)
    page.locator(".cd-button-halt").click()
    page.locator('.cd-state[data-state="HALTED"]').wait_for()
    clicked = page.evaluate("window.clicked / 1000")
    interrupt(page, 1)
    ((verb, at),) = calls(page, 2)
    assert verb == "halt"
    assert 0 < at - clicked < PATIENCE_S  # how long it takes on the real desk: test_busy


def test_a_click_does_not_fire_the_hooks_of_the_running_cell(page: Page, lab: Lab) -> None:
    show(page, lab, "hooks.ipynb", HOOKS)
    run_cell(page, 1)
    page.wait_for_timeout(1_000)
    page.locator(".cd-button-halt").click()
    page.locator('.cd-state[data-state="HALTED"]').wait_for()
    output = page.locator(".jp-Notebook .jp-Cell").nth(1).locator(".jp-OutputArea-output pre")
    assert output.first.inner_text().strip() == "fired 0"


def test_flatten_asks_twice_and_resume_works(page: Page, lab: Lab) -> None:
    show(page, lab, "verbs.ipynb", REPORT)
    flatten = page.locator(".cd-button-flatten")
    flatten.click()
    page.locator(".cd-button-flatten", has_text="Sure?").click()
    page.locator('.cd-state[data-state="REDUCING"]').wait_for()
    page.locator(".cd-button-resume").click()
    page.locator('.cd-state[data-state="ACTIVE"]').wait_for()
    assert [verb for verb, _ in calls(page, 1)] == ["flatten", "resume"]


def look(page: Page, theme: str, width: int, height: int) -> None:
    """Have the page so, and wait until all is drawn anew."""
    set_theme(page, theme)
    page.set_viewport_size({"width": width, "height": height})
    await_frames(page, 8)


def test_no_text_overflows_in_light_dark_and_narrow(page: Page, lab: Lab, pictures: Path) -> None:
    show(page, lab, "looks.ipynb")
    for name, *how in LOOKS:
        look(page, *how)
        page.screenshot(path=pictures / f"{name}.png")
        assert overflowing(page) == [], name
        assert colours_on_ladder(page) > 50, name
        assert all(panel["label"] == "EMBEDDED" for panel in said(page).values()), name
        for tab in page.locator(".cd-tab").all():
            tab.dispatch_event("click")
            assert overflowing(page) == [], (name, tab.inner_text())
            words = page.locator(".cd-tables .cd-body").last.inner_text()
            assert re.search(r"[1-9]", words), (name, tab.inner_text())


def test_each_panel_alone_shows_values_in_the_instruments_precision(
    page: Page, lab: Lab, pictures: Path
) -> None:
    show(page, lab, "alone.ipynb", ALONE)
    run_cell(page, 1)
    alone = page.locator(".jp-Notebook .jp-Cell").nth(1)
    alone.locator(".cd-latency-figures").first.wait_for()
    for name, *how in LOOKS:
        look(page, *how)
        for chart in alone.locator(".cd-chart").all():  # unseen, it keeps its old size
            chart.scroll_into_view_if_needed()
            await_frames(page, 2)
        alone.screenshot(path=pictures / f"alone-{name}.png")
        assert overflowing(page) == [], name
        panels = said(page)
        assert len(panels) >= len(VALUES), name
        for title, pattern in VALUES.items():
            shown = next((panel for key, panel in panels.items() if key.startswith(title)), None)
            assert shown is not None, (name, title, list(panels))
            assert shown["label"] == "EMBEDDED", (name, title)
            assert re.search(pattern, shown["words"]), (name, title, shown["words"])
        for title in ("BTC/USDT 1s", "Equity", "Depth"):
            assert panels[title]["drawn"], (name, title)


def test_the_price_chart_draws_candles_marks_and_what_lies_under_the_pointer(page: Page, lab: Lab) -> None:
    show(page, lab, "price.ipynb")
    chart = page.locator(".cd-price-canvas")
    page.wait_for_function("() => Number(document.querySelector('.cd-price-canvas').dataset.fills) > 0")
    shown = int(chart.get_attribute("data-bars") or 0)
    assert shown > 50
    assert "BTC/USDT:USDT 1s: 28," in (chart.get_attribute("aria-label") or "")
    box = chart.bounding_box()
    assert box is not None
    middle = {"clientX": box["x"] + box["width"] * 0.8, "clientY": box["y"] + box["height"] * 0.2}
    chart.dispatch_event("pointermove", middle)
    page.wait_for_function(UNDER_THE_POINTER)
    page.get_by_role("button", name="fewer bars").dispatch_event("click")
    page.wait_for_function(
        "(shown) => Number(document.querySelector('.cd-price-canvas').dataset.bars) < shown", arg=shown
    )


def test_a_reloaded_page_shows_the_same_console_again(page: Page, lab: Lab) -> None:
    show(page, lab, "reload.ipynb")
    page.keyboard.press("Control+s")
    page.locator(".jp-DocumentSearch-overlay").wait_for(state="detached")
    page.wait_for_timeout(500)
    page.reload()
    page.locator(".cd-ladder-canvas").first.wait_for()
    await_frames(page, 10)
