"""What a person or a strategy may wish, sensible or not, drawn from a story's dice."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from random import Random

from contractdesk.domain.instrument import ContractKind, Instrument, Rounding
from contractdesk.domain.intents import AtrStop, FixedStop, Intent, IntentKind, StopSpec
from contractdesk.domain.orders import Side, TimeInForce
from tests.engine.risk_known import Held
from tests.engine.risk_oracle import Oracle
from tests.engine.risk_terms import D, value

ABSENT = "XRP/USDT:USDT"
ODD = (D("NaN"), D(0), D(-1), D("Infinity"))


class Wishes:
    def __init__(self, random: Random, oracle: Oracle) -> None:
        self.random, self.oracle = random, oracle

    def draw(self, symbol: str) -> Intent:
        """Any wish; most are entries."""
        item, roll = self.oracle.known.held[symbol], self.random.random()
        held = bool(item.size)
        if roll < (0.5 if held else 0.86):
            return self.entry(item)
        if roll < 0.68:
            return self.exit(item)
        if roll < 0.84:
            return self.move(item)
        if roll < 0.94 or item.external:
            return self.adopt(item)
        return Intent(kind=IntentKind.CANCEL, symbol=symbol)

    # -- entries ---------------------------------------------------------------------------

    def entry(self, item: Held) -> Intent:
        terms, random = item.terms, self.random
        side = random.choice(tuple(Side))
        if item.size and random.random() < 0.8:
            side = item.closing.opposite
        limit, tif = self._limit(item, side)
        wish = {
            "kind": IntentKind.ENTER,
            "symbol": terms.symbol if random.random() > 0.015 else ABSENT,
            "side": side,
            "limit": limit,
            "time_in_force": tif,
            "stop": self._stop(item, side, limit),
            "trail": random.choice([None, None, True, False]),
            "take_profit": self._profit(item, side),
            "expire_s": random.choice([None, None, 0.5, 5.0]),
            **self._size(item),
        }
        if random.random() < 0.02:
            wish[random.choice(["size", "limit", "take_profit"])] = random.choice(ODD)
        return Intent(**wish)

    def _price(self, item: Held) -> Decimal:
        return item.mark or self.oracle.venue.books.marks[item.terms.symbol]

    def _grid(self, terms: Instrument, price: Decimal) -> Decimal:
        return terms.round_price(price, Rounding.NEAREST)

    def _limit(self, item: Held, side: Side) -> tuple[Decimal | None, TimeInForce]:
        roll, price = self.random.random(), self._price(item)
        if roll < 0.5:
            return None, TimeInForce.GTC
        near = D(self.random.randint(-40, 40)).scaleb(-4)  # of the price; + is beyond it
        tif = self.random.choice([TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC, TimeInForce.FOK])
        if roll < 0.65:
            near, tif = -abs(near), TimeInForce.GTX
        return self._grid(item.terms, price * (1 + side.sign * near)), tif

    def _stop(self, item: Held, side: Side, limit: Decimal | None) -> StopSpec | None:
        roll, price = self.random.random(), self._price(item)
        base = price if limit is None else side.sign * min(side.sign * price, side.sign * limit)
        if roll < 0.2:
            return AtrStop(period=14, multiple=D(self.random.choice(["0.5", "2.5", "4"])))
        if roll < 0.23:
            return None
        if roll < 0.26:
            return FixedStop(price=self.random.choice(ODD))
        away = D(self.random.randint(2, 300)).scaleb(-4)
        if roll < 0.31:
            away = -away  # on the wrong side
        elif roll < 0.38:
            away = D(self.random.randint(10, 95)).scaleb(-2)  # perhaps behind the liquidation price
        return FixedStop(price=max(base * (1 - side.sign * away), item.terms.tick_size))

    def _profit(self, item: Held, side: Side) -> Decimal | None:
        if self.random.random() > 0.15:
            return None
        sign = side.sign if self.random.random() < 0.8 else -side.sign
        return self._price(item) * (1 + sign * D(self.random.randint(1, 200)).scaleb(-4))

    def _size(self, item: Held) -> dict[str, Decimal]:
        """As contracts, notional or base units; or not at all, for the cap's share."""
        roll, terms, price = self.random.random(), item.terms, self._price(item)
        if roll < 0.2:
            return {}
        cap = min(self.oracle.settings.size_cap, D(self.random.choice(["0.2", "2", "10"])))
        wanted = self.oracle.venue.books.equity() * cap * D(self.random.randint(2, 115)).scaleb(-2)
        if roll < 0.3:
            return {"size": terms.lot_size / self.random.choice([1, 2])}
        if wanted <= 0 or roll < 0.5:
            return {"notional": max(wanted, D("0.00000001"))}
        contracts = Fraction(wanted) / abs(value(terms, D(1), price))
        size = terms.lot_size * int(contracts / Fraction(terms.lot_size))
        if roll < 0.6 and terms.kind is ContractKind.LINEAR:
            return {"amount": max(size, terms.lot_size) * terms.contract_size}
        return {"size": max(size, terms.lot_size)}

    # -- the rest --------------------------------------------------------------------------

    def exit(self, item: Held) -> Intent:
        roll, price = self.random.random(), self._price(item)
        more: dict[str, Decimal] = {}
        if roll < 0.3:
            more["size"] = max(item.terms.lot_size, abs(item.size) / 2)
        elif roll < 0.33:
            more["size"] = self.random.choice(ODD)
        if self.random.random() < 0.25:
            more["limit"] = price * (1 + item.closing.sign * D(self.random.randint(-20, 40)).scaleb(-4))
        return Intent(kind=IntentKind.EXIT, symbol=item.terms.symbol, **more)

    def move(self, item: Held) -> Intent:
        """To any price around the mark, tighter or looser; or to follow, or to stay."""
        stop: StopSpec | None = None
        trail = self.random.choice([None, None, True, False])
        if self.random.random() < 0.7:
            sign = 1 if item.size > 0 else -1
            away = D(self.random.choice([self.random.randint(-30, 300), 5_000])).scaleb(-4)
            stop = FixedStop(price=max(self._price(item) * (1 - sign * away), item.terms.tick_size))
        elif self.random.random() < 0.4:
            stop = AtrStop(multiple=D(2))
        return Intent(kind=IntentKind.MOVE_STOP, symbol=item.terms.symbol, stop=stop, trail=trail)

    def adopt(self, item: Held) -> Intent:
        sign = 1 if item.net > 0 else -1
        away = D(self.random.choice([self.random.randint(-10, 400)] * 5 + [6_000])).scaleb(-4)
        stop: StopSpec = FixedStop(price=max(self._price(item) * (1 - sign * away), item.terms.tick_size))
        if self.random.random() < 0.3:
            stop = AtrStop()
        trail = self.random.choice([None, True])
        return Intent(kind=IntentKind.ADOPT, symbol=item.terms.symbol, stop=stop, trail=trail)
