"""A search by Optuna: it proposes, the workers try, and it is told, several at a time (ask and tell).

T. Akiba et al., "Optuna: A Next-generation Hyperparameter Optimization Framework", KDD 2019;
https://optuna.readthedocs.io/en/stable/tutorial/20_recipes/009_ask_and_tell.html.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from hashlib import sha256
from typing import Any

from contractdesk.errors import ConfigError
from contractdesk.replay.extras import extra
from contractdesk.replay.sweep_objective import value_of
from contractdesk.replay.sweep_plan import Params, Plan
from contractdesk.replay.sweep_work import Row
from contractdesk.strategy.params import Param, plain

DIGITS = 4  # significant ones of a Decimal parameter: what lies between is the same strategy
ATTRIBUTE = "contractdesk"  # of a trial: the space and parameters of its row
Space = Mapping[str, Any] | Iterable[str] | None


class OptunaSearch:
    """A study's proposals. A higher objective is better; a study that minimizes is told its negative."""

    eager = False

    def __init__(self, plan: Plan, study: Any, trials: int, space: Space, objective: str, seed: int) -> None:
        """``study`` None: one is made, with a seeded TPE sampler. ConfigError for what does not fit."""
        if isinstance(trials, bool) or not isinstance(trials, int) or trials < 1:
            raise ConfigError(f"trials={trials!r} is not permitted: it must be 1 or more")
        self._optuna = extra("optuna", "optuna", "a search by trials")
        self._optuna = extra("optuna", "optuna", "a search by trials")
        self._plan, self._objective = plan, objective
        self._study = self._made(seed) if study is None else study
        if len(self._study.directions) > 1:
            raise ConfigError("this study has several objectives: a sweep has one")
        down = self._study.direction == self._optuna.study.StudyDirection.MINIMIZE
        self._sign = -1 if down else 1
        self._declared = plan.strategy_class.declared()
        self._space = self._distributions(space)
        self._open: dict[int, Any] = {}
        self._left = trials
        self.total = trials
        self.names = tuple(self._space)
        self.space = sha256(repr(sorted(self._space.items())).encode()).hexdigest()[:12]

    def begin(self, known: Iterable[Row]) -> list[Row]:
        """Tell the study of the trials that were made before, unless it remembers them itself."""
        rows = [row for row in known if row.space == self.space][: self.total]
        remembered = {trial.user_attrs.get(ATTRIBUTE) for trial in self._study.get_trials(deepcopy=False)}
        for row in rows:
            if self._name(row) not in remembered:
                self._study.add_trial(self._finished(row))
        self._left = self.total - len(rows)
        return rows

    def ask(self) -> tuple[int, Params] | None:
        if not self._left:
            return None
        self._left -= 1
        trial = self._study.ask(self._space)
        self._open[trial.number] = trial
        return trial.number, self._plan.full(
            {name: _rounded(self._declared[name], value) for name, value in trial.params.items()}
        )

    def tell(self, tag: int, row: Row) -> None:
        trial = self._open.pop(tag)
        trial.set_user_attr(ATTRIBUTE, self._name(row))
        state, value = self._told(row)
        self._study.tell(trial, value, state=state)

    def end(self) -> None:
        """What was under way when the sweep was stopped has failed."""
        while self._open:
            _, trial = self._open.popitem()
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)

    # -- inside ----------------------------------------------------------------------------

    def _made(self, seed: int) -> Any:
        # Others are under way while one is asked for: the sampler keeps away from them.
        sampler = self._optuna.samplers.TPESampler(seed=seed, constant_liar=True)
        return self._optuna.create_study(direction="maximize", sampler=sampler)

    def _told(self, row: Row) -> tuple[Any, float | None]:
        """What Optuna hears: a combination without a value, to keep away from, is pruned in its words."""
        states = self._optuna.trial.TrialState
        if row.lost:
            return states.FAIL, None
        value = value_of(row, self._objective)
        return (states.PRUNED, None) if value is None else (states.COMPLETE, self._sign * value)

    def _finished(self, row: Row) -> Any:
        state, value = self._told(row)
        return self._optuna.trial.create_trial(
            state=state,
            value=value,
            params={name: self._suggested(name, row.params[name]) for name in self._space},
            distributions=self._space,
            user_attrs={ATTRIBUTE: self._name(row)},
        )

    def _suggested(self, name: str, value: Any) -> Any:
        """A row's value as the distribution has it."""
        return float(value) if isinstance(self._declared[name].default, Decimal) else value

    def _name(self, row: Row) -> str:
        return f"{self._plan.key} {self.space} {sorted(row.params.items())!r}"

    def _distributions(self, space: Space) -> dict[str, Any]:
        if isinstance(space, Mapping):
            chosen = {name: self._given(name, each) for name, each in space.items()}
        else:
            names = self._declared if space is None else list(space)
            made = {name: self._ranged(self._param(name)) for name in names}
            chosen = {name: each for name, each in made.items() if each is not None}
            if space is not None and (bare := [name for name in names if name not in chosen]):
                raise ConfigError(f"{bare[0]} has no range: give one, as space={{{bare[0]!r}: (low, high)}}")
        if not chosen:
            raise ConfigError(f"{self._plan.class_name} has no parameter with a range to search in")
        return chosen

    def _param(self, name: str) -> Param[Any]:
        if name not in self._declared:
            known = ", ".join(sorted(self._declared)) or "none"
            raise ConfigError(f"{self._plan.class_name} has no parameter {name!r}; it has: {known}")
        return self._declared[name]

    def _given(self, name: str, given: Any) -> Any:
        """A distribution, (low, high), or a list of values."""
        param = self._param(name)
        if isinstance(given, self._optuna.distributions.BaseDistribution):
            return given
        if isinstance(given, tuple) and len(given) == 2:
            return self._between(param, param.parse(given[0]), param.parse(given[1]))
        if isinstance(given, list) and given:
            return self._optuna.distributions.CategoricalDistribution(
                tuple(plain(param.parse(value)) for value in given)
            )
        raise ConfigError(f"space[{name!r}]={given!r}: give (low, high), a list of values or a distribution")

    def _ranged(self, param: Param[Any]) -> Any:
        """What a Param's own range says; None where it has none."""
        if param.choices or isinstance(param.default, bool):
            choices = tuple(plain(choice) for choice in param.choices) or (False, True)
            return self._optuna.distributions.CategoricalDistribution(choices)
        return None if param.ge is None or param.le is None else self._between(param, param.ge, param.le)

    def _between(self, param: Param[Any], low: Any, high: Any) -> Any:
        kinds = self._optuna.distributions
        number = isinstance(param.default, int | float | Decimal) and not isinstance(param.default, bool)
        if not number or not low <= high:
            raise ConfigError(f"{param.name} has no range from {low!r} to {high!r}: give a list of values")
        if isinstance(param.default, int):
            return kinds.IntDistribution(low, high)
        return kinds.FloatDistribution(float(low), float(high))


def _rounded(param: Param[Any], value: Any) -> Any:
    if not isinstance(param.default, Decimal):
        return value
    rounded = Decimal(format(value, f".{DIGITS}g"))
    low = rounded if param.ge is None else max(rounded, param.ge)
    return low if param.le is None else min(low, param.le)
