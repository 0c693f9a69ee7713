"""Working orders of our making that no journal of ours remembers."""

from __future__ import annotations

from contractdesk.domain.commands import CancelOrder, Severity
from contractdesk.domain.orders import OrderRole
from contractdesk.engine import client_ids
from contractdesk.engine.core import Core
from contractdesk.engine.state import NS_PER_S

AGAIN_NS = 10 * NS_PER_S  # between two cancels of one order: it is still there, whatever came of the last
FORGOTTEN_NS = 3600 * NS_PER_S  # without having been seen again


def cancel_orphan(core: Core, client_id: str, symbol: str, venue_id: str, *, guarded: bool = False) -> None:
    """Cancel an order that we do not track, where its client id says that it is ours.

    An entry at once; what reduces only where all is ``guarded`` without it: it may be the only stop.
    """
    desk, parsed = core.desk, client_ids.parse(client_id)
    if parsed is None or parsed.bot != desk.config.bot:
        return
    if parsed.role is not OrderRole.ENTRY and not guarded:
        return
    due_ns = desk.orphans.get(client_id)
    if due_ns is not None and desk.now_ns < due_ns:
        return
    for gone in [each for each, due in desk.orphans.items() if due + FORGOTTEN_NS < desk.now_ns]:
        del desk.orphans[gone]
    desk.orphans[client_id] = desk.now_ns + AGAIN_NS
    conditional = parsed.role in (OrderRole.STOP, OrderRole.TAKE_PROFIT)
    if due_ns is None:
        code = f"orphan_{parsed.role.name.lower()}"
        core.notify(Severity.WARNING, code, f"cancelling {client_id}", symbol)
    core.emit(CancelOrder(client_id=client_id, symbol=symbol, conditional=conditional, venue_id=venue_id))
