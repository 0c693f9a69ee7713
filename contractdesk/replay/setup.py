"""What one replay is of: contracts, strategies, money, rules, and the models of the world between."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

from msgspec import Struct
from msgspec.structs import replace

from contractdesk.domain.instrument import Instrument
from contractdesk.domain.market import timeframe_ns
from contractdesk.engine.config import EngineConfig
from contractdesk.errors import ConfigError
from contractdesk.replay.models import Models
from contractdesk.risk.settings import RiskSettings
from contractdesk.strategy.base import Strategy

STRATEGY_IDS = "replay-{place}"
BOT = "rp1y"  # stands in the client ids of a replay
DEFAULT_BAR_NS = 60 * 10**9  # at which the equity is looked at, where nobody wants other bars


class Funding(Struct, frozen=True):
    """A settlement: ``rate`` of notional, paid by longs where it is positive."""

    ts_ns: int
    rate: Decimal


class Interest(Struct, frozen=True):
    """Open interest as it was read: base units, of inverse contracts quote units."""

    ts_ns: int
    amount: Decimal


class Setup(Struct, frozen=True, kw_only=True):
    """One account of a replay, and who trades on it."""

    instruments: tuple[Instrument, ...]
    strategies: tuple[Strategy, ...]
    balance: Decimal = Decimal(10_000)
    leverage: Decimal = Decimal(10)
    risk: RiskSettings = RiskSettings()
    models: Models = Models()
    start_ns: int = 0  # from when on trades are complete; bars that began before it are not told
    amend_stop: bool = True  # the venue can move a stop in place
    funding: Mapping[str, Sequence[Funding]] = {}  # by symbol; none recorded: none is paid
    interest: Mapping[str, Sequence[Interest]] = {}  # by symbol; none recorded: that rule is off

    def __post_init__(self) -> None:
        known = [terms.symbol for terms in self.instruments]
        if not known or len(set(known)) != len(known):
            raise ConfigError(f"instruments={known} must name at least one contract, each once")
        settles = {terms.settle for terms in self.instruments}
        if len(settles) > 1:
            raise ConfigError(
                f"one account settles in one currency: these settle in {', '.join(sorted(settles))}"
            )
        if not self.balance.is_finite() or self.balance <= 0:
            raise ConfigError(f"balance={self.balance} is not permitted: it must be above 0")
        taken: dict[str, str] = {}
        for strategy in self.strategies:
            for symbol in strategy.symbols:
                if symbol not in known:
                    raise ConfigError(f"{strategy!r} trades {symbol!r}; the data has {', '.join(known)}")
                if symbol in taken:
                    raise ConfigError(f"{symbol} is traded by two strategies: one strategy a symbol")
                taken[symbol] = repr(strategy)

    @property
    def asset(self) -> str:
        return self.instruments[0].settle

    @property
    def rules(self) -> RiskSettings:
        """The risk settings; open interest that was not recorded refuses nothing."""
        missing = any(not self.interest.get(terms.symbol) for terms in self.instruments)
        return replace(self.risk, open_interest_gate=False) if missing else self.risk

    @property
    def config(self) -> EngineConfig:
        """What the engine is told at its start."""
        return EngineConfig(
            desk="replay",
            bot=BOT,
            epoch=1,
            asset=self.asset,
            amend_stop=self.amend_stop,
            native_timeframes=tuple(sorted(self.timeframes)),
            polls=False,
            risk=self.rules,
        )

    def listens(self, symbol: str, *callbacks: str) -> bool:
        """Somebody wants one of these to be called for each change of the symbol."""
        return any(
            symbol in strategy.symbols and any(strategy.subscribes(name) for name in callbacks)
            for strategy in self.strategies
        )

    @property
    def timeframes(self) -> tuple[str, ...]:
        """Of all bars that anybody looks at, the shortest first."""
        named = {strategy.timeframe for strategy in self.strategies}
        if self.risk.trail_timeframe:
            named.add(self.risk.trail_timeframe)
        return tuple(sorted(named, key=timeframe_ns))

    def assumptions(self) -> tuple[str, ...]:
        """What this replay takes for granted, in words."""
        models = self.models
        told = [
            f"latency: {models.latency!r}",
            f"taking orders: by recorded depth where it is known, else at the next trade's price and "
            f"{models.slippage!r}",
            f"resting orders at a traded price: {models.queue!r}",
            f"marks: the last trade's price every {models.mark_every_s:g} s; stops trigger on each trade",
            f"leverage {self.leverage} on every contract, one-way mode, cross margin",
        ]
        for terms in self.instruments:
            if not self.funding.get(terms.symbol):
                told.append(f"funding of {terms.symbol}: none was given, so none is paid and its gate sees 0")
            if not self.interest.get(terms.symbol):
                told.append(f"open interest of {terms.symbol}: none was given, so its rule is off")
        return tuple(told)
