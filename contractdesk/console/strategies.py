"""Starting, tuning, swapping and stopping strategies, and the handle that a cell holds of one."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

from contractdesk.console.receipts import Receipt
from contractdesk.console.tables import shown
from contractdesk.console.watching import READY_S, Watching, tradeable, warmup_line
from contractdesk.desk.session import PERSON, Session
from contractdesk.domain.events import StrategyStarted, StrategyStopped, StrategySwapped, StrategyTuned
from contractdesk.domain.views import StrategyRow
from contractdesk.errors import UserError
from contractdesk.strategy.base import Strategy

if TYPE_CHECKING:
    from contractdesk.console.desk import Desk

RUNNING = "running"
_EXAMPLE = 'cd.library.TrendFollow(symbols=["BTC/USDT:USDT"])'
SWAP_S = 5.0


class StrategyVerbs:
    """What a person may do with strategies. Every method runs on the desk's loop."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._host = session.host
        self._watching = Watching(session)
        self.warmups: dict[str, tuple[str, ...]] = {}  # by strategy: the bars that it began with

    async def start(self, strategy: Strategy, name: str | None = None) -> Receipt:
        """Run a strategy, and wait (15 s at most) until its symbols may be traded and its bars are there.

        The one that already runs under the name is left alone, and reported.
        """
        if not isinstance(strategy, Strategy):
            raise UserError(f"start() takes a strategy, e.g. {_EXAMPLE}; this is {strategy!r}")
        strategy_id = name or type(strategy).__name__
        symbols = tuple([await self._host.list_symbol(symbol) for symbol in strategy.symbols])
        if (running := self._running(strategy_id)) is not None:
            return _already(running, strategy, symbols)
        self._refuse_overlap(symbols)
        await self._host.ask(
            StrategyStarted(
                ts_ns=self._now(),
                who=PERSON,
                strategy_id=strategy_id,
                class_name=type(strategy).__name__,
                source_hash=self.register(type(strategy)),
                params=strategy.params,
                symbols=symbols,
                timeframe=strategy.timeframe,
            )
        )
        row = self._found(strategy_id)
        if row is None:
            raise UserError(f"{strategy_id} was not started: {self._session.snapshot.notices[-1].message}")
        ready = await self._watching.tradeable(*symbols)
        return self._started(row, strategy, symbols, ready=ready)

    def _started(
        self, row: StrategyRow, strategy: Strategy, symbols: tuple[str, ...], *, ready: bool
    ) -> Receipt:
        markets = [self._session.state.symbols[symbol] for symbol in symbols]
        lines = tuple(warmup_line(market, strategy.timeframe, strategy.warmup) for market in markets)
        self.warmups[row.strategy_id] = lines
        said = f"{row.strategy_id} is {row.status} on {', '.join(symbols)}, {strategy.timeframe} bars"
        said += _params(row)
        if not ready:
            waits = [
                f"{market.instrument.symbol} ({market.not_ready_reason or 'no mark or no book yet'})"
                for market in markets
                if not tradeable(market)
            ]
            said += f"; not ready within {READY_S:.0f} s: {', '.join(waits)}; it trades as soon as that is"
        return Receipt(verb="start", done=row.status == RUNNING and ready, summary=said, warmup=lines)

    async def stop(self, strategy_id: str) -> Receipt:
        """End a strategy: its entries are cancelled, its positions keep their stops."""
        row = self.row(strategy_id)
        if row.status != RUNNING:
            return Receipt(verb="stop", done=True, summary=f"{strategy_id} is already {row.status}")
        await self._host.ask(StrategyStopped(ts_ns=self._now(), who=PERSON, strategy_id=strategy_id))
        open_rows = [p for p in self._session.snapshot.positions if p.symbol in row.symbols and p.size]
        return Receipt(
            verb="stop",
            done=True,
            summary=f"{strategy_id} is stopped; its entries are cancelled, positions and stops stay",
            positions=tuple(f"{p.symbol} {shown(p.size)}, stop {shown(p.stop_price)}" for p in open_rows),
        )

    async def stop_all(self) -> Receipt:
        """End every running strategy."""
        self._host.publish()
        running = [row.strategy_id for row in self._session.snapshot.strategies if row.status == RUNNING]
        receipts = [await self.stop(strategy_id) for strategy_id in running]
        return Receipt(
            verb="stop",
            done=True,
            summary=f"stopped {', '.join(running)}; entries are cancelled, positions and stops stay"
            if running
            else "no strategy is running",
            positions=tuple(line for receipt in receipts for line in receipt.positions),
        )

    async def tune(self, strategy_id: str, changes: dict[str, Any], who: str = PERSON) -> Receipt:
        """Change parameters from the next event on; ConfigError names the range."""
        row = self._needed(strategy_id)
        cls = self._session.classes[self._session.state.strategies[strategy_id].source_hash]
        tuned = cls(
            list(row.symbols), row.timeframe, **(row.params | changes)
        )  # refuses before it is journaled
        checked = tuned.params
        plain = {name: checked[name] for name in changes}
        await self._host.ask(StrategyTuned(ts_ns=self._now(), who=who, strategy_id=strategy_id, params=plain))
        changed = ", ".join(f"{name} {shown(row.params[name])} -> {shown(plain[name])}" for name in plain)
        return Receipt(verb="tune", done=True, summary=f"{strategy_id}: {changed or 'nothing to change'}")

    async def swap(self, strategy_id: str, cls: type[Strategy]) -> Receipt:
        """Put new code under a running strategy at the end of the current bar; positions are kept."""
        if not (isinstance(cls, type) and issubclass(cls, Strategy)):
            raise UserError(f"swap() takes a class that derives from cd.Strategy; this is {cls!r}")
        row = self._needed(strategy_id)
        kept = {name: value for name, value in row.params.items() if name in cls.declared()}
        cls(list(row.symbols), row.timeframe, **kept)  # raises what is wrong with it, here
        await self._host.ask(
            StrategySwapped(
                ts_ns=self._now(),
                who=PERSON,
                strategy_id=strategy_id,
                class_name=cls.__name__,
                source_hash=self.register(cls),
            )
        )
        said = f"{strategy_id}: {cls.__name__} takes over at the end of the current {row.timeframe} bar"
        return Receipt(verb="swap", done=True, summary=said)

    def register(self, cls: type[Strategy]) -> str:
        """Keep the class and its source where the engine and any later replay find them; its hash."""
        from contractdesk.strategy.loader import source_of  # inspects the notebook's history

        source, digest = source_of(cls)
        self._session.classes[digest] = cls
        self._host.recorder.source(source)
        return digest

    def row(self, strategy_id: str) -> StrategyRow:
        """What the engine says of one strategy; UserError names those there are."""
        row = self._found(strategy_id)
        if row is None:
            names = ", ".join(row.strategy_id for row in self._session.snapshot.strategies)
            raise UserError(f"no strategy {strategy_id!r}; there are: {names or 'none'}")
        return row

    def _needed(self, strategy_id: str) -> StrategyRow:
        row = self.row(strategy_id)
        if row.status != RUNNING:
            raise UserError(f"{strategy_id} is {row.status}: start() it again first")
        return row

    def _found(self, strategy_id: str) -> StrategyRow | None:
        self._host.publish()
        rows = {row.strategy_id: row for row in self._session.snapshot.strategies}
        return rows.get(strategy_id)

    def _running(self, strategy_id: str) -> StrategyRow | None:
        row = self._found(strategy_id)
        return row if row is not None and row.status == RUNNING else None

    def _refuse_overlap(self, symbols: tuple[str, ...]) -> None:
        for row in self._session.snapshot.strategies:
            shared = set(symbols) & set(row.symbols)
            if row.status == RUNNING and shared:
                raise UserError(
                    f"{row.strategy_id} already trades {', '.join(sorted(shared))}: two strategies on one"
                    f" symbol would net each other's positions; stop it first, or give this one other symbols"
                )

    def _now(self) -> int:
        return self._session.clock.now_ns()


class StrategyHandle:
    """One strategy of a desk, by its id. It holds no state: every look is at the current snapshot."""

    def __init__(self, desk: Desk, strategy_id: str) -> None:
        self._desk = desk
        self.id = strategy_id

    @property
    def row(self) -> StrategyRow | None:
        """Status, parameters, realized profit; None before the first snapshot that has it."""
        rows = self._desk.snapshot.strategies
        return next((row for row in rows if row.strategy_id == self.id), None)

    @property
    def params(self) -> dict[str, Any]:
        """The parameters in force."""
        return dict(self.row.params) if self.row else {}

    @property
    def running(self) -> bool:
        return self.row is not None and self.row.status == RUNNING

    def tune(self, **changes: Any) -> Receipt:
        """Change parameters: checked, journaled, in force from the next event on."""
        return self._desk.tune(self.id, **changes)

    def swap(self, cls: type[Strategy]) -> Receipt:
        """Put a redefined class in its place at the end of the current bar."""
        return self._desk.swap(self.id, cls)

    def stop(self) -> Receipt:
        """End it: entries cancelled, positions and stops stay."""
        return self._desk.stop(self.id)

    def __repr__(self) -> str:
        row = self.row
        if row is None:
            return f"<{self.id}: not started>"
        params = ", ".join(f"{name}={shown(value)}" for name, value in row.params.items())
        return (
            f"<{self.id} {row.status} on {', '.join(row.symbols)} {row.timeframe} ({params});"
            f" {row.fills} fills, realized {shown(row.realized_pnl)}>"
        )

    def _repr_html_(self) -> str:
        row = self.row
        if row is None:
            return f"<b>{html.escape(self.id)}</b>: not started"
        about = (
            ("class", row.class_name),
            ("symbols", ", ".join(row.symbols)),
            ("timeframe", row.timeframe),
            ("fills", row.fills),
            ("realized", row.realized_pnl),
            *row.params.items(),
        )
        rows = "".join(
            f'<tr><td style="text-align:left">{html.escape(name)}</td>'
            f"<td>{html.escape(shown(value))}</td></tr>"
            for name, value in about
        )
        return (
            f'<table class="contractdesk"><caption style="text-align:left"><b>{html.escape(self.id)}</b>'
            f" {html.escape(row.status)}</caption><tbody>{rows}</tbody></table>"
        )


def _already(row: StrategyRow, strategy: Strategy, symbols: tuple[str, ...]) -> Receipt:
    wanted = strategy.params
    differs = {name: value for name, value in wanted.items() if row.params.get(name) != value}
    said = f"{row.strategy_id} is already running{_params(row)} on {', '.join(row.symbols)}"
    if differs:
        said += "; to change it use tune(" + ", ".join(f"{n}={v!r}" for n, v in differs.items()) + ")"
    if symbols != row.symbols or strategy.timeframe != row.timeframe:
        said += "; other symbols or timeframe need stop() and start(), or another name="
    return Receipt(verb="start", done=True, summary=said)


def _params(row: StrategyRow) -> str:
    return (
        " with " + ", ".join(f"{name}={shown(value)}" for name, value in row.params.items())
        if row.params
        else ""
    )
