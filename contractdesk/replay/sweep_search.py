"""Which combinations a sweep tries: all of a grid, or those that an optimiser asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from typing import Any, Protocol

import msgspec

from contractdesk.errors import ConfigError
from contractdesk.replay.sweep_plan import Params, Plan
from contractdesk.replay.sweep_work import Row

MOST = 1_000_000  # combinations of a grid


class Search(Protocol):
    """Asked for combinations, told what became of them; each has a tag."""

    @property
    def names(self) -> tuple[str, ...]:
        """The parameters that vary."""
        ...

    @property
    def total(self) -> int:
        """Combinations that it will have asked for at the end."""
        ...

    @property
    def space(self) -> str:
        """Stands in the rows that are of this search; "" of a grid."""
        ...

    @property
    def eager(self) -> bool:
        """It may be asked for more than can be run at once: what it asks does not depend on results."""
        ...

    def begin(self, known: Iterable[Row]) -> list[Row]:
        """What is known already; returns the rows of it that this search need not ask for again."""
        ...

    def ask(self) -> tuple[int, Params] | None:
        """The next combination; None: there is none."""
        ...

    def tell(self, tag: int, row: Row) -> None: ...

    def end(self) -> None:
        """Nothing more will be told, also where something is pending."""
        ...


class Grid:
    """Each combination once, in the order given."""

    space = ""
    eager = True

    def __init__(self, plan: Plan, given: Mapping[str, Iterable[Any]] | Sequence[Mapping[str, Any]]) -> None:
        """Raises ConfigError for an unknown parameter, and for a grid without a combination."""
        changes = _product(given) if isinstance(given, Mapping) else [_changes(each) for each in given]
        if not changes:
            raise ConfigError("the grid is empty: give values for at least one parameter")
        full = [plan.full(each) for each in changes]
        unique = {msgspec.json.encode(each, order="sorted"): each for each in full}
        self._waiting = list(unique.values())
        self._asked = 0
        self.names = tuple(dict.fromkeys(name for each in changes for name in each))
        self.total = len(self._waiting)

    def begin(self, known: Iterable[Row]) -> list[Row]:  # noqa: ARG002  (a Search)
        return []

    def ask(self) -> tuple[int, Params] | None:
        if self._asked == self.total:
            return None
        self._asked += 1
        return self._asked - 1, self._waiting[self._asked - 1]

    def tell(self, tag: int, row: Row) -> None:
        """A grid learns nothing."""

    def end(self) -> None:
        """Nothing is open."""


def _product(grid: Mapping[str, Iterable[Any]]) -> list[dict[str, Any]]:
    columns = {name: _values(name, values) for name, values in grid.items()}
    count = 1
    for values in columns.values():
        count *= len(values)
    if count > MOST:
        raise ConfigError(f"the grid has {count:,} combinations, at most {MOST:,} are permitted")
    return [dict(zip(columns, row, strict=True)) for row in product(*columns.values())] if columns else []


def _values(name: str, values: object) -> list[Any]:
    if isinstance(values, str | bytes) or not isinstance(values, Iterable):
        raise ConfigError(f"{name}={values!r} is no list of values: give e.g. {name}=[{values!r}]")
    listed = list(values)
    if not listed:
        raise ConfigError(f"{name} has no values to try")
    return listed


def _changes(each: object) -> dict[str, Any]:
    if not isinstance(each, Mapping):
        raise ConfigError(f"{each!r} is no combination: give mappings from parameters to values")
    return dict(each)
