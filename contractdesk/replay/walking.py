"""Walk-forward: parameters chosen on one window are judged on the next, which they have never seen.

R. Pardo, "The Evaluation and Optimization of Trading Strategies", 2nd ed., Wiley, 2008, chapter 11.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from msgspec import Struct

from contractdesk.domain.market import timeframe_ns
from contractdesk.errors import ConfigError, UserError
from contractdesk.replay.models import Models
from contractdesk.replay.sweep import GridLike, search_of
from contractdesk.replay.sweep_loop import Options, swept
from contractdesk.replay.sweep_objective import check_objective
from contractdesk.replay.sweep_optuna import Space
from contractdesk.replay.sweep_plan import Contracts, Data, Plan, plan_of, span_of
from contractdesk.replay.sweep_pool import Pool, open_pool
from contractdesk.replay.sweep_record import sweeps_root
from contractdesk.replay.sweep_result import Sweep
from contractdesk.replay.sweep_work import Done, Job
from contractdesk.replay.walking_result import Split, WalkForward
from contractdesk.risk.settings import RiskSettings
from contractdesk.strategy.base import Strategy

Length = str | timedelta
MOST_SPLITS = 1_000
HOUR_NS = 3600 * 10**9


class Window(Struct, frozen=True):
    """One split: [train, test) chooses, [test, end) is out of sample; UTC ns."""

    train_ns: int
    test_ns: int
    end_ns: int


def walk_forward(
    strategy: Strategy | type[Strategy],
    grid: GridLike | None,
    data: Data,
    client: Any = None,
    *,
    train: Length,
    test: Length,
    anchored: bool = False,
    lead: Length | None = None,
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
) -> WalkForward:
    """Sweep each training window, and replay its best parameters over the test window behind it.

    ``train`` and ``test`` are lengths such as "30d", "6h" or a timedelta; the test windows follow one
    another without a hole, and what is left at the end, shorter than ``test``, is not tested. Rolling
    training windows have one length; ``anchored`` ones all begin where the data do. ``grid`` None
    searches by Optuna, ``trials`` combinations a split, each split with a study of its own.

    A test begins ``lead`` before its window (None: the strategy's own warm-up; timedelta(0): at once), so
    that indicators are warm; a position that is open when the window begins is part of it, at its worth
    of that moment. Each test begins with ``balance``, and a position that is open at its end is valued,
    not closed. The stitched equity takes each test's growth on top of those before.

    Everything else is as for ``sweep``; training sweeps are kept and go on where they stopped. Raises
    ConfigError, before anything is started, also where the data are shorter than one split.
    """
    check_objective(objective)
    if grid is not None and hasattr(grid, "ask"):
        raise ConfigError("each split has a study of its own: give None, with trials= and space=")
    plan = plan_of(
        strategy, data, balance=balance, leverage=leverage, risk=risk, models=models, contracts=contracts,
        memory_mb=memory_mb,
    )  # fmt: skip
    start_ns, end_ns = span_of(plan.data)
    start_ns += -start_ns % timeframe_ns(plan.timeframe)  # windows begin with a bar
    windows = windows_of(start_ns, end_ns, _ns("train", train), _ns("test", test), anchored=anchored)
    lead_ns = None if lead is None else _ns("lead", lead, least=0)
    trains = [plan.within(each.train_ns, each.test_ns) for each in windows]
    searches = [search_of(each, grid, trials, space, objective) for each in trains]
    options = Options(objective=objective, folder=sweeps_root(folder), resume=resume, progress=progress)
    with open_pool(client, workers) as pool:
        sweeps = [
            swept(each, search, pool, options, f"train {place + 1}/{len(windows)}")
            for place, (each, search) in enumerate(zip(trains, searches, strict=True))
        ]
        tests = _tested(plan, windows, sweeps, pool, lead_ns)
    splits = [
        Split(
            train_ns=each.train_ns,
            test_ns=each.test_ns,
            end_ns=each.end_ns,
            sweep=found,
            test=tests.get(place),
        )
        for place, (each, found) in enumerate(zip(windows, sweeps, strict=True))
    ]
    return WalkForward(splits, objective, float(Decimal(str(plan.balance))))


def windows_of(start_ns: int, end_ns: int, train_ns: int, test_ns: int, *, anchored: bool) -> list[Window]:
    """The splits of [start, end), in the order of time; ConfigError where there is none, or too many."""
    count = (end_ns - start_ns - train_ns) // test_ns
    if not 1 <= count <= MOST_SPLITS:
        hours, train, test = ((end_ns - start_ns) / HOUR_NS, train_ns / HOUR_NS, test_ns / HOUR_NS)
        raise ConfigError(
            f"the data are of {hours:.1f} h, which is {max(count, 0)} splits of train {train:g} h and "
            f"test {test:g} h: there must be from 1 to {MOST_SPLITS}"
        )
    tests = [start_ns + train_ns + place * test_ns for place in range(count)]
    return [Window(start_ns if anchored else at - train_ns, at, at + test_ns) for at in tests]


def _tested(
    plan: Plan, windows: list[Window], sweeps: list[Sweep], pool: Pool, lead_ns: int | None
) -> dict[int, Done]:
    """By split, what the best of its training did; a split without a best is not tested."""
    waiting: list[tuple[Plan, Job, int]] = []
    for place, (window, found) in enumerate(zip(windows, sweeps, strict=True)):
        try:
            params = found.best.params
        except UserError:  # its row says so
            continue
        chosen = plan.strategy(params)
        before_ns = chosen.warmup * timeframe_ns(plan.timeframe) if lead_ns is None else lead_ns
        part = plan.within(window.test_ns - before_ns, window.end_ns)
        waiting.append((part, Job(params, since_ns=window.test_ns, curve=True), place))
    done: dict[int, Done] = {}
    waiting.reverse()
    while waiting or pool.pending:
        while waiting and pool.pending < pool.room:
            pool.submit(*waiting.pop())
        place, each = pool.next()
        done[place] = each
    return done


def _ns(name: str, length: Length, least: int = 1) -> int:
    if isinstance(length, timedelta):
        ns = (length.days * 86_400 + length.seconds) * 10**9 + length.microseconds * 1_000
    else:
        try:
            ns = timeframe_ns(length)
        except (ValueError, TypeError) as exc:
            raise ConfigError(
                f"{name}={length!r} is no length: give e.g. '30d', '6h' or a timedelta"
            ) from exc
    if ns < least:
        raise ConfigError(f"{name}={length!r} is not permitted: it must be above 0")
    return ns
