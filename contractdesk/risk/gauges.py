"""What each rule measures now, before anybody wishes anything, and what would happen if it tripped."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from contractdesk.domain.account import Account
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.intents import Finding, Gauge, Intent, IntentKind
from contractdesk.domain.orders import Side
from contractdesk.domain.views import DeskView, SymbolView
from contractdesk.risk import trailing
from contractdesk.risk.breaker import BreakerRule
from contractdesk.risk.margin_guard import MarginGuard
from contractdesk.risk.proposal import Proposal, mark_of
from contractdesk.risk.rules import Rule
from contractdesk.risk.settings import OnTrip, RiskSettings
from contractdesk.risk.size_cap import SizeCap
from contractdesk.risk.sizing import entries, unseen_margin
from contractdesk.risk.words import cancelled, failed, judged, listed, money, number, passed, percent

REFUSED = "entries would be refused"
THEN = {"funding_gate": "long entries would be refused", "trading_state": ""}


class Gauges(Struct, frozen=True):
    """The rules that are shown; ``standing`` are those that do not depend on an order."""

    breaker: BreakerRule
    standing: tuple[Rule, ...]
    cap: SizeCap
    guard: MarginGuard
    settings: RiskSettings

    def read(self, view: DeskView) -> tuple[Gauge, ...]:
        """One gauge a rule; a rule by symbol shows its worst symbol, named in ``found``."""
        return tuple(_gauge(finding, then) for finding, then in self._measured(view) if finding is not None)

    def _measured(self, view: DeskView) -> Iterator[tuple[Finding | None, str]]:
        yield self.breaker.gauge(view), _halt(view, flatten=self.settings.on_trip is OnTrip.FLATTEN)
        if view.account is not None:
            yield self.guard.gauge(view), self.guard.then(view)
        yield _stops(view), _at_the_stops(view)
        yield trailing.gauge(view, self.settings), ""
        if view.account is not None:
            yield self.cap.gauge(view), "larger entries would be refused"
            yield _margin(view, view.account, self.settings.slippage_collar), REFUSED
        for rule in self.standing:
            finding = _worst(rule, view)
            yield finding, THEN.get(finding.rule, REFUSED) if finding else ""


def _gauge(finding: Finding, then: str) -> Gauge:
    return Gauge(**msgspec.structs.asdict(finding), then=then)


def _worst(rule: Rule, view: DeskView) -> Finding | None:
    """The first symbol that fails, else the first one; None on a desk without symbols."""
    first = None
    for symbol, item in view.symbols.items():
        finding = rule.review(_probe(symbol, item), view)
        if not finding.passed:
            return replace(finding, found=f"{symbol}: {finding.found}")
        first = first or finding
    return first


def _margin(view: DeskView, account: Account, collar: Decimal) -> Finding:
    unseen = unseen_margin(view, account, collar)
    limit = f"<= {money(account.available, account.asset, up=False)} available"
    if unseen is None:
        return failed("margin", "mark or leverage unknown", limit, "a valid mark and a leverage")
    used = percent(account.initial_margin, account.equity)
    found = f"{used} of equity in use, {money(unseen, account.asset)} under way"
    ok, left = (
        unseen <= account.available,
        money(Fraction(account.available) - unseen, account.asset, up=False),
    )
    return judged("margin", found, limit, "more available balance", ok=ok, left=left)


# -- what would happen --------------------------------------------------------------------------


def _halt(view: DeskView, *, flatten: bool) -> str:
    """What the breaker would do now."""
    gone = cancelled([order for symbol in view.symbols for order in entries(view, symbol)])
    held = [symbol for symbol, item in view.symbols.items() if item.position.size]
    halted = f"HALTED, {gone}" if gone else "HALTED"
    if not held:
        return halted
    stay = f"{listed(held)} closed" if flatten else f"{listed(held)} left under {_their(held)}"
    return f"{halted}, {stay}"


def _their(held: Iterable[str]) -> str:
    return "its stop" if len(list(held)) == 1 else "their stops"


def _at_the_stops(view: DeskView) -> str:
    """What the stops would close, and the profit of each position then, fees not counted."""
    parts = []
    for symbol, item in view.symbols.items():
        if item.position.size and item.stop_price is not None:
            pnl = item.position.unrealized_pnl(item.instrument, item.stop_price)
            sign = "+" if pnl > 0 else ""
            amount = f"{sign}{money(pnl, item.instrument.settle, up=False)}"
            parts.append(f"{symbol} closed at {number(item.stop_price)}: {amount}")
    return "; ".join(parts)


# -- protection ---------------------------------------------------------------------------------


def _stops(view: DeskView) -> Finding:
    """How much of the open size is under a confirmed stop, and how far the nearest one is."""
    naked = list(_naked(view))
    held = sum(1 for item in view.symbols.values() if item.position.size)
    limit = "every contract under a stop"
    if not naked:
        found = f"{held} of {held} positions protected"
        return passed("hard_stop", found, limit, _nearest(view))
    found = "; ".join(f"{symbol}: {number(size)} without a stop" for symbol, size in naked)
    return failed("hard_stop", found, limit, "a stop that the venue confirms")


def _naked(view: DeskView) -> Iterator[tuple[str, Decimal]]:
    for symbol, item in view.symbols.items():
        size = abs(item.position.size) - item.guarded
        if size > 0:
            yield symbol, size


def _nearest(view: DeskView) -> str:
    """The stop that is nearest to its mark, as a share of the mark."""
    distances = [
        (abs(mark - item.stop_price) / mark, symbol)
        for symbol, item in view.symbols.items()
        if item.position.size and item.stop_price is not None and (mark := mark_of(item)) is not None
    ]
    if not distances:
        return ""
    share, symbol = min(distances)
    return f"{share * 100:.2f} % to the stop of {symbol}"


def _probe(symbol: str, item: SymbolView) -> Proposal:
    """An empty wish: the standing rules look at nothing but its symbol."""
    return Proposal(
        intent=Intent(kind=IntentKind.ENTER, symbol=symbol),
        intent_id=0,
        strategy_id="",
        client_id="",
        signal_ns=0,
        instrument=item.instrument,
        side=Side.BUY,
        size=ZERO,
        price=None,
        entry_price=None,
        worst_price=None,
        adverse_price=None,
        stop_price=None,
    )
