"""What each rule measures now, before anybody wishes anything: rows for the risk panel."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from fractions import Fraction

from msgspec.structs import replace

from contractdesk.domain.account import Account
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.intents import Finding, Intent, IntentKind
from contractdesk.domain.orders import Side
from contractdesk.domain.views import DeskView, SymbolView
from contractdesk.risk.proposal import Proposal
from contractdesk.risk.rules import Rule
from contractdesk.risk.settings import RiskSettings
from contractdesk.risk.sizing import exposure, unseen_margin
from contractdesk.risk.words import failed, judged, money, number, passed, percent


def gauges(view: DeskView, settings: RiskSettings, standing: Iterable[Rule]) -> tuple[Finding, ...]:
    """One finding a rule; a rule by symbol shows its worst symbol, named in ``found``."""
    found = [_worst(rule, view) for rule in standing]
    account = view.account
    if account is not None:
        found += [_cap(view, account, settings), _margin(view, account, settings)]
    found.append(_stops(view))
    return tuple(finding for finding in found if finding is not None)


def _worst(rule: Rule, view: DeskView) -> Finding | None:
    """The first symbol that fails, else the first one; None on a desk without symbols."""
    first = None
    for symbol, item in view.symbols.items():
        finding = rule.review(_probe(symbol, item), view)
        if not finding.passed:
            return replace(finding, found=f"{symbol}: {finding.found}")
        first = first or finding
    return first


def _cap(view: DeskView, account: Account, settings: RiskSettings) -> Finding:
    allowed = Fraction(max(ZERO, account.equity)) * Fraction(settings.size_cap)
    limit = f"<= {number(settings.size_cap * 100)} % of equity ({money(allowed, account.asset, up=False)})"
    worst, worst_symbol = Fraction(0), ""
    for symbol, item in view.symbols.items():
        both = [exposure(view, item, side, settings.slippage_collar) for side in Side]
        most = max((value for value in both if value is not None), default=Fraction(0))
        if most > worst:
            worst, worst_symbol = most, symbol
    words = f"{percent(worst, account.equity)} of equity ({money(worst, account.asset)})"
    found = f"{worst_symbol}: {words}" if worst_symbol else words
    return judged("size_cap", found, limit, "a smaller exposure", ok=worst <= allowed)


def _margin(view: DeskView, account: Account, settings: RiskSettings) -> Finding:
    unseen = unseen_margin(view, account, settings.slippage_collar)
    limit = f"<= {money(account.available, account.asset, up=False)} available"
    if unseen is None:
        return failed("margin", "mark or leverage unknown", limit, "a valid mark and a leverage")
    used = percent(account.initial_margin, account.equity)
    found = f"{used} of equity in use, {money(unseen, account.asset)} under way"
    return judged("margin", found, limit, "more available balance", ok=unseen <= account.available)


def _stops(view: DeskView) -> Finding:
    """How much of the open size is under a confirmed stop."""
    naked = list(_naked(view))
    held = sum(1 for item in view.symbols.values() if item.position.size)
    limit = "every contract under a stop"
    if not naked:
        found = f"{held} of {held} positions protected"
        return passed("hard_stop", found, limit)
    found = "; ".join(f"{symbol}: {number(size)} without a stop" for symbol, size in naked)
    return failed("hard_stop", found, limit, "a stop that the venue confirms")


def _naked(view: DeskView) -> Iterator[tuple[str, Decimal]]:
    for symbol, item in view.symbols.items():
        size = abs(item.position.size) - item.guarded
        if size > 0:
            yield symbol, size


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
