"""Wishes about the stop of a position: moving it, letting it follow the market, adopting what has none.

They open nothing, so no entry rule is asked; a stop must lie between the liquidation price and the mark.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from msgspec.structs import replace

from contractdesk.domain.account import VenuePosition, liquidation_price
from contractdesk.domain.instrument import Rounding
from contractdesk.domain.intents import AtrStop, Finding, FixedStop, Intent
from contractdesk.domain.position import Trail
from contractdesk.engine.core import Core
from contractdesk.engine.ledger import Ledger
from contractdesk.engine.protection import Protection
from contractdesk.engine.state import Market, Pending
from contractdesk.engine.trailing import Trailing
from contractdesk.risk.words import failed, foreign, number, passed

RULE = "hard_stop"
NEARER = "a stop nearer to the market"


class StopIntents:
    """Each wish is answered by a finding: one that passed has been done."""

    def __init__(self, core: Core, ledger: Ledger, protection: Protection, trailing: Trailing) -> None:
        self._core = core
        self._desk = core.desk
        self._ledger = ledger
        self._protection = protection
        self._trailing = trailing

    # -- moving ----------------------------------------------------------------------------

    def move(self, pending: Pending, market: Market) -> Finding:
        """Move the stop, or let it follow the market, or both."""
        intent, size = pending.intent, market.position.size
        if not size or market.guard.flatten_reason:
            return failed(RULE, "no position to stop", "an open position", "an entry")
        if intent.stop is None and intent.trail is None:
            return failed(RULE, "no price", "a stop, or whether it follows", "a valid mark, or stop=<price>")
        noted = []
        if intent.stop is not None:
            finding = self._move(pending, market)
            if not finding.passed:
                return finding
            noted.append(finding.found)
        if intent.trail is not None:
            noted.append(self._let(intent, market))
        self._core.touch(market.instrument.symbol)
        self._trailing.follow(market)
        return passed(RULE, ", ".join(noted), "")

    def _move(self, pending: Pending, market: Market) -> Finding:
        price, size, now = self._price(pending, market, market.position.size), market.position.size, None
        bound = self._bound(market, size, market.position.cost)
        sign, now = (1 if size > 0 else -1), market.guard.stop_price
        objection = _objection(market, price, sign, bound)
        if objection is not None or price is None:
            return objection or failed(RULE, "no price", "a stop and a known mark", "a valid mark")
        looser = now is not None and sign * (price - now) < 0
        if (forbidden := _loosened(pending, price, sign, now)) is not None:
            return forbidden
        market.guard.stop_price = price
        if looser and market.trail.on:  # it would be taken back at the next mark
            market.trail = replace(market.trail, on=False)
            return passed(RULE, f"stop moved to {number(price)}, and fixed: trail_stop() lets it follow", "")
        return passed(RULE, f"stop moved to {number(price)}", "")

    @staticmethod
    def _let(intent: Intent, market: Market) -> str:
        by = intent.trail_by or market.trail.by
        market.trail = replace(market.trail, on=bool(intent.trail), by=by)
        return "the stop follows the market" if intent.trail else "the stop stays where it is"

    # -- adopting --------------------------------------------------------------------------

    def adopt(self, pending: Pending, market: Market) -> Finding:
        """Take what is external as ours, at the venue's average price, and stop it."""
        shown = self._shown(market)
        finding = self._not_to_be_adopted(market, shown)
        if finding is not None or shown is None:
            return finding or failed("adoption", "not shown", "a read of the account", "a read of it")
        whole = market.position.size + market.external_size
        price, sign = self._price(pending, market, whole), (1 if whole > 0 else -1)
        cost = market.position.cost + market.instrument.cost(market.external_size, shown.entry_price)
        objection = _objection(market, price, sign, self._bound(market, whole, cost))
        objection = objection or _loosened(pending, price, sign, market.guard.stop_price)
        if objection is not None:
            return objection
        taken = market.external_size
        booking = self._ledger.adopt(market, shown.entry_price)
        self._protection.on_booking(booking, market)
        market.guard.stop_price = price
        mark = market.trusted.price  # what the best one was before, nobody here has seen
        market.trail = replace(trail_of(pending), best=mark)
        self._core.touch(market.instrument.symbol)
        return passed("adoption", f"{number(taken)} contracts are ours, stop {number(price or taken)}", "")

    def _not_to_be_adopted(self, market: Market, shown: VenuePosition | None) -> Finding | None:
        ours, external, account = market.position.size, market.external_size, self._desk.account
        if not external:
            limit = "a position that was opened elsewhere"
            return failed("adoption", "no external contracts", limit, "one that desk.positions shows so")
        if ours * external < 0:
            found = f"{number(ours)} ours against {number(external)} external"
            return failed("adoption", found, "one direction", "closing one of the two first")
        if account is not None and market.instrument.settle != account.asset:
            return foreign("adoption", market.instrument, account, "this account's asset")
        if shown is None or shown.entry_price <= 0:
            return failed("adoption", "no entry price known", "the venue's own", "a read of the account")
        if market.guard.flatten_reason:
            return failed("adoption", market.guard.flatten_reason, "no closing under way", "a flat position")
        return None

    def _shown(self, market: Market) -> VenuePosition | None:
        account, symbol = self._desk.account, market.instrument.symbol
        return next((p for p in account.positions if p.symbol == symbol), None) if account else None

    # -- prices ----------------------------------------------------------------------------

    def _price(self, pending: Pending, market: Market, size: Decimal) -> Decimal | None:
        """The wished price on its tick, rounded towards the market: moving never loosens by rounding."""
        sign = 1 if size > 0 else -1
        match pending.intent.stop:
            case FixedStop(price=price):
                exact = price
            case AtrStop() as spec:
                symbol = market.instrument.symbol
                atr = self._desk.atr(symbol, spec.timeframe or pending.timeframe, spec.period)
                if atr is None or market.mark is None:
                    return None
                exact = market.mark - sign * spec.multiple * atr
            case None:
                return None
        return market.instrument.round_price(exact, Rounding.UP if sign > 0 else Rounding.DOWN)

    def _bound(self, market: Market, size: Decimal, cost: Fraction) -> Decimal | None:
        """The liquidation price, moved inside by the buffer; None where there is none.

        The venue's own where its picture shows this very position; an older one may be of another
        position, even of the other direction: then ours, from the tiers.
        """
        shown = self._shown(market)
        if shown is not None and shown.size == size:
            price = shown.liquidation_price
        else:
            price = liquidation_price(market.instrument, size, cost, self._desk.wallet_balance)
        sign = 1 if size > 0 else -1
        return None if price is None else price * (1 + sign * self._desk.risk.stop_liquidation_buffer)


def trail_of(pending: Pending) -> Trail:
    """How the stop of this wish's position follows the market.

    A price that a person has named stays where it was named, unless they say so.
    """
    intent, stop = pending.intent, pending.intent.stop
    own = stop if isinstance(stop, AtrStop) else None
    on = own is not None or bool(pending.strategy_id)
    return Trail(
        on=on if intent.trail is None else intent.trail,
        by=intent.trail_by or own,
        timeframe=pending.timeframe,
    )


def _loosened(pending: Pending, price: Decimal | None, sign: int, now: Decimal | None) -> Finding | None:
    """A strategy may not take the stop that stands further away, in whatever way it wishes it."""
    if not pending.strategy_id or price is None or now is None or sign * (price - now) >= 0:
        return None
    limit = f"not looser than {number(now)}"
    return failed(RULE, f"stop {number(price)}", limit, "a person's move_stop()")


def _objection(market: Market, price: Decimal | None, sign: int, bound: Decimal | None) -> Finding | None:
    mark = market.mark
    if price is None or mark is None:
        return failed(RULE, "no price", "a stop and a known mark", "a valid mark, or stop=<price>")
    if sign * (mark - price) <= 0:
        side = "below" if sign > 0 else "above"
        return failed(RULE, f"stop {number(price)}", f"{side} the mark {number(mark)}", "exit_position()")
    if bound is not None and sign * (price - bound) <= 0:
        limit = f"inside {bound.quantize(Decimal('0.000001')).normalize():f}"
        return failed(RULE, f"stop {number(price)}", limit, NEARER)
    return None
