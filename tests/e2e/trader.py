"""A person at the ladder of a real desk: pointer, keys, and the exchange's own word on what came of it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from playwright.sync_api import Locator, Page

from contractdesk.desk import embedded
from tests.e2e.lab import PATIENCE_S, Lab, interrupt, open_notebook, run_cell
from tests.e2e.watch import await_frames

T = TypeVar("T")
NAME, BTC = "trader", "BTC/USDT:USDT"
ROW, MIDDLE = 13, 26  # pixels of a row, and of the strip between bids and asks
TAG_X, CROSS_X, BOOK_X = 20, 53, 220  # in the tag of an own order, on its x, and right of it
OPEN = f"""
import contractdesk as cd
desk = cd.open_desk("embedded", name="{NAME}", seed=7, fresh=True, idle_limit_s=120)
desk.book("{BTC}")
desk.console()
"""
BUSY = """
try:
    while True: pass
except KeyboardInterrupt:
    print("interrupted")
"""
HOLD = f"""
assert desk.buy("{BTC}", notional=130, stop=cd.atr_stop(14, 2.5)).done
"""
RESET = f"""
desk.cancel_all()
if any(row["size"] for row in desk.positions):
    desk.close_position("{BTC}")
if desk.snapshot.state.value != "ACTIVE":
    desk.resume()
"""
CLOSE = 'desk.close(leave="flatten")'
CONSOLE, BUSY_CELL, HOLD_CELL, RESET_CELL, CLOSE_CELL = range(5)


def eventually(page: Page, read: Callable[[], T], wanted: Callable[[T], object]) -> T:
    """What ``read`` gives once it is wanted; the page lives on meanwhile."""
    end = time.monotonic() + PATIENCE_S
    while not wanted(value := read()):
        assert time.monotonic() < end, f"still {value}"
        page.wait_for_timeout(100)
    return value


AGAIN_S = 4.0  # after which a person who sees nothing come of a gesture makes it again


class Trader:
    """One notebook with one desk; ``reset`` makes it flat, active and switched off again."""

    def __init__(self, page: Page, lab: Lab) -> None:
        self.page = page
        self.exchange = lab.folder.parent / "state" / NAME / "exchange"
        self._runs = 0
        cells = [
            self._ended(text) if text in (HOLD, RESET, CLOSE) else text
            for text in (OPEN, BUSY, HOLD, RESET, CLOSE)
        ]
        open_notebook(page, lab, lab.write("trader.ipynb", *(cell.strip() for cell in cells)))
        page.keyboard.press("Control+b")
        run_cell(page, CONSOLE)
        page.locator(".cd-ladder-canvas").first.wait_for()
        await_frames(page, 3)
        running = embedded.find(self.exchange)
        assert running is not None
        self._address = running.address
        self._pin()

    @staticmethod
    def _ended(code: str) -> str:
        """The cell says how often a cell like it has ended, so that one run is told from the next."""
        return f"{code.strip()}\nruns = globals().get('runs', 0) + 1\nprint('ended', runs)"

    def _pin(self) -> None:
        """Hold the generated market where it is, so that a row stays where a pointer goes."""
        self._post("price", {"symbol": "BTCUSDT", "price": str(self.bid(0)), "seconds": 900})

    # -- the notebook --------------------------------------------------------------------------

    def cell(self, index: int) -> Locator:
        return self.page.locator(".jp-Notebook .jp-Cell").nth(index)

    def run(self, index: int) -> None:
        """Run a cell to its end, and see the console drawn after it."""
        self.run_out(index)
        self.look()

    def run_out(self, index: int) -> None:
        """Run a cell to its end: one that closes the desk, whose console is not drawn again."""
        self._runs += 1
        run_cell(self.page, index)
        said = self.cell(index).locator(".jp-OutputArea-output pre", has_text=f"ended {self._runs}")
        said.last.wait_for()

    def look(self) -> None:
        """Bring the console into view."""
        self.page.locator(".cd-console").evaluate("node => node.scrollIntoView(true)")
        await_frames(self.page, 2)

    def reset(self) -> None:
        self.page.keyboard.press("Escape")
        if self.trading:
            self.switch.click()
        self.run(RESET_CELL)
        eventually(self.page, self.truth, lambda now: not now["open_orders"] and not now["open_algo_orders"])

    def hold(self) -> list[dict[str, Any]]:
        """Have a position; returns its stop, as the exchange has it."""
        self.run(HOLD_CELL)
        stops: list[dict[str, Any]] = eventually(self.page, self.truth, lambda now: now["open_algo_orders"])[
            "open_algo_orders"
        ]
        self.await_own(*(str(stop["client_id"]) for stop in stops))
        return stops

    def busy(self) -> None:
        run_cell(self.page, BUSY_CELL)
        self.page.locator("#jp-main-statusbar", has_text="| Busy").wait_for()
        self.look()

    def interrupt(self) -> None:
        self.page.keyboard.press("Escape")  # out of the console, where the notebook hears no key
        self.cell(BUSY_CELL).click(position={"x": 10, "y": 5})
        interrupt(self.page, BUSY_CELL)

    # -- the console ---------------------------------------------------------------------------

    @property
    def switch(self) -> Locator:
        return self.page.locator(".cd-trade")

    @property
    def trading(self) -> bool:
        return self.switch.get_attribute("aria-checked") == "true"

    def switch_on(self) -> None:
        self.insist(self.switch.click, lambda: self.trading, bool)
        height, before = self._height(), -1.0
        while height != before:  # the bar takes its room from the book, in its own time
            await_frames(self.page, 5)
            height, before = self._height(), height

    def insist(self, act: Callable[[], object], read: Callable[[], T], wanted: Callable[[T], object]) -> T:
        """Act, and again where nothing comes of it, until what ``read`` gives is wanted.

        A gesture that was made on an old picture does nothing, and says so: on a busy machine that is usual.
        """
        end, again = time.monotonic() + PATIENCE_S, 0.0
        while not wanted(value := read()):
            now = time.monotonic()
            assert now < end, f"still {value}; the ladder says {self.said()!r}"
            if now > again:
                act()
                again = now + AGAIN_S
            self.page.wait_for_timeout(100)
        return value

    def await_own(self, *client_ids: str) -> None:
        """Until these own orders, and no others, are drawn."""
        eventually(
            self.page,
            lambda: (self.canvas.get_attribute("data-own") or "").split(),
            lambda drawn: sorted(drawn) == sorted(client_ids),
        )

    @property
    def canvas(self) -> Locator:
        return self.page.locator(".cd-ladder-canvas")

    def bid_y(self, number: int) -> float:
        """Where the bid of that number stands, 0 = the best; the canvas' own pixels."""
        return (self._height() + MIDDLE) / 2 + ROW * (number + 0.5)

    def _height(self) -> float:
        box = self.canvas.bounding_box()
        assert box is not None
        return box["height"]

    def click(self, x: float, y: float) -> None:
        self.canvas.click(position={"x": x, "y": y})

    def arm(self, y: float) -> str:
        """Click on a price of the book until the ticket may be placed; returns its title."""
        return self.insist(lambda: self.click(BOOK_X, y), self.armed, bool)

    def drag(self, start: float, end: float) -> None:
        """From one height to another, by the tag of an own order."""
        box = self.canvas.bounding_box()
        assert box is not None
        self.page.mouse.move(box["x"] + TAG_X, box["y"] + start)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + TAG_X + 3, box["y"] + (start + end) / 2, steps=4)
        self.page.mouse.move(box["x"] + TAG_X + 5, box["y"] + end, steps=4)
        self.page.mouse.up()

    @property
    def ticket(self) -> Locator:
        return self.page.locator(".cd-ticket")

    def armed(self) -> str:
        """The ticket's title, while Place may be pressed; else nothing."""
        ready = self.page.locator(".cd-ticket-place:not(:disabled)").is_visible()
        return self.page.locator(".cd-ticket-title").inner_text() if ready else ""

    def title(self) -> str:
        """The ticket's, once Place may be pressed."""
        return eventually(self.page, self.armed, bool)

    def place(self, read: Callable[[], T], wanted: Callable[[T], object]) -> T:
        """Press Place, until what ``read`` gives is wanted."""
        return self.insist(self._press, read, wanted)

    def _press(self) -> None:
        if self.armed():
            self.page.locator(".cd-ticket-place").click()

    def said(self) -> str:
        return self.page.locator(".cd-ladder-said").inner_text()

    def state(self, wanted: str) -> None:
        self.page.locator(f'.cd-state[data-state="{wanted}"]').wait_for()

    # -- the exchange --------------------------------------------------------------------------

    def _post(self, what: str, body: dict[str, object]) -> None:
        embedded.post(self._address, f"/control/{what}", body)

    def bid(self, number: int) -> Decimal:
        """The price of the bid of that number, 0 = the best."""
        book = json.loads(embedded.get(self._address, "/fapi/v1/depth?symbol=BTCUSDT&limit=20"))
        return Decimal(book["bids"][number][0])

    def truth(self) -> dict[str, Any]:
        """The account, as the exchange has it."""
        account: dict[str, Any] = json.loads(embedded.get(self._address, "/control/state"))["accounts"][NAME]
        return account

    def resting(self, count: int) -> list[dict[str, Any]]:
        """The orders that rest, once there are so many."""
        rows: list[dict[str, Any]] = eventually(
            self.page, lambda: self.truth()["open_orders"], lambda now: len(now) == count
        )
        return rows

    def held(self) -> Decimal:
        return Decimal(self.truth()["positions"].get("BTCUSDT", {}).get("size", "0"))


def shot(page: Page, folder: Path, name: str) -> None:
    page.screenshot(path=folder / f"{name}.png")
