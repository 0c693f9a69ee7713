"""Tables as values: what stands in them, apart from whether HTML or text shows it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from html import escape

from msgspec import Struct


class Tone(Enum):
    """What a value means to the eye; never by colour alone, the text carries the sign too."""

    PLAIN = ""
    GAIN = "gain"
    LOSS = "loss"
    BUY = "buy"
    SELL = "sell"
    WARN = "warn"
    ALARM = "alarm"
    MUTED = "muted"


# For HTML that stands alone: legible on white and on JupyterLab's dark ground.
_COLOR = {
    Tone.GAIN: "#2f7fd0",
    Tone.BUY: "#2f7fd0",
    Tone.LOSS: "#cc6a10",
    Tone.SELL: "#cc6a10",
    Tone.WARN: "#a97400",
    Tone.ALARM: "#d1305e",
    Tone.MUTED: "#888888",
}


class Cell(Struct, frozen=True):
    text: str
    tone: Tone = Tone.PLAIN


class Column(Struct, frozen=True):
    title: str
    numeric: bool = False  # right-aligned, in figures of one width
    wide: bool = False  # takes what room is left and may wrap


class Grid(Struct, frozen=True, kw_only=True):
    """One table; ``total`` counts the rows there are, of which the latest are in ``rows``."""

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...] = ()
    total: int = 0
    empty: str = "none"


def html_grid(grid: Grid, *, alone: bool = False) -> str:
    """An HTML table, with classes for the panels; ``alone``: with inline styles, needing no CSS."""
    if not grid.rows:
        return f'<div class="cd-empty">{escape(grid.empty)}</div>'
    head = "".join(_html_cell("th", Cell(c.title), c, alone=alone) for c in grid.columns)
    body = "".join(f"<tr>{_html_row(row, grid.columns, alone=alone)}</tr>" for row in grid.rows)
    return f'<table class="cd-table"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _html_row(row: Sequence[Cell], columns: Sequence[Column], *, alone: bool) -> str:
    return "".join(
        _html_cell("td", cell, column, alone=alone) for cell, column in zip(row, columns, strict=True)
    )


def _html_cell(tag: str, cell: Cell, column: Column, *, alone: bool) -> str:
    if alone:
        color = f";color:{_COLOR[cell.tone]}" if cell.tone in _COLOR else ""
        look = f' style="text-align:{"right" if column.numeric else "left"}{color}"'
    else:
        names = ["cd-num" if column.numeric else "", "cd-wide" if column.wide else ""]
        names.append(f"cd-{cell.tone.value}" if cell.tone is not Tone.PLAIN else "")
        classes = " ".join(name for name in names if name)
        look = f' class="{classes}"' if classes else ""
    return f"<{tag}{look}>{escape(cell.text)}</{tag}>"


def text_grid(grid: Grid) -> str:
    """The table in aligned columns of plain text, title first."""
    if not grid.rows:
        return f"{grid.title}: {grid.empty}"
    lines = [[column.title for column in grid.columns], *([cell.text for cell in row] for row in grid.rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(grid.columns))]
    return "\n".join([grid.title, *("  " + _text_line(line, widths, grid.columns) for line in lines)])


def _text_line(line: Sequence[str], widths: Sequence[int], columns: Sequence[Column]) -> str:
    cells = (
        text.rjust(width) if column.numeric else text.ljust(width)
        for text, width, column in zip(line, widths, columns, strict=True)
    )
    return "  ".join(cells).rstrip()
