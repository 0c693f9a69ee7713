"""From a trip of the breaker to the first cancel at the exchange, idle and beside a busy cell.

Both times are the exchange's own: the mark that trips the breaker carries the time at which the market
published it, and the request log the time at which the first cancel arrived. No clock or log of the desk
has a say. A trip: a long and two resting entries stand, the market falls at once by more than the breaker
permits, the desk halts and cancels; then a person resets it, the entries are placed again, and so on. The
market publishes a mark each second, so that a trip takes a little more than one.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
import urllib.request
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from kernels import BUSY, Kernel, Sheet, kernel
from websockets.sync.client import ClientConnection, connect

TRIPS = 100
MOST = 150  # of each kind: each sells a little of the long
AIM_MS = 100
HELP = f"trips of the breaker, idle and busy each (default {TRIPS}, fewer than {MOST})"
CANCEL_WITHIN_S = 20
MARK_WITHIN_S = 10
LOOK_S = 0.05
SYMBOL = "BTCUSDT"
TOP, BOTTOM = 60_000.0, 54_000.0  # the market falls with each trip, and is led up again from the bottom
FALL = 0.0025  # with a long of two to four times the equity more than twice what the breaker permits

OPEN = """
import json
import contractdesk as cd
from contractdesk.desk import embedded
desk = cd.open_desk("embedded", name="trips", seed=11, fresh=True)
symbol = "BTC/USDT:USDT"
desk.risk.tune(size_cap="10", breaker_drop="0.002", breaker_window_s=60)
desk.set_leverage(symbol, 20)
assert desk.buy(symbol, notional=30_000, stop=50_000).done
desk.wait_for(lambda picture: all(row.guarded == abs(row.size) for row in picture.positions), 20)
print(json.dumps({"address": embedded.find(desk.folder / "exchange").address}))
"""
ARM = """
if desk.snapshot.state.value == "HALTED":
    desk.risk.reset("breaker", reason="the next trip is to be measured")
desk.close_position(symbol, size="0.001")  # it measures anew from here on, not from the next mark
placed = [desk.buy(symbol, notional=500, limit=52_000 - 10 * number, stop=50_000) for number in range(2)]
print(json.dumps({"armed": all(receipt.done for receipt in placed)}))
"""
CLOSE = "desk.flatten(); desk.close()"


class Witness:
    """The exchange, seen from outside of the kernel."""

    def __init__(self, address: str) -> None:
        self._address = address
        stream = address.replace("http", "ws", 1) + f"/market/ws/{SYMBOL.lower()}@markPrice@1s"
        self._marks: ClientConnection = connect(stream, proxy=None)
        self._asked = 0  # the request log has been read up to this row
        self._price = 0.0
        self._next_mark(MARK_WITHIN_S)

    def mark(self) -> float:
        """The latest mark price that came out."""
        try:
            while True:
                self._next_mark(0)
        except TimeoutError:
            return self._price

    def fall(self, price: float) -> int:
        """Let the market fall by ``FALL`` at once; UTC ms at which the first mark that shows it came out."""
        self.lead(price * (1 - FALL))
        while True:
            published_ms = self._next_mark(MARK_WITHIN_S)
            if self._price < price * (1 - FALL / 2):
                return published_ms

    def rise(self, price: float) -> None:
        """Lead the market up again, until a mark shows it."""
        self.lead(price)
        while self._price < price * (1 - FALL):
            self._next_mark(MARK_WITHIN_S)

    def lead(self, price: float) -> None:
        body = json.dumps({"symbol": SYMBOL, "price": f"{price:.1f}", "seconds": 0}).encode()
        self._ask("/control/price", body)

    def cancelled_ms(self) -> float | None:
        """When the first cancel of an order since the last ``forget`` arrived, UTC ms; None: none came."""
        end = time.monotonic() + CANCEL_WITHIN_S
        while time.monotonic() < end:
            time.sleep(LOOK_S)  # first: a question of ours is not to stand before the cancel
            for row in self._rows():
                if row["method"] == "DELETE" and "rder" in row["path"]:
                    return float(row["ns"] / 1e6)
        return None

    def forget(self) -> None:
        self._rows()

    def forgive(self) -> None:
        """Twenty trips in a minute would spend the minute's request weight; the counters begin anew."""
        self._ask("/control/limits", b"{}")

    def end(self) -> None:
        self._marks.close()

    def _next_mark(self, within_s: float) -> int:
        """When it was published, UTC ms; its price is kept."""
        told = json.loads(self._marks.recv(timeout=within_s))
        self._price = float(told["p"])
        published_ms: int = told["E"]
        return published_ms

    def _rows(self) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = self._ask(f"/control/requests?since={self._asked}")
        self._asked = rows[-1]["seq"] if rows else self._asked
        return rows

    def _ask(self, path: str, body: bytes | None = None) -> Any:
        request = urllib.request.Request(self._address + path, data=body)  # noqa: S310  # http to loopback
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=MARK_WITHIN_S) as answer:
            return json.loads(answer.read())


def trip(desk: Kernel, witness: Witness, meanwhile: AbstractContextManager[None]) -> float | None:
    """Milliseconds from the mark to the first cancel; None where the market itself tripped it before."""
    if witness.mark() < BOTTOM:
        witness.rise(TOP)
    witness.forgive()
    armed = desk.run(ARM)["armed"]
    witness.forget()
    with meanwhile:
        published_ms = witness.fall(witness.mark())
        cancelled_ms = witness.cancelled_ms() if armed else None
    if cancelled_ms is None or cancelled_ms < published_ms:
        return None
    return cancelled_ms - published_ms


def case(sheet: Sheet, desk: Kernel, witness: Witness, name: str, wanted: int, cell: str | None) -> None:
    """So many trips, and their three figures."""
    found: list[float] = []
    for _ in range(wanted + wanted // 10 + 1):  # some few may be spoilt by the market's own moves
        taken = trip(desk, witness, desk.running(cell) if cell else nullcontext())
        found += [] if taken is None else [taken]
        if len(found) == wanted:
            break
    sheet.fact(f"each of {wanted} trips led to a cancel, {name}", holds=len(found) == wanted)
    if not found:
        return
    found.sort()
    sheet.figure(f"trip to first cancel p50, {name}", found[math.ceil(0.50 * len(found)) - 1], "ms")
    sheet.figure(f"trip to first cancel p99, {name}", found[math.ceil(0.99 * len(found)) - 1], "ms", AIM_MS)
    sheet.figure(f"trip to first cancel max, {name}", found[-1], "ms")


def measure(sheet: Sheet, wanted: int) -> None:
    with kernel() as desk:
        witness = Witness(desk.run(OPEN)["address"])
        try:
            case(sheet, desk, witness, "idle", wanted, None)
            case(sheet, desk, witness, BUSY, wanted, BUSY)
        finally:
            witness.end()
        desk.run(CLOSE)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trips", type=int, default=TRIPS, choices=range(1, MOST), metavar="N", help=HELP)
    sheet = Sheet()
    measure(sheet, parser.parse_args().trips)
    return 0 if sheet.sound else 1


if __name__ == "__main__":
    sys.exit(main())
