"""A desk for the rules to look at: plain values behind the faces of ``domain.views``."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal

from contractdesk.domain.account import Account, MarginMode
from contractdesk.domain.book import Book
from contractdesk.domain.commands import Approved
from contractdesk.domain.histories import FundingHistory, OpenInterestHistory
from contractdesk.domain.instrument import ZERO, Instrument, Rounding
from contractdesk.domain.intents import Finding, FixedStop, Intent, IntentKind, Refused
from contractdesk.domain.market import pack_levels
from contractdesk.domain.orders import Order, OrderRequest, OrderRole, OrderStatus, OrderType, Side
from contractdesk.domain.position import Position, Trail
from contractdesk.domain.views import TradingState
from contractdesk.risk.gate import RiskGate
from contractdesk.risk.settings import RiskSettings
from tests.domain.terms import INVERSE, LINEAR

D = Decimal
TEN, ATR = D(10), D(400)
NS_PER_S = 1_000_000_000
NOW = 1_700_000_000 * NS_PER_S
HOUR_NS = 3600 * NS_PER_S


def settled(*rates: tuple[int, str]) -> FundingHistory:
    """The settlements (hours before NOW, rate) of a history that is known for nine days."""
    history = FundingHistory(since_ns=NOW - 9 * 24 * HOUR_NS, until_ns=NOW)
    for hours, rate in rates:
        history.settle(NOW - hours * HOUR_NS, D(rate))
    return history


def interest(*amounts: str) -> OpenInterestHistory:
    """Open interest each five minutes for two hours up to NOW: the amounts are the last ones."""
    history = OpenInterestHistory()
    steady = ["1000"] * (25 - len(amounts))
    for back, amount in enumerate(reversed([*steady, *amounts])):
        history.take(NOW - back * HOUR_NS // 12, D(amount))
    return history


def book(instrument: Instrument, bid: str, ask: str, lots: int = 1_000_000) -> Book:
    made = Book()
    levels = [pack_levels([(instrument.to_ticks(D(price)), lots)]) for price in (bid, ask)]
    made.apply_snapshot(levels[0], levels[1], 1)
    return made


@dataclass
class Item:
    """One symbol, in order: a ``SymbolView``."""

    instrument: Instrument
    book: Book
    mark: Decimal | None
    position: Position
    book_alive_ns: int = NOW
    ready: bool = True
    not_ready_reason: str = ""
    last: Decimal | None = None
    index: Decimal | None = None
    mark_ns: int = NOW
    mark_venue_ns: int = NOW
    funding_rate: Decimal | None = None
    next_funding_ns: int = 0
    settlements: FundingHistory = field(default_factory=lambda: settled())
    interest: OpenInterestHistory = field(default_factory=lambda: interest())
    leverage: Decimal = TEN
    margin_mode: MarginMode = MarginMode.CROSS
    external_size: Decimal = ZERO
    stop_price: Decimal | None = None
    guarded: Decimal = ZERO
    trail: Trail = field(default_factory=Trail)
    mark_valid: bool = True

    def hold(self, size: str, price: str) -> None:
        """Own a position of ``size`` contracts at ``price``."""
        self.position = Position(
            symbol=self.instrument.symbol, size=D(size), cost=self.instrument.cost(D(size), D(price))
        )


@dataclass
class Desk:
    """The whole desk: a ``DeskView``."""

    symbols: dict[str, Item]
    account: Account | None
    now_ns: int = NOW
    state: TradingState = TradingState.ACTIVE
    account_ns: int = NOW
    clock_offset_ms: float = 0.0
    loop_lag_ms: float = 1.0
    private_stream_ready: bool = True
    breaker_reason: str = ""
    drawdown: Decimal | None = ZERO
    working: list[Order] = field(default_factory=list)
    atr_value: Decimal | None = ATR
    unwinding: str = ""
    conditional_room: int | None = None
    entry_times: list[int] = field(default_factory=list)
    day_change: Decimal | None = ZERO
    told: Decimal | None = None  # of the wallet, since the account was read

    @property
    def wallet_balance(self) -> Decimal:
        if self.told is not None:
            return self.told
        return ZERO if self.account is None else self.account.wallet_balance

    def orders(self, symbol: str) -> Iterable[Order]:
        return [order for order in self.working if order.request.symbol == symbol and order.status.open]

    def waits(self, symbol: str, strategy_id: str) -> bool:
        return False

    def drawdown_after(self, change: Decimal) -> Decimal | None:
        """As if nothing had been made or lost before."""
        if self.account is None or self.account.equity <= 0:
            return None
        return min(ZERO, change / self.account.equity)

    def atr(self, symbol: str, timeframe: str, period: int) -> Decimal | None:
        return self.atr_value


def account(equity: str, *, available: str | None = None, asset: str = "USDT") -> Account:
    return Account(
        asset=asset,
        wallet_balance=D(equity),
        unrealized_pnl=ZERO,
        initial_margin=ZERO,
        maintenance_margin=ZERO,
        available=D(equity if available is None else available),
    )


def linear_desk(equity: str = "10000", *, available: str | None = None) -> Desk:
    """Mark 60,000; touch 59,999.9 / 60,000.1; the cap is 3 % of 10,000 = 300 USDT."""
    item = Item(LINEAR, book(LINEAR, "59999.9", "60000.1"), D(60_000), Position(symbol=LINEAR.symbol))
    return Desk({LINEAR.symbol: item}, account(equity, available=available))


def inverse_desk(equity: str = "1") -> Desk:
    """Mark 50,000; touch 49,999.9 / 50,000.1; the cap is 3 % of 1 = 0.03 BTC = 15 contracts."""
    item = Item(INVERSE, book(INVERSE, "49999.9", "50000.1"), D(50_000), Position(symbol=INVERSE.symbol))
    return Desk({INVERSE.symbol: item}, account(equity, asset="BTC"))


def only(desk: Desk) -> Item:
    return next(iter(desk.symbols.values()))


def order(
    instrument: Instrument,
    side: Side,
    size: str,
    price: str | None,
    *,
    status: OrderStatus = OrderStatus.WORKING,
    filled: str = "0",
    role: OrderRole = OrderRole.ENTRY,
    created_ns: int = NOW - NS_PER_S,
) -> Order:
    request = OrderRequest(
        client_id=f"{side.value}{size}{price}{status.value}",
        symbol=instrument.symbol,
        side=side,
        type=OrderType.MARKET if price is None else OrderType.LIMIT,
        size=D(size),
        role=role,
        price=None if price is None else D(price),
        reduce_only=role is not OrderRole.ENTRY,
    )
    return Order(
        request=request, status=status, filled=D(filled), created_ns=created_ns, updated_ns=created_ns
    )


def enter(
    desk: Desk,
    side: Side = Side.BUY,
    *,
    size: str | None = None,
    notional: str | None = None,
    amount: str | None = None,
    limit: str | None = None,
    stop: str | None = None,
    take_profit: str | None = None,
) -> Intent:
    """An entry in the desk's only symbol, stopped 1 % away unless said otherwise."""
    instrument, mark = only(desk).instrument, only(desk).mark or D(1)
    default = instrument.round_price(mark * (1 - side.sign * D("0.01")), Rounding.NEAREST)
    return Intent(
        kind=IntentKind.ENTER,
        symbol=instrument.symbol,
        side=side,
        size=None if size is None else D(size),
        notional=None if notional is None else D(notional),
        amount=None if amount is None else D(amount),
        limit=None if limit is None else D(limit),
        stop=FixedStop(default if stop is None else D(stop)),
        take_profit=None if take_profit is None else D(take_profit),
    )


def review(
    desk: Desk, intent: Intent, settings: RiskSettings | None = None
) -> tuple[Approved | Refused, dict[str, Finding]]:
    """The gate's word, and the findings by rule."""
    gate = RiskGate(settings or RiskSettings())
    outcome, findings = gate.review(
        intent, desk, intent_id=7, strategy_id="s", client_id="cd1", signal_ns=NOW - 5, timeframe="1m"
    )
    return outcome, {finding.rule: finding for finding in findings}


def approved(desk: Desk, intent: Intent, settings: RiskSettings | None = None) -> Approved:
    outcome, _ = review(desk, intent, settings)
    assert isinstance(outcome, Approved), outcome
    return outcome


def refused(desk: Desk, intent: Intent, settings: RiskSettings | None = None) -> Refused:
    outcome, _ = review(desk, intent, settings)
    assert isinstance(outcome, Refused), outcome
    return outcome
