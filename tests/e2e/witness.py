"""The exchange as a test sees it: its own state and request log, asked over HTTP, past desk and browser."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from contractdesk.desk import embedded
from tests.e2e.lab import PATIENCE_S, Lab

T = TypeVar("T")
LOOK_S = 0.05


def state_folder(lab: Lab) -> Path:
    """Where the lab's desks keep their state (``CONTRACTDESK_STATE`` of its kernels)."""
    return lab.folder.parent / "state"


class Witness:
    """The embedded exchange of one desk and account."""

    def __init__(self, lab: Lab, desk: str, account: str = "") -> None:
        running = embedded.find(state_folder(lab) / desk / "exchange")
        assert running is not None, f"no exchange of {desk} runs"
        self.address = running.address
        self._account = account or desk

    @property
    def account(self) -> dict[str, Any]:
        accounts: dict[str, Any] = json.loads(embedded.get(self.address, "/control/state"))["accounts"]
        found: dict[str, Any] = accounts[self._account]
        return found

    @property
    def entries(self) -> list[str]:
        """Client ids of the orders that rest."""
        return [order["client_id"] for order in self.account["open_orders"]]

    @property
    def stops(self) -> list[dict[str, Any]]:
        """Conditional orders that are live, whole: an unchanged one is equal."""
        return [order for order in self.account["algo_orders"] if order["status"] == "NEW"]

    def position(self, symbol: str) -> Decimal:
        return Decimal(self.account["positions"].get(symbol, {}).get("size", "0"))

    def requests(self, since: int = 0) -> list[dict[str, Any]]:
        """Rows of the request log after the row ``since``."""
        rows: list[dict[str, Any]] = json.loads(
            embedded.get(self.address, f"/control/requests?since={since}")
        )
        return rows

    def creates(self, since: int = 0) -> list[dict[str, Any]]:
        """Requests that would open or add to something."""
        return [row for row in self.requests(since) if row["role"] == "entry"]

    def executed(self, number: int) -> bool:
        """True once the request of that number has been answered well."""
        return any(row["seq"] == number and row["status"] == 200 for row in self.requests(number - 1))

    def last(self) -> int:
        """Number of the latest request."""
        return max((row["seq"] for row in self.requests()), default=0)

    def price(self, symbol: str) -> float:
        """The middle of its book."""
        top = json.loads(embedded.get(self.address, f"/fapi/v1/ticker/bookTicker?symbol={symbol}"))
        return (float(top["bidPrice"]) + float(top["askPrice"])) / 2

    def walk(self, symbol: str, price: float) -> None:
        """Let a generated market jump to ``price``."""
        body = {"symbol": symbol, "price": f"{price:.1f}", "seconds": 0}
        embedded.post(self.address, "/control/price", body)

    def fault(self, **fault: object) -> None:
        """Install one; see ``contractdesk/exchange/faults.py``."""
        embedded.post(self.address, "/control/fault", fault)


def until(found: Callable[[], T], what: str, within_s: float = PATIENCE_S) -> T:
    """The first true answer of ``found``; AssertionError after ``within_s``."""
    end = time.monotonic() + within_s
    while not (answer := found()):
        assert time.monotonic() < end, f"{what}: not within {within_s:g} s"
        time.sleep(LOOK_S)
    return answer
