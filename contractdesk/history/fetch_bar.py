"""How far a fetch is, shown by tqdm: the part of the time that was to be fetched, and the rows so far."""

from __future__ import annotations

import sys
from typing import Any

from contractdesk.history.findings import told_time

FORMAT = "{desc} {percentage:3.0f}% |{bar}| [{elapsed}<{remaining}]"


class Bar:
    """Of one fetch; shown on a terminal and in a notebook, unless it is told otherwise."""

    def __init__(self, title: str, total_ns: int, *, shown: bool | None) -> None:
        """``total_ns``: the length of all stretches that are to be fetched."""
        from tqdm.auto import tqdm  # picks the notebook's widget there; loads half a second of it

        if shown is None:
            shown = sys.stderr.isatty() or _in_a_notebook()
        self._title = title
        self._tqdm: Any = tqdm(total=total_ns, desc=title, bar_format=FORMAT, disable=not shown)
        self._rows = 0

    def advance(self, ns: int, rows: int, reached_ns: int) -> None:
        """``ns`` more of the time is told, by so many rows, up to ``reached_ns``."""
        self._rows += rows
        self._describe(f"{told_time(reached_ns)[:16]}, {self._rows:,} rows")
        self._tqdm.update(ns)

    def say(self, text: str) -> None:
        """Before the bar, at once."""
        self._describe(text)
        self._tqdm.refresh()

    def _describe(self, text: str) -> None:
        self._tqdm.set_description_str(f"{self._title}: {text}", refresh=False)

    def close(self) -> None:
        self._tqdm.close()


def _in_a_notebook() -> bool:
    """True within IPython; it is not loaded only to be asked."""
    ipython = sys.modules.get("IPython")
    return ipython is not None and ipython.get_ipython() is not None
