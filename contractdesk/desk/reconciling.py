"""Taking in the whole picture of the venue: alike at a start, for a desk that comes back, one that wakes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from contractdesk.domain.events import (
    BookInvalidated,
    StrategyStopped,
    StreamLost,
    StreamName,
    SymbolNotReady,
    VenueStateRead,
)
from contractdesk.engine.core import fills_since_ns
from contractdesk.engine.state import HostStatus
from contractdesk.venues.base import VenueState

if TYPE_CHECKING:
    from contractdesk.desk.host import DeskHost

AWAY = "the desk was closed"


async def own_up_to_the_gap(host: DeskHost) -> None:
    """A recovered desk was away: no stream, no book, and no strategy until a person starts it."""
    if not host.state.symbols:
        return  # a fresh one
    host.records.begin(host.state)
    now_ns = host.clock.now_ns()
    for symbol in host.state.symbols:
        await host.ask(BookInvalidated(ts_ns=now_ns, symbol=symbol, reason=AWAY))
        await host.ask(SymbolNotReady(ts_ns=now_ns, symbol=symbol, reason=AWAY))
    for hosted in list(host.state.strategies.values()):
        if hosted.status is HostStatus.RUNNING:
            await host.ask(StrategyStopped(ts_ns=now_ns, who="recovery", strategy_id=hosted.strategy_id))
    await host.ask(StreamLost(ts_ns=now_ns, stream=StreamName.PRIVATE, reason=AWAY))


async def reconcile_anew(host: DeskHost) -> None:
    """Everything is read and compared, as at a start; UserError or VenueError where it cannot be read."""
    state = await host.venue.read_state(fills_since_ns(host.state))
    for symbol in _named(state):
        await host.list_symbol(symbol)
    await host.ask(
        VenueStateRead(
            ts_ns=host.clock.now_ns(),
            request_id=0,
            account=state.account,
            orders=state.orders,
            fills=state.fills,
            conditional_elsewhere=state.conditional_elsewhere,
        )
    )


def _named(state: VenueState) -> list[str]:
    """The symbols that a reading of the account speaks of."""
    named = [row.symbol for row in state.account.positions]
    named += [row.symbol for row in state.orders]
    named += [row.symbol for row in state.fills]
    return list(dict.fromkeys(named))
