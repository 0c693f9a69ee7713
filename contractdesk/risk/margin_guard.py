"""The margin guard: how much of the equity is bound as initial margin, and what is closed first.

Above the limit, own entries are cancelled, then positions closed one by one, the smallest first, each
time looking at the account anew. No entry may bring the account above it.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from msgspec import Struct

from contractdesk.domain.account import Account
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.intents import Finding
from contractdesk.domain.views import DeskView
from contractdesk.risk.proposal import Proposal, mark_of
from contractdesk.risk.sizing import entries, exposure, largest, order_margin, unseen_margin
from contractdesk.risk.words import cancelled, failed, foreign, judged, listed, number, percent

RULE = "margin_guard"


class MarginGuard(Struct, frozen=True):
    """Initial margin, orders included, is at most ``limit`` of the margin balance."""

    limit: Decimal
    collar: Decimal

    def exceeded(self, account: Account) -> bool:
        """True above the limit; an account without equity is above it as soon as it holds anything."""
        return account.initial_margin > self.limit * max(ZERO, account.equity)

    def review(self, proposal: Proposal, view: DeskView) -> Finding:
        """The account as it would be with this entry and everything under way."""
        item, account = view.symbols[proposal.intent.symbol], view.account
        if account is None:
            return failed(RULE, "account unknown", self._words, "an account that can be read")
        if item.instrument.settle != account.asset:
            return foreign(RULE, item.instrument, account, self._words)
        if view.unwinding:
            return failed(RULE, f"unwinding: {view.unwinding}", self._words, "the end of the unwinding")
        held, worst = exposure(view, item, proposal.side, self.collar), proposal.worst_price
        unseen = unseen_margin(view, account, self.collar)
        if held is None or worst is None or unseen is None or item.leverage <= 0:
            return failed(RULE, "mark or leverage unknown", self._words, "a valid mark and a leverage")
        bound, most = Fraction(account.initial_margin) + unseen, self._most(account)

        def needed(size: Decimal) -> Fraction:
            return bound + order_margin(item, size, worst, held)

        asked = needed(proposal.size)
        if asked <= most:
            return self._judged(account, asked, "")
        fits = largest(item.instrument, proposal.size, lambda size: needed(size) <= most)
        return self._judged(account, asked, f"size <= {number(fits)}" if fits else "less margin in use")

    def gauge(self, view: DeskView) -> Finding | None:
        """The account as it is; None while it is unknown."""
        account = view.account
        if account is None:
            return None
        if view.unwinding:
            return failed(RULE, self._found(account, account.initial_margin), self._words, view.unwinding)
        return self._judged(account, Fraction(account.initial_margin), "less margin in use")

    def then(self, view: DeskView) -> str:
        """What it would do: "1 entry cancelled (...), then SOL/USDT:USDT and BTC/USDT:USDT closed ..."."""
        gone = cancelled([order for symbol in view.symbols for order in entries(view, symbol)])
        ordered = sorted(notionals(view).items(), key=lambda each: each[1])
        if not ordered:
            return f"{gone or 'nothing of ours to cancel'}; nothing of ours to close"
        names = listed(symbol for symbol, _ in ordered)
        until = " one by one, until it is below" if len(ordered) > 1 else ""
        return f"{gone}{', then ' if gone else ''}{names} closed{until}; stops stay till then"

    def _judged(self, account: Account, needed: Fraction, advice: str) -> Finding:
        most = self._most(account)
        left = percent(most - needed, account.equity, up=False)
        ok = needed <= most
        found = self._found(account, needed)
        return judged(RULE, found, self._words, advice, ok=ok, left=f"{left} of equity")

    def _most(self, account: Account) -> Fraction:
        return Fraction(self.limit) * Fraction(max(ZERO, account.equity))

    @staticmethod
    def _found(account: Account, needed: Decimal | Fraction) -> str:
        if account.equity <= 0:
            return "no equity" if needed else "0.00 % of equity in use"
        return f"{percent(Fraction(needed), account.equity)} of equity in use"

    @property
    def _words(self) -> str:
        return f"<= {number(self.limit * 100)} % of equity"


def smallest_position(held: Mapping[str, Decimal]) -> str:
    """The symbol of the smallest notional; of equals the one listed first. "" for none."""
    return min(held, key=lambda symbol: held[symbol], default="")


def notionals(view: DeskView) -> dict[str, Decimal]:
    """Our positions at their marks; those without a mark count nothing, and so come first."""
    found = {}
    for symbol, item in view.symbols.items():
        if item.position.size:
            mark = mark_of(item)
            found[symbol] = item.instrument.notional(item.position.size, mark) if mark else ZERO
    return found
