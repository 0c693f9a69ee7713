"""A recorded session run again under other settings, in the few figures by which a person judges them.

Two trials of one session differ in nothing but the settings: the market, the model of the venue and
what people asked are the same in both.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import takewhile
from typing import Any

from msgspec import Struct

from contractdesk.domain.commands import SubmitOrder
from contractdesk.domain.events import Event, MarkPriced, OrderFilled
from contractdesk.domain.fills import Fill
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.intents import Refused
from contractdesk.engine.state import Desk
from contractdesk.replay.models import Models
from contractdesk.replay.session import Session
from contractdesk.replay.twin import Twin

TOLD_EVERY = 200  # events between two words of progress


class Trial(Struct, frozen=True, kw_only=True):
    """What became of the session; amounts in the settle currency."""

    start_ns: int
    end_ns: int
    entries: int  # orders sent to open or to grow a position
    fills: int
    round_trips: int  # times a position came back to zero
    profit: Decimal  # change of equity, after fees and funding, what is open at its mark
    fees: Decimal  # + paid
    drawdown: Decimal  # deepest fall of equity from its peak, a fraction; <= 0
    refusals: dict[str, int]  # by rule
    held: int  # symbols with a position at the end
    cut: bool  # the record has a hole, and was replayed up to it


def run_trial(
    session: Session,
    *,
    params: Mapping[str, Any],
    risk: Mapping[str, Any],
    models: Models | None = None,
    progress: Callable[[float], None] = lambda _share: None,
) -> Trial:
    """Run ``session`` under ``params`` and ``risk`` (see ``session.what_if``).

    ``progress`` is told the share that is done, 0 to 1; what it raises ends the run: so it is cancelled.
    """
    watch = _Watch(session, progress)
    twin = Twin(session, models or Models(), params, risk, watch)
    watch.begin(twin)
    twin.run()
    return watch.found()


class _Watch:
    """Measures a twin while it runs."""

    def __init__(self, session: Session, progress: Callable[[float], None]) -> None:
        self._session = session
        self._progress = progress
        self._end_ns = session.inputs[-1].ts_ns
        self._events = 0
        self._refusals: Counter[str] = Counter()
        self._last_refusal: Refused | None = None

    def begin(self, twin: Twin) -> None:
        self._twin = twin
        self._first = self._peak = twin.equity
        self._drawdown = ZERO
        refused = twin.engine.refusals
        self._last_refusal = refused[-1] if refused else None

    def __call__(self, event: Event) -> None:
        self._events += 1
        if self._events % TOLD_EVERY == 0:
            start_ns = self._session.start_ns
            self._progress((event.ts_ns - start_ns) / max(1, self._end_ns - start_ns))
        if isinstance(event, MarkPriced | OrderFilled):
            self._measure(self._twin.equity)
        refused = self._twin.engine.refusals
        if refused and refused[-1] is not self._last_refusal:
            self._count(refused)

    def found(self) -> Trial:
        twin = self._twin
        self._measure(twin.equity)
        fills = [event.fill for event in twin.events if isinstance(event, OrderFilled)]
        return Trial(
            start_ns=self._session.start_ns,
            end_ns=self._end_ns,
            entries=sum(isinstance(command, SubmitOrder) for _, command in twin.commands),
            fills=len(fills),
            round_trips=_returns_to_zero(self._session.state, fills),
            profit=twin.equity - self._first,
            fees=sum((fill.fee for fill in fills), ZERO),
            drawdown=self._drawdown,
            refusals=dict(self._refusals.most_common()),
            held=sum(bool(market.position.size) for market in twin.engine.view.symbols.values()),
            cut=self._session.cut,
        )

    def _measure(self, equity: Decimal) -> None:
        self._peak = max(self._peak, equity)
        if self._peak > 0:
            self._drawdown = min(self._drawdown, equity / self._peak - 1)

    def _count(self, refused: Sequence[Refused]) -> None:
        """Those since the last look; the engine keeps but the latest."""
        fresh = list(takewhile(lambda each: each is not self._last_refusal, reversed(refused)))
        self._refusals.update(each.rule for each in fresh)
        self._last_refusal = refused[-1]


def _returns_to_zero(state: Desk, fills: Sequence[Fill]) -> int:
    """A reversal is one, too."""
    sizes = {symbol: market.position.size for symbol, market in state.symbols.items()}
    times = 0
    for fill in fills:
        before = sizes.get(fill.symbol, ZERO)
        after = sizes[fill.symbol] = before + fill.signed_size
        times += before != 0 and (after == 0 or (after > 0) != (before > 0))
    return times
