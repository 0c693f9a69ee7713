"""Sweeps: one strategy, many combinations of its parameters, on all processors or on a dask cluster."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from contractdesk.errors import ConfigError
from contractdesk.replay.models import Models
from contractdesk.replay.sweep_loop import OnResult, Options, swept
from contractdesk.replay.sweep_objective import check_objective
from contractdesk.replay.sweep_optuna import OptunaSearch, Space
from contractdesk.replay.sweep_plan import Contracts, Data, Plan, plan_of
from contractdesk.replay.sweep_pool import open_pool
from contractdesk.replay.sweep_record import sweeps_root
from contractdesk.replay.sweep_result import Sweep
from contractdesk.replay.sweep_search import Grid, Search
from contractdesk.risk.settings import RiskSettings
from contractdesk.strategy.base import Strategy

GridLike = Mapping[str, Iterable[Any]] | Sequence[Mapping[str, Any]]


def sweep(
    strategy: Strategy | type[Strategy],
    grid_or_study: GridLike | Any,
    data: Data,
    client: Any = None,
    *,
    workers: int | None = None,
    trials: int | None = None,
    space: Space = None,
    objective: str = "sharpe",
    balance: Decimal | float | str = 10_000,
    leverage: Decimal | float | str = 10,
    risk: RiskSettings | Mapping[str, Any] | None = None,
    models: Models | None = None,
    contracts: Contracts | None = None,
    folder: str | Path | None = None,
    resume: bool = True,
    memory_mb: int = 1024,
    progress: bool = True,
    on_result: OnResult | None = None,
) -> Sweep:
    """Replay ``strategy`` once for each combination of parameters; the table has the best first.

    ::

        table = cd.sweep(trend, {"fast": range(5, 25, 5), "slow": [30, 60]}, ape)
        table.df, table.best, cd.heatmap(table, "fast", "slow")
        cd.sweep(trend, optuna.create_study(direction="maximize"), ape, trials=100, space=["fast", "slow"])

    ``grid_or_study`` is a mapping from parameters to values (all combinations are tried), a list of
    mappings, an Optuna study, or None for a study of our own; a study takes ``trials`` combinations from
    ``space``: names of Params with ranges (None: all of them), or a mapping from names to ``(low, high)``,
    a list of values or a distribution. A class in the place of a strategy trades all symbols of ``data``.

    ``client`` is a dask Client, or a scheduler's address; its workers must see the data under the same
    path. Without one, ``workers`` processes are started and ended here (None: one for each processor; 0:
    all in this process, without dask). A worker keeps up to ``memory_mb`` of decoded ticks.

    Each run is written to ``folder`` (``CONTRACTDESK_SWEEPS``, or the user's own) as it ends, under the
    strategy's code, data, settings and models: the same call goes on where an earlier one has stopped, and
    a larger grid runs only what is new. ``resume=False`` begins anew. ``on_result`` is called with each
    new row. A combination that fails, or whose worker dies three times, is a row whose failure says why.

    ``objective`` is "sharpe", "net_profit" or "max_drawdown". The other settings are those of
    ``replay.run``. Raises ConfigError, before anything is started, for what cannot be.
    """
    check_objective(objective)
    plan = plan_of(
        strategy, data, balance=balance, leverage=leverage, risk=risk, models=models, contracts=contracts,
        memory_mb=memory_mb,
    )  # fmt: skip
    search = search_of(plan, grid_or_study, trials, space, objective)
    options = Options(
        objective=objective, folder=sweeps_root(folder), resume=resume, progress=progress, on_result=on_result
    )
    with open_pool(client, workers) as pool:
        return swept(plan, search, pool, options)


def search_of(plan: Plan, given: Any, trials: int | None, space: Space, objective: str) -> Search:
    """A grid, or a search by trials; ConfigError for what is neither."""
    if isinstance(given, Mapping) or (isinstance(given, Sequence) and not isinstance(given, str | bytes)):
        if trials is not None or space is not None:
            raise ConfigError("trials and space are for a study: a grid says itself what is tried")
        return Grid(plan, given)
    if given is not None and not hasattr(given, "ask"):
        raise ConfigError(
            f"{given!r} is no grid: give e.g. {{'fast': [5, 10], 'slow': [30, 60]}}, or an Optuna study"
        )
    if trials is None:
        raise ConfigError("a study needs trials=: how many combinations are to be tried in all")
    return OptunaSearch(plan, given, trials, space, objective, plan.models.seed)
