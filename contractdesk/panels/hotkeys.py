"""The console's keys: one table for the browser, the help overlay and the README. None opens a position.

They work while the focus is inside the console, and nowhere else; no chord is one of JupyterLab's own.
"""

from __future__ import annotations

from enum import Enum
from typing import Final

from msgspec import Struct


class Verb(Enum):
    """What a button or a key asks of the desk."""

    HALT = "halt"
    RESUME = "resume"  # a button only
    FLATTEN = "flatten"
    CANCEL_ALL = "cancel_all"
    CLOSE = "close"  # the position in the symbol that is shown


class Hotkey(Struct, frozen=True):
    """One chord. ``sure``: it asks for a second press, or Enter, within a few seconds."""

    verb: Verb
    key: str  # as KeyboardEvent.key has it
    chord: str  # as people write it
    words: str
    sure: bool = False


HOTKEYS: Final = (
    Hotkey(Verb.HALT, "H", "Shift+H", "Halt: strategies send nothing, entries go, stops stay; at once"),
    Hotkey(Verb.FLATTEN, "F", "Shift+F", "Flatten: cancel entries and close every position", sure=True),
    Hotkey(Verb.CANCEL_ALL, "X", "Shift+X", "Cancel all orders that rest, of all symbols; stops stay"),
    Hotkey(Verb.CLOSE, "P", "Shift+P", "Close the position in the symbol that is shown", sure=True),
)

ON_THE_LADDER: Final = (
    ("\u2191 \u2193", "select a price, tick by tick; Page Up and Page Down: ten ticks"),
    ("Home End", "select the best ask, the best bid"),
    ("Enter", "arm a ticket at the price, and once more: place it (Trade must be on)"),
    ("Esc", "drop the ticket"),
    ("Del", "cancel the own orders at the price (Trade must be on)"),
)
ELSEWHERE: Final = (
    ("Tab", "the next button, tab or field"),
    ("?", "this help"),
    ("Esc", "leave the console for the notebook"),
)


def sheet() -> dict[str, list[dict[str, str | bool]]]:
    """What the script needs: the chords, and all lines of the help."""
    hotkeys: list[dict[str, str | bool]] = [
        {"verb": one.verb.value, "key": one.key, "sure": one.sure, "chord": one.chord} for one in HOTKEYS
    ]
    lines: list[dict[str, str | bool]] = [
        {"group": "Anywhere in the console", "chord": one.chord, "words": f"{one.words}{_ASKS * one.sure}"}
        for one in HOTKEYS
    ]
    lines += [{"group": "Anywhere in the console", "chord": c, "words": w} for c, w in ELSEWHERE]
    lines += [{"group": "On the ladder", "chord": c, "words": w} for c, w in ON_THE_LADDER]
    return {"hotkeys": hotkeys, "lines": lines}


_ASKS: Final = "; press it again, or Enter, to confirm"
