"""The verbs of a desk as coroutines on its own loop. Each asks the engine, waits for what must come
true, and says what it did; ``Desk`` and ``desk.aio`` are two ways to call them."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from typing import Any

from contractdesk.console.calm import calm, missing
from contractdesk.console.changes import changed_orders, left_alone, positions_now, stops_now
from contractdesk.console.receipts import Receipt
from contractdesk.console.verb_base import VerbBase
from contractdesk.desk.session import PERSON
from contractdesk.domain.account import MarginMode, PositionMode
from contractdesk.domain.events import (
    BreakerReset,
    FlattenAsked,
    HaltAsked,
    ModesRead,
    ResumeAsked,
    RiskTuned,
)
from contractdesk.domain.intents import StopSpec
from contractdesk.domain.views import DeskSnapshot, TradingState
from contractdesk.errors import UserError, VenueError
from contractdesk.risk.settings import told, tuned
from contractdesk.strategy import intents

Number = intents.Number
HALT_S = 4.0  # who asks from outside waits for 5 s: it is to hear what is still open, too
FLATTEN_S = 15.0  # cancels, then closes, with the engine's own retries


class Verbs(VerbBase):
    """What a person may do with the desk, its orders and its account."""

    # -- the whole desk --------------------------------------------------------------------

    async def halt(self, reason: str = "") -> Receipt:
        """Stop all trading by strategies, cancel entries; stops and positions stay until ``resume()``."""
        before = self._picture()
        await self._host.ask(HaltAsked(ts_ns=self._now(), who=PERSON, reason=reason))
        done = await self._host.until(lambda: True if calm(self._session.state) else None, HALT_S)
        said = "HALTED: strategies send nothing, entries are cancelled, stops stand"
        said = said if done else f"HALTED; {missing(self._session.state)}"
        return self._receipt("halt", before, said + _because(reason), done=bool(done))

    async def resume(self) -> Receipt:
        """Let strategies trade again; refused by the engine while a reason to halt stands."""
        before = self._picture()
        await self._host.ask(ResumeAsked(ts_ns=self._now(), who=PERSON))
        after = self._picture()
        said = f"{after.state.value}" + _because(after.state_reason)
        return self._receipt("resume", before, said, done=after.state is TradingState.ACTIVE)

    async def flatten(self, symbol: str | None = None) -> Receipt:
        """Cancel entries and close positions, all or one symbol's; REDUCING until ``resume()``."""
        target = await self.resolve(symbol) if symbol else None
        before = self._picture()
        await self._host.ask(FlattenAsked(ts_ns=self._now(), who=PERSON, symbol=target))
        done = await self._host.until(lambda: True if self._flat(target) else None, FLATTEN_S)
        after = self._picture()
        said = f"{target or 'all symbols'}: entries cancelled, positions closed" if done else "still closing"
        said += f"{left_alone(after)}; state {after.state.value}"
        return self._receipt("flatten", before, said, done=bool(done))

    async def tune_risk(self, changes: dict[str, Any], who: str = PERSON) -> Receipt:
        """Change risk settings within their ranges: ``{"size_cap": "0.02"}``; ConfigError names a range."""
        before = self._picture()
        plain = {name: _plain(value) for name, value in changes.items()}
        said = told(self._session.state.risk, tuned(self._session.state.risk, plain), plain)
        await self._host.ask(RiskTuned(ts_ns=self._now(), who=who, settings=plain))
        return self._receipt("risk.tune", before, said, done=True)

    async def reset_risk(self, rule: str, reason: str) -> Receipt:
        """Unlatch a rule that has tripped ("breaker"), with a reason that the journal keeps."""
        if rule != "breaker":
            raise UserError(f"{rule!r} does not latch; reset('breaker', reason=...) is what there is")
        if not reason.strip():
            raise UserError("say why it may trade again: reset('breaker', reason='...')")
        if not self._session.state.breaker_reason:
            raise UserError("the breaker has not tripped")
        before = self._picture()
        await self._host.ask(BreakerReset(ts_ns=self._now(), who=PERSON, reason=reason))
        after = self._picture()
        said = f"the breaker is reset; {after.state.value}" + _because(after.state_reason)
        done = not self._session.state.breaker_reason
        return self._receipt("risk.reset", before, said, done=done)

    # -- orders by hand --------------------------------------------------------------------

    async def buy(
        self,
        symbol: str,
        *,
        stop: StopSpec | Number | None = None,
        size: Number | None = None,
        notional: Number | None = None,
        amount: Number | None = None,
        limit: Number | None = None,
        post_only: bool = False,
        take_profit: Number | None = None,
        trail: bool | None = None,
        expire_s: float | None = None,
    ) -> Receipt:
        """Buy through the risk gate: ``size`` in contracts, ``notional`` in the settle currency or
        ``amount`` in base units; none of them means the cap's share. An entry needs a ``stop``: an ATR stop
        follows the market, a price stays where it is; ``trail=`` says otherwise."""
        wish = intents.enter_long(
            await self.resolve(symbol), stop=stop, size=size, notional=notional, amount=amount, limit=limit,
            post_only=post_only, take_profit=take_profit, trail=trail, expire_s=expire_s, reason="by hand",
        )  # fmt: skip
        return await self._wish("buy", wish)

    async def sell(
        self,
        symbol: str,
        *,
        stop: StopSpec | Number | None = None,
        size: Number | None = None,
        notional: Number | None = None,
        amount: Number | None = None,
        limit: Number | None = None,
        post_only: bool = False,
        take_profit: Number | None = None,
        trail: bool | None = None,
        expire_s: float | None = None,
    ) -> Receipt:
        """Sell short through the risk gate; arguments as of ``buy``. To leave a long: ``close_position``."""
        wish = intents.enter_short(
            await self.resolve(symbol), stop=stop, size=size, notional=notional, amount=amount, limit=limit,
            post_only=post_only, take_profit=take_profit, trail=trail, expire_s=expire_s, reason="by hand",
        )  # fmt: skip
        return await self._wish("sell", wish)

    async def close_position(
        self, symbol: str, *, size: Number | None = None, limit: Number | None = None
    ) -> Receipt:
        """Close a position, or ``size`` contracts of it, with a reduce-only order."""
        target = await self.resolve(symbol)
        self._need_position(target)
        return await self._wish("close_position", intents.exit_position(target, size=size, limit=limit))

    # -- account ---------------------------------------------------------------------------

    async def set_leverage(self, symbol: str, leverage: Number) -> Receipt:
        """Set the leverage of a symbol on the venue (a whole number)."""
        target, before = await self.resolve(symbol), self._picture()
        await self._venue_call(self._host.venue.set_leverage(target, Decimal(str(leverage))))
        return self._receipt("set_leverage", before, f"{target}: {leverage}x", done=True)

    async def set_margin_mode(self, symbol: str, mode: str) -> Receipt:
        """Set "cross" or "isolated" for a symbol on the venue."""
        target, before, wanted = await self.resolve(symbol), self._picture(), _member(MarginMode, mode)
        await self._venue_call(self._host.venue.set_margin_mode(target, wanted))
        await self._host.ask(self._modes(target, wanted))  # the venue says so only when it is read next
        return self._receipt("set_margin_mode", before, f"{target}: {mode}", done=True)

    async def set_position_mode(self, mode: str) -> Receipt:
        """Set "one_way" or "hedge" for the account on the venue; the desk itself needs one_way."""
        before = self._picture()
        await self._venue_call(self._host.venue.set_position_mode(_member(PositionMode, mode)))
        return self._receipt("set_position_mode", before, mode, done=True)

    # -- shared ----------------------------------------------------------------------------

    def _flat(self, target: str | None) -> bool:
        markets = self._session.state.symbols
        chosen = [markets[target]] if target else list(markets.values())
        return not any(market.position.size or market.open_ids for market in chosen)

    def closing_receipt(self, before: DeskSnapshot, *, done: bool) -> Receipt:
        """What closing the desk has done; any thread may ask once the loop has nothing more to do."""
        after = self._session.snapshot
        held = any(row.size for row in after.positions if row.origin == "own")
        kept = "positions stay under their stops on the venue" if held else "no position is open"
        kept += left_alone(after)
        return Receipt(
            verb="close",
            done=done,
            summary=f"entries cancelled; {kept}" if done else "entries may still be working on the venue",
            orders=changed_orders(before, after),
            stops=stops_now(before, after),
            positions=positions_now(before, after),
        )

    def _modes(self, symbol: str, mode: MarginMode) -> ModesRead:
        """The account's modes as known, with this symbol's new one."""
        position_mode = PositionMode.HEDGE if self._session.state.hedged else PositionMode.ONE_WAY
        return ModesRead(
            ts_ns=self._now(), position_mode=position_mode, margin_modes={symbol: mode}, leverages={}
        )

    async def _venue_call(self, call: Any) -> Any:
        try:
            return await call
        except VenueError as error:
            raise UserError(f"the venue refused: {error}") from error


def _because(reason: str) -> str:
    return f" ({reason})" if reason else ""


def _member(kind: Any, value: str) -> Any:
    try:
        return kind(value)
    except ValueError:
        choices = ", ".join(repr(member.value) for member in kind)
        raise UserError(f"{value!r} must be one of {choices}") from None


def _plain(value: object) -> object:
    """A setting as the journal keeps it."""
    match value:
        case Decimal():
            return str(value)
        case Enum():
            return value.value
        case _:
            return value
