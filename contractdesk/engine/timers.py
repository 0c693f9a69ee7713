"""What is due, and when the next thing will be: timers are fields of the state, nothing else."""

from __future__ import annotations

from contractdesk.engine.amending import amend_due_ns
from contractdesk.engine.cancelling import may_cancel
from contractdesk.engine.core import Core
from contractdesk.engine.guarding import Guarding
from contractdesk.engine.intents import Intents
from contractdesk.engine.market_feed import MarketFeed
from contractdesk.engine.order_tracker import OrderTracker
from contractdesk.engine.protection import Protection
from contractdesk.engine.reconcile import Reconciliation
from contractdesk.engine.state import NS_PER_S, Tracked

ACCOUNT_IN_POSITION_NS = 2 * NS_PER_S
ACCOUNT_FLAT_NS = 5 * NS_PER_S
LAG_MEMORY_NS = 5 * NS_PER_S  # a lag that is not reported again is over


class Timers:
    def __init__(
        self,
        core: Core,
        orders: OrderTracker,
        protection: Protection,
        intents: Intents,
        reconciliation: Reconciliation,
        feed: MarketFeed,
        guarding: Guarding,
    ) -> None:
        self._core = core
        self._desk = core.desk
        self._orders = orders
        self._protection = protection
        self._intents = intents
        self._reconciliation = reconciliation
        self._feed = feed
        self._guarding = guarding

    def run(self) -> None:
        """Do whatever is due now."""
        desk, now = self._desk, self._desk.now_ns
        for symbol, market in desk.symbols.items():
            self._feed.on_time(market)
            if market.position.size or market.guard.flatten_reason or market.doubted:
                self._core.touch(symbol)
            for tracked in desk.tracked(market):
                if any(_due(time, now) for time in self._order_times(tracked)):
                    self._orders.on_time(tracked)
                    self._core.touch(symbol)
        self._intents.on_time()
        self._reconciliation.on_time()
        if _due(desk.account_due_ns, now):
            self._read_account()
        self._guarding.on_time()
        if _due(desk.lagged_ns, now - LAG_MEMORY_NS):
            desk.loop_lag_ms, desk.lagged_ns = 0.0, 0

    def deadline_ns(self) -> int:
        """The earliest time at which ``run`` has something to do, the guard's beat aside; 0 = never.

        What was due has been done when it was: a time that has passed is nobody's deadline.
        """
        now = self._desk.now_ns
        return min([time for time in self._times() if time >= now], default=0)

    def _times(self) -> list[int]:
        desk = self._desk
        times = [
            desk.account_due_ns,
            self._reconciliation.deadline_ns(),
            self._guarding.deadline_ns(),
            desk.lagged_ns + LAG_MEMORY_NS if desk.lagged_ns else 0,
        ]
        if desk.pending:
            times += [pending.expires_ns for pending in desk.pending]
        for market in desk.symbols.values():
            times.append(market.bar_due_ns)
            if market.open_ids or market.position.size or market.guard.flatten_reason or market.doubted:
                times += self._protection.deadlines_ns(market)
                for name in market.open_ids:
                    times += self._order_times(desk.orders_by_id[name])
        return times

    def _order_times(self, tracked: Tracked) -> tuple[int, ...]:
        """When the order is to be asked for, cancelled again, or cancelled because its time is over.

        Or when an amend of it has had no answer.
        """
        if tracked.cancelling:
            return tracked.query_ns, tracked.cancel_ns if may_cancel(tracked) else 0
        return tracked.query_ns, tracked.expire_ns, amend_due_ns(tracked) if tracked.amending else 0

    def _read_account(self) -> None:
        """Keep equity fresh: twice as often while there is something at risk."""
        desk = self._desk
        if not desk.config.polls:
            desk.account_due_ns = 0  # whoever waits for it, asks
            return
        in_position = any(market.position.size for market in desk.symbols.values())
        wait = ACCOUNT_IN_POSITION_NS if in_position else ACCOUNT_FLAT_NS
        desk.account_due_ns = max(desk.now_ns + wait, desk.silent_until_ns)
        if desk.now_ns >= desk.silent_until_ns:
            self._core.read_account()


def _due(time_ns: int, now_ns: int) -> bool:
    return 0 < time_ns <= now_ns
