"""The console over the real desk: embedded exchange, sockets, engine, a strategy that trades."""

from __future__ import annotations

import json
import time
from pathlib import Path

from playwright.sync_api import Locator, Page

from tests.e2e.lab import PATIENCE_S, Lab, interrupt, open_notebook, run_cell
from tests.e2e.watch import Wire, await_frames, colours_on_ladder, overflowing, value_of

OPEN = """
import contractdesk as cd
desk = cd.open_desk("embedded", name="browser", seed=7, fresh=True, idle_limit_s=5)
desk.console()
"""
# An entry that rests and a position with its stop: what a halt must tell apart.
TRADE = """
desk.start(cd.library.TrendFollow(symbols=["BTC/USDT:USDT"], longs=False, shorts=False))  # it only watches
desk.wait_for(lambda s: s.symbols and all(symbol.mark for symbol in s.symbols.values()))
desk.buy("BTC/USDT:USDT", notional=150, stop=cd.atr_stop(14, 2.5))
desk.wait_for(lambda s: s.positions and s.positions[0].size and s.protected_fraction == 1)
bid = desk.book("BTC/USDT:USDT").best_bid
low, lower = bid * 97 / 100, bid * 95 / 100
desk.buy("BTC/USDT:USDT", notional=120, limit=low, stop=cd.fixed_stop(lower), post_only=True)
print("trading")
"""
BUSY = """
try:
    while True: pass
except KeyboardInterrupt:
    print("interrupted")
"""
REPORT = """
import json
s = desk.snapshot
print(json.dumps({
    "state": s.state.value,
    "entries": sum(o.status.open and o.request.role.name == "ENTRY" for o in s.orders),
    "stops": sum(o.status.open and o.request.role.name == "STOP" for o in s.orders),
    "top": [str(desk.book("BTC/USDT:USDT").best_bid), str(desk.book("BTC/USDT:USDT").best_ask)],
}))
"""
CLOSE = 'desk.close(leave="flatten")'


def cell_output(page: Page, index: int) -> Locator:
    return page.locator(".jp-Notebook .jp-Cell").nth(index).locator(".jp-OutputArea-output pre").last


def run_for(page: Page, index: int, said: str, timeout_s: float = PATIENCE_S) -> str:
    """Run a cell and wait until it has said ``said``; returns all it said."""
    run_cell(page, index)
    cell = page.locator(".jp-Notebook .jp-Cell").nth(index)
    cell.locator(".jp-OutputArea-output pre", has_text=said).last.wait_for(timeout=timeout_s * 1_000)
    return cell_output(page, index).inner_text()


def test_halt_in_the_panel_stops_the_real_desk_while_a_cell_is_busy(
    page: Page, lab: Lab, pictures: Path
) -> None:
    wire = Wire(page)
    cells = [text.strip() for text in (OPEN, TRADE, BUSY, REPORT, CLOSE)]
    open_notebook(page, lab, lab.write("desk.ipynb", *cells))
    page.keyboard.press("Control+b")
    run_cell(page, 0)
    page.locator(".cd-ladder-canvas").first.wait_for()
    try:
        run_for(page, 1, "trading")
        await_frames(page, 10)
        page.screenshot(path=pictures / "desk.png")
        assert value_of(page, "protection") == "protected 100 %"
        assert colours_on_ladder(page) > 50
        assert overflowing(page) == []

        run_cell(page, 2)
        page.locator("#jp-main-statusbar", has_text="| Busy").wait_for()
        since = time.monotonic()
        page.locator(".cd-button-halt").click()
        page.locator('.cd-state[data-state="HALTED"]').wait_for()
        await_frames(page, 30)
        assert wire.most_in_a_second(since) <= 50
        interrupt(page, 2)
        seen = json.loads(run_for(page, 3, "state"))
        assert (seen["state"], seen["entries"], seen["stops"]) == ("HALTED", 0, 1)
        assert all(price != "None" for price in seen["top"])
    finally:
        run_for(page, 4, "close")
    page.locator(".cd-status-word", has_text="this desk is closed").wait_for()
    page.wait_for_function("() => document.querySelector('.cd-ladder-canvas').closest('.cd-stale') !== null")
    page.locator(".cd-console").evaluate("node => node.scrollIntoView(true)")
    page.screenshot(path=pictures / "closed.png")
