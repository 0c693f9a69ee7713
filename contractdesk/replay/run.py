"""One call: a strategy over recorded markets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from contractdesk.domain.instrument import Instrument
from contractdesk.errors import ConfigError
from contractdesk.replay.contracts import contract_of
from contractdesk.replay.models import Models
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
    interest besides. ``risk`` is what differs from the defaults. ``contracts`` gives, by symbol, the
    contract or what of it differs from the recording's terms and ``contracts.ASSUMED``. ``every`` tells
    the engine each trade and mark singly: the same result, slowly. ``cache`` is a folder for decoded
    columns, which make the next run over the same data quicker; True: the user's; False: none.

    Raises ConfigError for a wrong setting, StorageError for a recording that cannot be walked through.
    """
    series = [_dataset(each) for each in ([data] if isinstance(data, Recorded | Dataset) else data)]
    trades = [each for each in series if each.series.kind in TRADES]
    if not trades:
        raise ConfigError("there is no series of trades in data: cd.history.load(symbol, kind='agg_trades')")
    instruments = tuple(_contract(each, contracts or {}) for each in trades)
    chosen = models or Models()
    setup = Setup(
        instruments=instruments,
        strategies=(strategies,) if isinstance(strategies, Strategy) else tuple(strategies),
        balance=_money("balance", balance),
        leverage=_money("leverage", leverage),
        risk=risk if isinstance(risk, RiskSettings) else tuned(RiskSettings(), risk or {}),
        models=chosen,
        start_ns=max(each.start_ns for each in trades),
        funding={each.series.symbol: tuple(_funding(each)) for each in series if _is(each, Kind.FUNDING)},
        interest={
            each.series.symbol: tuple(_interest(each)) for each in series if _is(each, Kind.OPEN_INTEREST)
        },
    )
    latency = chosen.latency
    batches = read_ticks(
        trades,
        instruments,
        feed_ns=latency.feed_ns,
        recorded=latency.recorded,
        sidecar=_sidecar(cache),
    )
    return replay(setup, batches, every=every)


def replay(setup: Setup, batches: Iterator[Ticks], *, every: bool = False) -> Result:
    """Run a setup over batches of trades."""
    return Result(Replay(setup, batches, every=every).run())


def _sidecar(cache: Path | str | bool) -> Sidecar | None:  # noqa: FBT001  (a folder, or whether)
    if not cache:
        return None
    return Sidecar(default_folder() if cache is True else Path(cache))


def _dataset(each: Recorded | Dataset) -> Dataset:
    return each if isinstance(each, Dataset) else each.dataset


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
    number = Decimal(repr(value)) if isinstance(value, float) else Decimal(value)
    if not number.is_finite() or number <= 0:
        raise ConfigError(f"{name}={value!r} is not permitted: it must be above 0")
    return number
