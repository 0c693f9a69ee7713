"""What every group of a desk's verbs shares: the picture before and after, and the receipt."""

from __future__ import annotations

from contractdesk.console.changes import changed_orders, order_line, positions_now, stops_now
from contractdesk.console.receipts import Receipt
from contractdesk.console.refusals import Refusal
from contractdesk.console.watching import READY_S, Watching
from contractdesk.desk.session import PERSON, Session
from contractdesk.domain.events import IntentAsked
from contractdesk.domain.intents import Intent, IntentKind
from contractdesk.domain.orders import Order, OrderRole, OrderStatus
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

    async def _wish(self, verb: str, wish: Intent) -> Receipt:
        before = self._picture()
        if wish.kind is IntentKind.ENTER and not await self._watching.prepare(wish):
            why = self._session.state.symbols[wish.symbol].not_ready_reason or "no mark or no book yet"
            said = f"not sent: {wish.symbol} is not ready within {READY_S:.0f} s: {why}"
            return self._receipt(verb, before, said, done=False)
        intent_id = await self._ask(wish)
        answer: Order | str | None = await self._host.until(lambda: self._answered(intent_id), CONFIRM_S)
        if isinstance(answer, str):
            return self._receipt(verb, before, f"refused: {answer}", done=False, intent_id=intent_id)
        if answer is None:
            said = "no answer from the venue yet; the engine goes on asking"
            return self._receipt(verb, before, said, done=False)
        client_id = answer.request.client_id
        if wish.limit is None and answer.status.open:
            await self._host.until(lambda: self._over(client_id), CONFIRM_S)
        if wish.kind is IntentKind.ENTER:
            await self._host.until(lambda: self._guarded(wish.symbol), CONFIRM_S)
        elif wish.limit is None:
            await self._host.until(lambda: self._one_stop(wish.symbol), CONFIRM_S)
        order = self._order(client_id) or answer
        sound = order.status not in (OrderStatus.REJECTED, OrderStatus.UNKNOWN)
        return self._receipt(verb, before, order_line(order), done=sound, order=order)

    def _answered(self, intent_id: int) -> Order | str | None:
        """The order of an intent once the venue has answered, or the reason of its refusal."""
        decision = self._session.state.decisions.get(intent_id)
        if decision is None:
            return None
        if not decision.client_id:
            return decision.refusal or "; ".join(finding.found for finding in decision.findings)
        order = self._order(decision.client_id)
        return order if order is not None and order.status is not OrderStatus.IN_FLIGHT else None

    def _over(self, client_id: str) -> bool | None:
        order = self._order(client_id)
        return True if order is None or not order.status.open else None

    def _order(self, client_id: str) -> Order | None:
        tracked = self._session.state.orders_by_id.get(client_id)
        return tracked.order if tracked else None

    def _find_order(self, order_id: str, picture: DeskSnapshot) -> Order:
        for order in picture.orders:
            if order_id in (order.request.client_id, order.venue_id):
                return order
        raise UserError(f"no order {order_id!r} on this desk; desk.orders lists their ids")

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
