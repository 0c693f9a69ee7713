"""The rules that judge an entry's size, margin, stop and terms, and the state of the desk.

Each is a small frozen struct with ``review(proposal, view) -> Finding``: pure, and never asked about
an exit. What a rule cannot know it refuses. Findings say what was found, the limit, what would pass.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Protocol

from msgspec import Struct

from contractdesk.domain.account import Account, MarginMode
from contractdesk.domain.instrument import ZERO, Instrument
from contractdesk.domain.intents import Finding
from contractdesk.domain.orders import OrderRole, OrderType, Side
from contractdesk.domain.views import DeskView, SymbolView, TradingState
from contractdesk.risk.proposal import Proposal, mark_of
from contractdesk.risk.sizing import (
    entries,
    exposure,
    largest,
    liquidation_after,
    net_size,
    opening_fee,
    order_margin,
    to_reverse,
    unseen_margin,
)
from contractdesk.risk.words import failed, foreign, judged, left_s, money, number, passed, seconds

NS_PER_S = 1_000_000_000


class Rule(Protocol):
    """One rule; ``name`` is stable and stands in findings and refusals."""

    def review(self, proposal: Proposal, view: DeskView) -> Finding: ...


class StateRule(Struct, frozen=True):
    """Entries are taken only while the desk is ACTIVE, by hand or by a strategy."""

    def review(self, proposal: Proposal, view: DeskView) -> Finding:  # noqa: ARG002  (a Rule)
        active = TradingState.ACTIVE
        return judged("trading_state", view.state.value, active.value, "resume()", ok=view.state is active)


class MarginModeRule(Struct, frozen=True):
    """Entries are cross-margined: an isolated position is liquidated by its own margin alone.

    The liquidation price that every stop is measured by is the whole account's.
    """

    def review(self, proposal: Proposal, view: DeskView) -> Finding:
        symbol, cross = proposal.intent.symbol, MarginMode.CROSS
        mode = view.symbols[symbol].margin_mode
        advice = f"set_margin_mode({symbol!r}, {cross.value!r})"
        return judged("margin_mode", mode.value, cross.value, advice, ok=mode is cross)


class EquityRule(Struct, frozen=True):
    """E was read at most ``max_age_ns`` ago, and is positive."""

    max_age_ns: int

    def review(self, proposal: Proposal, view: DeskView) -> Finding:  # noqa: ARG002  (a Rule)
        account, age_ns = view.account, view.now_ns - view.account_ns
        limit = f"read at most {self.max_age_ns / NS_PER_S:g} s ago, above 0"
        if account is None or not view.account_ns:
            return failed("equity", "never read", limit, "an account that can be read")
        found = f"{money(account.equity, account.asset, up=False)}, {seconds(max(0, age_ns))}"
        if account.equity <= 0:
            return failed("equity", found, limit, "a deposit")
        if age_ns > self.max_age_ns:
            return failed("equity", found, limit, "a fresh read of the account")
        return passed("equity", found, limit, left_s(self.max_age_ns - age_ns))


class MarginRule(Struct, frozen=True):
    """New initial margin, what the snapshot has not seen, and the fees fit into what is available."""

    collar: Decimal
    enabled: bool = True

    def review(self, proposal: Proposal, view: DeskView) -> Finding:
        item, account = view.symbols[proposal.intent.symbol], view.account
        if not self.enabled:
            return passed("margin", "not checked", "switched off")
        if account is None:
            return failed("margin", "account unknown", "<= available", "an account that can be read")
        limit = f"<= {money(account.available, account.asset, up=False)} available"
        if item.instrument.settle != account.asset:
            return foreign("margin", item.instrument, account, limit)
        need = self.need(proposal, view, account)
        if need is None:
            return failed("margin", "mark or leverage unknown", limit, "a valid mark and a leverage")
        needed = need(proposal.size)
        found, left = f"{money(needed, account.asset)} needed", Fraction(account.available) - needed
        if left >= 0:
            return passed("margin", found, limit, money(left, account.asset, up=False))
        size = largest(item.instrument, proposal.size, lambda size: need(size) <= account.available)
        advice = f"size <= {number(size)}" if size else "more available balance"
        return failed("margin", found, limit, advice)

    def need(
        self, proposal: Proposal, view: DeskView, account: Account
    ) -> Callable[[Decimal], Fraction] | None:
        """Margin and fees as a function of the size; None where a price or the leverage is unknown."""
        item, worst = view.symbols[proposal.intent.symbol], proposal.worst_price
        held = exposure(view, item, proposal.side, self.collar)
        unseen = unseen_margin(view, account, self.collar)
        if worst is None or held is None or unseen is None or item.leverage <= 0:
            return None

        def needed(size: Decimal) -> Fraction:
            fee = opening_fee(item.instrument, size, worst, taker=proposal.taker)
            return unseen + order_margin(item, size, worst, held) + fee

        return needed


class HardStop(Struct, frozen=True):
    """No entry without a stop between the liquidation price (with a buffer) and the entry.

    Long: liquidation x (1 + buffer) < stop < min(mark, entry); short mirrored. The liquidation price
    is that after the worst fill.
    """

    buffer: Decimal
    collar: Decimal

    def review(self, proposal: Proposal, view: DeskView) -> Finding:
        item, account, stop = view.symbols[proposal.intent.symbol], view.account, proposal.stop_price
        if (against := _against(proposal, item, view)) is not None:
            return against
        if stop is None:
            return self._without(proposal)
        mark = mark_of(item)
        if mark is None or proposal.entry_price is None or account is None:
            return failed("hard_stop", f"stop {number(stop)}", "a known mark and account", "a valid mark")
        liquidation = liquidation_after(view, account, item, proposal, self.collar)
        if proposal.side is Side.BUY:
            low = None if liquidation is None else liquidation * (1 + self.buffer)
            high: Decimal | None = min(mark, proposal.entry_price)
        else:
            low = max(mark, proposal.entry_price)
            high = None if liquidation is None else liquidation * (1 - self.buffer)
        return _between(stop, low, high, item.instrument)

    @staticmethod
    def _without(proposal: Proposal) -> Finding:
        if proposal.intent.stop is None:
            return failed("hard_stop", "no stop", "every entry has a stop", "stop=atr_stop(14, 2.5)")
        return failed(
            "hard_stop", "ATR unknown", "every entry has a stop", "more closed bars, or stop=<price>"
        )


def _against(proposal: Proposal, item: SymbolView, view: DeskView) -> Finding | None:
    """Two directions in one symbol have not one stop: ours may be reversed, others' never."""
    sign, ours, others = proposal.side.sign, item.position.size, item.external_size
    limit = "one stop a position"
    if ours * sign >= 0 and net_size(item) * sign >= 0:
        return None
    if others * sign < 0:
        found = f"position of {number(others)} in the other direction, not the desk's"
        return failed("hard_stop", found, limit, "close that position first, or adopt it")
    if proposal.intent.reverse and proposal.size > to_reverse(view, item, proposal.side):
        return None
    found = f"position of {number(ours)} in the other direction"
    advice = "close_position() first"
    if proposal.strategy_id:
        advice = "exit_position() first, or reverse=True with a size that is left after closing it"
    return failed("hard_stop", found, limit, advice)


class SlippageRule(Struct, frozen=True):
    """A market order finds its size in the book before the collar; else its worst price is no promise."""

    collar: Decimal

    def review(self, proposal: Proposal, view: DeskView) -> Finding:
        item, edge = view.symbols[proposal.intent.symbol], proposal.adverse_price
        if proposal.price is not None or not proposal.size:
            return passed("slippage", "nothing to slip", "the collar")
        limit = f"within {number(self.collar * 100)} % of the touch"
        buy = proposal.side is Side.BUY
        tick = item.book.worst_tick(buy, item.instrument.to_lots(proposal.size)) if item.book.valid else None
        if tick is None or edge is None:
            return failed("slippage", "the book is too thin", limit, "a smaller size, or limit=")
        reach = item.instrument.from_ticks(tick)
        found = f"reaches {number(reach)}"
        if (reach <= edge) if buy else (reach >= edge):
            return passed("slippage", found, limit)
        return failed("slippage", found, limit, "a smaller size, or limit=")


STOPS_AT_ONCE = 2  # one, and the one that replaces it


class TermsRule(Struct, frozen=True):
    """The venue's own limits: sizes, least notional, conditional orders; a take-profit on the right side.

    The stop of the whole position is one market order: what would be too much for that has no stop.
    """

    def review(self, proposal: Proposal, view: DeskView) -> Finding:
        item, terms = view.symbols[proposal.intent.symbol], proposal.instrument
        at_market = proposal.request().type is OrderType.MARKET
        most = min(terms.max_size, terms.max_market_size) if at_market else terms.max_size
        price = proposal.price or mark_of(item)
        found = f"size {number(proposal.size)}"
        limit = f"{number(terms.min_size)} to {number(most)}"
        if not terms.min_size <= proposal.size <= most or not proposal.size:
            return failed("venue_terms", found, limit, f"a size of {limit}")
        if (whole := _whole(proposal, view)) > terms.max_market_size:
            found, limit = (
                f"{number(whole)} contracts in all",
                f"<= {number(terms.max_market_size)} for one stop",
            )
            return failed("venue_terms", found, limit, "a smaller size")
        if price is not None and terms.quote_notional(proposal.size, price) < terms.min_notional:
            found = f"{money(terms.quote_notional(proposal.size, price), terms.quote, up=False)} notional"
            limit = f">= {money(terms.min_notional, terms.quote)}"
            return failed("venue_terms", found, limit, f"notional {limit}")
        room, wanted = view.conditional_room, _conditional(proposal, view)
        if room is not None and room < wanted:
            found = f"the venue takes {max(room, 0)} more conditional orders"
            return failed("venue_terms", found, f">= {wanted}", "cancel conditional orders of this account")
        profit, entry = proposal.intent.take_profit, proposal.entry_price
        if profit is not None and entry is not None and (profit - entry) * proposal.side.sign <= 0:
            word = "above" if proposal.side is Side.BUY else "below"
            limit = f"{word} the entry at {number(entry)}"
            return failed("venue_terms", f"take-profit {number(profit)}", limit, f"a take-profit {limit}")
        return passed("venue_terms", found, limit)


def _conditional(proposal: Proposal, view: DeskView) -> int:
    """Conditional orders that this entry, and those that have not filled, may need beside those that stand:
    a stop and the one that replaces it, and a take-profit.
    """
    waiting = {
        symbol
        for symbol, item in view.symbols.items()
        if item.position.flat and any(order.request.role is OrderRole.ENTRY for order in view.orders(symbol))
    }
    each = STOPS_AT_ONCE + (proposal.intent.take_profit is not None)
    return STOPS_AT_ONCE * len(waiting - {proposal.intent.symbol}) + each


def _whole(proposal: Proposal, view: DeskView) -> Decimal:
    """Contracts of ours in that direction when this and all entries that work have filled.

    A position in the other direction takes nothing off: its stop may close it first.
    """
    symbol, side = proposal.intent.symbol, proposal.side
    working = sum((order.remaining for order in entries(view, symbol, side)), proposal.size)
    return working + max(ZERO, side.sign * view.symbols[symbol].position.size)


def _between(stop: Decimal, low: Decimal | None, high: Decimal | None, instrument: Instrument) -> Finding:
    """Strictly between the two, each of which may be absent (no liquidation price)."""
    shown_low = "" if low is None else f"{number(_short(low))} < "
    shown_high = "" if high is None else f" < {number(_short(high))}"
    limit = f"{shown_low}stop{shown_high}"
    ok = stop > 0 and (low is None or low < stop) and (high is None or stop < high)
    if ok:
        return passed("hard_stop", f"stop {number(stop)}", limit)
    impossible = low is not None and high is not None and low + instrument.tick_size >= high
    advice = "a smaller size: liquidation is too near" if impossible else f"a stop with {limit}"
    return failed("hard_stop", f"stop {number(stop)}", limit, advice)


def _short(price: Decimal) -> Decimal:
    """Six decimals are enough to read; the comparison used them all."""
    return price.quantize(Decimal("0.000001"))
