"""A market that stands exactly where it was put, so that the limits of the rules can be met to the unit.

It is steered by ``/control/price`` as the generated one is, but jumps: the very mark that was asked for
is printed at once, its index beside it, and then four times a second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from contractdesk.exchange.core import Exchange
from contractdesk.exchange.listings import default_listings
from contractdesk.exchange.market import Depth, Level, MarkTick, Message
from contractdesk.exchange.prints import NS_PER_MIN, NS_PER_S, BarRow, Prints
from contractdesk.exchange.terms import Listing

FUNDING_INTERVAL_NS = 8 * 3600 * NS_PER_S
EVERY_NS = NS_PER_S // 4
HALF_SPREAD = 10  # ticks from the mark to the best price of either side
LEVELS = 5
LOTS = 10_000_000  # a level: more than any test takes
BARS = 60  # minutes of history
OPENING = {"BTCUSDT": Decimal(60_000), "ETHUSDT": Decimal(3_000), "SOLUSDT": Decimal(150)}


class StillMarket:
    """One symbol: a deep book ``HALF_SPREAD`` ticks around its mark; no trade but those of its users."""

    def __init__(self, listing: Listing, price: Decimal, start_ns: int) -> None:
        self._listing = listing
        self._tick = self._goal = int(price / listing.instrument.tick_size)
        self._start_ns = start_ns
        self._next_ns = start_ns + EVERY_NS
        self._lots = self._offered = LOTS
        self.step = 1  # ticks between its levels
        self.silent = False  # True: no mark is printed but that of a move
        self._there: tuple[list[Level], list[Level]] = ([], [])  # what is shown
        self.reach = self._tick // 2_000  # ticks from a bar's middle to its high and low: 0.05 %

    @property
    def next_ns(self) -> int:
        unchanged = (self._goal, self._offered) == (self._tick, self._lots)
        return self._next_ns if unchanged else self._start_ns

    @property
    def funding_interval_ns(self) -> int:
        return FUNDING_INTERVAL_NS

    def open(self, prints: Prints) -> tuple[Depth, MarkTick]:
        """An hour of bars, all alike, whose true range is twice ``reach``."""
        first_ns = self._start_ns - self._start_ns % NS_PER_MIN - BARS * NS_PER_MIN
        for number in range(BARS):
            row = BarRow(first_ns + number * NS_PER_MIN, self._tick)
            for tick in (self._tick + self.reach, self._tick - self.reach, self._tick):
                row.add(tick, 1, self._listing.quote_value(1, tick), buyer_is_maker=False)
            prints.minutes.append(row)
        prints.aggregate([prints.trade(self._start_ns, self._tick, 1, buyer_is_maker=False)])
        self._there = self._quotes(self._tick, self._lots)
        return Depth(*self._there), self._mark()

    def pop(self) -> Sequence[Message]:
        before, due = self._tick, self.next_ns == self._next_ns
        self._tick, self._lots = self._goal, self._offered
        if due:
            self._next_ns += EVERY_NS
        there = self._quotes(self._tick, self._lots)
        gone = [(tick, 0) for tick, _ in self._there[0]], [(tick, 0) for tick, _ in self._there[1]]
        self._there = there
        depth = Depth(gone[0] + there[0], gone[1] + there[1])
        printed = before != self._tick or (due and not self.silent)
        return (depth, self._mark()) if printed else (depth,)

    def sleep_until(self, now_ns: int) -> None:
        self._next_ns = max(self._next_ns, now_ns)

    def walk_to(self, tick: int, seconds: float) -> None:
        self._goal = tick

    def offer(self, lots: int) -> None:
        """Show so many lots a level from now on; 0 leaves the book to its users."""
        self._offered = lots

    def _mark(self) -> MarkTick:
        price = self._listing.price(self._tick)
        return MarkTick(price, price, Decimal(0), self._start_ns + FUNDING_INTERVAL_NS)

    def _quotes(self, middle: int, lots: int) -> tuple[list[Level], list[Level]]:
        steps = [HALF_SPREAD + number * self.step for number in range(LEVELS)]
        return [(middle - step, lots) for step in steps], [(middle + step, lots) for step in steps]


def still_exchange(
    now_ns: int, opening: Mapping[str, Decimal] = OPENING
) -> tuple[Exchange, dict[str, StillMarket]]:
    """BTC at 60,000, ETH at 3,000 and SOL at 150, in which nothing happens by itself."""
    listings = tuple(one for one in default_listings() if one.symbol in opening)
    markets = {one.symbol: StillMarket(one, opening[one.symbol], now_ns) for one in listings}
    return Exchange(listings, markets, now_ns), markets
