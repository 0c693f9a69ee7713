"""Source of a strategy, and back: modules, notebook cells, and what cannot be kept."""

from __future__ import annotations

import hashlib
import inspect
import linecache
import sys
import traceback
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

import contractdesk
from contractdesk.errors import ConfigError
from contractdesk.strategy.base import Strategy
from contractdesk.strategy.library import TrendFollow
from contractdesk.strategy.loader import load, source_of
from tests.strategy.hosts import SYMBOL, Host


class Notebook:
    """Runs cells as IPython does: text in linecache, one namespace, a ``__main__`` without a file."""

    def __init__(self) -> None:
        self.module = ModuleType("__main__")
        self.count = 0

    def run(self, cell: str) -> None:
        self.count += 1
        name = f"/tmp/ipykernel_1/{id(self)}{self.count}.py"  # noqa: S108  (a name, no file)
        linecache.cache[name] = (len(cell), None, cell.splitlines(keepends=True), name)
        exec(compile(cell, name, "exec", dont_inherit=True), vars(self.module))  # noqa: S102  (the test's cell)

    def __getitem__(self, name: str) -> Any:
        return vars(self.module)[name]


@pytest.fixture
def notebook() -> Iterator[Notebook]:
    made, real = Notebook(), sys.modules["__main__"]
    sys.modules["__main__"] = made.module
    yield made
    sys.modules["__main__"] = real


BREAKOUT = """
class Breakout(cd.Strategy):
    lookback = cd.Param(20, ge=2, le=500, doc="bars")
    def on_bar(self, bar, ctx):
        if bar.close > ctx.bars(bar.symbol, self.lookback, before=bar).high.max():
            return cd.enter_long(bar.symbol, stop=cd.atr_stop(14, 2.5))   # size: the cap's share unless given
"""


def test_a_modules_class_goes_with_its_module() -> None:
    source, digest = source_of(TrendFollow)
    assert source == inspect.getsource(sys.modules[TrendFollow.__module__])
    assert digest == hashlib.sha256(source.encode()).hexdigest()
    loaded = load(source, "TrendFollow")
    assert loaded is not TrendFollow
    assert issubclass(loaded, Strategy)
    assert loaded([SYMBOL], fast=3).params == TrendFollow([SYMBOL], fast=3).params
    assert load(source, "TrendFollow") is loaded
    assert source_of(loaded) == (source, digest)


def test_the_documentations_example_survives_from_a_cell(notebook: Notebook) -> None:
    notebook.run("import contractdesk as cd\n" + BREAKOUT)
    source, digest = source_of(notebook["Breakout"])
    assert source == "import contractdesk as cd\n\n" + BREAKOUT.lstrip()
    host = Host(load(source, "Breakout")([SYMBOL], lookback=2))
    host.close("100", "100")
    assert len(host.close("101")) == 1
    notebook.run("1 + 1")
    notebook.run("import contractdesk as cd\n" + BREAKOUT)  # the cell is run again
    assert source_of(notebook["Breakout"]) == (source, digest)


HELPERS = """
from __future__ import annotations
import math, contractdesk as cd
def helper(x: Unknown):
    return math.sqrt(x) * two

class Base(cd.Strategy):
    depth = cd.Param(5)
"""
MINE = """
class Mine(Base):
    def on_bar(self, bar, ctx):
        local = [n for n in NAMES['a']]
        if helper(bar.close) > LEVEL:
            return cd.exit_position(bar.symbol, reason=str(sum(local)))
"""
INNER = """
import contractdesk as cd
def make():
    class Inner(cd.Strategy):
        def on_bar(self, bar, ctx): ...
    return Inner
"""


def test_what_a_class_uses_comes_along(notebook: Notebook) -> None:
    notebook.run("from decimal import Decimal as D")
    notebook.run("LEVEL = D('1.5')\nNAMES = {'a': (1, 2)}\ntwo = 2\nunused = object()")
    notebook.run(HELPERS)
    notebook.run(MINE)
    source, _ = source_of(notebook["Mine"])
    assert "unused" not in source
    assert source.startswith("from __future__ import annotations\n\n")
    loaded = load(source, "Mine")
    assert loaded([SYMBOL]).params == {"depth": 5}
    host = Host(loaded([SYMBOL]))
    assert host.close("0.01") == []
    assert [intent.reason for intent in host.close("100")] == ["3"]


def test_a_class_of_parameters_only_is_found_in_its_newest_cell(notebook: Notebook) -> None:
    notebook.run("from contractdesk.strategy import Param, library")
    notebook.run("class Quick(library.TrendFollow):\n    fast = Param(3, ge=2, le=500)\n")
    notebook.run("class Quick(library.TrendFollow):\n    fast = Param(5, ge=2, le=500)\n")
    source, _ = source_of(notebook["Quick"])
    assert load(source, "Quick")([SYMBOL]).params["fast"] == 5


def test_what_lives_only_in_the_notebook_is_refused_by_name(notebook: Notebook) -> None:
    notebook.run("import contractdesk as cd\nimport numpy as np\nframe = np.zeros(3)")
    notebook.run("class Mine(cd.Strategy):\n    def on_bar(self, bar, ctx):\n        return frame[0]\n")
    with pytest.raises(ConfigError, match="Mine uses 'frame', a ndarray that lives only in the notebook"):
        source_of(notebook["Mine"])


def test_a_source_that_cannot_be_found_is_refused(notebook: Notebook) -> None:
    notebook.run(INNER)
    with pytest.raises(ConfigError, match="the source of 'Inner' cannot be found"):
        source_of(notebook["make"]())
    made = type("Made", (Strategy,), {"__module__": "__main__"})
    with pytest.raises(ConfigError, match="the source of 'Made' cannot be found"):
        source_of(made)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("class Other: pass", "the source has no Strategy class 'Mine'"),
        ("class Mine: pass", "the source has no Strategy class 'Mine'"),
        ("class Mine(", "cannot be loaded: SyntaxError"),
        ("1 / 0", "cannot be loaded: ZeroDivisionError"),
        ("import no_such_module_at_all", "cannot be loaded: ModuleNotFoundError"),
    ],
)
def test_a_source_that_does_not_load_is_one_clear_error(source: str, words: str) -> None:
    before = set(sys.modules)
    with pytest.raises(ConfigError, match=words):
        load(source, "Mine")
    with pytest.raises(ConfigError, match=words):
        load(source, "Mine")
    assert {name for name in set(sys.modules) - before if name.startswith("contractdesk_strategy_")} <= {
        name for name in sys.modules if hasattr(sys.modules[name], "__strategy_source__")
    }


def test_contractdesks_names_are_there_without_an_import() -> None:
    loaded = load(
        "class Mine(Strategy):\n    n = Param(3)\n    def on_end(self, ctx):\n        return cd\n", "Mine"
    )
    assert loaded([SYMBOL]).params == {"n": 3}
    assert loaded([SYMBOL]).on_end(Host(loaded([SYMBOL])).context) is contractdesk  # type: ignore[comparison-overlap]


def test_a_traceback_shows_the_strategys_own_line() -> None:
    loaded = load(
        "class Mine(Strategy):\n    def on_end(self, ctx):\n        raise KeyError('x')  # here\n", "Mine"
    )
    try:
        loaded([SYMBOL]).on_end(Host(loaded([SYMBOL])).context)
    except KeyError:
        assert "raise KeyError('x')  # here" in traceback.format_exc()
