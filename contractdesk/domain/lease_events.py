"""Facts about who may write to the account: the lease, and its epoch."""

from __future__ import annotations

from contractdesk.domain.market_events import EventBase


class LeaseEvent(EventBase, frozen=True, kw_only=True, tag=True):
    pass


class LeaseLost(LeaseEvent, frozen=True, kw_only=True):
    """Somebody else writes to the account: what it looks like is unknown until it is reconciled again."""

    reason: str


class LeaseBegun(LeaseEvent, frozen=True, kw_only=True):
    """The account is ours again, under a new epoch; ``done`` is what was done meanwhile, in words."""

    epoch: int
    done: str
