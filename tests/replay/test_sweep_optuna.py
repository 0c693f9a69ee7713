"""Searches by Optuna: distributions from Params, studies that go on, and what they are told."""

from __future__ import annotations

from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any

import optuna
import pytest

import contractdesk as cd
from contractdesk.errors import ConfigError
from contractdesk.replay.sweep_result import Sweep
from contractdesk.storage.dataset import Dataset
from tests.replay.generated import SYMBOL, trades

SPACE = {"fast": (2, 6), "slow": (4, 12)}


class Mood(Enum):
    CALM = "calm"
    WILD = "wild"


class Ranged(cd.Strategy):
    """One parameter of each kind; it does nothing with them."""

    count = cd.Param(5, ge=2, le=9)
    share = cd.Param(0.5, ge=0.1, le=0.9)
    exact = cd.Param(Decimal("2.5"), ge=Decimal("0.1"), le=Decimal(20))
    on = cd.Param(True)
    mood = cd.Param(Mood.CALM)
    word = cd.Param("a", choices=("a", "b"))
    free = cd.Param(7)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return trades(tmp_path_factory.mktemp("store"))


def searched(data: Dataset, folder: Path, study: Any = None, **options: Any) -> Sweep:
    trend = cd.library.TrendFollow([SYMBOL], timeframe="1m")
    plain = {"workers": 0, "progress": False, "folder": folder, "space": SPACE, "objective": "net_profit"}
    return cd.sweep(trend, study, data, **plain | options)


def test_ranges_of_params_are_the_default_space(data: Dataset, tmp_path: Path) -> None:
    study = optuna.create_study(direction="maximize")
    table = cd.sweep(Ranged, study, data, trials=6, workers=0, folder=tmp_path, progress=False)
    assert table.parameters == ("count", "share", "exact", "on", "mood", "word")
    assert not any(table.df.failure)
    kinds = {name: type(each).__name__ for name, each in study.trials[0].distributions.items()}
    assert kinds == {
        "count": "IntDistribution", "share": "FloatDistribution", "exact": "FloatDistribution",
        "on": "CategoricalDistribution", "mood": "CategoricalDistribution", "word": "CategoricalDistribution",
    }  # fmt: skip
    assert all(len(Decimal(exact).as_tuple().digits) <= 4 for exact in table.df.exact)
    assert set(table.df.mood) <= {"calm", "wild"}


def test_a_search_goes_on_and_its_study_knows_what_was_found(data: Dataset, tmp_path: Path) -> None:
    first = searched(data, tmp_path, trials=5)
    study = optuna.create_study(direction="maximize")
    second = searched(data, tmp_path, study, trials=8)
    assert first.known == 0
    assert second.known >= len(first)
    assert len(study.trials) >= 8 - (5 - len(first))
    assert study.best_value == second.best.figures.net_profit  # type: ignore[union-attr]
    before = len(study.trials)
    assert searched(data, tmp_path, study, trials=8).known >= len(first)
    remembered = [trial.user_attrs["contractdesk"] for trial in study.trials[:before]]
    assert len(set(remembered)) == len(second)  # rows are not told twice to a study that remembers them


def test_a_study_that_minimizes_hears_the_negative(data: Dataset, tmp_path: Path) -> None:
    study = optuna.create_study(direction="minimize")
    table = searched(data, tmp_path, study, trials=4)
    assert study.best_value == -table.best.figures.net_profit  # type: ignore[union-attr]


def test_a_refused_combination_is_pruned_and_what_was_under_way_has_failed(
    data: Dataset, tmp_path: Path
) -> None:
    def stop(_: Any) -> None:
        raise KeyboardInterrupt

    states = optuna.trial.TrialState
    study = optuna.create_study(direction="maximize")
    searched(data, tmp_path, study, trials=2, space={"fast": [9], "slow": [5]})
    assert {trial.state for trial in study.trials} == {states.PRUNED}
    study = optuna.create_study(direction="maximize")
    with pytest.raises(KeyboardInterrupt):
        searched(data, tmp_path, study, trials=4, on_result=stop)
    assert not [trial for trial in study.trials if trial.state == states.RUNNING]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"trials": 0}, "trials=0"),
        ({"space": ["nothing"]}, "no parameter 'nothing'"),
        ({"space": {"fast": 3}}, "give \\(low, high\\)"),
        ({"space": {"fast": (1, 6)}}, "fast=1 is not permitted"),
        ({"space": {"fast": (6, 3)}}, "no range from 6 to 3"),
        ({"space": {"entry": ("market", "passive")}}, "give a list of values"),
        ({"space": {}}, "no parameter with a range"),
        ({"study": optuna.create_study(directions=["maximize", "minimize"])}, "several objectives"),
    ],
)
def test_what_cannot_be_is_one_clear_error(
    data: Dataset, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        searched(data, tmp_path / "sweeps", **{"trials": 3, **options})
    assert not (tmp_path / "sweeps").exists()
