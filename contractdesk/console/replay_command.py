"""``contractdesk replay``: a strategy by its name, over the store, from a terminal."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from contractdesk.errors import ConfigError, UserError
from contractdesk.history.loading import History, load
from contractdesk.replay.models import ConstantLatency, FixedSlippage, Models
from contractdesk.replay.result import Result
from contractdesk.replay.run import run
from contractdesk.strategy import library
from contractdesk.strategy.base import Strategy


def replay_history(
    strategy: str,
    symbols: Sequence[str],
    *,
    timeframe: str,
    params: Mapping[str, Any],
    venue: str,
    kind: str,
    start: str | None,
    end: str | None,
    root: Path | None,
    balance: str,
    leverage: str,
    risk: Mapping[str, Any],
    latency_ms: float,
    slippage_ticks: int,
) -> Result:
    """Build the strategy, load the series, replay. ConfigError and UserError say what to do."""
    chosen = strategy_class(strategy)(list(symbols), timeframe=timeframe, **params)
    data: list[History] = []
    for symbol in symbols:
        data.append(load(symbol, venue=venue, kind=kind, start=start, end=end, root=root))
        data += _besides(symbol, venue, start, end, root)
    latency = ConstantLatency(entry_ms=latency_ms, answer_ms=latency_ms, read_ms=2 * latency_ms)
    models = Models(latency=latency, slippage=FixedSlippage(slippage_ticks))
    return run(chosen, data, balance=balance, leverage=leverage, risk=risk, models=models)


def strategy_class(name: str) -> type[Strategy]:
    """A class of the library, ``file.py:Class`` or ``package.module:Class``; ConfigError for others."""
    place, _, wanted = name.rpartition(":")
    module = _module(place) if place else library
    found = getattr(module, wanted, None)
    if isinstance(found, type) and issubclass(found, Strategy):
        return found
    known = ", ".join(sorted(each for each in vars(library) if _is_strategy(getattr(library, each))))
    raise ConfigError(f"no strategy {name!r}: give one of {known}, file.py:Class or package.module:Class")


def _is_strategy(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, Strategy) and value is not Strategy


def _module(place: str) -> Any:
    """A file is run under a name of its own; a module is imported as any other."""
    try:
        if not place.endswith(".py"):
            return importlib.import_module(place)
        path = Path(place)
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None or not path.is_file():
            raise ConfigError(f"{place} is no Python file")
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
    except (ImportError, SyntaxError) as error:
        raise ConfigError(f"{place} cannot be loaded: {error}") from error
    return module


def _besides(symbol: str, venue: str, start: str | None, end: str | None, root: Path | None) -> list[History]:
    """Funding and open interest, where the store has any of that span."""
    found = []
    for kind in ("funding", "open_interest"):
        try:
            found.append(load(symbol, venue=venue, kind=kind, start=start, end=end, root=root))
        except UserError:
            continue  # the report says that none was given
    return found
