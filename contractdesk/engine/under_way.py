"""What the venue was asked for, or has said, of an order, and is not settled yet."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum

from msgspec import Struct

from contractdesk.domain.orders import OrderStatus


class AmendState(Enum):
    SENT = "sent"  # no answer yet
    LOST = "lost"  # none will come: the order is asked for
    REFUSED = "refused"  # by the venue: what the order is now, is asked for
    OPEN = "open"  # not done, by all that is known: to be done again, or the stop replaced


class Amending(Struct, kw_only=True):
    """New terms of a resting stop that the venue was asked for and has not confirmed."""

    size: Decimal
    trigger_price: Decimal
    sent_ns: int
    venue_ns: int  # the same, by the venue's clock
    since_ns: int  # of the state
    state: AmendState = AmendState.SENT


class Ending(Struct, frozen=True, kw_only=True):
    """How an entry has ended, by the venue's word, that says of more fills than have come."""

    status: OrderStatus
    reason: str
    filled: Decimal  # contracts in all
