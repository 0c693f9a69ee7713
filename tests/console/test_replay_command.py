"""``contractdesk replay`` and ``twin``: what they print, and the one sentence where they cannot."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from contractdesk.cli import commands
from contractdesk.console.replay_command import strategy_class
from contractdesk.errors import ConfigError, UserError
from contractdesk.strategy import library
from tests.replay import generated

OWN = """
import contractdesk as cd

class Sleeper(cd.Strategy):
    def on_bar(self, bar, ctx):
        return None
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with some hours of generated trades."""
    folder = tmp_path_factory.mktemp("store")
    generated.trades(folder, hours=4, count=8_000)
    return folder


def replayed(root: Path, *words: str) -> Result:
    options = ["--symbol", generated.SYMBOL, "--root", str(root), "--kind", "trades"]
    return CliRunner().invoke(commands, ["replay", *words, *options])


def test_a_library_strategy_is_replayed_and_its_report_written(root: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    done = replayed(root, "TrendFollow", "-p", "fast", "5", "-p", "slow", "15", "--html", str(page))
    assert done.exit_code == 0, done.output
    assert "round trips" in done.output
    assert f"report: {page}" in done.output
    assert "fast=5" in page.read_text()


def test_a_strategy_of_a_file_is_replayed(root: Path, tmp_path: Path) -> None:
    file = tmp_path / "sleeper.py"
    file.write_text(OWN)
    done = replayed(root, f"{file}:Sleeper", "--risk", "size_cap=0.01")
    assert done.exit_code == 0, done.output
    assert "Replay of Sleeper" in done.output


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["TrendFolow"], "no strategy 'TrendFolow': give one of .*TrendFollow"),
        (["nowhere.py:Sleeper"], "nowhere.py is no Python file"),
        (["no.such.module:Sleeper"], "no.such.module cannot be loaded"),
        (["TrendFollow", "-p", "fast", "1000"], "fast=1000"),
        (["TrendFollow", "-p", "fast"], "is given as -p NAME VALUE"),
        (["TrendFollow", "--risk", "size_cap"], "a risk setting is given as NAME=VALUE"),
        (["TrendFollow", "--risk", "size_kap=1"], "there is no risk setting 'size_kap'"),
        (["TrendFollow", "--latency-ms", "-1"], "entry_ms=-1.0 is not permitted"),
        (["TrendFollow", "--balance", "nothing"], "balance='nothing' is not a number"),
        (["TrendFollow", "--start", "yesterday"], "'yesterday' is no time"),
    ],
)
def test_what_cannot_be_replayed_is_said_in_a_sentence(root: Path, words: list[str], sentence: str) -> None:
    with pytest.raises((ConfigError, UserError), match=sentence) as caught:
        raise replayed(root, *words).exception or AssertionError("nothing was refused")
    assert "\n" not in str(caught.value)


def test_a_class_of_the_library_is_known_by_its_name() -> None:
    assert strategy_class("TrendFollow") is library.TrendFollow
    assert strategy_class("contractdesk.strategy.library:TrendFollow") is library.TrendFollow
