"""What a verb did: to orders, to stops, to positions. Said once, and kept as an object."""

from __future__ import annotations

import html
import sys
import threading

from msgspec import Struct

from contractdesk.domain.intents import Refused
from contractdesk.domain.orders import Order


def say(text: str) -> None:
    """Write for the person; only from the person's own thread: the bot and a panel's click never print."""
    if threading.current_thread() is not threading.main_thread():
        return
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


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
    refused: Refused | None = None
    shown: bool = False  # the blocking verbs say it themselves

    @property
    def text(self) -> str:
        """Several lines: the summary, then the warm-up, orders, stops and positions."""
        mark = "" if self.done else "NOT COMPLETE: "
        parts = [f"{self.verb}: {mark}{self.summary}"]
        sections = (
            ("warm-up", self.warmup),
            ("orders", self.orders),
            ("stops", self.stops),
            ("positions", self.positions),
        )
        for title, lines in sections:
            parts += [f"  {title + ':':<10} {line}" for line in lines]
        return "\n".join(parts)

    def __repr__(self) -> str:
        return self.text

    def __bool__(self) -> bool:
        return self.done

    def _ipython_display_(self) -> None:
        if not self.shown:
            say(self.text)

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.text)}</pre>"
