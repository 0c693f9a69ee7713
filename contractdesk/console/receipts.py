"""What a verb did: to orders, to stops, to positions. Said once, and kept as an object."""

from __future__ import annotations

import html
import sys
import threading
from typing import Any

from msgspec import Struct

from contractdesk.console.refusals import Refusal
from contractdesk.domain.orders import Order


def say(text: str) -> None:
    """Write for the person; only from the person's own thread: the bot and a panel's click never print."""
    if threading.current_thread() is not threading.main_thread():
        return
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def cell() -> int:
    """The number of the cell that runs; 0 where there are no cells. It imports nothing."""
    module = sys.modules.get("IPython")
    shell = None if module is None else module.get_ipython()
    return 0 if shell is None else int(shell.execution_count)


class Receipt(Struct, kw_only=True):
    """The outcome of one verb; ``done`` is False where not all of it came true in time."""

    verb: str
    done: bool
    summary: str
    warmup: tuple[str, ...] = ()  # one line a symbol: the bars that a strategy began with
    orders: tuple[str, ...] = ()  # one line each
    stops: tuple[str, ...] = ()
    positions: tuple[str, ...] = ()
    order: Order | None = None  # of buy, sell and close_position
    refused: Refusal | None = None
    said_in: int | None = None  # the cell below which a blocking verb has said it already

    @property
    def text(self) -> str:
        """Several lines: the summary, then the warm-up, orders, stops and positions."""
        parts = [f"{self.verb}: {self._mark}{self.summary}"]
        parts += [f"  {title + ':':<10} {line}" for title, line in self._lines()]
        return "\n".join(parts)

    @property
    def _mark(self) -> str:
        return "" if self.done else "NOT COMPLETE: "

    def _lines(self) -> list[tuple[str, str]]:
        sections = (
            ("warm-up", self.warmup),
            ("orders", self.orders),
            ("stops", self.stops),
            ("positions", self.positions),
        )
        return [(title, line) for title, lines in sections for line in lines]

    def __repr__(self) -> str:
        return self.text

    def __bool__(self) -> bool:
        return self.done

    def _ipython_display_(self) -> None:
        """Below the cell in which a verb has said it, it is not said again."""
        if self.said_in is not None and self.said_in == cell():
            return
        from IPython import display  # who calls this has it

        show: Any = display.display
        show({"text/plain": self.text, "text/html": self._repr_html_()}, raw=True)

    def _repr_html_(self) -> str:
        mark = "" if self.done else f"<b>{self._mark}</b>"
        rows = "".join(
            f'<tr><td style="text-align:left">{title}</td>'
            f'<td style="text-align:left">{html.escape(line)}</td></tr>'
            for title, line in self._lines()
        )
        head = f"<div><b>{html.escape(self.verb)}</b>: {mark}{html.escape(self.summary)}</div>"
        table = f'<table class="contractdesk"><tbody>{rows}</tbody></table>' if rows else ""
        refused = "" if self.refused is None else self.refused._repr_html_()
        return head + table + refused
