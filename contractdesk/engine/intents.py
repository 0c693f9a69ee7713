"""From a wish to an order, or to a refusal with its reason.

An entry needs an account that was just read: one that is too old makes it wait for a read, after
which every rule is checked again, or until it expires. Exits are never refused, only moot.
"""

from __future__ import annotations

from decimal import Decimal

from contractdesk.domain.commands import Approved, SubmitOrder
from contractdesk.domain.instrument import Rounding
from contractdesk.domain.intents import AtrStop, Finding, FixedStop, Intent, IntentKind, Refused
from contractdesk.domain.orders import OrderRole, Side
from contractdesk.domain.views import Decision, TradingState
from contractdesk.engine.core import Core, Wished
from contractdesk.engine.flattening import Flattening
from contractdesk.engine.order_tracker import OrderTracker
from contractdesk.engine.state import NS_PER_S, Hosted, HostStatus, Limits, Market, Pending
from contractdesk.engine.stop_intents import StopIntents, trail_of
from contractdesk.risk.gate import RiskGate
from contractdesk.risk.portfolio import NS_PER_HOUR
from contractdesk.strategy.indicators import MAX_PERIOD

MOST_DIGITS = -20, 9  # decimal exponents: in ticks and lots it all fits into 64 bits


class Intents:
    def __init__(self, core: Core, orders: OrderTracker, flattening: Flattening, stops: StopIntents) -> None:
        self._core = core
        self._desk = core.desk
        self._orders = orders
        self._flattening = flattening
        self._stops = stops
        self.gate = RiskGate(core.desk.risk)

    def wish(self, wished: Wished) -> None:
        """Take up one intent; whatever comes of it is a decision that can be asked for."""
        self._core.catch_up()
        self._desk.intents += 1
        pending = Pending(
            intent=wished.intent,
            intent_id=self._desk.intents,
            strategy_id=wished.strategy_id,
            signal=wished.signal,
            signal_ns=wished.signal_ns,
            timeframe=wished.timeframe,
            expires_ns=self._desk.now_ns + int(self._desk.risk.intent_expiry_s * NS_PER_S),
        )
        market = self._core.market(wished.intent.symbol)
        objection = self._objection(pending, market)
        if objection is not None or market is None:
            self._refuse(pending, objection or _unknown_symbol(pending.intent))
            return
        match wished.intent.kind:
            case IntentKind.ENTER:
                self._enter(pending, market)
            case IntentKind.EXIT:
                self._exit(pending, market)
            case IntentKind.MOVE_STOP:
                self._answer(pending, self._stops.move(pending, market))
            case IntentKind.ADOPT:
                self._answer(pending, self._stops.adopt(pending, market))
            case IntentKind.CANCEL:
                count = self._orders.cancel_entries(market) + self._supersede(pending)
                self._decide(pending, (_noted("cancel", f"{count} own entries"),))

    # -- entries ---------------------------------------------------------------------------

    def on_account(self) -> None:
        """The account has been read: whoever waited for it is reviewed, every rule again."""
        waiting, self._desk.pending = self._desk.pending, []
        for pending in waiting:
            market = self._desk.symbols[pending.intent.symbol]
            objection = self._objection(pending, market)
            if objection is None:
                self._review_or_wait(pending, market)
            else:
                self._refuse(pending, objection)

    def on_account_unreadable(self, reason: str) -> None:
        """No account, no entry."""
        waiting, self._desk.pending = self._desk.pending, []
        limit = f"read at most {self._desk.risk.account_max_age_s:g} s ago"
        for pending in waiting:
            self._refuse(
                pending, _failed("equity", f"unreadable: {reason}", limit, "an account that can be read")
            )

    def on_time(self) -> None:
        """Refuse what has waited too long."""
        now = self._desk.now_ns
        late = [pending for pending in self._desk.pending if now >= pending.expires_ns]
        if not late:
            return
        self._desk.pending = [pending for pending in self._desk.pending if now < pending.expires_ns]
        for pending in late:
            limit = f"{self._desk.risk.intent_expiry_s:g} s"
            self._refuse(
                pending, _failed("intent_expiry", "the account was not read", limit, "a faster venue")
            )

    def _enter(self, pending: Pending, market: Market) -> None:
        for tracked in self._desk.tracked(market, OrderRole.ENTRY):
            if tracked.order.request.side is not pending.intent.side:
                self._orders.cancel(tracked)
        self._supersede(pending, spared=pending.intent.side)
        self._review_or_wait(pending, market)

    def _supersede(self, later: Pending, *, spared: Side | None = None) -> int:
        """Refuse the entries that still wait for the account and that a later wish contradicts; how many."""
        symbol, desk = later.intent.symbol, self._desk
        moot = [row for row in desk.pending if row.intent.symbol == symbol and row.intent.side is not spared]
        if moot:
            desk.pending = [row for row in desk.pending if row not in moot]
        for row in moot:
            found = f"{later.intent.kind.value} wished as {later.intent_id}"
            self._refuse(row, _failed("superseded", found, "no later wish against it", "the wish, once more"))
        return len(moot)

    def _review_or_wait(self, pending: Pending, market: Market) -> None:
        desk = self._desk
        age_ns = desk.now_ns - desk.account_ns
        if desk.account is not None and age_ns <= desk.risk.account_max_age_s * NS_PER_S:
            self._review(pending, market)
        elif len(desk.pending) >= Limits.PENDING:
            self._refuse(
                pending, _failed("equity", "too many entries wait", str(Limits.PENDING), "fewer wishes")
            )
        else:
            desk.pending.append(pending)
            self._core.read_account()

    def _review(self, pending: Pending, market: Market) -> None:
        verdict, findings = self.gate.review(
            pending.intent,
            self._desk,
            intent_id=pending.intent_id,
            strategy_id=pending.strategy_id,
            client_id=self._core.client_id(OrderRole.ENTRY),
            signal_ns=pending.signal_ns,
            timeframe=pending.timeframe,
        )
        match verdict:
            case Approved():
                self._submit(pending, market, verdict)
                self._decide(pending, findings, client_id=verdict.request.client_id)
            case Refused():
                self._record(pending, verdict)

    def _submit(self, pending: Pending, market: Market, approved: Approved) -> None:
        intent = pending.intent
        tracked = self._orders.add(approved.request)
        tracked.signal_ns = pending.signal_ns
        tracked.stop_price = approved.stop_price
        tracked.trail = trail_of(pending)
        if intent.take_profit is not None:
            tracked.take_profit = market.instrument.round_price(intent.take_profit, Rounding.NEAREST)
        if intent.expire_s is not None:
            tracked.expire_ns = self._desk.now_ns + int(intent.expire_s * NS_PER_S)
        times = self._desk.entry_times
        recent = [ns for ns in times if ns > self._desk.now_ns - NS_PER_HOUR][-Limits.ENTRY_TIMES :]
        times[:] = [*recent, self._desk.now_ns]
        entry = SubmitOrder(
            approved=approved,
            take_profit=tracked.take_profit,
            expire_ns=tracked.expire_ns,
            trail=tracked.trail,
        )
        self._core.emit(entry)

    # -- the way out -----------------------------------------------------------------------

    def _exit(self, pending: Pending, market: Market) -> None:
        """Own entries make way, and what is not being closed yet is closed, reduce-only."""
        self._orders.cancel_entries(market)
        self._supersede(pending)
        limit = pending.intent.limit
        left = self._left_to_close(pending.intent, market)
        if left <= 0:
            self._decide(pending, (_noted("exit", "nothing of ours is left to close"),))
            return
        if limit is not None:
            away = Rounding.UP if market.position.closing_side is Side.SELL else Rounding.DOWN
            limit = market.instrument.round_price(limit, away)
        sent = self._flattening.close(
            market,
            left,
            OrderRole.EXIT,
            price=limit,
            time_in_force=pending.intent.time_in_force,
            strategy_id=pending.strategy_id,
            signal_ns=pending.signal_ns,
            intent_id=pending.intent_id,
        )
        self._decide(pending, (_noted("exit", f"closing {left} contracts"),), client_id=sent[0])

    def _left_to_close(self, intent: Intent, market: Market) -> Decimal:
        """Contracts that an exit may still send. A resting exit is in nobody's way who closes at market."""
        held, terms = abs(market.position.size), market.instrument
        wanted = held
        if intent.size is not None and intent.size < held:
            wanted = max(terms.round_size(intent.size), terms.lot_size)
        left = min(wanted, held - self._flattening.under_way(market))
        if intent.limit is not None or left >= wanted:
            return left
        self._flattening.take_back(market)
        return min(wanted, held - self._flattening.under_way(market, resting=False))

    # -- words -----------------------------------------------------------------------------

    def _objection(self, pending: Pending, market: Market | None) -> Finding | None:
        """What refuses a wish before any rule of the gate is asked."""
        intent, desk = pending.intent, self._desk
        if market is None:
            return _unknown_symbol(intent)
        if not _sane(intent):
            return _failed(
                "intent", "a number that no order can have", "positive Decimals below 1e10", "other ones"
            )
        hosted = desk.strategies.get(pending.strategy_id) if pending.strategy_id else None
        if hosted is not None and (finding := self._not_its_own(hosted, intent)) is not None:
            return finding
        if intent.kind is not IntentKind.ENTER:
            return None
        if desk.hedged:
            return _failed("position_mode", "hedge", "one-way", "set_position_mode('one_way')")
        if market.guard.flatten_reason:
            return _failed(
                "flattening", market.guard.flatten_reason, "no closing under way", "a flat position"
            )
        if desk.now_ns < desk.silent_until_ns:
            wait_s = (desk.silent_until_ns - desk.now_ns) / NS_PER_S
            return _failed("venue_silence", f"silent for {wait_s:.1f} s", "none", "the end of the silence")
        return None

    def _not_its_own(self, hosted: Hosted, intent: Intent) -> Finding | None:
        """What a strategy may not wish though a person may. No more is managed while it only reduces."""
        state, kind = self._desk.state, intent.kind
        if intent.symbol not in hosted.symbols:
            return _failed("symbol", intent.symbol, f"one of {', '.join(hosted.symbols)}", "its own symbols")
        reducing = state is TradingState.REDUCING and kind is IntentKind.ADOPT
        if state is TradingState.HALTED or reducing:
            return _failed("trading_state", state.value, TradingState.ACTIVE.value, "resume()")
        if kind in (IntentKind.ENTER, IntentKind.ADOPT) and hosted.status is not HostStatus.RUNNING:
            return _failed("strategy", hosted.status.value, HostStatus.RUNNING.value, "start()")
        return None

    def _answer(self, pending: Pending, finding: Finding) -> None:
        if finding.passed:
            self._decide(pending, (finding,))
        else:
            self._refuse(pending, finding)

    def _decide(self, pending: Pending, findings: tuple[Finding, ...], *, client_id: str = "") -> None:
        self._keep(pending, findings, client_id, "")

    def _refuse(self, pending: Pending, failed: Finding) -> None:
        self._record(
            pending,
            Refused(
                symbol=pending.intent.symbol,
                rule=failed.rule,
                found=failed.found,
                limit=failed.limit,
                would_pass=failed.would_pass,
                intent=pending.intent,
                intent_id=pending.intent_id,
                strategy_id=pending.strategy_id,
                ts_ns=self._desk.now_ns,
                findings=(failed,),
            ),
        )

    def _record(self, pending: Pending, refused: Refused) -> None:
        self._desk.refusals.append(refused)
        del self._desk.refusals[: -Limits.REFUSALS]
        self._core.refused.append(refused)
        reason = f"{refused.rule}: found {refused.found}, limit {refused.limit}"
        self._keep(pending, refused.findings, "", reason)

    def _keep(self, pending: Pending, findings: tuple[Finding, ...], client_id: str, refusal: str) -> None:
        self._desk.decisions[pending.intent_id] = Decision(
            intent_id=pending.intent_id,
            intent=pending.intent,
            strategy_id=pending.strategy_id,
            signal=pending.signal,
            signal_ns=pending.signal_ns,
            findings=findings,
            client_id=client_id,
            refusal=refusal,
        )
        while len(self._desk.decisions) > Limits.DECISIONS:
            del self._desk.decisions[next(iter(self._desk.decisions))]


def _sane_atr(stop: object) -> bool:
    """None, or an ATR stop that can be reckoned: a strategy may have made it by hand."""
    if not isinstance(stop, AtrStop):
        return stop is None
    whole = isinstance(stop.period, int) and 1 <= stop.period <= MAX_PERIOD
    multiple = stop.multiple
    return whole and isinstance(multiple, Decimal) and multiple.is_finite() and multiple > 0


def _sane(intent: Intent) -> bool:
    if isinstance(intent.stop, AtrStop) and not _sane_atr(intent.stop):
        return False
    if not _sane_atr(intent.trail_by) or not isinstance(intent.trail, bool | None):
        return False
    if intent.stop is not None and not isinstance(intent.stop, AtrStop | FixedStop):
        return False
    stop = intent.stop.price if isinstance(intent.stop, FixedStop) else None
    numbers = [intent.notional, intent.amount, intent.limit, intent.take_profit, stop]
    if intent.kind is IntentKind.EXIT:  # more than is held means all of it
        whole = intent.size is None or (
            isinstance(intent.size, Decimal) and intent.size.is_finite() and intent.size > 0
        )
    else:
        whole = _possible(intent.size)
    return whole and all(map(_possible, numbers)) and (intent.expire_s is None or 0 < intent.expire_s < 1e9)


def _possible(number: object) -> bool:
    """None, or what a price, a size or an amount of money can be: others fit into no grid."""
    if not isinstance(number, Decimal):
        return number is None
    return number.is_finite() and number > 0 and MOST_DIGITS[0] <= number.adjusted() <= MOST_DIGITS[1]


def _failed(rule: str, found: str, limit: str, would_pass: str) -> Finding:
    return Finding(rule=rule, found=found, limit=limit, passed=False, would_pass=would_pass)


def _noted(rule: str, found: str) -> Finding:
    return Finding(rule=rule, found=found, limit="", passed=True)


def _unknown_symbol(intent: Intent) -> Finding:
    return _failed("symbol", f"{intent.symbol} is not on this desk", "a listed symbol", "one that is listed")
