"""The risk gate: the only maker of ``Approved``.

Every entry passes every rule, every time; all findings are kept, also those after the first refusal.
Exits, stops and cancels never come here: nothing blocks the way out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction

from msgspec.structs import replace

from contractdesk.domain.commands import Approved
from contractdesk.domain.instrument import ZERO, cash
from contractdesk.domain.intents import Finding, Gauge, Intent, IntentKind, Refused, SizePreview
from contractdesk.domain.views import DeskView, SymbolView
from contractdesk.errors import ConfigError, EngineFault
from contractdesk.risk.breaker import BreakerRule
from contractdesk.risk.freshness import (
    BookFresh,
    ClockFresh,
    LoopFresh,
    MarkFresh,
    StreamFresh,
    SymbolFresh,
)
from contractdesk.risk.gauges import Gauges
from contractdesk.risk.margin_guard import MarginGuard
from contractdesk.risk.market_rules import FundingGate, OpenInterestGate
from contractdesk.risk.portfolio import DailyLoss, EntryRate, GrossExposure
from contractdesk.risk.proposal import (
    Proposal,
    adverse_price,
    far_touch,
    limit_on_grid,
    stop_on_grid,
    worst_price,
)
from contractdesk.risk.rules import (
    EquityRule,
    HardStop,
    MarginModeRule,
    MarginRule,
    Rule,
    SlippageRule,
    StateRule,
    TermsRule,
)
from contractdesk.risk.settings import RiskSettings
from contractdesk.risk.size_cap import SizeCap
from contractdesk.risk.sizing import (
    cap_share,
    largest,
    liquidation_after,
    loss_per_contract,
    opening_fee,
    order_margin,
    size_of_amount,
    to_reverse,
)

NS_PER_S = 1_000_000_000


class RiskGate:
    """All rules under one set of settings; holds no other state."""

    def __init__(self, settings: RiskSettings) -> None:
        self.settings = settings
        self._cap = SizeCap(settings.size_cap, settings.slippage_collar, settings.cap_basis)
        self._guard = MarginGuard(settings.margin_guard, settings.slippage_collar)
        self._margin = MarginRule(settings.slippage_collar, settings.margin_check)
        self._breaker = BreakerRule(settings.breaker_drop, settings.breaker_window_s)
        self._state: tuple[Rule, ...] = (StateRule(), MarginModeRule())
        self._fresh: tuple[Rule, ...] = (
            SymbolFresh(),
            BookFresh(_ns(settings.book_max_age_s)),
            MarkFresh(_ns(settings.mark_max_age_s)),
            StreamFresh(),
            LoopFresh(settings.max_loop_lag_ms),
            ClockFresh(settings.max_clock_offset_ms),
        )
        self._market: tuple[Rule, ...] = (
            FundingGate(settings.funding_gate, settings.funding_gate_shorts),
            OpenInterestGate(
                settings.open_interest_drop,
                _ns(settings.open_interest_window_s),
                _ns(settings.open_interest_max_age_s),
                settings.open_interest_gate,
            ),
        )
        self._equity = EquityRule(_ns(settings.account_max_age_s))
        self._desk: tuple[Rule, ...] = (*_switched_on(settings),)
        self._order: tuple[Rule, ...] = (
            self._cap,
            self._margin,
            self._guard,
            HardStop(settings.stop_liquidation_buffer, settings.slippage_collar),
            SlippageRule(settings.slippage_collar),
            TermsRule(),
        )
        self.rules: tuple[Rule, ...] = (
            self._breaker, *self._state, *self._fresh, *self._market, self._equity, *self._desk, *self._order,
        )  # fmt: skip
        self._gauges = Gauges(
            breaker=self._breaker,
            standing=(*self._standing(), *self._desk),
            cap=self._cap,
            guard=self._guard,
            settings=settings,
        )

    def review(
        self,
        intent: Intent,
        view: DeskView,
        *,
        intent_id: int,
        strategy_id: str,
        client_id: str,
        signal_ns: int,
        timeframe: str,
    ) -> tuple[Approved | Refused, tuple[Finding, ...]]:
        """The gate's word on one entry, and what every rule measured.

        ``timeframe`` is the strategy's, for stops by ATR. Raises EngineFault for what is no entry.
        """
        if intent.kind is not IntentKind.ENTER:
            raise EngineFault(f"{intent.kind} reached the risk gate: only entries are reviewed")
        if intent.symbol not in view.symbols:
            findings: tuple[Finding, ...] = (_unknown(intent, view),)
            return self._refused(intent, intent_id, strategy_id, view, findings), findings
        proposal = self._propose(intent, view, intent_id, strategy_id, client_id, signal_ns, timeframe)
        findings = tuple(rule.review(proposal, view) for rule in self.rules)
        worst, stop = proposal.worst_price, proposal.stop_price
        if worst is None or stop is None or not all(finding.passed for finding in findings):
            return self._refused(intent, intent_id, strategy_id, view, findings), findings
        approved = Approved(
            request=proposal.request(), worst_price=worst, stop_price=stop, signal_ns=signal_ns
        )
        return approved, findings

    def preview(
        self, intent: Intent, view: DeskView, *, timeframe: str, risk: Decimal | None = None
    ) -> SizePreview:
        """What the entry would be now. ``risk`` is the fraction of equity to lose at the stop.

        The size is the smallest that a limit allows (``binding`` names it). The equity's age does
        not count: it is read again before an entry. Raises ConfigError for a risk outside (0, 1].
        """
        if risk is not None and not (risk.is_finite() and 0 < risk <= 1):
            raise ConfigError(f"risk={risk} is not permitted: a fraction of equity above 0, at most 1")
        item = view.symbols.get(intent.symbol)
        if item is None:
            return _empty_preview(intent, _sentence(_unknown(intent, view)))
        proposal = self._propose(intent, view, 0, "", "", view.now_ns, timeframe)
        binding, size = self._binding(proposal, view, item, risk)
        proposal = replace(proposal, size=size)
        rules = (rule for rule in self.rules if rule is not self._equity)
        failed = [finding for rule in rules if not (finding := rule.review(proposal, view)).passed]
        return self._shown(proposal, view, item, binding, _sentence(failed[0]) if failed else "")

    def gauges(self, view: DeskView) -> tuple[Gauge, ...]:
        """Each rule's measured value now, the worst symbol's where a rule is by symbol."""
        return self._gauges.read(view)

    def blockers(self, symbol: str, view: DeskView) -> tuple[Finding, ...]:
        """What would refuse any entry in ``symbol`` now, whatever its size and stop; empty if nothing."""
        intent = Intent(kind=IntentKind.ENTER, symbol=symbol)
        if symbol not in view.symbols:
            return (_unknown(intent, view),)
        proposal = self._propose(intent, view, 0, "", "", view.now_ns, "")
        rules = (self._breaker, *self._standing(), *self._desk, self._cap, self._guard)
        return tuple(finding for rule in rules if not (finding := rule.review(proposal, view)).passed)

    # -- making a proposal -------------------------------------------------------------------

    def _propose(
        self,
        intent: Intent,
        view: DeskView,
        intent_id: int,
        strategy_id: str,
        client_id: str,
        signal_ns: int,
        timeframe: str,
    ) -> Proposal:
        item, side, collar = view.symbols[intent.symbol], intent.side, self.settings.slippage_collar
        limit = limit_on_grid(item.instrument, side, intent.limit)
        entry = far_touch(item, side) if limit is None else limit
        worst = worst_price(item, side, limit, collar)
        return Proposal(
            intent=intent,
            intent_id=intent_id,
            strategy_id=strategy_id,
            client_id=client_id,
            signal_ns=signal_ns,
            instrument=item.instrument,
            side=side,
            size=self._size(intent, view, item, worst),
            price=limit,
            entry_price=entry,
            worst_price=worst,
            adverse_price=adverse_price(item, side, limit, collar),
            stop_price=stop_on_grid(intent.stop, item, view, side, entry, timeframe),
        )

    def _size(self, intent: Intent, view: DeskView, item: SymbolView, worst: Decimal | None) -> Decimal:
        """Contracts on the lot grid, rounded down: as asked, or the cap's share.

        What is asked for is to be held afterwards: an order that reverses closes the rest besides.
        """
        instrument = item.instrument
        closed = to_reverse(view, item, intent.side) if intent.reverse else ZERO
        if intent.size is not None:
            return instrument.round_size(intent.size) + closed
        if worst is None:
            return ZERO
        if intent.notional is not None:
            return instrument.size_for_notional(intent.notional, worst) + closed
        if intent.amount is not None:
            return size_of_amount(instrument, intent.amount, worst) + closed
        room = self._cap.room(view, item, intent.side)
        share = ZERO if room is None else cap_share(instrument, room, worst)
        return min(share, _venue_maximum(item, at_market=intent.limit is None))

    # -- previews ----------------------------------------------------------------------------

    def _binding(
        self, proposal: Proposal, view: DeskView, item: SymbolView, risk: Decimal | None
    ) -> tuple[str, Decimal]:
        """The limit that fixes the size, and the size."""
        if proposal.sized and risk is None:
            return "requested", proposal.size
        worst, room = proposal.worst_price, self._cap.room(view, item, proposal.side)
        if worst is None or room is None or view.account is None:
            return "size_cap", ZERO
        most = _venue_maximum(item, at_market=proposal.price is None)
        sizes = {"size_cap": cap_share(item.instrument, room, worst), "max_size": most}
        if proposal.sized:
            sizes["requested"] = proposal.size
        if risk is not None:
            sizes["risk"] = self._risk_size(proposal, Fraction(view.account.equity) * Fraction(risk))
            sizes["margin"] = self._margin_size(proposal, view, min(sizes.values()))
        return min(sizes.items(), key=lambda entry: entry[1])

    @staticmethod
    def _risk_size(proposal: Proposal, loss: Fraction) -> Decimal:
        """The largest size that loses at most ``loss`` at the stop, fees included."""
        instrument = proposal.instrument
        if proposal.adverse_price is None or proposal.stop_price is None or proposal.stop_price <= 0:
            return ZERO
        one = loss_per_contract(instrument, proposal.side, proposal.adverse_price, proposal.stop_price)
        if one <= 0:
            return ZERO
        lots = loss / one / Fraction(instrument.lot_size)
        return instrument.from_lots(max(0, lots.numerator // lots.denominator))

    def _margin_size(self, proposal: Proposal, view: DeskView, most: Decimal) -> Decimal:
        account = view.account
        need = None if account is None else self._margin.need(proposal, view, account)
        if need is None or account is None or not self.settings.margin_check:
            return most
        available = account.available
        return largest(proposal.instrument, most, lambda size: need(size) <= available)

    def _shown(
        self, proposal: Proposal, view: DeskView, item: SymbolView, binding: str, refusal: str
    ) -> SizePreview:
        instrument, size, worst, account = item.instrument, proposal.size, proposal.worst_price, view.account
        if worst is None or account is None or item.leverage <= 0:
            return _empty_preview(proposal.intent, refusal)
        loss = None
        if proposal.stop_price is not None and proposal.adverse_price is not None and proposal.stop_price > 0:
            one = loss_per_contract(instrument, proposal.side, proposal.adverse_price, proposal.stop_price)
            loss = cash(one * Fraction(size))
        return SizePreview(
            symbol=instrument.symbol,
            side=proposal.side,
            size=size,
            price=worst,
            notional=instrument.notional(size, worst),
            initial_margin=cash(order_margin(item, size, worst, Fraction(0))),
            fee=cash(opening_fee(instrument, size, worst, taker=proposal.taker)),
            stop_price=proposal.stop_price,
            loss_at_stop=loss,
            liquidation_price=liquidation_after(view, account, item, proposal, self.settings.slippage_collar),
            binding=binding,
            refusal=refusal,
        )

    # -- words -------------------------------------------------------------------------------

    def _standing(self) -> tuple[Rule, ...]:
        """The rules that do not depend on the order."""
        return (*self._state, *self._fresh, *self._market)

    @staticmethod
    def _refused(
        intent: Intent, intent_id: int, strategy_id: str, view: DeskView, findings: Iterable[Finding]
    ) -> Refused:
        kept = tuple(findings)
        first = next((finding for finding in kept if not finding.passed), None)
        if first is None:
            raise EngineFault(f"an entry in {intent.symbol} has no price or stop, and no rule saw it")
        return Refused(
            symbol=intent.symbol,
            rule=first.rule,
            found=first.found,
            limit=first.limit,
            would_pass=first.would_pass,
            intent=intent,
            intent_id=intent_id,
            strategy_id=strategy_id,
            ts_ns=view.now_ns,
            findings=kept,
        )


def _switched_on(settings: RiskSettings) -> Iterator[Rule]:
    """The limits over the whole desk, as far as they are set."""
    if settings.max_gross_exposure:
        yield GrossExposure(settings.max_gross_exposure, settings.slippage_collar)
    if settings.max_entries_per_hour:
        yield EntryRate(settings.max_entries_per_hour)
    if settings.max_daily_loss:
        yield DailyLoss(settings.max_daily_loss)


def _unknown(intent: Intent, view: DeskView) -> Finding:
    return Finding(
        rule="symbol",
        found=f"{intent.symbol} is not on this desk",
        limit="a symbol that the desk watches",
        passed=False,
        would_pass="one of " + (", ".join(view.symbols) or "none yet"),
    )


def _venue_maximum(item: SymbolView, *, at_market: bool) -> Decimal:
    instrument = item.instrument
    return min(instrument.max_size, instrument.max_market_size) if at_market else instrument.max_size


def _sentence(finding: Finding) -> str:
    return f"{finding.rule}: {finding.found}; limit {finding.limit}; would pass: {finding.would_pass}"


def _empty_preview(intent: Intent, refusal: str) -> SizePreview:
    return SizePreview(
        symbol=intent.symbol,
        side=intent.side,
        size=ZERO,
        price=ZERO,
        notional=ZERO,
        initial_margin=ZERO,
        fee=ZERO,
        stop_price=None,
        loss_at_stop=None,
        liquidation_price=None,
        binding="size_cap",
        refusal=refusal,
    )


def _ns(seconds: float) -> int:
    return int(seconds * NS_PER_S)
