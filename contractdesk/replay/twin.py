"""A live session and its replay, side by side: the same tape, strategy, settings; the venue is a model.

Each order of either is told against the other: what it filled at, how long it took. Where they differ,
a model's assumption is off, and the report says which.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from contractdesk.domain.book import Book
from contractdesk.domain.commands import (
    Command,
    CommandBase,
    Notify,
    QueryOrder,
    ReadAccount,
    ReadVenueState,
    Watch,
)
from contractdesk.domain.events import (
    BookChanged,
    BookInvalidated,
    BookSnapshotRead,
    ClockMeasured,
    Event,
    FundingSettled,
    InstrumentListed,
    MarketEvent,
    MarkPriced,
    ModesRead,
    TimePassed,
    TradePrinted,
    VenueStateRead,
)
from contractdesk.domain.instrument import Instrument
from contractdesk.domain.orders import OrderStatus, Side
from contractdesk.engine.engine import Engine
from contractdesk.engine.state import NS_PER_MS, Desk, Tracked
from contractdesk.replay.account import Books
from contractdesk.replay.depth import quoted
from contractdesk.replay.matching import Matching
from contractdesk.replay.models import Models
from contractdesk.replay.session import Session, what_if
from contractdesk.replay.standing import Kept, Standing
from contractdesk.replay.twin_report import TwinReport, compared

NEVER = 1 << 62
DEPTH = 400  # levels a side that a taking order may walk through
VENUE_EVENTS = (TradePrinted, BookSnapshotRead, BookChanged, BookInvalidated, MarkPriced)


def replay_session(
    session: Session,
    models: Models | None = None,
    params: Mapping[str, Any] | None = None,
    risk: Mapping[str, Any] | None = None,
) -> TwinReport:
    """Run a recorded session again under ``models`` and set it against what happened.

    ``params`` tunes its strategies, and ``risk`` its limits ("what if", see ``session.what_if``): then the
    orders are those of another trader.
    """
    chosen = models or Models()
    twin = Twin(session, chosen, params or {}, risk or {})
    twin.run()
    return compared(
        session,
        chosen,
        twin.commands,
        twin.events,
        what_if=bool(params or risk),
        engine=twin.engine,
        wallet=twin.wallet,
    )


class Twin:
    """Feeds a fresh engine with a session's inputs, and answers its commands from a model of the venue."""

    def __init__(
        self,
        session: Session,
        models: Models,
        params: Mapping[str, Any],
        risk: Mapping[str, Any],
        heard: Callable[[Event], None] = lambda _event: None,
    ) -> None:
        """``heard`` is called after each event that the engine has handled; what it raises ends the run."""
        state = session.state
        self.engine = Engine.restore(session.checkpoint, session.classes)
        self.commands: list[tuple[int, Command]] = []
        self.events: list[Event] = []  # that the model of the venue told the desk
        self._session = session
        self._delays = models.latency.start(models.seed)
        self._heard = heard
        self._told = what_if(session.told, state, params, risk, session.start_ns)
        listed = _instruments(state, session.inputs)
        self._place = {symbol: place for place, symbol in enumerate(listed)}
        leverage = {symbol: market.leverage for symbol, market in state.symbols.items()}
        self._books = Books(tuple(listed.values()), state.config.asset, session.wallet, leverage)
        self._depth = [Book() for _ in listed]
        self._matching = Matching(
            self._books, models, self._delays, self._hear, quote=self._quote, on_marks=True
        )
        self._stand(state)
        self._at_venue = _by_venue_time(self._told, state.clock_offset_ms, session.start_ns)
        self._queue: list[tuple[int, int, Command | Event]] = []
        self._pushed = 0

    def run(self) -> None:
        """To the last input of the session."""
        end_ns = self._told[-1].ts_ns if self._told else self._session.start_ns
        told, market = iter(self._told), iter(self._at_venue)
        event, made = next(told, None), next(market, None)
        while event is not None:
            queued_ns = self._queue[0][0] if self._queue else NEVER
            made_ns = made[0] if made is not None else NEVER
            due_ns = self.engine.next_deadline_ns or NEVER
            first_ns = min(queued_ns, made_ns, due_ns, event.ts_ns)
            if first_ns > end_ns:
                return
            if queued_ns == first_ns:
                self._arrive(*heapq.heappop(self._queue)[::2])
            elif made is not None and made_ns == first_ns:
                self._on_market(made[2], made_ns)
                made = next(market, None)
            elif event.ts_ns == first_ns:
                self._tell(event)
                event = next(told, None)
            else:
                self._feed(TimePassed(ts_ns=first_ns))

    @property
    def wallet(self) -> Decimal:
        """As the model of the venue has it."""
        return self._books.wallet

    @property
    def equity(self) -> Decimal:
        """Wallet and unrealized profit at the venue's marks, as the model of the venue has them."""
        return self._books.equity()

    # -- the desk --------------------------------------------------------------------------

    def _tell(self, event: Event) -> None:
        if isinstance(event, VenueStateRead):
            event = self._matching.state(event.request_id, event.ts_ns)
        elif isinstance(event, ModesRead):
            self._books.set_leverages(event.leverages)
        self._feed(event)

    def _feed(self, event: Event) -> None:
        for command in self.engine.handle(event):
            match command:
                case Notify() | Watch():
                    continue
                case QueryOrder() | ReadAccount() | ReadVenueState():
                    due_ns = event.ts_ns + self._delays.read_ns() // 2
                case _:
                    due_ns = event.ts_ns + self._delays.entry_ns()
                    self.commands.append((event.ts_ns, command))
            self._push(due_ns, command)
        self._heard(event)

    def _arrive(self, now_ns: int, item: Command | Event) -> None:
        if isinstance(item, CommandBase):
            self._matching.take(item, now_ns)
        else:
            self.events.append(item)
            self._feed(item)

    def _hear(self, event: Event) -> None:
        self._push(event.ts_ns, event)

    def _push(self, due_ns: int, item: Command | Event) -> None:
        self._pushed += 1
        heapq.heappush(self._queue, (due_ns, self._pushed, item))

    # -- the venue -------------------------------------------------------------------------

    def _on_market(self, event: MarketEvent, now_ns: int) -> None:
        """The market moves at the venue, before the desk hears of it."""
        place = self._place.get(event.symbol)
        if place is None:
            return
        terms, book = self._books.instruments[place], self._depth[place]
        match event:
            case TradePrinted(price=price, size=size):
                self._matching.on_trade(place, now_ns, terms.to_ticks(price), terms.to_lots(size))
            case BookSnapshotRead(bids=bids, asks=asks, update_id=update_id):
                book.apply_snapshot(bids, asks, update_id)
            case BookChanged(bids=bids, asks=asks, last_id=last_id):
                book.apply(bids, asks, last_id)
            case BookInvalidated():
                book.invalidate()
            case MarkPriced(mark=mark) if mark.is_finite() and mark > 0:
                if not self._books.marks[place]:
                    self._books.marks[place] = int(mark / terms.tick_size)
                self._matching.on_mark(place, now_ns, mark / terms.tick_size)
            case FundingSettled(rate=rate):
                self._matching.on_funding(place, rate, now_ns)
            case _:
                pass

    def _quote(self, place: int, side: Side, lots: int, limit: int) -> tuple[int, int] | None:
        """What the recorded book fills of a taking order; see ``standing.Quote``."""
        if not self._depth[place].valid:
            return None
        bids, asks = self._depth[place].top(DEPTH)
        buy = side is Side.BUY
        return quoted(asks if buy else bids, lots, buy=buy, limit=limit)

    def _stand(self, state: Desk) -> None:
        """Positions and working orders as they were at the checkpoint."""
        for symbol, market in state.symbols.items():
            place = self._place[symbol]
            self._books.positions[place] = market.position
            if market.mark is not None:
                self._books.marks[place] = int(market.mark / market.instrument.tick_size)
            for tracked in state.tracked(market):
                if tracked.order.status in (OrderStatus.WORKING, OrderStatus.PARTIALLY_FILLED):
                    self._matching.adopt(*_standing(tracked, place, market.instrument))


def _standing(tracked: Tracked, place: int, terms: Instrument) -> tuple[Standing, Kept]:
    request, order = tracked.order.request, tracked.order
    standing = Standing(
        client_id=request.client_id,
        venue_id=order.venue_id,
        place=place,
        side=request.side,
        type=request.type,
        lots=terms.to_lots(request.size),
        left=terms.to_lots(order.remaining),
        ticks=terms.to_ticks(request.price) if request.price else 0,
        trigger=terms.to_ticks(request.trigger_price) if request.trigger_price else 0,
        reduce_only=request.reduce_only,
        created_ns=order.created_ns,
        status=order.status,
    )
    return standing, Kept.STOP if request.type.conditional else Kept.LIMIT


def _instruments(state: Desk, inputs: tuple[Event, ...]) -> dict[str, Instrument]:
    """All contracts that the desk knew in the session, by the terms it knew last."""
    listed = {symbol: market.instrument for symbol, market in state.symbols.items()}
    listed |= {
        event.instrument.symbol: event.instrument for event in inputs if isinstance(event, InstrumentListed)
    }
    return {symbol: terms for symbol, terms in listed.items() if terms.settle == state.config.asset}


def _by_venue_time(told: list[Event], offset_ms: float, start_ns: int) -> list[tuple[int, int, MarketEvent]]:
    """(our time at which it happened, number, event): before the desk heard of it, in the tape's order.

    The venue's stamps are read through the clock offset that the desk had measured by then. A settlement is
    heard late, and at each opening with those of many days: it stands where it happened, once, and not at all
    where that was before the start.
    """
    found: list[tuple[int, int, MarketEvent]] = []
    settled: set[tuple[str, int]] = set()
    latest_ns, offset_ns = 0, int(offset_ms * NS_PER_MS)
    for number, event in enumerate(told):
        if isinstance(event, ClockMeasured):
            offset_ns = int(event.offset_ms * NS_PER_MS)
        if isinstance(event, FundingSettled):
            happened_ns, known = event.funding_ns - offset_ns, (event.symbol, event.funding_ns)
            if happened_ns >= start_ns and known not in settled:
                settled.add(known)
                found.append((happened_ns, number, event))
        elif isinstance(event, VENUE_EVENTS):
            stamped = getattr(event, "venue_ns", 0)
            happened_ns = min(stamped - offset_ns, event.ts_ns) if stamped else event.ts_ns
            latest_ns = max(latest_ns, happened_ns)
            found.append((latest_ns, number, event))
    return sorted(found, key=lambda each: each[:2])
