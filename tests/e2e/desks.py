"""What the tests of the extension do beside the browser: end kernels, and ask the exchange itself."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from playwright.sync_api import Locator, Page

from contractdesk.desk import embedded
from contractdesk.desk.paths import DeskPaths
from tests.e2e.lab import PATIENCE_S, TOKEN, Lab

SYMBOL = "BTCUSDT"
POLL_S = 0.1


class Exchange:
    """The embedded exchange of one desk, over HTTP: what it says is the truth."""

    def __init__(self, name: str) -> None:
        running = embedded.find(DeskPaths.of(name).exchange)
        assert running is not None, f"no exchange runs for {name}"
        self._name = name
        self.address = running.address

    def post(self, lever: str, body: dict[str, Any]) -> None:
        """Move one of the levers of ``contractdesk/exchange/control.py``."""
        embedded.post(self.address, f"/control/{lever}", body)

    @property
    def account(self) -> dict[str, Any]:
        state = json.loads(embedded.get(self.address, "/control/state"))
        return state["accounts"][self._name] | {"now_ns": state["now_ns"]}

    @property
    def entries(self) -> list[str]:
        """Orders that rest, by client id."""
        return [order["client_id"] for order in self.account["open_orders"]]

    @property
    def stops(self) -> list[tuple[str, ...]]:
        """What is said of each live stop."""
        keys = ("client_id", "trigger_price", "quantity", "side", "created_ns")
        live = [order for order in self.account["algo_orders"] if order["status"] == "NEW"]
        return [tuple(str(order[key]) for key in keys) for order in live]

    @property
    def held(self) -> float:
        return float(self.account["positions"].get(SYMBOL, {}).get("size", "0"))

    def creates(self) -> list[dict[str, Any]]:
        """Requests that would make an entry, as they arrived."""
        rows = json.loads(embedded.get(self.address, "/control/requests?limit=100000"))
        return [row for row in rows if row["role"] == "entry"]

    def until(self, holds: Callable[[Exchange], bool], within_s: float = PATIENCE_S) -> None:
        """Wait until something holds here; AssertionError after ``within_s``."""
        end = time.monotonic() + within_s
        while not holds(self):
            assert time.monotonic() < end, self.account
            time.sleep(POLL_S)


def kernels(lab: Lab) -> set[str]:
    """Ids of the kernels that run on that server."""
    with urllib.request.urlopen(_kernels(lab), timeout=PATIENCE_S) as answer:  # noqa: S310  (loopback)
        return {kernel["id"] for kernel in json.load(answer)}


def end_kernels(lab: Lab, spared: Collection[str] = ()) -> None:
    """All but ``spared``: a desk that is still open would go on working beside the next test."""
    for kernel in kernels(lab) - set(spared):
        ending = urllib.request.Request(_kernels(lab, f"/{kernel}"), method="DELETE")  # noqa: S310
        with suppress(urllib.error.HTTPError):  # the server is about to restart it, or to end it
            urllib.request.urlopen(ending, timeout=PATIENCE_S).close()  # noqa: S310


def _kernels(lab: Lab, one: str = "") -> str:
    return f"http://127.0.0.1:{lab.port}/api/kernels{one}?token={TOKEN}"


def card(page: Page, name: str) -> Locator:
    """A desk in the sidebar."""
    return page.locator(f'.cdl-card[data-desk="{name}"]')


def toast(page: Page, text: str) -> Locator:
    """A notification that says so."""
    return page.locator(".Toastify__toast", has_text=text).first
