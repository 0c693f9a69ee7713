"""An engine on a bench: started, fed by hand, its commands kept, its invariants checked."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TypeVar

from msgspec.structs import replace

from contractdesk.domain.account import Account, PositionMode, VenuePosition
from contractdesk.domain.commands import (
    CancelOrder,
    Command,
    Notify,
    PlaceStop,
    QueryOrder,
    ReadAccount,
    ReadVenueState,
    ReduceOrder,
    SubmitOrder,
)
from contractdesk.domain.events import (
    AccountRead,
    BookSnapshotRead,
    ChannelAlive,
    ClockMeasured,
    Event,
    FundingHistoryRead,
    InstrumentListed,
    IntentAsked,
    MarkPriced,
    ModesRead,
    OpenInterestRead,
    OrderAccepted,
    OrderCancelled,
    OrderFilled,
    OrderRead,
    OrderRejected,
    OutcomeUnknown,
    StreamName,
    StreamRestored,
    SymbolReady,
    TimePassed,
    VenueOrder,
    VenueStateRead,
)
from contractdesk.domain.fills import Fill, Liquidity
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.intents import FixedStop, Intent, IntentKind
from contractdesk.domain.market import pack_levels
from contractdesk.domain.orders import Side
from contractdesk.engine.engine import Engine, EngineConfig
from contractdesk.engine.state import Market, Tracked
from contractdesk.risk.settings import RiskSettings
from contractdesk.strategy.base import Strategy
from tests.domain.terms import LINEAR

D = Decimal
NS_PER_S = 1_000_000_000
START = 1_700_000_000 * NS_PER_S
INSTRUMENT = LINEAR
SYMBOL = INSTRUMENT.symbol
WALLET = D(10_000)
MARK = D(30_000)
CONFIG = EngineConfig(
    desk="bench",
    bot="b0t0",
    epoch=1,
    native_timeframes=("1m", "5m"),
    risk=RiskSettings(size_cap=D(1)),
)
C = TypeVar("C", bound=Command)


class Bench:
    """Feeds one engine; ``commands`` are those of the last event, ``sent`` all of them."""

    def __init__(
        self,
        classes: Mapping[str, type[Strategy]] | None = None,
        config: EngineConfig = CONFIG,
        *,
        started: bool = True,
    ) -> None:
        self.engine = Engine(config, {} if classes is None else classes)
        self.now_ns = START
        self.commands: list[Command] = []
        self.sent: list[Command] = []
        self.trades = 0
        if started:
            self.start()

    # -- feeding ---------------------------------------------------------------------------

    def feed(self, event: Event) -> list[Command]:
        self.commands = self.engine.handle(event)
        self.sent += self.commands
        self.engine.validate_state()
        return self.commands

    def start(self, account: Account | None = None) -> None:
        """The start-up contract, and a symbol that may be traded."""
        self.feed(InstrumentListed(ts_ns=self.now_ns, instrument=INSTRUMENT))
        self.feed(
            ModesRead(
                ts_ns=self.now_ns,
                position_mode=PositionMode.ONE_WAY,
                margin_modes={},
                leverages={SYMBOL: D(10)},
            )
        )
        self.feed(ClockMeasured(ts_ns=self.now_ns, offset_ms=0.0, rtt_ms=1.0))
        self.feed(StreamRestored(ts_ns=self.now_ns, stream=StreamName.PRIVATE))
        self.picture(0, account=account)
        self.make_ready()

    def make_ready(self, price: Decimal = MARK) -> None:
        """A whole book and a mark around ``price``, and the symbol ready."""
        levels = {
            "bids": pack_levels([(INSTRUMENT.to_ticks(price) - 1, 10**9)]),
            "asks": pack_levels([(INSTRUMENT.to_ticks(price) + 1, 10**9)]),
        }
        self.feed(BookSnapshotRead(ts_ns=self.now_ns, symbol=SYMBOL, update_id=1, **levels))
        self.histories()
        self.mark(price)
        self.feed(SymbolReady(ts_ns=self.now_ns, symbol=SYMBOL))

    def advance(self, seconds: float) -> list[Command]:
        """Let time pass, feeding TimePassed at each deadline as a driver does; returns all commands."""
        until, start = self.now_ns + int(seconds * NS_PER_S), len(self.sent)
        for _ in range(10_000):
            deadline = self.engine.next_deadline_ns
            if deadline is None or deadline > until:
                break
            self.now_ns = deadline
            self.feed(TimePassed(ts_ns=self.now_ns))
        else:
            raise AssertionError("the engine's deadlines do not move on")
        self.now_ns = until
        self.feed(TimePassed(ts_ns=self.now_ns))
        return self.sent[start:]

    def histories(self, symbol: str = SYMBOL) -> None:
        """No funding was ever settled, and the open interest has been steady for hours."""
        now = self.now_ns
        self.feed(FundingHistoryRead(ts_ns=now, symbol=symbol, since_ns=0, until_ns=now))
        for seconds in range(7200, -1, -300):
            read = now - seconds * NS_PER_S
            self.feed(OpenInterestRead(ts_ns=now, symbol=symbol, amount=D(1000), venue_ns=read))

    def alive(self) -> None:
        self.feed(ChannelAlive(ts_ns=self.now_ns, symbol=SYMBOL, channel="book"))
        self.mark(self.market.mark or MARK)

    def mark(self, price: Decimal) -> list[Command]:
        desk = self.engine._desk
        return self.feed(
            MarkPriced(
                ts_ns=self.now_ns,
                symbol=SYMBOL,
                mark=price,
                index=price,
                funding_rate=D("0.0001"),
                next_funding_ns=0,
                venue_ns=self.now_ns + desk.venue_now_ns - desk.now_ns,
            )
        )

    # -- reads -----------------------------------------------------------------------------

    def account(self, size: Decimal = ZERO, **changes: object) -> Account:
        held = VenuePosition(symbol=SYMBOL, size=size, entry_price=MARK, unrealized_pnl=ZERO, leverage=D(10))
        account = Account(
            asset="USDT",
            wallet_balance=WALLET,
            unrealized_pnl=ZERO,
            initial_margin=ZERO,
            maintenance_margin=ZERO,
            available=WALLET,
            positions=(held,) if size else (),
        )
        return replace(account, **changes)

    def picture(
        self,
        request_id: int,
        size: Decimal = ZERO,
        *,
        orders: tuple[VenueOrder, ...] = (),
        fills: tuple[Fill, ...] = (),
        account: Account | None = None,
    ) -> list[Command]:
        return self.feed(
            VenueStateRead(
                ts_ns=self.now_ns,
                request_id=request_id,
                account=account or self.account(size),
                orders=orders,
                fills=fills,
            )
        )

    def answer_account(self, **changes: object) -> list[Command]:
        """Answer the ReadAccount that is under way."""
        read = self.last(ReadAccount)
        return self.feed(
            AccountRead(ts_ns=self.now_ns, request_id=read.request_id, account=self.account(**changes))
        )

    # -- orders ----------------------------------------------------------------------------

    def ask(self, intent: Intent) -> list[Command]:
        """An intent by hand, with the account read for it."""
        start = len(self.sent)
        self.feed(IntentAsked(ts_ns=self.now_ns, who="tester", intent=intent))
        if any(isinstance(command, ReadAccount) for command in self.commands):
            self.answer_account()
        return self.sent[start:]

    def enter(
        self, size: str = "0.02", stop: str = "29000", side: Side = Side.BUY, **more: object
    ) -> SubmitOrder:
        """An entry that passes, up to its SubmitOrder."""
        self.alive()
        self.ask(enter(size, stop, side, **more))
        return self.last(SubmitOrder)

    def accept(self, client_id: str, venue_id: str = "") -> list[Command]:
        return self.feed(
            OrderAccepted(
                ts_ns=self.now_ns, client_id=client_id, symbol=SYMBOL, venue_id=venue_id or f"v-{client_id}"
            )
        )

    def reject(self, client_id: str, **more: object) -> list[Command]:
        event = OrderRejected(
            ts_ns=self.now_ns, client_id=client_id, symbol=SYMBOL, code=-1, message="no", **more
        )
        return self.feed(event)

    def cancelled(self, client_id: str) -> list[Command]:
        return self.feed(OrderCancelled(ts_ns=self.now_ns, client_id=client_id, symbol=SYMBOL))

    def lose(self, client_id: str, fence_s: float = 3.0) -> list[Command]:
        fence = self.now_ns + int(fence_s * NS_PER_S)
        return self.feed(
            OutcomeUnknown(
                ts_ns=self.now_ns, client_id=client_id, symbol=SYMBOL, fence_ns=fence, reason="timeout"
            )
        )

    def not_found(self, client_id: str) -> list[Command]:
        return self.feed(OrderRead(ts_ns=self.now_ns, client_id=client_id, symbol=SYMBOL, order=None))

    def make_fill(
        self, client_id: str, signed_size: str, price: str = "30000", trade_id: str = "", **more: object
    ) -> Fill:
        self.trades += 1
        fill = Fill(
            symbol=SYMBOL,
            trade_id=trade_id or f"t{self.trades}",
            client_id=client_id,
            venue_order_id=f"v-{client_id}",
            signed_size=D(signed_size),
            price=D(price),
            fee=D("0.1"),
            fee_asset="USDT",
            liquidity=Liquidity.TAKER,
            venue_ns=self.now_ns,
            ts_ns=self.now_ns,
        )
        return replace(fill, **more)

    def fill(
        self, client_id: str, signed_size: str, price: str = "30000", trade_id: str = ""
    ) -> list[Command]:
        made = self.make_fill(client_id, signed_size, price, trade_id)
        return self.feed(OrderFilled(ts_ns=self.now_ns, client_id=client_id, symbol=SYMBOL, fill=made))

    def open(self, size: str = "0.02", stop: str = "29000") -> str:
        """A long position under a confirmed stop; returns the stop's client id."""
        entry = self.enter(size, stop).approved.request.client_id
        self.accept(entry)
        self.fill(entry, size)
        placed = self.last(PlaceStop)
        self.accept(placed.client_id)
        return placed.client_id

    # -- looking ---------------------------------------------------------------------------

    def last(self, kind: type[C]) -> C:
        """The newest command of that kind."""
        return next(command for command in reversed(self.sent) if isinstance(command, kind))

    def all(self, kind: type[C]) -> list[C]:
        return [command for command in self.sent if isinstance(command, kind)]

    def now(self, kind: type[C]) -> list[C]:
        """Those of the last event."""
        return [command for command in self.commands if isinstance(command, kind)]

    @property
    def codes(self) -> list[str]:
        return [notify.code for notify in self.all(Notify)]

    @property
    def market(self) -> Market:
        return self.engine._desk.symbols[SYMBOL]

    def tracked(self, client_id: str) -> Tracked:
        return self.engine._desk.orders_by_id[client_id]


def enter(size: str = "0.02", stop: str = "29000", side: Side = Side.BUY, **more: object) -> Intent:
    return Intent(
        kind=IntentKind.ENTER,
        symbol=SYMBOL,
        side=side,
        size=D(size),
        stop=FixedStop(price=D(stop)),
        **more,
    )


def wish(kind: IntentKind, **more: object) -> Intent:
    return Intent(kind=kind, symbol=SYMBOL, **more)


__all__ = [
    "CONFIG", "INSTRUMENT", "MARK", "NS_PER_S", "START", "SYMBOL", "Bench", "CancelOrder", "D",
    "QueryOrder", "ReadVenueState", "ReduceOrder", "enter", "wish",
]  # fmt: skip
