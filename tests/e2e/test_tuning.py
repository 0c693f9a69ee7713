"""The tuning panel in a browser: keys move a slider, Apply reaches the real desk, also beside a busy cell."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests.e2e.lab import PATIENCE_S, Lab, interrupt, open_notebook, run_cell, set_theme
from tests.e2e.test_console import BUSY, LOOKS
from tests.e2e.test_desk import run_for
from tests.e2e.watch import overflowing

OPEN = """
import time
import contractdesk as cd
desk = cd.open_desk("embedded", name="tuned", seed=7, fresh=True, idle_limit_s=60)
trend = desk.start(cd.library.TrendFollow(symbols=["BTC/USDT:USDT"], timeframe="1s", fast=5, slow=15))
opened = time.monotonic()
desk.tuning_panel()
"""
REPORT = """
import json
print(json.dumps({
    "fast": trend.params["fast"],
    "cap": str(desk.risk.settings.size_cap),
    "changes": [[c["who"], c["what"], c["name"], c["was"], c["now"]] for c in desk.changes],
}))
"""
ELSEWHERE = "trend.tune(fast=9)"
CLOSE = 'desk.close(leave="flatten")'
BARS = """
from contractdesk.console.tuning import FEWEST_BARS
time.sleep(max(0, opened + FEWEST_BARS - time.monotonic()))
print("long enough")
"""
STILL = """
from contractdesk.panels import Panels
from tests.panels.tuner import TunableDesk
desk = TunableDesk().start()
desk.tuning.gate.set()
Panels(desk).{what}()
"""


def word(page: Page) -> Locator:
    return page.locator(".cd-tune-word")


def difference(page: Page, key: str) -> Locator:
    return page.locator(f'.cd-tune-diff[data-key="{key}"]')


def press(page: Page, label: str, *keys: str) -> None:
    """Move a slider as a person does who has no mouse."""
    page.get_by_label(label).focus()
    for key in keys:
        page.keyboard.press(key)


def type_into(page: Page, label: str, text: str) -> None:
    page.get_by_label(label, exact=True).fill(text)
    page.keyboard.press("Enter")


def report(page: Page, index: int) -> dict[str, Any]:
    return dict(json.loads(run_for(page, index, "changes")))


def show(page: Page, lab: Lab, name: str, what: str) -> None:
    """A notebook with a panel over a desk that needs no exchange."""
    open_notebook(page, lab, lab.write(name, STILL.format(what=what).strip()))
    page.keyboard.press("Control+b")
    run_cell(page, 0)


def test_a_draft_is_applied_to_the_real_desk_also_while_a_cell_is_busy(
    page: Page, lab: Lab, pictures: Path
) -> None:
    cells = [text.strip() for text in (OPEN, BUSY, REPORT, ELSEWHERE, CLOSE, BARS)]
    open_notebook(page, lab, lab.write("tuned.ipynb", *cells))
    page.keyboard.press("Control+b")
    run_cell(page, 0)
    fast = "TrendFollow/fast"
    try:
        page.get_by_label("fast, slider").wait_for()
        expect(page.get_by_label("fast", exact=True)).to_have_value("5")

        # A draft, by keys alone; JupyterLab does not take them for its own.
        press(page, "fast, slider", "ArrowRight", "ArrowRight", "ArrowDown", "ArrowRight")
        expect(difference(page, fast)).to_contain_text("5 bars → 7 bars")
        assert page.locator(".jp-Notebook .jp-Cell").nth(0).get_attribute("class").count("jp-mod-active")
        page.locator("summary", has_text="Risk: size").click()
        type_into(page, "size cap", "2")
        expect(difference(page, "/size_cap")).to_contain_text("tightens")
        assert report(page, 2) == {"fast": 5, "cap": "0.03", "changes": []}

        # What is out of range is refused by the kernel, and leaves the draft as it was.
        type_into(page, "fast", "9999")
        expect(word(page)).to_contain_text("a whole number, 2 to 500 bars")
        expect(page.get_by_label("fast", exact=True)).to_have_value("7")

        # Apply, while a cell runs for ever.
        run_cell(page, 1)
        page.locator("#jp-main-statusbar", has_text="| Busy").wait_for()
        press(page, "fast, slider", "ArrowRight")
        expect(difference(page, fast)).to_contain_text("8 bars")
        page.get_by_role("button", name="Apply").click()
        expect(word(page)).to_have_text("applied: fast 8 bars, size cap 2 % of equity")
        expect(page.locator(".cd-tune-card").last).to_contain_text("5 → 8 bars")
        page.screenshot(path=pictures / "tuning-applied.png")
        expect(page.get_by_role("button", name="Apply")).to_be_focused()
        interrupt(page, 1)
        seen = report(page, 2)
        assert (seen["fast"], seen["cap"]) == (8, "0.02")
        assert seen["changes"] == [
            ["person (panel)", "TrendFollow", "fast", 5, 8],
            ["person (panel)", "risk", "size_cap", "0.03", "0.02"],
        ]

        # A cell tunes it meanwhile: the draft says so, and does not apply until it is decided.
        type_into(page, "fast", "12")
        expect(difference(page, fast)).to_contain_text("8 bars → 12 bars")
        run_for(page, 3, "tune:")
        expect(difference(page, fast)).to_contain_text("changed elsewhere: was 8 bars when you began")
        expect(page.get_by_role("button", name="Apply")).to_be_disabled()
        page.get_by_role("button", name="Keep mine").click()
        expect(page.get_by_role("button", name="Apply")).to_be_enabled()
        page.get_by_role("button", name="Revert").click()
        expect(page.locator(".cd-tune-diff")).to_have_count(0)
        expect(page.get_by_label("fast", exact=True)).to_have_value("9")
        assert report(page, 2)["fast"] == 9

        # What the draft would have done since the desk was opened: ten bars ago at least.
        press(page, "fast, slider", "ArrowRight")
        expect(difference(page, fast)).to_contain_text("10 bars")
        run_for(page, 5, "long enough")
        page.get_by_role("button", name="Replay the draft").click()
        table, refused = page.locator(".cd-tune-table .cd-table"), page.locator(".cd-tune-inside > .cd-warn")
        table.or_(refused).wait_for(timeout=4_000 * PATIENCE_S)  # it works with what the desk leaves it
        assert refused.all_inner_texts() == []
        assert "Round trips" in table.inner_text()
        page.screenshot(path=pictures / "tuning-replayed.png")
    finally:
        run_for(page, 4, "close")


def test_no_text_overflows_in_light_dark_and_narrow(page: Page, lab: Lab, pictures: Path) -> None:
    show(page, lab, "tuning-looks.ipynb", "tuning")
    page.get_by_label("fast, slider").wait_for()
    press(page, "fast, slider", "End")
    page.get_by_role("button", name="Apply").wait_for()
    expect(word(page)).to_contain_text("must be below slow=26")
    for group in page.locator("summary").all()[1:]:
        group.click()
    type_into(page, "size cap", "1000")
    press(page, "slow, slider", "End")
    expect(page.get_by_role("button", name="Apply")).to_be_enabled()
    page.get_by_role("button", name="Apply").click()
    expect(word(page)).to_contain_text("applied: ")
    type_into(page, "max daily loss", "2.5")
    page.get_by_role("button", name="Replay the draft").click()
    page.locator(".cd-tune-table .cd-table").wait_for()
    for name, theme, width, height in LOOKS:
        set_theme(page, theme)
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_function("document.querySelector('.cd-tuning').dataset.frames > 3")
        page.screenshot(path=pictures / f"tuning-{name}.png")
        assert overflowing(page) == [], name


def test_the_console_shows_it_behind_a_tab_that_the_keyboard_reaches(page: Page, lab: Lab) -> None:
    show(page, lab, "tuning-tab.ipynb", "console")
    page.get_by_role("tab", name="Latency").wait_for()
    page.get_by_role("tab", name="Latency").click()
    page.keyboard.press("ArrowRight")
    page.get_by_label("fast, slider").wait_for()
    expect(page.locator(".cd-tables[data-pages~=tuning] .cd-frame")).to_be_hidden()
    press(page, "fast, slider", "PageUp")
    expect(difference(page, "TrendFollow-1/fast")).to_contain_text("22 bars")
    page.get_by_role("tab", name="Positions").click()
    expect(page.locator(".cd-tuning")).to_be_hidden()
    page.get_by_role("tab", name="Tuning", exact=True).click()
    expect(page.get_by_label("fast", exact=True)).to_have_value("22")
    assert overflowing(page) == []
