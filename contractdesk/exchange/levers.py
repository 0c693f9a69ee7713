"""What a venue does of its own accord, and seldom: by these a test, or a person, has it done now."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import pairwise

from contractdesk.exchange.algos import Algos
from contractdesk.exchange.clearing import Clearing
from contractdesk.exchange.events import Event
from contractdesk.exchange.floor import Floor
from contractdesk.exchange.funding import FundingSchedule
from contractdesk.exchange.market import Market, MarkTick, Message, Taker
from contractdesk.exchange.matching import Matcher
from contractdesk.exchange.open_interest import OpenInterest
from contractdesk.exchange.rows import FundingRate
from contractdesk.exchange.words import OrderStatus, Reason, Refused, Side, SymbolStatus

NS_PER_MS = 1_000_000


class Levers:
    """Works on the parts of one exchange; Refused(UNKNOWN_SYMBOL, UNKNOWN_ACCOUNT) as anywhere."""

    def __init__(
        self,
        floor: Floor,
        markets: Mapping[str, Market],
        schedules: Mapping[str, FundingSchedule],
        interest: OpenInterest,
        clearing: Clearing,
        matcher: Matcher,
        algos: Algos,
        apply: Callable[[str, Message], None],
        conclude: Callable[[], None],
    ) -> None:
        self._floor = floor
        self._opening_ns = floor.now_ns
        self._markets = markets
        self._schedules = schedules
        self._interest = interest
        self._clearing = clearing
        self._matcher = matcher
        self._algos = algos
        self._apply = apply
        self._conclude = conclude

    def walk_to(self, symbol: str, price: Decimal, seconds: float) -> None:
        """Lead a generated market to ``price``; Refused(MARKET_NOT_STEERABLE) for any other one."""
        listing = self._floor.listing(symbol)
        if not price.is_finite() or price <= 0:
            raise Refused(Reason.PRICE_NOT_POSITIVE, str(price))
        self._markets[symbol].walk_to(max(1, int(price / listing.instrument.tick_size)), seconds)

    def settle_funding(self, symbol: str, rate: Decimal | None = None) -> list[Event]:
        """Settle now, ahead of the schedule, at ``rate`` or else at the one in force."""
        schedule = self._schedules[self._floor.listing(symbol).symbol]
        in_force = schedule.rate if rate is None else rate
        schedule.settled.append(self._clearing.settle_funding(symbol, in_force, self._floor.now_ns))
        self._clearing.review(symbol)
        self._conclude()
        return self._floor.drain()

    def recall_funding(self, symbol: str, past: Sequence[tuple[int, Decimal]]) -> None:
        """Let (time in ns, rate) be settlements from before the opening, when nobody held anything.

        ValueError where they do not ascend, or do not all lie before what is known.
        """
        listing, settled = self._floor.listing(symbol), self._schedules[symbol].settled
        known_ns = settled[0].ts_ns if settled else self._opening_ns
        times = [ts_ns for ts_ns, _ in past]
        if any(after <= before for before, after in pairwise([*times, known_ns])):
            raise ValueError(f"settlements of the past ascend, and end before {known_ns}")
        mark = self._floor.marks[listing.symbol].mark_price
        rows = [FundingRate(symbol=symbol, rate=rate, mark_price=mark, ts_ns=ts_ns) for ts_ns, rate in past]
        settled.extendleft(reversed(rows))

    def set_open_interest(self, symbol: str, amount: Decimal) -> None:
        """Make it ``amount`` from now on; ValueError where our accounts hold more."""
        self._interest.set(symbol, amount)

    def print_mark(self, symbol: str, price: Decimal) -> list[Event]:
        """Print one mark, wherever the index is: what it reaches triggers; the market's next one follows."""
        now = self._floor.marks[self._floor.listing(symbol).symbol]
        self._apply(symbol, MarkTick(price, now.index_price, now.funding_rate, now.next_funding_ns))
        return self._floor.drain()

    def trade(self, symbol: str, count: int) -> list[Event]:
        """Let the market take one lot ``count`` times, buying and selling in turn: so many prints."""
        self._floor.listing(symbol)
        for number in range(count):
            self._apply(symbol, Taker(Side.BUY if number % 2 else Side.SELL, 1))
        return self._floor.drain()

    def liquidate(self, name: str, symbol: str, quantity: Decimal) -> list[Event]:
        """Close so much of a position by force, as a liquidation in part does; its orders stay."""
        return self._force(name, symbol, quantity, "autoclose-")

    def deleverage(self, name: str, symbol: str, quantity: Decimal) -> list[Event]:
        """Close so much of a position by force, for another account's loss; its orders stay."""
        return self._force(name, symbol, quantity, "adl_autoclose-")

    def set_status(self, symbol: str, status: SymbolStatus) -> None:
        """What may be done in a contract from now on."""
        self._floor.statuses[self._floor.listing(symbol).symbol] = status

    def delist(self, symbol: str) -> list[Event]:
        """Settle every position at the mark, cancel every order: the contract trades no more."""
        self._clearing.delist(self._floor.listing(symbol).symbol)
        self._conclude()
        return self._floor.drain()

    def adjust(self, name: str, asset: str, amount: Decimal) -> list[Event]:
        """Change a wallet by what no ledger entry that is shown explains."""
        self._clearing.adjust(self._floor.account(name), asset, amount)
        return self._floor.drain()

    def _force(self, name: str, symbol: str, quantity: Decimal, prefix: str) -> list[Event]:
        account, listing = self._floor.account(name), self._floor.listing(symbol)
        lots = int(quantity / listing.instrument.lot_size)
        if not 0 < lots <= abs(account.holdings[listing.symbol].lots):
            raise ValueError(f"{name} does not hold {quantity} of {symbol}")
        self._clearing.close_part(account, symbol, lots, f"{prefix}{self._floor.now_ns // NS_PER_MS}")
        self._conclude()
        return self._floor.drain()

    def expire_algos(self, name: str, symbol: str) -> list[Event]:
        """Take away every open algo order of an account and symbol, as a venue does that removes them."""
        self._algos.expire_all(self._floor.account(name).name, self._floor.listing(symbol).symbol, "removed")
        return self._floor.drain()

    def refilter(self, symbol: str, **changes: Decimal) -> None:
        """Change the filters of a contract; what rests stays. ValueError for a finer grid."""
        self._floor.listing(symbol).refilter(**changes)

    def overfill(self, name: str, symbol: str, quantity: Decimal) -> list[Event]:
        """Fill an account's oldest resting order, and ``quantity`` more than it was for."""
        account, listing = self._floor.account(name), self._floor.listing(symbol)
        resting = self._floor.orders.resting(account.name, listing.symbol)
        lots = int(quantity / listing.instrument.lot_size)
        if not resting or lots <= 0:
            raise ValueError(f"{name} has no order in {symbol} to fill beyond its size")
        self._matcher.overfill(self._floor.orders.rows[resting[0].order_id], lots)
        self._conclude()
        return self._floor.drain()

    def expire_orders(self, name: str, symbol: str) -> list[Event]:
        """Take every resting order of an account and symbol out of the book."""
        account = self._floor.account(name).name
        for resting in self._floor.orders.resting(account, self._floor.listing(symbol).symbol):
            self._matcher.unrest(self._floor.orders.rows[resting.order_id])
            self._matcher.close(resting.order_id, OrderStatus.EXPIRED, "removed")
        self._conclude()
        return self._floor.drain()
