"""The margin guard at work: above the limit own entries go, then positions, the smallest first.

Each step waits for the one before to come to its end, and for an account that was asked for after that.
So it never closes more than it has seen to be needed, and it ends: every round closes a position or
finds that it is enough. What cannot be read unwinds nothing.
"""

from __future__ import annotations

from contractdesk.domain.commands import Severity
from contractdesk.domain.instrument import ContractKind
from contractdesk.domain.orders import OrderRole
from contractdesk.engine.core import Core
from contractdesk.engine.flattening import Flattening
from contractdesk.engine.ledger import equity as ledger_equity
from contractdesk.engine.order_tracker import OrderTracker
from contractdesk.engine.state import NS_PER_S, Market, Unwinding
from contractdesk.risk.margin_guard import MarginGuard, notionals, smallest_position

PATIENCE_NS = 5 * NS_PER_S  # with cancels, and with a closing that does not come through: then the next one
CODE = "margin_guard"


class Guarding:
    def __init__(self, core: Core, orders: OrderTracker, flattening: Flattening) -> None:
        self._core = core
        self._desk = core.desk
        self._orders = orders
        self._flattening = flattening
        self.safe = False  # nothing that can happen within the bands makes it unwind

    # -- when ------------------------------------------------------------------------------

    def on_time(self) -> None:
        """Look each few seconds; an account that is not fresh is read for it, and looked at then."""
        desk, now = self._desk, self._desk.now_ns
        if not desk.guard_due_ns or now < desk.guard_due_ns:
            return
        desk.guard_due_ns = self._next_ns()
        if not desk.config.polls and self.far(0.0):
            return
        if now - desk.account_ns > desk.risk.account_max_age_s * NS_PER_S:
            self._core.read_account()
        else:
            self.look()

    def on_settled(self) -> None:
        """After each event: is there something to guard, and has the last act come to its end?"""
        desk, unwound = self._desk, self._desk.unwound
        if desk.started and not desk.guard_due_ns and self._exposed():
            desk.guard_due_ns = desk.now_ns + self._period_ns
        elif desk.guard_due_ns and not self._exposed() and unwound is None:
            desk.guard_due_ns = 0
        if unwound is not None and unwound.settled is None and not self._waiting(unwound):
            unwound.settled = desk.requests
            self._core.read_account(since_ns=desk.now_ns)

    def due_ns(self) -> int:
        """When it looks next; 0 = it need not. What was skipped while it was safe does not shift its beat."""
        desk = self._desk
        if self.safe or not desk.guard_due_ns:
            return 0
        if desk.guard_due_ns <= desk.now_ns:  # a beat of just now has been, or was skipped
            desk.guard_due_ns = self._next_ns()
        return desk.guard_due_ns

    def far(self, share: float, equity: float | None = None) -> bool:
        """By our own reckoning less than half of the limit is in use, wherever each mark goes by ``share``.

        Only a driver that tells everything may rely on it: the venue's own word is read else. It is
        reckoned in floats: half of the limit is far enough from it.
        """
        desk = self._desk
        used = worth = 0.0
        for market in desk.symbols.values():
            whole = abs(market.position.size) + abs(market.external_size)
            if market.open_ids:
                whole += sum(row.order.remaining for row in desk.tracked(market, OrderRole.ENTRY))
            size = float(whole) if whole else 0.0
            if size and market.mark is not None:
                notional = _worth(market, size)
                worth += notional
                used += notional / _leverage(market, notional)
        if not worth:
            return True
        moved = share / (1 - share)  # of an inverse contract's worth, more than of a linear one's
        if share:
            used *= 2 * (1 + moved)  # and it may grow into a bracket of half the leverage
        known = float(ledger_equity(desk)) if equity is None else equity
        return used <= float(desk.risk.margin_guard) / 2 * (known - worth * moved)

    def look(self) -> None:
        """Judge the account that has been read last, and take the next step where it is needed."""
        desk, unwound = self._desk, self._desk.unwound
        if desk.account is None or not desk.started:
            return
        if unwound is not None and (unwound.settled is None or desk.account_request <= unwound.settled):
            return  # the last act goes on, or the account was asked for before its end
        rule = MarginGuard(desk.risk.margin_guard, desk.risk.slippage_collar)
        if not rule.exceeded(desk.account):
            self._end(unwound)
        elif self._exposed():
            self._step(unwound or self._begin(rule))

    # -- what ------------------------------------------------------------------------------

    def _begin(self, rule: MarginGuard) -> Unwinding:
        gauge = rule.gauge(self._desk)
        measured = f": {gauge.found}, limit {gauge.limit}" if gauge else ""
        self._core.notify(Severity.ALARM, CODE, f"unwinding{measured}")
        self._desk.unwound = Unwinding()
        return self._desk.unwound

    def _step(self, unwound: Unwinding) -> None:
        """Entries first, all of them; then one position."""
        unwound.symbol = ""
        count = sum(self._orders.cancel_entries(market) for market in self._desk.symbols.values())
        if count and not unwound.cancelled:
            unwound.cancelled = True
            self._act(unwound)
            self._say(f"cancelling {count} {'entry' if count == 1 else 'entries'}; stops stay")
            return
        held = notionals(self._desk)
        symbol = smallest_position({name: held[name] for name in held if not self._closing(name)})
        if symbol:  # else all are being closed already: the next account will show
            unwound.symbol = symbol
            unwound.closed.append(symbol)
            self._act(unwound)
            self._say(f"closing {symbol}, of {held[symbol]} {self._desk.config.asset} the smallest", symbol)
            self._flattening.begin(self._desk.symbols[symbol], "the margin guard")

    def _act(self, unwound: Unwinding) -> None:
        unwound.acted_ns, unwound.settled = self._desk.now_ns, None

    def _waiting(self, unwound: Unwinding) -> bool:
        """What the last act has begun goes on, and may still end well."""
        if self._desk.now_ns - unwound.acted_ns >= PATIENCE_NS:
            return False
        if unwound.symbol:
            return bool(self._desk.symbols[unwound.symbol].position.size)
        return any(self._desk.tracked(market, OrderRole.ENTRY) for market in self._desk.symbols.values())

    def deadline_ns(self) -> int:
        """When patience with the last act ends; 0 = there is none."""
        unwound = self._desk.unwound
        return unwound.acted_ns + PATIENCE_NS if unwound is not None and unwound.settled is None else 0

    def _end(self, unwound: Unwinding | None) -> None:
        if unwound is None:
            return
        self._desk.unwound = None
        closed = ", ".join(unwound.closed) or "no position"
        self._say(f"below the limit again; closed: {closed}")

    def _exposed(self) -> bool:
        """Something of ours is held, or may still fill."""
        markets = self._desk.symbols.values()
        return any(market.position.size or self._desk.tracked(market, OrderRole.ENTRY) for market in markets)

    def _closing(self, symbol: str) -> bool:
        return bool(self._desk.symbols[symbol].guard.flatten_reason)

    def _next_ns(self) -> int:
        """The next beat, in phase with those before."""
        period, late = self._period_ns, self._desk.now_ns - self._desk.guard_due_ns
        return self._desk.guard_due_ns + (late // period + 1) * period

    @property
    def _period_ns(self) -> int:
        return int(self._desk.risk.margin_guard_period_s * NS_PER_S)

    def _say(self, text: str, symbol: str = "") -> None:
        self._core.notify(Severity.WARNING, CODE, text, symbol)


def _worth(market: Market, size: float) -> float:
    terms, mark = market.instrument, float(market.mark or 0)
    units = size * float(terms.contract_size)
    return units * mark if terms.kind is ContractKind.LINEAR else units / mark


def _leverage(market: Market, notional: float) -> float:
    *others, last = market.instrument.tiers
    tier = next((each for each in others if notional <= each.cap), last)
    return float(min(market.leverage, tier.max_leverage))
