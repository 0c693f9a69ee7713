"""Wishes about the stop of a position: moving it, letting it follow the market, adopting what has none.

They open nothing, so no entry rule is asked; a stop must lie between the liquidation price and the mark.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

from msgspec.structs import replace

from contractdesk.domain.account import VenuePosition, liquidation_price
from contractdesk.domain.instrument import ContractKind, Rounding
from contractdesk.domain.intents import AtrStop, Finding, FixedStop, Intent
from contractdesk.domain.position import Trail, external_cost
from contractdesk.engine.core import Core
from contractdesk.engine.ledger import Ledger
from contractdesk.engine.protection import Protection
from contractdesk.engine.state import Market, Pending
from contractdesk.engine.trailing import Trailing
from contractdesk.risk.sizing import venue_position
from contractdesk.risk.trailing import better
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
        by = intent.trail_by
        if intent.trail and by is not None and by.timeframe and by.timeframe not in market.series:
            return failed(RULE, f"no {by.timeframe} bars", "bars that are watched", ", ".join(market.series))
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
        size, now = market.position.size, market.guard.stop_price
        price, sign = self._price(pending, market, size), (1 if size > 0 else -1)
        objection = _objection(market, price, sign, self._bound(market, sign, price))
        if objection is not None or price is None:
            return objection or failed(RULE, "no price", "a stop and a known mark", "a valid mark")
        looser = now is not None and sign * (price - now) < 0
        if (forbidden := _loosened(pending, price, sign, now)) is not None:
            return forbidden
        market.guard.stop_price = price
        market.guard.move_ns = 0  # a person's price, or a strategy's new one, is tried at once
        if looser and market.trail.on and pending.intent.trail is None:  # the next mark would take it back
            market.trail = replace(market.trail, on=False)
            return passed(RULE, f"stop moved to {number(price)}, and fixed: trail_stop() lets it follow", "")
        return passed(RULE, f"stop moved to {number(price)}", "")

    def _let(self, intent: Intent, market: Market) -> str:
        by = intent.trail_by or market.trail.by
        market.trail = replace(market.trail, on=bool(intent.trail), by=by)
        if not intent.trail:
            return "the stop stays where it is"
        off = "" if self._desk.risk.trailing else ", once risk.tune(trailing=True) permits it"
        return f"the stop follows the market{off}"

    # -- adopting --------------------------------------------------------------------------

    def adopt(self, pending: Pending, market: Market) -> Finding:
        """Take what is external as ours, at the venue's average price, and stop it."""
        shown = self._shown(market)
        finding, mark = self._not_to_be_adopted(market, shown), market.trusted.price
        if finding is not None or mark is None:
            return finding or failed(
                "adoption", "no mark that is beyond doubt", "a valid mark", "the next one"
            )
        taken, before, trail = market.external_size, market.position, market.trail
        price, sign = self._price(pending, market, taken), (1 if taken > 0 else -1)
        objection = _objection(market, price, sign, self._bound(market, sign))
        objection = objection or _loosened(pending, price, sign, market.guard.stop_price)
        if objection is not None:
            return objection
        cost = external_cost(market.instrument, before, taken, shown) or market.instrument.cost(taken, mark)
        self._protection.on_booking(self._ledger.adopt(market, cost, pending.intent_id), market)
        market.guard.stop_price = price
        if before.size:  # more of the same: its best mark stays, and it follows as before
            wished = trail.on if pending.intent.trail is None else pending.intent.trail
            market.trail = replace(trail, on=wished, best=better(sign, trail.best, mark))
        else:  # what the best mark was before, nobody here has seen
            market.trail = replace(trail_of(pending), best=mark)
        self._core.touch(market.instrument.symbol)
        return passed("adoption", f"{number(taken)} contracts are ours, stop {number(price or taken)}", "")

    def _not_to_be_adopted(self, market: Market, shown: VenuePosition | None) -> Finding | None:
        ours, external, account = market.position.size, market.external_size, self._desk.account
        if not external:
            limit = "a position that was opened elsewhere"
            return failed("adoption", "no external contracts", limit, "one that desk.positions shows so")
        if account is not None and market.instrument.settle != account.asset:
            return foreign("adoption", market.instrument, account, "this account's asset")
        if self._desk.hedged:
            return failed("adoption", "hedge mode", "one-way mode", "set_position_mode('one_way')")
        if shown is None or shown.entry_price <= 0 or shown.size != ours + external:
            limit = "the venue's own, of this very position"
            return failed("adoption", "no entry price known yet", limit, "the next read of the account")
        most = market.instrument.max_market_size
        if abs(shown.size) > most:
            limit = f"<= {number(most)} for one stop"
            return failed("adoption", f"{number(abs(shown.size))} contracts in all", limit, "closing a part")
        if market.guard.flatten_reason:
            return failed("adoption", market.guard.flatten_reason, "no closing under way", "a flat position")
        return None

    def _shown(self, market: Market) -> VenuePosition | None:
        account = self._desk.account
        return None if account is None else venue_position(account, market.instrument.symbol)

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
                mark = market.trusted.price  # from one bad tick a stop would land beyond the market
                if atr is None or mark is None:
                    return None
                exact = mark - sign * spec.multiple * atr
            case None:
                return None
        return market.instrument.round_price(exact, Rounding.UP if sign > 0 else Rounding.DOWN)

    def _bound(self, market: Market, sign: int, price: Decimal | None = None) -> Decimal | None:
        """The liquidation price of the whole position, moved inside by the buffer; None where there is none.

        The venue's own where its picture shows this very position; an older one may be of another
        position, even of the other direction: then ours, from the tiers. Where the wallet alone outlasts
        ``price`` by far, none needs to be reckoned.
        """
        shown, ours = self._shown(market), market.position
        size = ours.size + market.external_size
        if size * sign <= 0:
            return None
        if shown is not None and shown.size == size:
            price = shown.liquidation_price
        elif price is not None and self._outlasts(market, price, sign):
            return None
        else:
            external = external_cost(market.instrument, ours, market.external_size, shown) or Fraction(0)
            cost, wallet = ours.cost + external, self._desk.wallet_balance
            price = liquidation_price(market.instrument, size, cost, wallet)
        return None if price is None else price * (1 + sign * self._desk.risk.stop_liquidation_buffer)

    def _outlasts(self, market: Market, price: Decimal, sign: int) -> bool:
        """At ``price`` and the buffer beyond it twice the maintenance margin is left; reckoned in floats."""
        terms, ours = market.instrument, market.position
        if market.external_size or terms.kind is not ContractKind.LINEAR:
            return False
        beyond = (
            float(price) / (1 + sign * float(self._desk.risk.stop_liquidation_buffer)) * (1 - sign * 1e-3)
        )
        units = float(ours.size * terms.contract_size)
        rate = max(float(tier.maintenance_rate) for tier in terms.tiers)
        left = float(self._desk.wallet_balance) + units * beyond - float(ours.cost)
        return left > 2 * rate * abs(units) * beyond


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
        limit = f"{side} the mark {number(mark)}"
        return failed(RULE, f"stop {number(price)}", limit, f"a stop {limit}, or closing the position")
    if bound is not None and sign * (price - bound) <= 0:
        limit = f"inside {bound.quantize(Decimal('0.000001')).normalize():f}"
        return failed(RULE, f"stop {number(price)}", limit, NEARER)
    return None
