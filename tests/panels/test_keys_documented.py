"""The README's table of keys is the console's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from contractdesk.panels.hotkeys import HOTKEYS, Hotkey, sheet

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("hotkey", HOTKEYS, ids=lambda hotkey: hotkey.chord)
def test_every_chord_is_in_the_readme_and_says_whether_it_asks(hotkey: Hotkey) -> None:
    (row,) = [line for line in README.splitlines() if line.startswith(f"| {hotkey.chord} |")]
    assert ("to confirm" in row) == hotkey.sure


def test_the_help_lists_every_chord_once() -> None:
    lines = [line["chord"] for line in sheet()["lines"]]
    assert [hotkey.chord for hotkey in HOTKEYS] == lines[: len(HOTKEYS)]
