"""The table of a sweep: each run a row, the best first, and how much of the best may be luck."""

from __future__ import annotations

import html
import math
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contractdesk.errors import UserError
from contractdesk.replay.deflated import deflated_sharpe, expected_best, ratios_variance
from contractdesk.replay.sweep_objective import ranked, value_of
from contractdesk.replay.sweep_plan import Params, Plan
from contractdesk.replay.sweep_work import Row
from contractdesk.strategy.base import Strategy

if TYPE_CHECKING:
    import pandas as pd

SHOWN = 10  # rows of the text and HTML; ``.df`` has all
FIGURES = ("fills", "net_profit", "fees", "sharpe", "max_drawdown")


class Sweep:
    """What a sweep has found; amounts in the settle currency, Sharpe ratios a year."""

    def __init__(
        self,
        *,
        plan: Plan,
        names: tuple[str, ...],
        objective: str,
        rows: list[Row],
        tried: list[Row],
        known: int,
        path: Path,
        workers: int,
        seconds: float,
    ) -> None:
        """``tried``: all runs of this strategy on these data that are on record, other grids' included."""
        self.plan = plan
        self.parameters = names  # that vary
        self.objective = objective
        self.rows = ranked(rows, objective)
        self.known = known  # rows that were on record before
        self.path = path  # of the results file
        self.workers = workers
        self.seconds = seconds
        self.trials = len(tried)
        ratios = [row.figures.ratio for row in tried if row.figures and row.figures.ratio is not None]
        self.expected_best = expected_best(ratios_variance(ratios), self.trials) if tried else 0.0

    # -- the best --------------------------------------------------------------------------

    @property
    def best(self) -> Row:
        """The first row: ``.params`` and ``.figures``. UserError where no run has a value."""
        if not self.rows or value_of(self.rows[0], self.objective) is None:
            raise UserError(f"no run has a {self.objective}: see .df, its column failure says why")
        return self.rows[0]

    @property
    def best_params(self) -> Params:
        """Of the best, those that vary: ``trend.tune(**sweep.best_params)``."""
        return {name: self.best.params[name] for name in self.parameters}

    @property
    def strategy(self) -> Strategy:
        """With the best parameters, to be replayed or started."""
        return self.plan.strategy(self.best.params)

    def deflated(self, row: Row) -> float:
        """The deflated Sharpe ratio of a row (see ``replay.deflated``); NaN where it has no Sharpe ratio."""
        figures = row.figures
        if figures is None or figures.ratio is None:
            return math.nan
        return deflated_sharpe(
            figures.ratio,
            self.expected_best,
            observations=figures.observations,
            skew=figures.skew,
            kurtosis=figures.kurtosis,
        )

    @property
    def warning(self) -> str:
        """How many trials the best is the best of, and what that does to it."""
        text = f"WARNING: the best of {self.trials} trials looks better than it is."
        if not self.rows or math.isnan(deflated := self.deflated(self.rows[0])):
            return text
        return (
            f"{text} Deflated Sharpe ratio {deflated:.3f}: the probability that its true Sharpe ratio is "
            f"above {self.expected_best:.3g} a bar, which luck alone gives the best of {self.trials} "
            f"(Bailey & Lopez de Prado, 2014). {'It may well be luck.' if deflated < 0.95 else ''}"
        ).rstrip()

    # -- faces -----------------------------------------------------------------------------

    @cached_property
    def df(self) -> pd.DataFrame:
        """A row a run: parameters that vary, fills, net_profit, fees, sharpe, max_drawdown (a fraction, 0 or
        below), deflated, refusals, seconds, failure. Sorted by the objective, the best first."""
        import pandas as pd

        columns = [*self.parameters, *FIGURES, "deflated", "refusals", "seconds", "failure"]
        return pd.DataFrame([self._line(row) for row in self.rows], columns=columns)

    def _line(self, row: Row) -> list[Any]:
        figures = row.figures
        numbers = [math.nan if figures is None else getattr(figures, name) for name in (*FIGURES, "refusals")]
        numbers = [math.nan if number is None else number for number in numbers]
        varied = [row.params[name] for name in self.parameters]
        return [*varied, *numbers[:-1], self.deflated(row), numbers[-1], row.seconds, row.failure]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def summary(self) -> str:
        """What was run, what was known, and where it is kept."""
        failed = sum(bool(row.failure) for row in self.rows)
        resumed = f", {self.known} of them known from {self.path}" if self.known else f", kept in {self.path}"
        return (
            f"{self.plan.class_name} on {', '.join(self.plan.symbols)}: {len(self.rows)} runs "
            f"({failed} failed){resumed}; {self.seconds:.1f} s on {self.workers} "
            f"worker{'s' if self.workers > 1 else ''}, by {self.objective}"
        )

    def __repr__(self) -> str:
        table = self.df.head(SHOWN).to_string(index=False, float_format=lambda number: f"{number:.4g}")
        return "\n".join([self.summary, table, *self._rest(), self.warning])

    def _repr_html_(self) -> str:
        table = self.df.head(SHOWN).to_html(
            index=False, border=0, float_format=lambda number: f"{number:.4g}"
        )
        rest = "".join(f"<div>{html.escape(line)}</div>" for line in self._rest())
        return (
            f"<div><b>{html.escape(self.summary)}</b></div>{table}{rest}"
            f'<div style="color:#a97400"><b>{html.escape(self.warning)}</b></div>'
        )

    def _rest(self) -> list[str]:
        return [f"... and {len(self.rows) - SHOWN} more in .df"] if len(self.rows) > SHOWN else []
