"""The JupyterLab extension in a browser, over real kernels; the exchange itself says what came of a click."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.e2e.desks import Exchange, card, end_kernels, toast
from tests.e2e.lab import Lab, interrupt, open_notebook, run_cell
from tests.e2e.test_desk import run_for
from tests.e2e.watch import overflowing

INSTALLED = Path(sys.prefix) / "share" / "jupyter" / "labextensions" / "contractdesk-lab"
OPEN = """
import contractdesk as cd

SYMBOL = "BTC/USDT:USDT"
class Eager(cd.Strategy):
    \"\"\"Keeps three entries resting: what is cancelled it sends anew at the next bar, if it may.\"\"\"
    def on_bar(self, bar, ctx):
        if len(ctx.entries(bar.symbol)) < 3:
            low = bar.close * 95 / 100
            return cd.enter_long(bar.symbol, size=0.002, limit=low, stop=low * 95 / 100, post_only=True)

cap = {{"size_cap": "0.1"}}
desk = cd.open_desk("embedded", name="{name}", seed=7, fresh=True, idle_limit_s=20, risk=cap)
desk.start(Eager(symbols=[SYMBOL], timeframe="1s"))
desk.buy(SYMBOL, notional=150, stop=cd.fixed_stop(desk.book(SYMBOL).best_bid * 95 / 100))
resting = lambda s: [o for o in s.orders if o.status.value == "working" and o.request.role.name == "ENTRY"]
desk.wait_for(lambda s: s.positions and s.protected_fraction == 1 and len(resting(s)) == 3, 90)
print("three rest")
"""
# The fourth is on its way when the cell becomes busy: the exchange gets round to it two seconds later.
BUSY = """
try:
    low = desk.book(SYMBOL).best_bid * 94 / 100
    coming = desk.aio.buy(SYMBOL, size=0.002, limit=low, stop=cd.fixed_stop(low * 95 / 100), post_only=True)
    print("busy", flush=True)
    while True: pass
except KeyboardInterrupt:
    print("interrupted")
"""
ATTEMPTS, WITHIN_MS, LISTED_MS = 3, 1_000, 5_000
IN_FLIGHT_MS = 2_000  # an entry that is later than 2.5 s is refused by its own terms
LATE = {"kind": "delay", "when": "before", "ms": IN_FLIGHT_MS, "count": 1, "match": {"role": "entry"}}
# C calls that hold the GIL: nothing in this kernel can answer meanwhile, and the second hears no signal.
STUCK = """
import ctypes, os, time
print("stuck", flush=True)
time.sleep(0.5)  # the word reaches the page first
{call}
print("free")
"""
GATE = "gate"  # a pipe: what reads from it goes on when something is written
READ = "gate = os.open('{gate}', os.O_RDWR); ctypes.PyDLL(None).read(gate, ctypes.create_string_buffer(1), 1)"
UNTIL_TOLD = STUCK.format(call=READ.format(gate=GATE))
FOR_EVER = STUCK.format(call="sum(range(10**12))")
# When the button was clicked and when the desk was seen as halted, by the browser's own clock.
TIMES = """
([name, label]) => {
  const card = document.querySelector(`.cdl-card[data-desk="${name}"]`);
  const state = card.querySelector('.cdl-state');
  window.times = {};
  const button = [...card.querySelectorAll('button')].find(node => node.textContent === label);
  button.addEventListener('click', () => { window.times.clicked ??= Date.now(); }, { capture: true });
  new MutationObserver(() => {
    if (state.dataset.state === 'HALTED') window.times.halted ??= Date.now();
    if (state.dataset.state === 'STALE') window.times.stale ??= Date.now();
  }).observe(state, { attributes: true });
}
"""
# In a page that loads: when its status bar first told of a desk, in ms since the load began.
FIRST_SEEN = """
new MutationObserver(() => {
  const line = document.querySelector('.cdl-status-text');
  if (line && line.textContent.includes('desk')) window.desk_seen_ms ??= performance.now();
}).observe(document, { subtree: true, childList: true, characterData: true });
"""


@pytest.fixture(autouse=True)
def state(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked about the desks of that lab."""
    assert INSTALLED.exists(), "the extension is not installed: `pip install --editable .` builds it"
    monkeypatch.setenv("CONTRACTDESK_STATE", str(lab.folder.parent / "state"))


def show_desks(page: Page) -> None:
    """Open the sidebar from the status bar, which tells of a desk as soon as there is one."""
    page.locator(".cdl-status-line", has_text="desk").wait_for()
    if not page.locator(".cdl-sidebar").is_visible():
        page.locator(".cdl-status-line").click()
    page.locator(".cdl-sidebar").wait_for()


def trading(page: Page, lab: Lab, name: str, *cells: str) -> Exchange:
    """A notebook whose desk holds a position under its stop, three entries resting; the sidebar shows it."""
    book = [text.strip() for text in (OPEN.format(name=name), *cells)]
    open_notebook(page, lab, lab.write(f"{name}.ipynb", *book))
    run_for(page, 0, "three rest")
    show_desks(page)
    exchange = Exchange(name)
    assert (len(exchange.entries), len(exchange.stops)) == (3, 1)
    return exchange


def times(page: Page) -> dict[str, float]:
    """In ms, by the browser's clock."""
    found: dict[str, float] = page.evaluate("window.times")
    return found


def told(capsys: pytest.CaptureFixture[str], words: str) -> None:
    """A figure for a person who reads along."""
    with capsys.disabled():
        print(f"\n  {words}")  # noqa: T201


def test_halt_reaches_a_busy_kernel_with_entries_resting_and_one_in_flight(
    page: Page, lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    """Within a second; begun anew where that took longer or no entry was in flight any more: the machine may
    be busy with other things."""
    for attempt in range(ATTEMPTS):
        if halt_in_flight(page, lab, f"halted-{attempt}", capsys):
            return
        end_kernels(lab)
    pytest.fail("no halt came within a second, and while the entry was in flight")


def halt_in_flight(page: Page, lab: Lab, name: str, capsys: pytest.CaptureFixture[str]) -> bool:
    """Halt, and judge; False, where nothing was in flight any more or it took too long."""
    exchange = trading(page, lab, name, BUSY)
    stops, held = exchange.stops, exchange.held
    page.evaluate(TIMES, [name, "Halt"])
    exchange.post("fault", LATE)
    run_for(page, 1, "busy")
    card(page, name).get_by_role("button", name="Halt", exact=True).click()
    card(page, name).locator('.cdl-state[data-state="HALTED"]').wait_for()
    toast(page, f"{name} (EMBEDDED) is HALTED: entries are cancelled, stops stand.").wait_for()
    seen = times(page)
    creates = exchange.creates()
    arrived_ms = creates[-1]["ns"] / 1e6
    if not arrived_ms < seen["clicked"] < arrived_ms + IN_FLIGHT_MS:
        return False

    exchange.until(lambda it: it.entries == [])  # the one in flight comes two seconds late
    assert (exchange.stops, exchange.held) == (stops, held)
    cancelled = [order for order in exchange.account["orders"] if order["status"] == "CANCELED"]
    assert {row["client_id"] for row in creates[-4:]} <= {order["client_id"] for order in cancelled}
    three = max(order["closed_ns"] for order in cancelled if order["client_id"] != creates[-1]["client_id"])
    took = {"shown": seen["halted"] - seen["clicked"], "cancelled": three / 1e6 - seen["clicked"]}
    told(capsys, f"a busy kernel, from the click: HALTED shown after {took['shown']:.0f} ms,"
                 f" the three resting entries cancelled after {took['cancelled']:.0f} ms")  # fmt: skip

    bars_later_ns = exchange.account["now_ns"] + 3_000_000_000
    exchange.until(lambda it: it.account["now_ns"] > bars_later_ns)
    assert exchange.creates() == creates  # Eager would have sent more
    assert (exchange.entries, exchange.stops) == ([], stops)
    assert "| Busy" in page.locator("#jp-main-statusbar").inner_text()  # what the request's own end hides
    interrupt(page, 1)
    return max(took.values()) < WITHIN_MS


def test_after_a_reload_a_busy_kernels_desk_is_listed_and_halted(
    page: Page, lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    exchange = trading(page, lab, "reloaded", BUSY)
    run_for(page, 1, "busy")
    page.add_init_script(FIRST_SEEN)
    page.on("dialog", lambda dialog: dialog.accept())  # the notebook is left unsaved
    took = []
    while not took or (
        took[-1] > LISTED_MS and len(took) < ATTEMPTS
    ):  # the machine may be busy with other things
        page.reload()
        show_desks(page)
        took.append(page.evaluate("window.desk_seen_ms"))
    ready_ms = page.evaluate("performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd")
    told(capsys, f"after a reload: the desk is listed {took[-1]:.0f} ms after it began,"
                 f" {took[-1] - ready_ms:.0f} ms after the page itself was there")  # fmt: skip
    assert took[-1] < LISTED_MS, took
    page.evaluate(TIMES, ["reloaded", "Halt"])
    stops = exchange.stops
    card(page, "reloaded").get_by_role("button", name="Halt", exact=True).click()
    toast(page, "reloaded (EMBEDDED) is HALTED").wait_for()
    assert (exchange.entries, exchange.stops) == ([], stops)
    seen = times(page)
    told(capsys, f"and HALTED shown {seen['halted'] - seen['clicked']:.0f} ms after the click")


def test_a_kernel_that_cannot_answer_is_stale_and_not_confirmed_then_late(
    page: Page, lab: Lab, pictures: Path
) -> None:
    gate = lab.folder / GATE
    os.mkfifo(gate)
    trading(page, lab, "late", UNTIL_TOLD)
    run_for(page, 1, "stuck")
    card(page, "late").locator('.cdl-state[data-state="STALE"]').wait_for()
    toast(page, "is stale: no sign of life for 3.5 s. Its stops stay at the venue.").wait_for()
    assert "silent for" in card(page, "late").inner_text()
    card(page, "late").get_by_role("button", name="Halt", exact=True).click()
    toast(page, "late: halt NOT confirmed within 5 s. Stops stay at the venue").wait_for()
    shown = card(page, "late").locator(".cdl-unconfirmed")
    assert "halt NOT confirmed" in shown.inner_text()
    assert shown.get_by_role("button", name="Kill kernel").is_visible()
    page.screenshot(path=pictures / "extension-unconfirmed.png")
    gate.write_bytes(b"!")
    # Once the call is over the kernel does what it was asked, and everything that was said is put right.
    toast(page, "Late: late (EMBEDDED) is HALTED").wait_for()
    toast(page, "is back: it is").wait_for()
    shown.wait_for(state="hidden")
    assert Exchange("late").entries == []


def test_a_kernel_that_does_not_answer_can_be_killed_and_stops_stay(page: Page, lab: Lab) -> None:
    exchange = trading(page, lab, "killed", FOR_EVER)
    stops = exchange.stops
    run_for(page, 1, "stuck")
    card(page, "killed").locator('.cdl-state[data-state="STALE"]').wait_for()
    card(page, "killed").get_by_role("button", name="Halt", exact=True).click()
    asked = toast(page, "killed: halt NOT confirmed within 5 s")
    asked.wait_for()
    asked.get_by_role("button", name="Kill kernel").click()
    dialog = page.locator(".jp-Dialog")
    assert "Stops stay at the venue" in dialog.inner_text()
    dialog.get_by_role("button", name="Kill kernel").click()
    toast(page, "The kernel of killed.ipynb is killed.").wait_for()
    card(page, "killed").wait_for(state="detached")
    exchange.until(lambda it: it.entries == [])  # the guardian has finished
    assert exchange.stops == stops


def test_a_tripped_breaker_is_told(page: Page, lab: Lab) -> None:
    exposed = """
desk.stop(); desk.risk.tune(size_cap="4"); desk.set_leverage(SYMBOL, 10)
desk.buy(SYMBOL, notional=18_000, stop=40_000)
print("exposed")
"""
    exchange = trading(page, lab, "fallen", exposed)
    run_for(page, 1, "exposed")
    exchange.post("price", {"symbol": "BTCUSDT", "price": "54000", "seconds": 2})
    toast(page, "fallen (EMBEDDED, fallen.ipynb): the breaker has tripped. -").wait_for()
    shown = card(page, "fallen")
    shown.locator('.cdl-state[data-state="HALTED"]').wait_for()
    assert "breaker" in shown.locator(".cdl-reason").inner_text()
    assert "HALTED" in page.locator(".cdl-status-line").inner_text()


def test_keys_palette_and_menu_halt_and_flatten_all(page: Page, lab: Lab) -> None:
    exchange = trading(page, lab, "keys", "desk.resume()", "desk.close()")
    page.locator(".jp-Notebook").click()
    page.keyboard.press("Control+Shift+Alt+H")
    toast(page, "keys (EMBEDDED) is HALTED").wait_for()
    exchange.until(lambda it: it.entries == [])
    assert exchange.held > 0

    page.keyboard.press("Control+Shift+C")
    page.locator(".lm-CommandPalette-input").fill("Halt & Flatten All")
    page.locator(".lm-CommandPalette-item", has_text="Halt & Flatten All Desks").first.click()
    dialog = page.locator(".jp-Dialog")
    dialog.get_by_role("button", name="Cancel").click()
    dialog.wait_for(state="detached")
    assert exchange.held > 0

    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.locator(".lm-Menu-item", has_text="Halt & Flatten All Desks").click()
    assert "keys (EMBEDDED, keys.ipynb)" in dialog.inner_text()
    dialog.get_by_role("button", name="Halt & flatten").click()
    toast(page, "positions closed").wait_for()
    assert (exchange.held, exchange.stops, exchange.entries) == (0, [], [])

    run_for(page, 2, "close")  # the last word of a kernel's heartbeat names no desk
    card(page, "keys").wait_for(state="detached")
    page.locator(".cdl-status-line").wait_for(state="hidden")
    assert "No desk is open" in page.locator(".cdl-empty").inner_text()


def test_desks_of_two_kernels_are_listed_in_light_dark_and_narrow_and_a_restart_clears(
    page: Page, lab: Lab, pictures: Path
) -> None:
    from tests.e2e.extension_picture import LOOKS, two_desks

    two_desks(page, lab)
    for name, look in LOOKS.items():
        look(page)
        page.screenshot(path=pictures / f"extension-{name}.png")
        assert overflowing(page) == [], name
    label: Any = page.locator(".cdl-home").all_inner_texts()
    assert label == ["carry.ipynb", "trend.ipynb"]
    run_cell(page, 0)
    page.keyboard.press("Escape")
    page.keyboard.press("0")
    page.keyboard.press("0")
    page.locator(".jp-Dialog").get_by_role("button", name="Confirm Kernel Restart").click()
    toast(page, "has ended with its kernel").wait_for()
    card(page, "carry").wait_for(state="detached")
    card(page, "trend").wait_for()
