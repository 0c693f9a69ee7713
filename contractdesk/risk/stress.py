"""What if prices moved by so much at once? Equity, margins, liquidation, and what would fire.

Nothing here trades: stops are not filled, they are said to fire; closings of the margin guard are at the
shocked mark, with the taker's fee.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction

from msgspec import Struct

from contractdesk.domain.account import Account, liquidation_price
from contractdesk.domain.instrument import ZERO, cash
from contractdesk.domain.orders import Side
from contractdesk.domain.views import DeskView, SymbolView
from contractdesk.errors import ConfigError
from contractdesk.risk.margin_guard import smallest_position
from contractdesk.risk.proposal import mark_of
from contractdesk.risk.settings import RiskSettings
from contractdesk.risk.sizing import cap_used, entries, held_cost, net_size
from contractdesk.risk.words import money, number, percent

MOST = 100  # times the price


class Shock(Struct, frozen=True, kw_only=True):
    """``price`` by symbol, or for all of them: -0.1 is ten per cent lower. ConfigError for what cannot be."""

    price: Decimal | Mapping[str, Decimal] = ZERO
    funding: Decimal = ZERO  # a settlement at that rate, before
    leverage: Decimal | None = None  # instead of those in force

    def __post_init__(self) -> None:
        moves = self.price.values() if isinstance(self.price, Mapping) else (self.price,)
        for move in moves:
            if not move.is_finite() or not -1 < move <= MOST:
                words = f"a share of the price above -1 and up to {MOST}, as -0.1"
                raise ConfigError(f"price={move} is not permitted: {words}")
        if not self.funding.is_finite():
            raise ConfigError(f"funding={self.funding} is not permitted: a rate, as 0.0005")
        if self.leverage is not None and not 1 <= self.leverage <= 1000:
            raise ConfigError(f"leverage={self.leverage} is not permitted: from 1 to 1000")

    def of(self, symbol: str) -> Decimal:
        return self.price.get(symbol, ZERO) if isinstance(self.price, Mapping) else self.price


class StressedPosition(Struct, frozen=True, kw_only=True):
    """One position after the shock; amounts in the settle currency."""

    symbol: str
    size: Decimal  # contracts, ours and external; + long
    mark: Decimal  # before
    shocked: Decimal  # after
    change: Decimal  # of the profit
    notional: Decimal
    initial_margin: Decimal  # open orders included
    maintenance_margin: Decimal
    liquidation_price: Decimal | None  # None: there is none
    stop_price: Decimal | None
    stop_fires: bool


class Firing(Struct, frozen=True, kw_only=True):
    """One rule after the shock."""

    rule: str
    fires: bool
    found: str
    limit: str
    then: str = ""


class Stress(Struct, frozen=True, kw_only=True):
    """The whole account after the shock; amounts in ``asset``."""

    asset: str
    equity_before: Decimal
    equity: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    margin_ratio: Decimal | None  # initial margin over equity; None where there is no equity
    positions: tuple[StressedPosition, ...]
    rules: tuple[Firing, ...]
    unknown: tuple[str, ...] = ()  # positions that are not watched: taken as they are


class _Line(Struct, kw_only=True):
    """One symbol at its shocked mark, exact."""

    symbol: str
    item: SymbolView
    size: Decimal
    cost: Fraction
    mark: Decimal
    shocked: Decimal
    leverage: Decimal
    bids: Fraction
    asks: Fraction

    @property
    def worth(self) -> Fraction:
        return self.item.instrument.cost(self.size, self.shocked)

    @property
    def worth_before(self) -> Fraction:
        return self.item.instrument.cost(self.size, self.mark)

    @property
    def profit(self) -> Fraction:
        return self.item.instrument.exact_pnl(self.size, self.cost, self.shocked)

    @property
    def profit_before(self) -> Fraction:
        return self.item.instrument.exact_pnl(self.size, self.cost, self.mark)

    def initial(self, *, orders: bool = True) -> Fraction:
        """Of the larger of |position|, |position + bids| and |position - asks|, as venues count it."""
        exposure = abs(self.worth)
        if orders:
            exposure = max(exposure, abs(self.worth + self.bids), abs(self.worth - self.asks))
        tier = self.item.instrument.tier(exposure)
        return exposure / Fraction(min(self.leverage, tier.max_leverage))

    @property
    def maintenance(self) -> Fraction:
        notional = abs(self.worth)
        tier = self.item.instrument.tier(notional)
        return notional * Fraction(tier.maintenance_rate) - Fraction(tier.maintenance_amount)


def stressed(view: DeskView, settings: RiskSettings, shock: Shock) -> Stress | None:
    """The account under the shock; None while there is no account to stress."""
    account = view.account
    if account is None:
        return None
    lines = [line for symbol in view.symbols if (line := _line(view, account, symbol, shock)) is not None]
    known = {line.symbol for line in lines}
    rows = (row for row in account.positions if row.size and row.symbol not in known)
    unknown = [row for row in rows if row.settles_in(account.asset)]
    funding = sum((-line.worth_before * Fraction(shock.funding) for line in lines), Fraction(0))
    wallet = Fraction(view.wallet_balance) + funding  # as new as the positions are
    unrealized = sum((line.profit for line in lines), Fraction(0))
    unrealized += sum((Fraction(position.unrealized_pnl) for position in unknown), Fraction(0))
    equity = wallet + unrealized
    initial = sum((line.initial() for line in lines), Fraction(0))
    maintenance = sum((line.maintenance for line in lines if line.size), Fraction(0))
    if unknown:  # their margins are the rest of what the account shows
        before = [_line(view, account, line.symbol, Shock()) for line in lines]
        rest = [line for line in before if line is not None]
        bound = sum((line.initial() for line in rest), Fraction(0))
        initial += max(Fraction(0), Fraction(account.initial_margin) - bound)
        bound = sum((line.maintenance for line in rest if line.size), Fraction(0))
        maintenance += max(Fraction(0), Fraction(account.maintenance_margin) - bound)
    change = funding + sum((line.profit - line.profit_before for line in lines), Fraction(0))
    return Stress(
        asset=account.asset,
        equity_before=cash(equity - change),
        equity=cash(equity),
        initial_margin=cash(initial),
        maintenance_margin=cash(maintenance),
        margin_ratio=cash(initial / equity) if equity > 0 else None,
        positions=tuple(_position(line, lines, wallet) for line in lines if line.size),
        rules=(
            _liquidation(equity, maintenance, account),
            _breaker(view, settings, change),
            _guard(settings, lines, equity, initial),
            *(_stop(line) for line in lines if line.item.position.size),
            *(_cap(settings, line, equity, account) for line in lines if line.size),
        ),
        unknown=tuple(position.symbol for position in unknown),
    )


def _line(view: DeskView, account: Account, symbol: str, shock: Shock) -> _Line | None:
    """None for a symbol without a mark or of another settle currency."""
    item = view.symbols[symbol]
    mark, terms = mark_of(item), item.instrument
    leverage = shock.leverage or item.leverage
    if mark is None or terms.settle != account.asset or leverage <= 0:
        return None
    shocked = mark * (1 + shock.of(symbol))
    sides = dict.fromkeys(Side, Fraction(0))
    for order in entries(view, symbol):
        price = order.request.price or shocked
        sides[order.request.side] += abs(terms.cost(order.remaining, price))
    return _Line(
        symbol=symbol, item=item, size=net_size(item), cost=held_cost(account, item), mark=mark,
        shocked=shocked, leverage=leverage, bids=sides[Side.BUY], asks=sides[Side.SELL],
    )  # fmt: skip


def _position(line: _Line, lines: list[_Line], wallet: Fraction) -> StressedPosition:
    others = [other for other in lines if other is not line and other.size]
    price = liquidation_price(
        line.item.instrument,
        line.size,
        line.cost,
        cash(wallet),
        other_maintenance=cash(sum((other.maintenance for other in others), Fraction(0))),
        other_unrealized=cash(sum((other.profit for other in others), Fraction(0))),
    )
    return StressedPosition(
        symbol=line.symbol,
        size=line.size,
        mark=line.mark,
        shocked=line.shocked,
        change=cash(line.profit - line.profit_before),
        notional=cash(abs(line.worth)),
        initial_margin=cash(line.initial()),
        maintenance_margin=cash(line.maintenance),
        liquidation_price=price,
        stop_price=line.item.stop_price,
        stop_fires=_fires(line),
    )


# -- what would fire ----------------------------------------------------------------------------


def _fires(line: _Line) -> bool:
    stop, size = line.item.stop_price, line.item.position.size
    if stop is None or not size:
        return False
    return line.shocked <= stop if size > 0 else line.shocked >= stop


def _liquidation(equity: Fraction, maintenance: Fraction, account: Account) -> Firing:
    fires = maintenance > 0 and equity <= maintenance
    return Firing(
        rule="liquidation",
        fires=fires,
        found=f"equity {money(equity, account.asset, up=False)}",
        limit=f"> maintenance margin {money(maintenance, account.asset)}",
        then="the venue would close positions" if fires else "",
    )


def _breaker(view: DeskView, settings: RiskSettings, change: Fraction) -> Firing:
    drawdown, drop = view.drawdown_after(cash(change)), settings.breaker_drop
    fires = drawdown is not None and drawdown <= -drop
    return Firing(
        rule="breaker",
        fires=fires,
        found="nothing measured yet" if drawdown is None else f"{drawdown * 100:.2f} % of equity",
        limit=f"> -{number(drop * 100)} % within {settings.breaker_window_s:g} s",
        then="HALTED, entries cancelled, until a person resets it" if fires else "",
    )


def _guard(settings: RiskSettings, lines: list[_Line], equity: Fraction, initial: Fraction) -> Firing:
    limit = Fraction(settings.margin_guard)
    fires = initial > limit * max(equity, Fraction(0))
    found = f"{percent(initial, equity)} of equity in use" if equity > 0 else "no equity"
    then = _unwinding(lines, equity, limit) if fires else ""
    words = f"<= {number(settings.margin_guard * 100)} % of equity"
    return Firing(rule="margin_guard", fires=fires, found=found, limit=words, then=then)


def _unwinding(lines: list[_Line], equity: Fraction, limit: Fraction) -> str:
    """Entries, then our positions from the smallest on, until it is below."""
    held = {line.symbol: cash(abs(line.worth)) for line in lines if line.item.position.size}
    by_symbol = {line.symbol: line for line in lines}
    left = sum((line.initial(orders=False) for line in lines), Fraction(0))
    words = ["entries cancelled"] if any(line.bids or line.asks for line in lines) else []
    while left > limit * max(equity, Fraction(0)) and (symbol := smallest_position(held)):
        line = by_symbol[symbol]
        left -= line.initial(orders=False)
        equity -= abs(line.worth) * Fraction(max(ZERO, line.item.instrument.taker_fee))
        del held[symbol]
        words.append(f"{symbol} closed")
    return ", then ".join(words)


def _stop(line: _Line) -> Firing:
    stop, fires = line.item.stop_price, _fires(line)
    terms, ours = line.item.instrument, line.item.position  # it closes what is ours
    at_stop = ours.unrealized_pnl(terms, stop) if stop is not None else ZERO
    there = ours.unrealized_pnl(terms, line.shocked)
    slip = f"; at the stop it would be {money(at_stop, terms.settle, up=False)}" if fires else ""
    return Firing(
        rule=f"hard_stop {line.symbol}",
        fires=fires,
        found=f"mark {number(_short(line.shocked))}",
        limit="no stop" if stop is None else f"stop {number(stop)}",
        then=f"closed near the mark: {money(there, terms.settle, up=False)}{slip}" if fires else "",
    )


def _cap(settings: RiskSettings, line: _Line, equity: Fraction, account: Account) -> Firing:
    exposure = abs(line.worth) + max(line.bids, line.asks)
    used = cap_used(line.item, exposure, settings.cap_basis, line.leverage) or Fraction(0)
    most = max(equity, Fraction(0)) * Fraction(settings.size_cap)
    return Firing(
        rule=f"size_cap {line.symbol}",
        fires=used > most,
        found=money(used, account.asset),
        limit=f"<= {money(most, account.asset, up=False)}",
        then="no more entries" if used > most else "",
    )


def _short(price: Decimal) -> Decimal:
    return price.quantize(Decimal("0.000001"))
