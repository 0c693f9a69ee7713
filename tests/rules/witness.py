"""How a position stood under its stops, told by the exchange's own timestamps alone.

Of one account's ``/control/state``: a stop is live from its ``created_ns`` to its ``closed_ns``.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, NamedTuple

from tests.rules.venue import VENUE

D = Decimal
OPENED, FILLED, CLOSED = (
    0,
    1,
    2,
)  # at one instant: a stop that comes counts before the fill, one that goes after it


class Moment(NamedTuple):
    """From here on to the next one: contracts held, and what live reduce-only stops would close of them."""

    ns: int
    size: Decimal
    sells: Decimal
    buys: Decimal
    live: int

    @property
    def naked(self) -> Decimal:
        """Contracts that no stop covers."""
        return max(D(0), abs(self.size) - (self.sells if self.size > 0 else self.buys))


def moments(truth: dict[str, Any], symbol: str) -> Iterator[Moment]:
    """Every instant at which the position or its stops changed, up to the picture's own."""
    name = VENUE[symbol]
    steps: list[tuple[int, int, Decimal, Decimal, Decimal, int]] = []
    for fill in truth["fills"]:
        if fill["symbol"] == name:
            amount = D(fill["quantity"]) * (1 if fill["side"] == "BUY" else -1)
            steps.append((fill["ts_ns"], FILLED, amount, D(0), D(0), 0))
    for stop in truth["algo_orders"]:
        if stop["symbol"] == name and stop["reduce_only"]:
            amount = D(stop["quantity"])
            sells, buys = (amount, D(0)) if stop["side"] == "SELL" else (D(0), amount)
            steps.append((stop["created_ns"], OPENED, D(0), sells, buys, 1))
            if stop["closed_ns"]:
                steps.append((stop["closed_ns"], CLOSED, D(0), -sells, -buys, -1))
    size = sells = buys = D(0)
    live = 0
    for ns, _, amount, selling, buying, count in sorted(steps):
        size, sells, buys, live = size + amount, sells + selling, buys + buying, live + count
        yield Moment(ns, size, sells, buys, live)
    yield Moment(truth["now_ns"], size, sells, buys, live)


def longest_naked_s(truth: dict[str, Any], symbol: str) -> float:
    """The longest time in which any contract had no stop, without a break."""
    longest, since = 0, 0
    for moment in moments(truth, symbol):
        if since and not moment.naked:
            longest, since = max(longest, moment.ns - since), 0
        elif moment.naked and not since:
            since = moment.ns
        last = moment.ns
    return max(longest, last - since if since else 0) / 1e9


def most_live(truth: dict[str, Any], symbol: str) -> int:
    """Stops that were live together at some instant."""
    return max(moment.live for moment in moments(truth, symbol))


def naked_between(truth: dict[str, Any], symbol: str) -> list[Moment]:
    """Instants after the first full cover at which something held was uncovered; a fresh fill is one."""
    found: list[Moment] = []
    covered = False
    for moment in moments(truth, symbol):
        covered = covered or bool(moment.size and not moment.naked)
        if covered and moment.naked:
            found.append(moment)
    return found


def uncovered_after_ns(truth: dict[str, Any], symbol: str) -> list[int]:
    """For each fill that opened or added: how long until all that was held then was covered, or closed."""
    path = list(moments(truth, symbol))
    waits = []
    for before, after in zip([None, *path], path, strict=False):
        grown = abs(after.size) > (abs(before.size) if before else 0)
        if grown:
            end = next(
                (later.ns for later in path if later.ns >= after.ns and not later.naked), truth["now_ns"]
            )
            waits.append(end - after.ns)
    return waits
