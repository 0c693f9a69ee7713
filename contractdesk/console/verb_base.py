"""What every group of a desk's verbs shares: the picture before and after, and the receipt."""

from __future__ import annotations

from contractdesk.console.changes import changed_orders, positions_now, stops_now
from contractdesk.console.receipts import Receipt
from contractdesk.console.refusals import Refusal
from contractdesk.console.watching import Watching
from contractdesk.desk.session import PERSON, Session
from contractdesk.domain.events import IntentAsked
from contractdesk.domain.intents import Intent
from contractdesk.domain.orders import Order, OrderRole
from contractdesk.domain.views import DeskSnapshot
from contractdesk.errors import UserError

CONFIRM_S = 5.0  # an answer from the venue


class VerbBase:
    """Lives on the desk's loop; every method is bounded in time."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._host = session.host
        self._watching = Watching(session)

    async def resolve(self, symbol: str) -> str:
        """The unified symbol, known to the engine; ``UnknownSymbol`` with near matches."""
        return await self._host.list_symbol(symbol)

    async def _ask(self, wish: Intent) -> int:
        """Hand a wish to the engine; returns the number by which its decision is known."""
        handled = await self._host.ask(IntentAsked(ts_ns=self._now(), who=PERSON, intent=wish))
        return handled.intent_id

    def _guarded(self, symbol: str) -> bool | None:
        item = self._session.state.symbols[symbol]
        return True if item.guarded >= abs(item.position.size) else None

    def _one_stop(self, symbol: str) -> bool | None:
        """True once a stop covers exactly what is held, and those before it are gone."""
        market = self._session.state.symbols[symbol]
        held = abs(market.position.size)
        standing = self._session.state.tracked(market, OrderRole.STOP)
        sizes = [tracked.order.remaining for tracked in standing]
        return True if sizes == ([held] if held else []) else None

    def _order(self, client_id: str) -> Order | None:
        tracked = self._session.state.orders_by_id.get(client_id)
        return tracked.order if tracked else None

    def _need_position(self, symbol: str) -> None:
        item = self._session.state.symbols.get(symbol)
        if item is None or item.position.flat:
            raise UserError(f"no position of this desk in {symbol}")

    def _picture(self) -> DeskSnapshot:
        self._host.publish()
        return self._session.snapshot

    def _now(self) -> int:
        return self._session.clock.now_ns()

    def _receipt(
        self,
        verb: str,
        before: DeskSnapshot,
        summary: str,
        *,
        done: bool,
        order: Order | None = None,
        intent_id: int = 0,
    ) -> Receipt:
        after = self._picture()
        refused = next((r for r in reversed(after.refusals) if intent_id and r.intent_id == intent_id), None)
        if refused is not None:
            summary = (
                f"refused by {refused.rule}: found {refused.found}, limit {refused.limit}"
                f"{'; would pass: ' + refused.would_pass if refused.would_pass else ''}"
            )
        return Receipt(
            verb=verb,
            done=done,
            summary=summary,
            orders=changed_orders(before, after),
            stops=stops_now(before, after),
            positions=positions_now(before, after),
            order=order,
            refused=Refusal.of(refused) if refused is not None else None,
        )
