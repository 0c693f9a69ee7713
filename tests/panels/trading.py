"""A synthetic desk whose verbs about orders are recorded: what a gesture makes of it is judged by them."""

from __future__ import annotations

import threading
from decimal import Decimal
from typing import Any

from msgspec import Struct

from contractdesk.domain.intents import SizePreview
from contractdesk.domain.orders import Side
from contractdesk.errors import UserError
from tests.e2e.synthetic import SyntheticDesk

D = Decimal


class Said(Struct):
    """What a verb of the desk answers."""

    summary: str
    done: bool = True

    def __bool__(self) -> bool:
        return self.done


class TradingDesk(SyntheticDesk):
    """``asked`` are the verbs that were called, with their arguments; ``refusal`` is the gate's word."""

    def __init__(self, label: str = "EMBEDDED", **options: Any) -> None:
        super().__init__(**options)
        self.label = label  # type: ignore[misc]
        self.asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.refusal = ""
        self.answer: Said | Exception = Said("working: as it was asked")
        self.answering = threading.Event()  # cleared: the venue takes its time
        self.answering.set()

    def size(self, symbol: str, *, side: str, stop: Any, **options: Any) -> SizePreview:
        del stop
        price = options["limit"]
        return SizePreview(
            symbol=symbol, side=Side(side), size=D("0.005"), price=price, notional=D("0.005") * price,
            initial_margin=D(7), fee=D("0.03"), stop_price=D("28000"), loss_at_stop=D("0.75"),
            liquidation_price=None, binding="size_cap", refusal=self.refusal,
        )  # fmt: skip

    def buy(self, *args: Any, **options: Any) -> Said:
        return self._ask("buy", *args, **options)

    def sell(self, *args: Any, **options: Any) -> Said:
        return self._ask("sell", *args, **options)

    def close_position(self, *args: Any, **options: Any) -> Said:
        return self._ask("close_position", *args, **options)

    def cancel(self, *args: Any) -> Said:
        return self._ask("cancel", *args)

    def cancel_all(self) -> Said:
        return self._ask("cancel_all")

    def move_entry(self, *args: Any) -> Said:
        return self._ask("move_entry", *args)

    def move_stop(self, *args: Any) -> Said:
        return self._ask("move_stop", *args)

    def _ask(self, verb: str, *args: Any, **options: Any) -> Said:
        self.asked.append((verb, args, options))
        if not self.answering.wait(10):
            raise UserError("the test forgot the answer")
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer
