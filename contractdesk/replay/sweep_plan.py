"""What all runs of a sweep have in common, small enough to be sent with each: data go by reference.

``Plan.key`` names everything that a run's figures depend on but the parameters; a results file is named
by it. What it cannot see: other modules that a strategy's module imports.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

import contractdesk
from contractdesk.domain.instrument import Instrument
from contractdesk.errors import ConfigError
from contractdesk.replay.models import Models
from contractdesk.replay.run import TRADES, Recorded, datasets_of, market_of, setup_of
from contractdesk.risk.settings import RiskSettings, tuned
from contractdesk.storage.dataset import EVER, Dataset
from contractdesk.strategy.base import Strategy
from contractdesk.strategy.loader import load, source_of
from contractdesk.strategy.params import Param, plain

BEFORE_NS = 24 * 3600 * 10**9  # so far back of a window, funding and open interest are known
Params = dict[str, Any]  # by name, as plain JSON values
Contracts = Mapping[str, Instrument | Mapping[str, Any]]
Data = Recorded | Dataset | Sequence[Recorded | Dataset]


class FileId(Struct, frozen=True):
    """One file of the data, as the caller sees it."""

    name: str  # relative to the store
    size: int  # bytes
    modified_ns: int


class Plan(Struct, frozen=True, kw_only=True):
    """A strategy's code and everything around it but its parameters."""

    source: str
    class_name: str
    symbols: tuple[str, ...]
    timeframe: str
    base: Params  # parameters that a run does not change
    data: tuple[Dataset, ...]
    files: tuple[FileId, ...]
    balance: Decimal | float | str
    leverage: Decimal | float | str
    risk: RiskSettings
    models: Models
    contracts: Contracts
    memory_mb: int  # of decoded ticks, that a worker may keep

    def __post_init__(self) -> None:
        if self.memory_mb < 0:
            raise ConfigError(f"memory_mb={self.memory_mb} is not permitted: it must be 0 or more")

    @property
    def key(self) -> str:
        told = (self.market_key, self.source, self.class_name, self.symbols, self.timeframe,
                _number(self.balance), _number(self.leverage), self.risk, self.models,
                list(_foreign(self.models)))  # fmt: skip
        return _digest(told)

    @property
    def market_key(self) -> str:
        """Of the ticks that a worker keeps: data and terms, and how late they are heard."""
        latency = self.models.latency
        spans = [(each.series, each.start_ns, each.end_ns) for each in self.data]
        contracts = sorted((symbol, _sorted(terms)) for symbol, terms in self.contracts.items())
        return _digest(
            (contractdesk.__version__, spans, self.files, contracts, latency.feed_ns, latency.recorded)
        )

    @property
    def strategy_class(self) -> type[Strategy]:
        return load(self.source, self.class_name)

    def strategy(self, params: Mapping[str, Any]) -> Strategy:
        """With ``params``; ConfigError where the strategy refuses them."""
        return self.strategy_class(list(self.symbols), timeframe=self.timeframe, **{**self.base, **params})

    def full(self, changes: Mapping[str, Any]) -> Params:
        """All parameters of a run, plainly; one that is not permitted stays as it was given."""
        known = self.strategy_class.declared()
        for name in changes:
            if name not in known:
                names = ", ".join(sorted(known)) or "none"
                raise ConfigError(f"{self.class_name} has no parameter {name!r}; it has: {names}")
        return self.base | {name: _plain(known[name], value) for name, value in changes.items()}

    def within(self, start_ns: int, end_ns: int) -> Plan:
        """The same between two times, UTC ns; funding and open interest of a day before are known."""
        data = tuple(
            replace(
                each,
                start_ns=max(each.start_ns, start_ns if each.series.kind in TRADES else start_ns - BEFORE_NS),
                end_ns=min(each.end_ns, end_ns),
            )
            for each in self.data
        )
        return replace(self, data=data, files=tuple(files_of(data)))


def plan_of(
    strategy: Strategy | type[Strategy],
    data: Data,
    *,
    balance: Decimal | float | str,
    leverage: Decimal | float | str,
    risk: RiskSettings | Mapping[str, Any] | None,
    models: Models | None,
    contracts: Contracts | None,
    memory_mb: int,
) -> Plan:
    """Everything checked that can be, before anything is started.

    Raises ConfigError for a setting, a strategy without a source or data without trades; StorageError
    for damaged files.
    """
    # A worker has another working directory.
    data_ = tuple(replace(each, root=Path(each.root).resolve()) for each in datasets_of(data))
    market = market_of(data_, contracts or {})
    if isinstance(strategy, type):
        strategy = strategy([terms.symbol for terms in market.instruments])
    chosen = risk if isinstance(risk, RiskSettings) else tuned(RiskSettings(), risk or {})
    setup_of(market, strategy, balance=balance, leverage=leverage, risk=chosen, models=models)
    source, _ = source_of(type(strategy))
    plan = Plan(
        source=source,
        class_name=type(strategy).__name__,
        symbols=strategy.symbols,
        timeframe=strategy.timeframe,
        base=strategy.params,
        data=data_,
        files=tuple(files_of(data_)),
        balance=balance,
        leverage=leverage,
        risk=chosen,
        models=models or Models(),
        contracts=contracts or {},
        memory_mb=memory_mb,
    )
    plan.strategy({})  # its source stands by itself, or the error comes now
    return plan


def files_of(data: Sequence[Dataset]) -> Iterator[FileId]:
    """The files that the spans touch, in the order of data and time."""
    for dataset in data:
        for file in dataset.files():
            about = file.path.stat()
            yield FileId(str(file.path.relative_to(dataset.root)), about.st_size, about.st_mtime_ns)


def span_of(data: Sequence[Dataset]) -> tuple[int, int]:
    """When trades of all instruments begin, and when the last of any ends (not included), UTC ns.

    ConfigError where there are none of one of them.
    """
    starts, ends = [], []
    for each in data:
        if each.series.kind not in TRADES:
            continue
        files = each.files()
        if not files:
            raise ConfigError(f"there is nothing of {each.series} in that span")
        starts.append(max(each.start_ns, files[0].first_ns))
        ends.append(files[-1].last_ns + 1 if each.end_ns == EVER else min(each.end_ns, files[-1].last_ns + 1))
    return max(starts), max(ends)


def _plain(param: Param[Any], value: object) -> Any:
    try:
        return plain(param.parse(value))
    except ConfigError:  # the run will say so, in its row
        return value if isinstance(value, bool | int | float | str) else str(value)


def _sorted(terms: Instrument | Mapping[str, Any]) -> str:
    return repr(terms if isinstance(terms, Instrument) else sorted(terms.items()))


def _foreign(models: Models) -> Iterator[str]:
    """The code of models that are not this package's: their repr does not tell it.

    A class without a repr of its own shows its address, so that its runs are never taken for others'.
    """
    for model in (models.latency, models.slippage, models.queue):
        if not type(model).__module__.startswith("contractdesk."):
            try:
                yield inspect.getsource(type(model))
            except (OSError, TypeError):
                yield type(model).__qualname__


def _number(value: Decimal | float | str) -> str:
    return str(Decimal(str(value)).normalize())


def _digest(told: object) -> str:
    return sha256(repr(told).encode()).hexdigest()[:16]
