"""The size cap: how much of the equity one symbol may be worth, whatever of it fills.

Counted are the position at mark and every entry of the same direction that may still fill, at its
worst price; so repeated signals cannot pyramid past it.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from msgspec import Struct

from contractdesk.domain.account import Account
from contractdesk.domain.instrument import Instrument
from contractdesk.domain.intents import Finding
from contractdesk.domain.orders import Side
from contractdesk.domain.views import DeskView, SymbolView
from contractdesk.risk.proposal import Proposal
from contractdesk.risk.settings import CapBasis
from contractdesk.risk.sizing import cap_notional, cap_share, cap_used, exposure, smallest
from contractdesk.risk.words import failed, foreign, judged, money, number, passed, percent

RULE = "size_cap"
NO_PRICE = "no mark price, or no leverage, to measure with"


class SizeCap(Struct, frozen=True):
    """At most ``cap`` of the equity, as notional or as initial margin."""

    cap: Decimal
    collar: Decimal
    basis: CapBasis = CapBasis.NOTIONAL

    def review(self, proposal: Proposal, view: DeskView) -> Finding:
        item, account = view.symbols[proposal.intent.symbol], view.account
        if account is None or account.equity <= 0:
            return failed(RULE, "equity unknown or not positive", self._share, "an account with equity")
        if item.instrument.settle != account.asset:
            return foreign(RULE, item.instrument, account, self._share)
        held, worst = exposure(view, item, proposal.side, self.collar), proposal.worst_price
        most = self._most(account, item)
        if held is None or worst is None or most is None:
            return failed(RULE, NO_PRICE, self._share, "a valid mark price and a leverage")
        total = held + abs(item.instrument.cost(proposal.size, worst))
        found, limit = self._found(item, total, account), self._limit(account)
        if total <= most and (proposal.sized or proposal.size >= smallest(item.instrument, worst)):
            return passed(RULE, found, limit, f"{money(most - total, account.asset, up=False)} of notional")
        return failed(RULE, found, limit, _smaller(item.instrument, held, most, worst))

    def room(self, view: DeskView, item: SymbolView, side: Side) -> Fraction | None:
        """Notional that is left under the cap, settle currency; None where it cannot be known."""
        held, account = exposure(view, item, side, self.collar), view.account
        if held is None or account is None or item.instrument.settle != account.asset:
            return None
        most = self._most(account, item)
        return None if most is None else max(Fraction(0), most - held)

    def gauge(self, view: DeskView) -> Finding | None:
        """The symbol that is nearest to its cap, named in ``found``; None without an account."""
        account = view.account
        if account is None:
            return None
        rooms = [(self._measured(view, item, account), symbol) for symbol, item in view.symbols.items()]
        known = [(room, symbol) for room, symbol in rooms if room is not None]
        if not known:
            return passed(RULE, self._none(account), self._limit(account))
        (left, total), symbol = min(known, key=lambda each: each[0][0])
        words = self._found(view.symbols[symbol], total, account)
        return judged(
            RULE,
            f"{symbol}: {words}" if total else words,
            self._limit(account),
            "a smaller exposure",
            ok=left >= 0,
            left=f"{money(left, account.asset, up=False)} of notional",
        )

    def _measured(
        self, view: DeskView, item: SymbolView, account: Account
    ) -> tuple[Fraction, Fraction] | None:
        """(what is left, what there is) of the direction with more; notional."""
        if item.instrument.settle != account.asset:
            return None
        sides = [exposure(view, item, side, self.collar) for side in Side]
        total = max((side for side in sides if side is not None), default=Fraction(0))
        most = self._most(account, item)
        return None if most is None else (most - total, total)

    def _most(self, account: Account, item: SymbolView) -> Fraction | None:
        allowed = Fraction(max(Decimal(0), account.equity)) * Fraction(self.cap)
        return cap_notional(item, allowed, self.basis)

    # -- words -----------------------------------------------------------------------------

    @property
    def _share(self) -> str:
        return f"<= {number(self.cap * 100)} % of equity"

    @property
    def _unit(self) -> str:
        return " of margin" if self.basis is CapBasis.MARGIN else ""

    def _limit(self, account: Account) -> str:
        allowed = Fraction(max(Decimal(0), account.equity)) * Fraction(self.cap)
        return f"{self._share} ({money(allowed, account.asset, up=False)}{self._unit})"

    def _found(self, item: SymbolView, total: Fraction, account: Account) -> str:
        used = cap_used(item, total, self.basis)
        if used is None:
            return NO_PRICE
        return f"{percent(used, account.equity)} of equity ({money(used, account.asset)}{self._unit})"

    def _none(self, account: Account) -> str:
        return f"{percent(Fraction(0), account.equity)} of equity ({money(Fraction(0), account.asset)})"


def _smaller(instrument: Instrument, held: Fraction, most: Fraction, worst: Decimal) -> str:
    """The largest size that the cap lets pass, in words."""
    share, least = cap_share(instrument, most - held, worst), smallest(instrument, worst)
    if share >= least:
        return f"size <= {number(share)}"
    if held:
        return "less exposure: close, or cancel entries, first"
    value = money(abs(instrument.cost(least, worst)), instrument.settle)
    return f"more equity: the smallest size, {number(least)}, is {value}"
