"""What an entry may be: within the cap with everything filled, its stop between liquidation and entry.

Reckoned in fractions from what is ``Known``; none of the desk's own sizing is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

from contractdesk.domain.instrument import ContractKind
from contractdesk.domain.orders import OrderRequest, OrderRole, Side
from contractdesk.risk.settings import CapBasis
from tests.engine.risk_known import Held, Known
from tests.engine.risk_terms import bracket, maintenance, value
from tests.engine.risk_venue import RiskVenue
from tests.engine.risk_witness import Trading


class EntryLaws:
    def __init__(self, known: Known, trading: Trading, venue: RiskVenue) -> None:
        self.known, self.trading, self.venue = known, trading, venue

    def check(self, ask: OrderRequest, stop: Decimal) -> None:
        """AssertionError where the entry must not have been sent."""
        item = self.known.held[ask.symbol]
        assert item.mark == item.trusted, f"{ask.symbol}: an entry on a mark in doubt"
        self._capped(item, ask)
        self._stop_between(item, ask, stop)

    def _worst(self, item: Held, side: Side, price: Decimal | None) -> tuple[Fraction, Fraction]:
        """(the price of the largest notional, the worst execution) of an order."""
        assert item.mark is not None
        if price is None:
            touch = item.mark if item.touch is None else item.touch[side is Side.BUY]
            execution = Fraction(touch) * (1 + side.sign * Fraction(self.trading.settings.slippage_collar))
        else:
            execution = Fraction(price)
        worse = max if item.terms.kind is ContractKind.LINEAR else min
        return worse(Fraction(item.mark), execution), execution

    def _pending(self, item: Held, ask: OrderRequest) -> Iterator[tuple[Decimal, Fraction, Fraction]]:
        """(contracts, worst, execution) of the new entry and of all of its side that may still fill."""
        yield ask.size, *self._worst(item, ask.side, ask.price)
        for sent in self.known.orders(item.terms.symbol, OrderRole.ENTRY):
            if sent.side is ask.side and not self.lost(sent.client_id):
                yield sent.left, *self._worst(item, sent.side, sent.price)

    def lost(self, client_id: str) -> bool:
        """The venue never had it, or has not any more, and the desk was told so twice."""
        order = self.venue.orders.get(client_id)
        return self.known.sent[client_id].absent >= 2 and (order is None or not order.live)

    def _capped(self, item: Held, ask: OrderRequest) -> None:
        account, terms = self.known.account, item.terms
        assert account is not None
        assert item.mark is not None
        total = abs(value(terms, item.net, item.mark))
        for size, worst, _ in self._pending(item, ask):
            units = Fraction(size) * Fraction(terms.contract_size)
            total += units * worst if terms.kind is ContractKind.LINEAR else units / worst
        if self.trading.settings.cap_basis is CapBasis.MARGIN:
            total /= Fraction(min(self.venue.leverage[terms.symbol], bracket(terms, total).max_leverage))
        most = Fraction(self.trading.settings.size_cap) * Fraction(account.equity)
        assert total <= most, f"{terms.symbol}: {float(total)} is beyond the cap of {float(most)}"

    def _stop_between(self, item: Held, ask: OrderRequest, stop: Decimal) -> None:
        """Below the mark and the entry, and the account is solvent at the stop once all has filled."""
        account, sign, terms = self.known.account, ask.side.sign, item.terms
        assert account is not None
        assert item.mark is not None
        assert sign * (item.mark - stop) > 0, "the stop is beyond the mark"
        assert ask.price is None or sign * (ask.price - stop) > 0, "the stop is beyond the entry"
        if item.external:
            return  # what that has cost only the venue knows
        size, cost = Fraction(item.size), item.cost
        free = Fraction(account.wallet_balance)
        for part, _, price in self._pending(item, ask):
            units = Fraction(part) * Fraction(terms.contract_size)
            worth = units * price if terms.kind is ContractKind.LINEAR else units / price
            size, cost = size + sign * Fraction(part), cost + sign * worth
            free -= worth * Fraction(terms.taker_fee)
        rows = {row.symbol: row for row in account.positions}
        row, needed = rows.get(terms.symbol), Fraction(account.maintenance_margin)
        free += Fraction(account.unrealized_pnl)
        if row is not None:
            free -= Fraction(row.unrealized_pnl)
            needed -= maintenance(terms, abs(value(terms, row.size, item.mark)))
        units = size * Fraction(terms.contract_size)
        at_stop = units * Fraction(stop) if terms.kind is ContractKind.LINEAR else units / Fraction(stop)
        made = at_stop - cost if terms.kind is ContractKind.LINEAR else cost - at_stop
        left = free + made - max(Fraction(0), needed) - maintenance(terms, abs(at_stop))
        assert left > 0, f"{terms.symbol}: liquidated before its stop at {stop}"
