"""Working orders of our making that no journal of ours remembers."""

from __future__ import annotations

from contractdesk.domain.commands import CancelOrder, Severity
from contractdesk.domain.orders import OrderRole
from contractdesk.engine import client_ids
from contractdesk.engine.core import Core

MAX_CANCELS = 3  # of one order, that were refused


def cancel_orphan(core: Core, client_id: str, symbol: str, venue_id: str, *, guarded: bool = False) -> None:
    """Cancel an order that we do not track, where its client id says that it is ours.

    An entry at once; what reduces only where all is ``guarded`` without it: it may be the only stop.
    """
    desk, parsed = core.desk, client_ids.parse(client_id)
    if parsed is None or parsed.bot != desk.config.bot:
        return
    if parsed.role is not OrderRole.ENTRY and not guarded:
        return
    cancels = desk.orphans.get(client_id, 0)
    if cancels >= MAX_CANCELS:
        return
    desk.orphans[client_id] = cancels + 1
    conditional = parsed.role in (OrderRole.STOP, OrderRole.TAKE_PROFIT)
    code = f"orphan_{parsed.role.name.lower()}"
    core.notify(Severity.WARNING, code, f"cancelling {client_id}", symbol)
    core.emit(CancelOrder(client_id=client_id, symbol=symbol, conditional=conditional, venue_id=venue_id))
