"""One call over recordings: what it needs, and the one sentence for each thing that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from contractdesk.errors import ConfigError, StorageError
from contractdesk.replay import Models, Result, SampledLatency, contract_of, run
from contractdesk.storage.dataset import Dataset
from contractdesk.storage.schema import Kind
from contractdesk.storage.terms import MarketKind
from tests.replay.gamblers import Gambler
from tests.storage.recorded import SYMBOL, T0, TERMS, D, series, trade, write

NS_PER_S = 10**9


@pytest.fixture
def recorded(tmp_path: Path) -> Dataset:
    """20 s of trades, ten a second."""
    write(tmp_path, [trade(number, T0 + number * NS_PER_S // 10) for number in range(200)])
    return Dataset(root=tmp_path, series=series())


def gambler(**more: Any) -> Gambler:
    return Gambler([SYMBOL], **({"timeframe": "1s", "eager": 1.0, "bold": 0.02, "seed": 3} | more))


def test_a_strategy_trades_over_a_recording_and_the_same_each_time(recorded: Dataset) -> None:
    def result() -> Result:
        return run(gambler(), recorded, models=Models(latency=SampledLatency(), seed=5))

    first, second = result(), result()
    assert first.outcome.commands == second.outcome.commands
    assert len(first.outcome.commands) > 3
    assert len(first.outcome.closes) == 19 + 1  # bars, and the end
    assert first.outcome.end_ns == T0 + 19_900 * 10**6


def test_every_gives_the_same(recorded: Dataset) -> None:
    first, second = (run(gambler(), recorded, every=every).outcome for every in (False, True))
    assert first.commands == second.commands
    assert first.wakes < second.wakes


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"balance": 0}, "balance=0 is not permitted: it must be above 0"),
        ({"balance": "much"}, "balance='much' is not a number"),
        ({"balance": float("nan")}, "balance=nan is not permitted: it must be above 0"),
        ({"leverage": -1}, "leverage=-1 is not permitted: it must be above 0"),
        ({"leverage": None}, "leverage=None is not a number"),
        ({"risk": {"size_kap": 1}}, "there is no risk setting 'size_kap'"),
        ({"risk": {"size_cap": 11}}, "size_cap=11.* is not permitted: it must be from 0 to 10"),
        ({"contracts": {SYMBOL: {"tik_size": 1}}}, "a contract has no such term"),
        ({"contracts": {"ETH/USDT:USDT": {}}}, "contracts names 'ETH/USDT:USDT'; the trades are of BTC"),
    ],
)
def test_a_wrong_setting_is_named(recorded: Dataset, more: Mapping[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        run(gambler(), recorded, **more)


def test_no_trades_are_said_so(recorded: Dataset) -> None:
    funding = replace(recorded, series=series(Kind.FUNDING))
    later = replace(recorded, start_ns=T0 + 10**15)
    for data, sentence in (
        ([], "no series of trades"),
        (funding, "no series of trades"),
        (later, "nothing of"),
    ):
        with pytest.raises(ConfigError, match=sentence):
            run(gambler(), data)


def test_a_recording_without_a_single_print_of_the_book_is_said_so(tmp_path: Path) -> None:
    write(tmp_path, [trade(1, T0, lots=0)])
    with pytest.raises(ConfigError, match="there is no trade in the recording"):
        run(gambler(), Dataset(root=tmp_path, series=series()))


def test_a_series_twice_and_strategies_that_do_not_fit_are_refused(recorded: Dataset) -> None:
    with pytest.raises(ConfigError, match="must name at least one contract, each once"):
        run(gambler(), [recorded, recorded])
    with pytest.raises(ConfigError, match="trades 'ETH/USDT:USDT'; the data has BTC/USDT:USDT"):
        run(Gambler(["ETH/USDT:USDT"]), recorded)
    with pytest.raises(ConfigError, match="traded by two strategies"):
        run([gambler(), gambler()], recorded)


@pytest.mark.parametrize("data", [None, "trades.parquet", np.zeros(3), {"price": [1]}, [1]])
def test_data_that_is_no_recording_is_said_so(data: Any) -> None:
    with pytest.raises(ConfigError, match=r"not a recorded series: cd\.history\.import_"):
        run(gambler(), data)


@pytest.mark.parametrize(
    ("given", "sentence"), [(Gambler, "is a class: Gambler"), (None, "not a strategy"), ([3], "3 is not a")]
)
def test_what_is_no_strategy_is_said_so(recorded: Dataset, given: Any, sentence: str) -> None:
    with pytest.raises(ConfigError, match=sentence):
        run(given, recorded)


def test_terms_that_do_not_fit_the_recording_are_refused(recorded: Dataset) -> None:
    with pytest.raises(StorageError, match="no multiples"):
        run(gambler(), recorded, contracts={SYMBOL: {"tick_size": D("0.3")}})


def test_a_spot_market_has_no_contract() -> None:
    with pytest.raises(ConfigError, match="a replay is of contracts"):
        contract_of(replace(TERMS, kind=MarketKind.SPOT))
