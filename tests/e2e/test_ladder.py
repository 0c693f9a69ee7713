"""Trading by pointer and by keys on a real desk: what the exchange has afterwards is what counts."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from tests.e2e.lab import Lab, new_page, open_notebook, run_cell, set_theme
from tests.e2e.trader import BOOK_X, CLOSE_CELL, CROSS_X, HOLD_CELL, TAG_X, Trader, eventually
from tests.e2e.watch import await_frames, overflowing

LIVE = """
from tests.panels.trading import TradingDesk
from contractdesk.panels import Panels
desk = TradingDesk("LIVE").start()
Panels(desk).console()
"""
PERMIT = "Panels(desk).console(trading=True)\nprint(desk.asked)"
# What the Tab key reaches, in its order.
REACHED = "() => { const n = document.activeElement; return n.getAttribute('aria-label') || n.textContent; }"


@pytest.fixture(scope="module")
def desk(browser: Browser, lab: Lab) -> Iterator[Trader]:
    page = new_page(browser)
    trader = Trader(page, lab)
    yield trader
    trader.run_out(CLOSE_CELL)
    page.close()


@pytest.fixture
def at(desk: Trader) -> Trader:
    desk.reset()
    return desk


def empty(found: object) -> bool:
    return not found


def twice(at: Trader, key: str) -> None:
    """A key that asks before it does something."""
    at.page.keyboard.press(key)
    at.page.keyboard.press(key)


def rest(at: Trader, row: int = 6) -> Decimal:
    """Place an entry by a click on a bid; returns its price."""
    stops = [str(stop["client_id"]) for stop in at.truth()["open_algo_orders"]]
    price = at.arm(at.bid_y(row)).removeprefix("BUY limit @ ").replace(",", "")
    (order,) = at.place(lambda: at.truth()["open_orders"], bool)
    eventually(at.page, at.said, lambda said: said.startswith("working: buy"))
    at.await_own(str(order["client_id"]), *stops)
    return Decimal(price)


def deleted(at: Trader) -> None:
    """The own order on the row of ``rest``, by the keyboard."""
    at.click(TAG_X, at.bid_y(6))
    at.page.keyboard.press("Delete")


def test_trading_is_off_at_first_and_a_click_sends_nothing(at: Trader) -> None:
    assert not at.trading
    at.click(BOOK_X, at.bid_y(4))
    await_frames(at.page, 10)
    assert at.ticket.is_hidden()
    at.page.keyboard.press("Enter")
    eventually(at.page, at.said, lambda said: "turn Trade on first" in said)
    assert at.truth()["open_orders"] == []


def test_a_click_arms_place_sends_and_a_click_on_its_x_cancels(at: Trader, pictures: Path) -> None:
    at.switch_on()
    assert at.arm(at.bid_y(6)).startswith("BUY limit @ ")
    at.page.screenshot(path=pictures / "ticket.png")
    assert at.truth()["open_orders"] == [], "armed is not sent"
    at.page.locator(".cd-ticket-drop").click()
    at.ticket.wait_for(state="hidden")
    price = rest(at)
    (order,) = at.resting(1)
    assert (order["side"], Decimal(order["price"]), order["reduce_only"]) == ("BUY", price, False)
    at.page.screenshot(path=pictures / "resting.png")
    at.insist(lambda: at.click(CROSS_X, at.bid_y(6)), lambda: at.truth()["open_orders"], empty)


def test_an_entry_is_dragged_to_another_price(at: Trader) -> None:
    at.switch_on()
    price = rest(at)
    (old,) = at.resting(1)
    title = at.insist(lambda: at.drag(at.bid_y(6), at.bid_y(10)), at.armed, bool)
    assert title.startswith("MOVE buy 0.00")
    assert at.resting(1) == [old], "dragged is not moved"
    target = Decimal(title.rpartition(" ")[2].replace(",", ""))
    assert target < price
    (new,) = at.place(
        lambda: at.truth()["open_orders"], lambda now: [Decimal(o["price"]) for o in now] == [target]
    )
    assert (new["side"], new["quantity"]) == (old["side"], old["quantity"])
    assert new["client_id"] != old["client_id"]


def test_the_stop_is_dragged_and_stays_one(at: Trader) -> None:
    (stop,) = at.hold()
    at.switch_on()
    box = at.canvas.bounding_box()
    assert box is not None
    low = box["height"] - 6  # it lies below the book: its tag is at the lower edge
    assert at.insist(lambda: at.drag(low, at.bid_y(12)), at.armed, bool).startswith("MOVE stop ")
    for _ in range(15):  # ten ticks each: below the mark, wherever that is
        at.page.keyboard.press("PageDown")
    target = at.bid(12) - 15

    def up_and_down() -> None:
        at.page.keyboard.press("ArrowUp")
        at.page.keyboard.press("ArrowDown")

    at.insist(up_and_down, at.armed, lambda said: said.endswith(f"{target:,.1f}"))
    at.place(at.said, lambda said: "stop at" in said)
    (moved,) = eventually(at.page, lambda: at.truth()["open_algo_orders"], lambda now: len(now) == 1)
    assert Decimal(moved["trigger_price"]) == target > Decimal(stop["trigger_price"])
    assert (moved["reduce_only"], Decimal(moved["quantity"])) == (True, abs(at.held()))


def test_what_the_gate_refuses_is_told_and_cannot_be_placed(at: Trader, pictures: Path) -> None:
    at.switch_on()
    at.page.locator(".cd-ladder-bar select").first.select_option("notional")
    at.page.locator(".cd-ladder-bar input").first.fill("5000")
    refusal = at.page.locator(".cd-ticket-refusal.cd-alarm")
    at.insist(lambda: at.click(BOOK_X, at.bid_y(6)), refusal.inner_text, bool)
    eventually(at.page, refusal.inner_text, lambda said: said.startswith("refused by size_cap: "))
    assert "limit <= 3 % of equity" in refusal.inner_text()
    assert "would pass: size <= " in refusal.inner_text()
    at.page.screenshot(path=pictures / "refused.png")
    assert at.page.locator(".cd-ticket-place").is_disabled()
    at.page.keyboard.press("Enter")
    await_frames(at.page, 10)
    assert at.truth()["open_orders"] == []
    at.page.locator(".cd-ladder-bar select").first.select_option("cap")
    at.title()  # the ticket has followed: it passes now


def test_keys_alone_place_and_cancel(at: Trader) -> None:
    page = at.page
    page.locator(".cd-button-help").focus()
    seen = [page.evaluate(REACHED)]
    while "order book" not in seen[-1]:
        page.keyboard.press("Tab")
        seen.append(page.evaluate(REACHED))
        assert len(seen) < 15, seen
        if seen[-1] == "Trade":
            at.insist(lambda: page.keyboard.press("Space"), lambda: at.trading, bool)
    for name in ("Cancel all", "Flatten", "Halt", "Trade", "Size: how", "Stop: how", "Stop: amount"):
        assert any(words.startswith(name) for words in seen), (name, seen)
    ring = "() => getComputedStyle(document.activeElement).outlineStyle"
    assert page.evaluate(ring) == "solid"

    page.keyboard.press("End")
    for _ in range(6):
        page.keyboard.press("ArrowDown")
    assert "buy" in str(at.canvas.get_attribute("aria-valuetext"))
    at.insist(lambda: page.keyboard.press("Enter"), at.armed, bool)
    page.wait_for_timeout(400)  # a ticket is looked at before a key may place it
    at.insist(lambda: page.keyboard.press("Enter"), lambda: at.truth()["open_orders"], bool)
    eventually(
        page, lambda: str(at.canvas.get_attribute("aria-valuetext")), lambda said: "entry: buy" in said
    )
    at.insist(lambda: page.keyboard.press("Delete"), lambda: at.truth()["open_orders"], empty)


def test_hotkeys_cancel_close_and_halt(at: Trader, pictures: Path) -> None:
    stops = at.hold()
    at.switch_on()
    rest(at)
    at.page.keyboard.press("Shift+X")
    at.resting(0)
    assert at.truth()["open_algo_orders"] == stops
    eventually(
        at.page, at.page.locator(".cd-status-word").inner_text, lambda said: "1 order cancelled" in said
    )

    at.page.keyboard.press("Shift+P")
    word = at.page.locator(".cd-status-word")
    eventually(at.page, word.inner_text, lambda said: said.startswith("Close BTC/USDT:USDT? Press Shift+P"))
    at.page.screenshot(path=pictures / "sure.png")
    at.page.keyboard.press("Escape")
    eventually(at.page, word.inner_text, lambda said: "Shift+P" not in said)
    assert at.held() > 0
    at.insist(lambda: twice(at, "Shift+P"), at.held, empty)

    at.arm(at.bid_y(6))
    at.page.keyboard.press("Shift+F")
    at.page.keyboard.press("Enter")  # with an armed ticket: it answers what was asked last
    at.state("REDUCING")
    assert at.truth()["open_orders"] == []
    at.page.keyboard.press("Shift+H")
    at.state("HALTED")


def test_keys_belong_to_the_console_only_while_it_has_the_focus(at: Trader) -> None:
    page, cells = at.page, at.page.locator(".jp-Notebook .jp-Cell")
    count = cells.count()
    editor = at.cell(HOLD_CELL).locator(".cm-content")
    before = editor.inner_text()
    editor.click()
    page.keyboard.press("Shift+H")
    assert editor.inner_text().count("H") == before.count("H") + 1
    page.keyboard.press("Backspace")
    page.keyboard.press("Escape")  # command mode, the focus on the cell
    page.keyboard.press("Shift+H")
    at.look()
    at.state("ACTIVE")

    at.canvas.click(position={"x": BOOK_X, "y": 5})
    for key in ("d", "d", "x", "a", "b"):
        page.keyboard.press(key)
    await_frames(page, 5)
    assert cells.count() == count, "the notebook has heard nothing of it"
    page.keyboard.press("?")
    page.get_by_role("dialog", name="keys of the console").wait_for()
    assert overflowing(page) == []
    page.keyboard.press("Escape")
    page.get_by_role("dialog", name="keys of the console").wait_for(state="detached")
    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.classList.contains('jp-Cell')")


def test_all_of_it_works_while_a_cell_is_busy(at: Trader) -> None:
    at.hold()
    at.busy()
    at.switch_on()
    rest(at)
    at.insist(lambda: deleted(at), lambda: at.truth()["open_orders"], empty)
    rest(at)
    at.page.keyboard.press("Shift+X")
    at.resting(0)
    rest(at)
    at.insist(lambda: twice(at, "Shift+P"), at.held, empty)
    at.page.keyboard.press("Shift+H")
    at.state("HALTED")
    at.interrupt()


def test_nothing_overflows_with_a_ticket_in_light_and_dark(at: Trader, pictures: Path) -> None:
    at.hold()
    at.switch_on()
    for theme in ("Dark", "Light"):
        set_theme(at.page, f"JupyterLab {theme}")
        at.look()
        at.arm(at.bid_y(3))
        at.page.screenshot(path=pictures / f"trade-{theme.lower()}.png")
        assert overflowing(at.page) == []
        at.page.keyboard.press("Escape")


def test_on_live_the_switch_is_refused_until_a_cell_permits_it(page: Page, lab: Lab, pictures: Path) -> None:
    open_notebook(page, lab, lab.write("live.ipynb", LIVE.strip(), PERMIT))
    page.keyboard.press("Control+b")
    run_cell(page, 0)
    page.locator(".cd-ladder-canvas").first.wait_for()
    await_frames(page, 5)
    switch, said = page.locator(".cd-trade").first, page.locator(".cd-ladder-said").first
    assert switch.get_attribute("aria-disabled") == "true"
    switch.click(force=True)  # whoever clicks all the same is told why not
    eventually(page, said.inner_text, lambda text: "LIVE: trading from the ladder is off" in text)
    page.screenshot(path=pictures / "live.png")
    page.locator(".cd-ladder-canvas").first.click(position={"x": 200, "y": 400})
    page.keyboard.press("Enter")
    await_frames(page, 10)
    assert page.locator(".cd-ticket").first.is_hidden()
    assert switch.get_attribute("aria-checked") == "false"

    run_cell(page, 1)
    asked = page.locator(".jp-Notebook .jp-Cell").nth(1).locator(".jp-OutputArea-output pre")
    assert asked.last.inner_text().strip() == "[]"
    eventually(page, lambda: switch.get_attribute("aria-disabled"), lambda value: value == "false")
    assert switch.get_attribute("aria-checked") == "false"
    switch.click()
    page.locator('.cd-trade[aria-checked="true"]').first.wait_for()
