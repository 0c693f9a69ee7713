"""Tables of the desk: rows of plain values with a text, an HTML and a pandas face.

Reading a table copies nothing from the bot: it shows the snapshot that was current at that moment.
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any, overload

from contractdesk.clock import NS_PER_S
from contractdesk.panels.formats import zone_of

if TYPE_CHECKING:
    import pandas as pd

SHOWN_ROWS = 30
SHOWN_CHARS = 60  # of a cell, in text and HTML; ``.df`` and ``.rows`` have all
_NUMBERS = (int, float, Decimal)


class Table:
    """Rows under named columns. ``.df`` is a pandas DataFrame; iterating gives dicts."""

    def __init__(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[Any]],
        tz: str = "UTC",
        *,
        widest: int = SHOWN_CHARS,
        empty: str = "none",
    ) -> None:
        """``widest``: characters of a cell that the text and HTML faces show; ``empty``: said of no rows."""
        self.title = title
        self.columns = tuple(columns)
        self.rows = tuple(tuple(row) for row in rows)
        self._tz = tz
        self._widest = widest
        self._empty = empty

    @property
    def df(self) -> pd.DataFrame:
        """The table as pandas: decimals stay Decimal, times become UTC timestamps."""
        import pandas  # half a second of import that only this face needs

        frame = pandas.DataFrame([list(row) for row in self.rows], columns=list(self.columns))
        for name in self.columns:
            if name.endswith("time"):
                frame[name] = pandas.to_datetime(frame[name], unit="ns", utc=True)
        return frame

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (dict(zip(self.columns, row, strict=True)) for row in self.rows)

    @overload
    def __getitem__(self, index: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, index: str) -> list[Any]: ...
    def __getitem__(self, index: int | str) -> dict[str, Any] | list[Any]:
        """A row by its number, or a column by its name."""
        if isinstance(index, str):
            return self.column(index)
        return dict(zip(self.columns, self.rows[index], strict=True))

    def _ipython_key_completions_(self) -> list[str]:
        return list(self.columns)

    def column(self, name: str) -> list[Any]:
        """The values of one column; KeyError names those there are."""
        if name not in self.columns:
            raise KeyError(f"{self.title} has no column {name!r}; it has {', '.join(self.columns)}")
        position = self.columns.index(name)
        return [row[position] for row in self.rows]

    # -- faces -----------------------------------------------------------------------------

    def __repr__(self) -> str:
        if not self.rows:
            return f"{self.title}: {self._empty}"
        cells = [self.columns, *self._shown()]
        widths = [max(len(row[i]) for row in cells) for i in range(len(self.columns))]
        right = [self._numeric(i) for i in range(len(self.columns))]
        lines = [
            "  ".join(
                c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True)
            ).rstrip()
            for row in cells
        ]
        return "\n".join([self._heading(), *lines])

    def _repr_html_(self) -> str:
        # Numbers to the right, words to the left: a sentence that ends at the edge is hard to read.
        sides = ["right" if self._numeric(i) else "left" for i in range(len(self.columns))]

        def cells(row: Sequence[str], tag: str) -> str:
            return "".join(
                f'<{tag} style="text-align:{side}">{html.escape(cell)}</{tag}>'
                for cell, side in zip(row, sides, strict=True)
            )

        head = cells(self.columns, "th")
        body = "".join(f"<tr>{cells(row, 'td')}</tr>" for row in self._shown())
        empty = (
            ""
            if self.rows
            else f'<tr><td colspan="{len(self.columns)}"><i>{html.escape(self._empty)}</i></td></tr>'
        )
        return (
            f'<table class="contractdesk"><caption style="text-align:left">{html.escape(self._heading())}'
            f"</caption>"
            f"<thead><tr>{head}</tr></thead><tbody>{body}{empty}</tbody></table>"
        )

    def _heading(self) -> str:
        hidden = len(self.rows) - SHOWN_ROWS
        return f"{self.title} ({len(self.rows)}{f', the last {SHOWN_ROWS} shown' if hidden > 0 else ''})"

    def _shown(self) -> list[tuple[str, ...]]:
        zone = zone_of(self._tz)
        return [
            tuple(
                clipped(shown(value, name, zone), self._widest)
                for name, value in zip(self.columns, row, strict=True)
            )
            for row in self.rows[-SHOWN_ROWS:]
        ]

    def _numeric(self, column: int) -> bool:
        return all(row[column] is None or isinstance(row[column], _NUMBERS) for row in self.rows)


def clipped(text: str, widest: int) -> str:
    """At most ``widest`` characters of one line; an ellipsis stands for the rest."""
    line = " ".join(text.split())
    return line if len(line) <= widest else line[: widest - 1].rstrip() + "…"


def shown(value: object, column: str = "", zone: tzinfo = UTC) -> str:
    """One cell as text; a column that ends in "time" holds UTC nanoseconds."""
    if value is None:
        return "-"
    if column.endswith("time") and isinstance(value, int):
        return time_text(value, zone) if value else "-"
    match value:
        case bool():
            return "yes" if value else "no"
        case Decimal():
            return f"{value.normalize():f}" if value else "0"
        case float():
            return f"{value:.6g}"
        case Enum():
            return str(value.value)
        case _:
            return str(value)


def time_text(ns: int, zone: tzinfo = UTC) -> str:
    """Date and time to the millisecond with the zone's suffix."""
    moment = datetime.fromtimestamp(ns // NS_PER_S, zone)
    return f"{moment:%Y-%m-%d %H:%M:%S}.{ns % NS_PER_S // 1_000_000:03d} {moment.tzname()}"
