"""By what runs are compared: one of their figures, of which more is better."""

from __future__ import annotations

import math

from contractdesk.errors import ConfigError
from contractdesk.replay.sweep_work import Row

OBJECTIVES = ("sharpe", "net_profit", "max_drawdown")  # a drawdown is 0 or below: nearer to 0 is better


def check_objective(name: str) -> None:
    """ConfigError for what is no objective."""
    if name not in OBJECTIVES:
        raise ConfigError(f"objective={name!r} is not permitted: it must be one of {', '.join(OBJECTIVES)}")


def value_of(row: Row, objective: str) -> float | None:
    """None for a run that failed, or has no such figure."""
    value = getattr(row.figures, objective) if row.figures is not None else None
    return None if value is None else float(value)


def ranked(rows: list[Row], objective: str) -> list[Row]:
    """The best first, those without a value last; equals by their parameters, whatever order they came in."""

    def rank(row: Row) -> tuple[bool, float, str]:
        value = value_of(row, objective)
        return value is None, math.inf if value is None else -value, repr(sorted(row.params.items()))

    return sorted(rows, key=rank)
