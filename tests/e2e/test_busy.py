"""Halting while a cell does nothing but work: by the panel and from a terminal, judged by the exchange.

Three entries rest, one is in flight (the exchange executes it two seconds late), a stop is live, and a
strategy wishes for another entry at every bar.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.halts import Halt, Prompt, by_the_panel
from tests.e2e.lab import Lab, new_page, open_notebook, run_cell
from tests.e2e.watch import (
    await_frames,
    await_status,
    colours_on_ladder,
    run_until_said,
)
from tests.e2e.witness import Witness, until

NAME = "busy"
WITHIN_S = 1.0
ATTEMPTS = 5
IN_FLIGHT_MS = 2_000  # later it would be too old for the exchange
RISE = 1.02  # by which the market is led up to have the strategy enter
OPEN = f"""
import contractdesk as cd

class Eager(cd.Strategy):
    above = cd.Param(1e9, ge=0, doc="wish for an entry at every bar that closes there and finds none")

    def on_bar(self, bar, ctx):
        if bar.close > self.above and not ctx.entering(bar.symbol):
            low = bar.close * 95 / 100
            return cd.enter_long(bar.symbol, size=0.002, limit=low, stop=bar.close * 85 / 100, post_only=True)

symbol = "BTC/USDT:USDT"
risk = {{"size_cap": "0.2"}}
desk = cd.open_desk("embedded", name="{NAME}", seed=7, fresh=True, idle_limit_s=20, risk=risk)
eager = desk.start(Eager(symbols=[symbol], timeframe="1s"))
desk.console()
"""
TRADE = """
eager.tune(above=1e9)
if desk.snapshot.state.value != "ACTIVE":
    desk.resume()
desk.wait_for(lambda s: symbol in s.symbols and s.symbols[symbol].mark and s.symbols[symbol].ready)
bid = desk.book(symbol).best_bid
if not desk.snapshot.positions:
    desk.buy(symbol, notional=150, stop=cd.fixed_stop(bid * 85 / 100))
    desk.wait_for(lambda s: s.positions and s.positions[0].size and s.protected_fraction == 1)
far = cd.fixed_stop(bid * 85 / 100)
for percent in (97, 96, 95):
    desk.buy(symbol, size=0.002, limit=bid * percent / 100, stop=far, post_only=True)
eager.tune(above=float(bid) * 1.01)
print("trading")
"""
BUSY = """
import matplotlib.pyplot as plt
plt.figure(figsize=(2, 1))
plt.plot([1, 4, 9])
while True: pass
"""
CLOSE = 'desk.close(leave="flatten")'


class Before(NamedTuple):
    """What the exchange had when a person decided to halt."""

    stops: list[dict[str, object]]
    position: object
    last: int
    executed_s: float = 0.0  # when the entry in flight comes to the book, wall clock


@pytest.fixture(scope="module")
def notebook(browser: Browser, lab: Lab) -> Iterator[Page]:
    """A page with the console of a desk that is ready to trade."""
    pytest.importorskip("matplotlib")
    page = new_page(browser)
    open_notebook(page, lab, lab.write("halts.ipynb", *map(str.strip, (OPEN, TRADE, BUSY, CLOSE))))
    page.keyboard.press("Control+b")
    run_cell(page, 0)
    page.locator(".cd-ladder-canvas").first.wait_for()
    await_frames(page, 5)
    await_status(page, "Idle")
    yield page
    run_until_said(page, 3, "close")
    page.close()


@contextmanager
def busy(page: Page, witness: Witness) -> Iterator[Before]:
    """Trading in a cell that never ends, from the moment at which the fourth entry is on its way."""
    price = witness.price("BTCUSDT")
    run_until_said(page, 1, "trading")
    witness.fault(
        kind="delay", when="before", ms=IN_FLIGHT_MS, match={"method": "POST", "role": "entry"}, count=1
    )
    before = Before(witness.stops, witness.position("BTCUSDT"), witness.last())
    assert len(witness.entries) == 3
    assert len(before.stops) == 1
    run_cell(page, 2)
    await_status(page, "Busy")
    try:
        await_frames(page, 20)
        witness.walk("BTCUSDT", price * RISE)
        (sent,) = until(lambda: witness.creates(before.last), "an entry of the strategy")
        assert sent["fault"] == "delay"
        yield before._replace(last=sent["seq"], executed_s=(sent["ns"] / 1e6 + IN_FLIGHT_MS) / 1e3)
    finally:
        page.keyboard.press("Escape")
        page.keyboard.press("i")
        page.keyboard.press("i")
        await_status(page, "Idle")


def judge(page: Page, witness: Witness, before: Before) -> None:
    """The ladder moves on; no entry is left or comes, and the stop is what it was. Just halted."""
    assert colours_on_ladder(page) > 50
    await_frames(page, 20)  # two bars and more: the strategy goes on wishing
    until(lambda: witness.executed(before.last), "the entry in flight comes to the book")
    until(lambda: not witness.entries, "it is cancelled as well")
    assert witness.creates(before.last) == []
    assert witness.stops == before.stops
    assert witness.position("BTCUSDT") == before.position


def figure_kept(page: Page) -> None:
    cell = page.locator(".jp-Notebook .jp-Cell").nth(2)
    cell.locator(".jp-OutputArea-output", has_text="KeyboardInterrupt").wait_for()
    cell.locator('.jp-OutputArea-output img[src^="data:image/png"]').wait_for()


def halting(page: Page, lab: Lab, prepared: Callable[[], Callable[[Page], Halt]]) -> None:
    """Halt so, and judge. Only the time may be taken again, and what came too late for the entry in flight: a
    machine may be busy with other things."""
    witness = Witness(lab, NAME)
    for _ in range(ATTEMPTS):
        halt = prepared()
        with busy(page, witness) as before:
            halted = halt(page)
            judge(page, witness, before)
        figure_kept(page)
        sys.stdout.write(f"HALTED after {halted.took_s:.3f} s ({halted.in_all_s:.3f} s in all)\n")
        if halted.took_s < WITHIN_S and halted.at_s < before.executed_s:
            return
    pytest.fail(f"HALTED came after {halted.took_s:.2f} s, in the last of {ATTEMPTS} attempts")


def test_the_panels_halt_in_a_busy_cell(notebook: Page, lab: Lab) -> None:
    halting(notebook, lab, lambda: by_the_panel)


def test_the_terminals_halt_in_a_busy_cell(notebook: Page, lab: Lab) -> None:
    halting(notebook, lab, lambda: Prompt(lab).enter)
