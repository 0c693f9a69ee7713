"""The exchange, seen from outside of the kernels: its truth, its request log, its faults."""

from __future__ import annotations

import json
import time
import urllib.request
from collections.abc import Callable
from typing import Any

ANSWERS_WITHIN_S = 20.0
LOOK_S = 0.005
SEEN_WITHIN_S = 20.0
SYMBOL = "BTCUSDT"
ORDER, ALGO = "/fapi/v1/order", "/fapi/v1/algoOrder"

Row = dict[str, Any]


class NeverSeen(Exception):
    """What a crash point waits for has not come."""


class Witness:
    """Rows of the request log are read once each, in order; ``rows`` keeps those of this cycle."""

    def __init__(self, address: str, account: str) -> None:
        self._address = address
        self._account = account
        self._direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        self.first_seq = 0  # the log before this cycle
        self._mark = 0

    def begin(self) -> None:
        """A new cycle begins: faults are removed, the request weight that was used is forgiven."""
        self.heal()
        self._ask("/control/limits", {})
        rows = self._ask(f"/control/requests?since={self.first_seq}&limit=100000")
        self.first_seq = rows[-1]["seq"] if rows else self.first_seq

    def rows(self) -> list[Row]:
        """Every request of this cycle."""
        found: list[Row] = self._ask(f"/control/requests?since={self.first_seq}&limit=100000")
        return found

    def account(self) -> Row:
        """What the exchange knows of the account; ``now_ns`` is its clock."""
        state = self._ask("/control/state")
        found: Row = state["accounts"][self._account]
        return {**found, "now_ns": state["now_ns"]}

    def touch(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The best bid and the best ask: price and size."""
        depth = self._ask(f"/fapi/v1/depth?symbol={SYMBOL}&limit=5")
        (bid, bids), (ask, asks) = depth["bids"][0], depth["asks"][0]
        return (float(bid), float(bids)), (float(ask), float(asks))

    def fault(self, kind: str, **fields: Any) -> None:
        self._ask("/control/fault", {"kind": kind, **fields})

    def heal(self) -> None:
        self._ask("/control/fault", method="DELETE")

    def until_asked(self, method: str, path: str, role: str = "", *, executed: bool = False) -> Row:
        """The first request of that kind since ``mark``, as soon as it has come, or has been executed."""

        def asked() -> Row | None:
            for row in self._since_mark():
                if row["method"] != method or row["path"] != path or role not in ("", row["role"]):
                    continue
                if not executed or row["status"]:
                    return row
            return None

        return self._until(asked, f"{method} {path} {role}")

    def until_status(self, client_id: str, wanted: str, never: str) -> bool:
        """Until the order has that status; False where it comes to another one, after which it cannot."""

        def settled() -> Row | None:
            orders = self.account()["orders"]
            return next(
                (o for o in orders if o["client_id"] == client_id and o["status"] in (wanted, never)), None
            )

        return bool(self._until(settled, f"{client_id} {wanted}")["status"] == wanted)

    def mark(self) -> None:
        """What was asked until now is not waited for any more."""
        rows = self.rows()
        self._mark = rows[-1]["seq"] if rows else self.first_seq

    def _since_mark(self) -> list[Row]:
        found: list[Row] = self._ask(f"/control/requests?since={self._mark}&limit=100000")
        return found

    def _until(self, look: Callable[[], Row | None], what: str) -> Row:
        end = time.monotonic() + SEEN_WITHIN_S
        while time.monotonic() < end:
            if (found := look()) is not None:
                return found
            time.sleep(LOOK_S)
        raise NeverSeen(what)

    def _ask(self, path: str, body: Row | None = None, method: str | None = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._address + path, data=data, method=method)  # noqa: S310
        with self._direct.open(request, timeout=ANSWERS_WITHIN_S) as answer:
            return json.loads(answer.read())
