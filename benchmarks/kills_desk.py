"""What a kernel that is to be killed runs: its desk, what the desk says, and the call at which it dies.

Imported by the first cell. A death at an exact point is a method of the live desk wrapped from here; the
package itself knows nothing of it.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import contractdesk as cd
from contractdesk.desk import embedded
from contractdesk.desk.session import Session
from contractdesk.domain.events import IntentAsked
from contractdesk.domain.orders import OrderStatus
from contractdesk.engine import client_ids
from contractdesk.errors import UserError

NAME = "kills"
BTC = "BTC/USDT:USDT"
BALANCE = 1_000_000
STARTED_WITHIN_S = 30
FILLS_TOLD = 300
UNANSWERED = (OrderStatus.IN_FLIGHT, OrderStatus.UNKNOWN)

open_desk = cd.open_desk  # loaded with the first cell, as in a notebook that begins with its imports
_desks: list[cd.Desk] = []


def start(seed: int) -> None:
    """Open the desk, as any notebook does, and say where its exchange is, or why it could not be opened."""
    try:
        desk = open_desk("embedded", name=NAME, seed=seed, balance=BALANCE, risk={"size_cap": "1"})
    except UserError as error:
        say({"error": str(error)})
        return
    _desks[:] = [desk]
    exchange = embedded.find(desk.folder / "exchange")
    if exchange is None:
        say({"error": "the desk is open, and its exchange has gone"})
        return
    say({"address": exchange.address, "folder": str(desk.folder)})


def ready() -> None:
    """Until an entry can be made: market data, the account, the guardian."""
    desk = _desks[0]
    desk.book(BTC)
    desk.wait_for(
        lambda shot: BTC in shot.symbols and shot.symbols[BTC].ready and shot.guardian.value == "watching",
        STARTED_WITHIN_S,
    )
    say(told())


def act(verb: str, *args: Any, **options: Any) -> None:
    """One of the desk's verbs, from where a person types it."""
    receipt = getattr(_desks[0], verb)(*args, **options)
    say({"done": receipt.done, "said": receipt.summary})


def tell() -> None:
    say(told())


def told() -> dict[str, Any]:
    """The desk's own books, read on its loop between two events."""
    return _session().submit(_told()).result(STARTED_WITHIN_S)


def _session() -> Session:
    return _desks[0]._session  # noqa: SLF001  # an instrument: no person needs these


async def _told() -> dict[str, Any]:
    host = _session().host
    state, shot = host.state, host.board.current
    orders = list(state.orders_by_id.values())
    return {
        "state": state.state.value,
        "reason": state.state_reason,
        "ready": state.private_stream_ready,
        "fault": host.fault,
        "epoch": state.config.epoch,
        "guardian": shot.guardian.value,
        "wallet": str(shot.wallet_balance),
        "positions": {
            market.instrument.venue_symbol: {
                "size": str(market.position.size),
                "external": str(market.external_size),
                "guarded": str(market.guarded),
                "net": str(market.position.net_pnl),
                "mark": str(market.mark),
                "stop": str(market.stop_price),
                "flattening": market.guard.flatten_reason,
            }
            for market in state.symbols.values()
        },
        "open": [tracked.id for tracked in orders if tracked.order.status.open],
        "unknown": [tracked.id for tracked in orders if tracked.order.status in UNANSWERED],
        "filled": {tracked.id: str(tracked.order.filled) for tracked in orders[-FILLS_TOLD:]},
        "fills": [fill.identity for fill in state.fills[-FILLS_TOLD:]],
        "notices": [f"{row.code}: {row.message}" for row in state.notices[-12:]],
    }


def die_at(where: str, role: str = "", nth: int = 1) -> None:
    """SIGKILL at the n-th call from now: ``journal`` of an intent, ``submit`` or ``cancel`` of an order.

    The call itself is not made. ``role`` is the order's, by its client id.
    """
    host = _session().host
    owner, name, meets = {
        "journal": (host.recorder, "event", lambda event: isinstance(event, IntentAsked)),
        "submit": (host.venue, "submit", lambda request, _wanted: request.role.name == role),
        "cancel": (host.venue, "cancel", lambda _symbol, client_id: _role(client_id) == role),
    }[where]
    setattr(owner, name, _deadly(getattr(owner, name), meets, nth))


def _deadly(real: Callable[..., Any], meets: Callable[..., bool], nth: int) -> Callable[..., Any]:
    seen = 0

    def called(*args: Any, **options: Any) -> Any:
        nonlocal seen
        seen += meets(*args)
        if seen >= nth and meets(*args):
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **options)

    return called


def _role(client_id: str) -> str:
    parsed = client_ids.parse(client_id)
    return parsed.role.name if parsed else ""


def say(what: dict[str, Any]) -> None:
    print("\n" + json.dumps(what), flush=True)
