"""One call: a strategy over recorded markets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from msgspec import Struct

from contractdesk.domain.instrument import Instrument
from contractdesk.errors import ConfigError
from contractdesk.replay.contracts import contract_of
from contractdesk.replay.depth_rows import read_depth
from contractdesk.replay.models import Models
from contractdesk.replay.recorded import RecordedBook
from contractdesk.replay.result import Result
from contractdesk.replay.runner import Replay
from contractdesk.replay.setup import Funding, Interest, Setup
from contractdesk.replay.sidecar import Sidecar, default_folder
from contractdesk.replay.ticks import Ticks, read_ticks
from contractdesk.risk.settings import RiskSettings, tuned
from contractdesk.storage.dataset import Dataset
from contractdesk.storage.schema import Kind
from contractdesk.strategy.base import Strategy

TRADES = (Kind.TRADES, Kind.AGG_TRADES)


@runtime_checkable
class Recorded(Protocol):
    """A recorded series, such as ``cd.history.load`` gives."""

    @property
    def dataset(self) -> Dataset: ...


class Market(Struct, frozen=True):
    """The recorded side of a replay: the same for whatever trades on it."""

    trades: tuple[Dataset, ...]  # one of each instrument
    instruments: tuple[Instrument, ...]
    funding: Mapping[str, tuple[Funding, ...]]  # by symbol
    interest: Mapping[str, tuple[Interest, ...]]
    depth: Mapping[str, Dataset] = {}


def run(
    strategies: Strategy | Sequence[Strategy],
    data: Recorded | Dataset | Sequence[Recorded | Dataset],
    *,
    balance: Decimal | float | str = 10_000,
    leverage: Decimal | float | str = 10,
    risk: RiskSettings | Mapping[str, Any] | None = None,
    models: Models | None = None,
    contracts: Mapping[str, Instrument | Mapping[str, Any]] | None = None,
    every: bool = False,
    cache: Path | str | bool = True,
) -> Result:
    """Replay ``strategies`` over recorded trades, with the rules, protection and ledger of the live desk.

    ``data`` has one series of trades (or aggregated trades) a contract, and may have funding and open
    interest besides, and depth: then taking orders are filled level by level, and ``DepthQueue`` knows where
    a resting one stands. ``risk`` is what differs from the defaults. ``contracts`` gives, by symbol, the
    contract or what of it differs from the recording's terms and ``contracts.ASSUMED``. ``every`` tells
    the engine each trade and mark singly: the same result, slowly. ``cache`` is a folder for decoded
    columns, which make the next run over the same data quicker; True: the user's; False: none.

    Raises ConfigError for a wrong setting, StorageError for a recording that cannot be walked through.
    """
    market = market_of(data, contracts or {})
    setup = setup_of(market, strategies, balance=balance, leverage=leverage, risk=risk, models=models)
    books = books_of(market, setup.models)
    return replay(setup, ticks_of(market, setup.models, cache=cache), recorded=books, every=every)


def market_of(
    data: Recorded | Dataset | Sequence[Recorded | Dataset],
    contracts: Mapping[str, Instrument | Mapping[str, Any]],
) -> Market:
    """What ``run`` is to walk through; funding and open interest are read here.

    Raises ConfigError where there are no trades, or no such terms of a contract.
    """
    series = datasets_of(data)
    trades = tuple(each for each in series if each.series.kind in TRADES)
    if not trades:
        raise ConfigError("there is no series of trades in data: cd.history.load(symbol, kind='agg_trades')")
    named = {each.series.symbol for each in trades}
    if unknown := sorted(set(contracts) - named):
        raise ConfigError(f"contracts names {unknown[0]!r}; the trades are of {', '.join(sorted(named))}")
    return Market(
        trades=trades,
        instruments=tuple(_contract(each, contracts) for each in trades),
        funding={each.series.symbol: tuple(_funding(each)) for each in series if _is(each, Kind.FUNDING)},
        interest={
            each.series.symbol: tuple(_interest(each)) for each in series if _is(each, Kind.OPEN_INTEREST)
        },
        depth={each.series.symbol: each for each in series if _is(each, Kind.DEPTH)},
    )


def setup_of(
    market: Market,
    strategies: Strategy | Sequence[Strategy],
    *,
    balance: Decimal | float | str,
    leverage: Decimal | float | str,
    risk: RiskSettings | Mapping[str, Any] | None,
    models: Models | None,
) -> Setup:
    """An account on ``market``, and who trades on it; ConfigError for a wrong setting."""
    return Setup(
        instruments=market.instruments,
        strategies=_strategies(strategies),
        balance=_money("balance", balance),
        leverage=_money("leverage", leverage),
        risk=risk if isinstance(risk, RiskSettings) else tuned(RiskSettings(), risk or {}),
        models=models or Models(),
        start_ns=max(each.start_ns for each in market.trades),
        funding=market.funding,
        interest=market.interest,
    )


def ticks_of(market: Market, models: Models, *, cache: Path | str | bool = True) -> Iterator[Ticks]:
    """The trades of ``market``, in batches, heard as ``models`` say; ``cache`` as for ``run``."""
    latency = models.latency
    folder = default_folder() if cache is True else Path(cache) if cache else None
    return read_ticks(
        market.trades,
        market.instruments,
        feed_ns=latency.feed_ns,
        recorded=latency.recorded,
        sidecar=None if folder is None else Sidecar(folder),
    )


def replay(
    setup: Setup,
    batches: Iterator[Ticks],
    *,
    recorded: Sequence[RecordedBook | None] = (),
    every: bool = False,
) -> Result:
    """Run a setup over batches of trades, and over the recorded book of each instrument that has one."""
    return Result(Replay(setup, batches, recorded=recorded, every=every).run())


def books_of(market: Market, models: Models) -> list[RecordedBook | None]:
    """The recorded book of each contract that has one, heard as ``models`` say: for one run."""
    books: list[RecordedBook | None] = []
    feed_ns, recorded = models.latency.feed_ns, models.latency.recorded
    for traded, terms in zip(market.trades, market.instruments, strict=True):
        depth = market.depth.get(terms.symbol)
        if depth is None:
            books.append(None)
            continue
        batches = read_depth(depth, terms, feed_ns=feed_ns, recorded=recorded, beside=traded)
        books.append(RecordedBook(batches))
    return books


def datasets_of(data: Recorded | Dataset | Sequence[Recorded | Dataset]) -> list[Dataset]:
    """The series that were given, one or several."""
    given: list[Any] = list(data) if isinstance(data, list | tuple) else [data]
    for each in given:
        if not isinstance(each, Recorded | Dataset):
            kind = type(each).__name__
            raise ConfigError(
                f"data is a {kind}, not a recorded series: cd.history.import_(...) stores trades, and "
                f"cd.history.load(symbol, kind='agg_trades') opens them"
            )
    return [each if isinstance(each, Dataset) else each.dataset for each in given]


def _strategies(given: Strategy | Sequence[Strategy]) -> tuple[Strategy, ...]:
    listed = tuple(given) if isinstance(given, list | tuple) else (given,)
    for each in listed:
        if isinstance(each, type) and issubclass(each, Strategy):
            raise ConfigError(f"{each.__name__} is a class: {each.__name__}(['BTC/USDT:USDT']) is a strategy")
        if not isinstance(each, Strategy):
            raise ConfigError(f"{each!r} is not a strategy, e.g. cd.library.TrendFollow(['BTC/USDT:USDT'])")
    return listed


def _is(dataset: Dataset, kind: Kind) -> bool:
    return dataset.series.kind is kind


def _contract(dataset: Dataset, changes: Mapping[str, Instrument | Mapping[str, Any]]) -> Instrument:
    known = changes.get(dataset.series.symbol, {})
    if isinstance(known, Instrument):
        return known
    files = dataset.files()
    if not files:
        raise ConfigError(f"there is nothing of {dataset.series} in that span")
    finest = min((file.terms for file in files), key=lambda terms: (terms.tick_size, terms.lot_size))
    return contract_of(finest, **known)


def _funding(dataset: Dataset) -> Iterator[Funding]:
    for rows in dataset.scan(("venue_ns", "rate")):
        for ts_ns, rate in zip(*(rows.data[name].to_pylist() for name in ("venue_ns", "rate")), strict=True):
            yield Funding(ts_ns, rate.normalize())


def _interest(dataset: Dataset) -> Iterator[Interest]:
    for rows in dataset.scan(("venue_ns", "amount")):
        columns = (rows.data[name].to_pylist() for name in ("venue_ns", "amount"))
        for ts_ns, amount in zip(*columns, strict=True):
            yield Interest(ts_ns, amount.normalize())


def _money(name: str, value: Decimal | float | str) -> Decimal:
    try:
        number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    except (ArithmeticError, TypeError, ValueError):
        raise ConfigError(f"{name}={value!r} is not a number") from None
    if not number.is_finite() or number <= 0:
        raise ConfigError(f"{name}={value!r} is not permitted: it must be above 0")
    return number
