"""What the tuning panel sees of a desk: what runs, how it is changed, what was changed, and what if."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, runtime_checkable

from msgspec import Struct

from contractdesk.desk.changes import Change
from contractdesk.replay.trial import Trial
from contractdesk.risk.settings import RiskSettings
from contractdesk.strategy.params import Param

DESK: Final = ""  # who owns the risk settings; every other owner is a strategy, by its id

Values = Mapping[str, Any]  # by name; plain values, decimals as strings


class Running(Struct, frozen=True, kw_only=True):
    """A strategy that runs, with the parameters that it declares and those in force."""

    strategy_id: str
    class_name: str
    symbols: tuple[str, ...]
    timeframe: str
    declared: dict[str, Param[Any]]
    params: dict[str, Any]


class Comparison(Struct, frozen=True, kw_only=True):
    """One recorded session under what runs and under the draft."""

    asset: str
    runs: Trial
    draft: Trial


class Tuner(Protocol):
    """``running`` and ``risk`` never block; the others may, and may raise ``ContractdeskError``."""

    def running(self) -> tuple[Running, ...]: ...

    def risk(self) -> RiskSettings:
        """The limits in force."""
        ...

    def check(self, owner: str, changes: Values) -> None:
        """ConfigError where the values do not go together; changes nothing."""
        ...

    def apply(self, owner: str, changes: Values, expected: Values) -> object:
        """Tune; UserError where what runs is not ``expected`` any more. A false receipt: not done in time."""
        ...

    def changes(self) -> tuple[Change, ...]:
        """Every change ever made, oldest first."""
        ...

    def rehearse(
        self, hours: float, draft: Mapping[str, Values], progress: Callable[[float], None]
    ) -> Comparison:
        """Replay the last hours under what runs, then under ``draft`` (by owner).

        ``progress`` is told the share that is done; what it raises ends the replay.
        """
        ...


@runtime_checkable
class TuningFace(Protocol):
    """A desk that can be tuned."""

    @property
    def tuning(self) -> Tuner: ...
