"""The request log: who asked for what, when, and what came of it. No key, secret or signature."""

from __future__ import annotations

from collections import deque
from itertools import islice

from msgspec import Struct

from contractdesk.exchange.faults import Facts, Role
from contractdesk.exchange.wire.binance.api import Ask
from contractdesk.exchange.wire.binance.params import Params
from contractdesk.exchange.wire.binance.product import PRODUCTS

ROWS_KEPT = 100_000
CREATES = frozenset(f"/{each.root}/v1/{name}" for each in PRODUCTS for name in ("order", "batchOrders"))
ALGO_CREATES = frozenset(f"/{each.root}/v1/algoOrder" for each in PRODUCTS)
SHOWN = ("side", "type", "quantity", "price", "triggerPrice", "orderId", "algoId")


class RequestRow(Struct, kw_only=True):
    """One request; ``status`` 0 means that it got no answer."""

    seq: int
    ns: int  # when it arrived, wall time
    method: str
    path: str
    symbol: str
    client_id: str
    role: Role
    reduce_only: bool
    params: dict[str, str]  # the order's terms
    status: int = 0
    code: int = 0  # the venue's error code; 0 for none
    weight: int = 0
    fault: str = ""  # the kind of the fault that met it


def facts_of(ask: Ask, params: Params) -> Facts:
    """What a fault can match."""
    return Facts(
        method=ask.method,
        path=ask.path,
        symbol=params.text("symbol") or "",
        client_id=_client_id(params),
        role=_role(ask, params),
    )


def _client_id(params: Params) -> str:
    names = ("newClientOrderId", "clientAlgoId", "origClientOrderId")
    return next((value for name in names if (value := params.text(name))), "")


def _role(ask: Ask, params: Params) -> Role:
    if ask.method != "POST":
        return Role.OTHER
    if ask.path in ALGO_CREATES:
        return Role.STOP
    if ask.path not in CREATES:
        return Role.OTHER
    return Role.REDUCE if params.text("reduceOnly") == "true" else Role.ENTRY


class Trail:
    """The latest requests, oldest first."""

    def __init__(self) -> None:
        self._rows: deque[RequestRow] = deque(maxlen=ROWS_KEPT)
        self._seq = 0

    def note(self, facts: Facts, params: Params, now_ns: int) -> RequestRow:
        """A request has arrived; its row is completed by whoever answers it."""
        self._seq += 1
        row = RequestRow(
            seq=self._seq,
            ns=now_ns,
            method=facts.method,
            path=facts.path,
            symbol=facts.symbol,
            client_id=facts.client_id,
            role=facts.role,
            reduce_only=params.text("reduceOnly") == "true",
            params={name: value for name in SHOWN if (value := params.text(name))},
        )
        self._rows.append(row)
        return row

    def since(self, seq: int) -> list[RequestRow]:
        """Rows after ``seq``."""
        if not self._rows:
            return []
        return list(islice(self._rows, max(0, seq - self._rows[0].seq + 1), None))
