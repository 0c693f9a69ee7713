"""The verbs about stops: moving one, letting it follow the market, adopting a position that has none."""

from __future__ import annotations

from contractdesk.console.receipts import Receipt
from contractdesk.console.tables import shown
from contractdesk.console.verb_base import CONFIRM_S, VerbBase
from contractdesk.console.watching import READY_S
from contractdesk.domain.instrument import ZERO
from contractdesk.domain.intents import AtrStop, Intent, StopSpec
from contractdesk.errors import UserError, VenueError
from contractdesk.strategy import intents

Number = intents.Number
EXTERNAL_S = 10.0  # until two reads have told what was opened elsewhere


class StopVerbs(VerbBase):
    """What a person may do with the stops of positions."""

    async def move_stop(self, symbol: str, price: Number, *, trail: bool | None = None) -> Receipt:
        """Move the stop of a position: the new one stands before the old one goes.

        One that is given more room does not follow the market any more, unless ``trail=True``.
        """
        target = await self.resolve(symbol)
        self._need_position(target)
        return await self._stop("move_stop", intents.move_stop(target, price, trail=trail, reason="by hand"))

    async def trail_stop(self, symbol: str, by: AtrStop | None = None, *, on: bool = True) -> Receipt:
        """Let the stop of a position follow the market, ``by`` atr_stop(14, 2.5, "15m"), or keep it fixed.

        None: as it was opened with, or as the ``trail_...`` settings say.
        """
        target = await self.resolve(symbol)
        self._need_position(target)
        wish = intents.trail_stop(target, by, on=on, reason="by hand")
        if by is not None and not await self._watching.prepare(wish):
            before = self._picture()
            said = f"not asked: the bars of {target} were not there within {READY_S:.0f} s"
            return self._receipt("trail_stop", before, said, done=False)
        return await self._stop("trail_stop", wish)

    async def adopt(self, symbol: str, stop: StopSpec | Number, *, trail: bool | None = None) -> Receipt:
        """Take a position that was opened elsewhere as this desk's own, under a stop on the venue.

        Booked at the venue's average entry price; from then on every rule and verb treats it as ours.
        """
        target = await self.resolve(symbol)
        wish = intents.adopt(target, stop, trail=trail, reason="by hand")
        if not await self._watching.prepare(wish):
            said = f"not asked: {target} is not ready within {READY_S:.0f} s"
            return self._receipt("adopt", self._picture(), said, done=False)
        if not await self._is_external(target):
            raise UserError(f"no position in {target} that was opened elsewhere; desk.positions shows them")
        return await self._stop("adopt", wish)

    async def _is_external(self, symbol: str) -> bool:
        """Ask the venue; where it has what is not ours, wait until the engine has told it apart, too.

        That takes two of its own reads, and one that shows the average price.
        """
        try:
            account = await self._host.venue.read_account()
        except VenueError as error:
            raise UserError(f"the venue did not answer: {error}") from error
        item = self._session.state.symbols[symbol]
        venue = next((row.size for row in account.positions if row.symbol == symbol), ZERO)
        if venue == item.position.size:
            return bool(item.external_size)

        def told_apart() -> bool | None:
            known = self._session.state.account
            rows = known.positions if known else ()
            shown = next((row.size for row in rows if row.symbol == symbol and row.entry_price > 0), None)
            held = item.position.size + item.external_size
            return True if item.external_size and shown == held else None

        return bool(await self._host.until(told_apart, EXTERNAL_S))

    async def _stop(self, verb: str, wish: Intent) -> Receipt:
        """Ask, and wait until one stop stands where it is wanted, over all that is held."""
        before, state = self._picture(), self._session.state
        intent_id = await self._ask(wish)

        def standing() -> bool | None:
            decision = state.decisions.get(intent_id)
            if decision is not None and decision.refusal:
                return False
            item = state.symbols[wish.symbol]
            return True if item.stop_price == item.guard.stop_price and self._one_stop(wish.symbol) else None

        done = await self._host.until(standing, CONFIRM_S)
        decision = state.decisions.get(intent_id)
        done = done and decision is not None
        told = "; ".join(finding.found for finding in decision.findings) if decision else ""
        stop = shown(state.symbols[wish.symbol].stop_price)
        said = f"{wish.symbol} stop at {stop}; {told}" if done else "the venue has not confirmed it yet"
        return self._receipt(verb, before, said, done=bool(done), intent_id=intent_id)
