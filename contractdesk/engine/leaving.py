"""Whether an approved entry that has waited its turn may still leave: for the limits, the disk, the clock.

Asked by the driver at the last moment. What protects or reduces is always wanted.
"""

from __future__ import annotations

from contractdesk.domain.orders import OrderRequest
from contractdesk.engine.state import Desk


def still_wanted(desk: Desk, entry: OrderRequest) -> bool:
    """False where somebody has cancelled it meanwhile, or a stream is gone that it was decided on."""
    tracked = desk.orders_by_id.get(entry.client_id)
    if tracked is None or tracked.cancelling or not tracked.order.status.open:
        return False
    return desk.private_stream_ready and desk.symbols[entry.symbol].ready
