"""What the scenarios share: a position under its stop, and what a desk has sent, by the exchange."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from contractdesk.domain.orders import OrderStatus
from tests.rules.venue import ETH, Seat, covered, held
from tests.rules.witness import longest_naked_s, most_live

D = Decimal
SIZE = D("0.05")  # ETH at 3,000: half of what the cap of 10,000 USDT permits
STOP = D(2_950)
ENTRY = {"method": "POST", "role": "entry"}
STOPS = {"method": "POST", "role": "stop"}
ORDERS = "ORDER_TRADE_UPDATE"
Take = Callable[..., Seat]  # a new account and its desk


def creates(at: Seat, role: str) -> list[dict[str, Any]]:
    """Every create in that role ("entry", "reduce", "stop") that reached the exchange, answered or not."""
    return [row for row in at.creates() if row["role"] == role]


def asked_for(at: Seat, client_id: str) -> list[dict[str, Any]]:
    """Every query for an order, regular or conditional, that has reached the exchange."""
    rows = [row for row in at.requests() if row["method"] == "GET" and row["client_id"] == client_id]
    return [row for row in rows if row["path"].endswith(("/order", "/algoOrder"))]


def never_twice(at: Seat) -> None:
    """No client id was ever sent twice, by the exchange's own log."""
    sent = Counter(row["client_id"] for row in at.creates())
    assert max(sent.values(), default=0) <= 1, sent


def under_stop(
    at: Seat, size: Decimal = SIZE, within_s: float = 60.0, naked_s: float = 3.0
) -> dict[str, Any]:
    """The exchange's picture once so much ETH is held and one stop covers exactly that.

    No contract has been longer than ``naked_s`` without a stop, and no more than two stood together.
    """
    truth: dict[str, Any] = at.until(lambda now: held(now, ETH) == size and covered(now, ETH), within_s)
    assert longest_naked_s(truth, ETH) <= naked_s
    assert most_live(truth, ETH) <= 2
    return truth


def bought(at: Seat, **terms: Any) -> dict[str, Any]:
    """A long of 0.05 ETH at market, under its stop at 2,950."""
    wished: dict[str, Any] = {"size": SIZE, "stop": STOP} | terms
    assert at.desk.buy(ETH, **wished).done
    return under_stop(at, D(wished["size"]))


def naked(truth: dict[str, Any]) -> str:
    """For the table: how long at most something was held without a stop."""
    return f"{longest_naked_s(truth, ETH):.2f} s without a stop"


def in_background(verb: Callable[..., object], *words: Any, **terms: Any) -> threading.Thread:
    """Call a blocking verb on a thread of its own: the scenario goes on meanwhile."""
    thread = threading.Thread(target=verb, args=words, kwargs=terms, daemon=True)
    thread.start()
    return thread


def wish_unheard(at: Seat, **terms: Any) -> None:
    """An entry whose answer gets lost; returns as soon as the desk says that it does not know."""
    in_background(at.desk.buy, ETH, **({"size": SIZE, "stop": STOP} | terms))
    at.desk.wait_for(lambda s: any(each.status is OrderStatus.UNKNOWN for each in s.orders), 15)


def rest(at: Seat, size: Decimal = SIZE, limit: str = "2999.95") -> str:
    """A bid inside the spread, which others hit first; its client id."""
    receipt = at.desk.buy(ETH, size=size, limit=limit, stop=STOP)
    assert receipt.done, receipt
    assert receipt.order is not None
    return str(receipt.order.request.client_id)


def booked(at: Seat, size: Decimal) -> None:
    """The desk's own ledger says the same as the exchange's state: so much ETH is held."""
    assert held(at.truth(), ETH) == size
    at.desk.wait_for(lambda s: sum((p.size for p in s.positions if p.symbol == ETH), D(0)) == size, 15)
