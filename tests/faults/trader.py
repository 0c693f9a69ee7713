"""A desk in a process of its own, to be killed: ``python -m tests.faults.trader '{"name": ..}'``.

It says a line of JSON for each command that it reads from standard input: ``buy``, ``move PRICE``,
``close SIZE``, ``flatten``, ``state``. With ``point`` it kills itself there, by SIGKILL, at the first time.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Struct

import contractdesk as cd
from contractdesk.console.opening import open_desk
from contractdesk.desk.recorder import Recorder
from contractdesk.domain.events import IntentAsked
from contractdesk.venues.binance.accounts import Accounts
from contractdesk.venues.binance.api import BinanceApi

ETH = "ETH/USDT:USDT"


class Wish(Struct, frozen=True):
    name: str
    url: str
    point: str = ""  # one of POINTS


def die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def before(kind: type, method: str, fits: Callable[..., bool] = lambda *_, **__: True) -> None:
    """Die instead of the first call that fits."""
    real = getattr(kind, method)

    @functools.wraps(real)
    def hooked(*args: Any, **kwargs: Any) -> Any:
        if fits(*args, **kwargs):
            die()
        return real(*args, **kwargs)

    setattr(kind, method, hooked)


def after(kind: type, method: str) -> None:
    """Die when the first call of a coroutine has been answered, before anybody hears of it."""
    real = getattr(kind, method)

    @functools.wraps(real)
    async def hooked(*args: Any, **kwargs: Any) -> Any:
        answer = await real(*args, **kwargs)
        die()
        return answer

    setattr(kind, method, hooked)


def _is_stop(_: object, params: dict[str, str], *__: object, **___: object) -> bool:
    return "algoType" in params


def _is_wish(_: object, event: object) -> bool:
    return isinstance(event, IntentAsked)


POINTS: dict[str, Callable[[], None]] = {
    "before the journal": lambda: before(Recorder, "event", _is_wish),
    "before the create": lambda: before(BinanceApi, "create"),
    "before its answer": lambda: after(BinanceApi, "create"),
    "between fill and stop": lambda: before(BinanceApi, "create", _is_stop),
    "amid a replace": lambda: before(BinanceApi, "cancel"),
    "amid the recovery": lambda: after(Accounts, "read_state"),
}


def main() -> None:
    wish = msgspec.json.decode(sys.argv[1], type=Wish)
    if wish.point:
        POINTS[wish.point]()
    where = {"rest": wish.url, "stream": wish.url.replace("http", "ws")}
    desk = open_desk("binance", wish.name, "testnet", name=wish.name, endpoints=where)
    say({"open": True})
    for line in sys.stdin:
        word, _, rest = line.strip().partition(" ")
        say(obey(desk, word, rest))
    desk.close()


def obey(desk: cd.Desk, word: str, rest: str) -> dict[str, object]:
    match word:
        case "buy":
            return done(desk.buy(ETH, size="0.05", stop="2950"))
        case "move":
            return done(desk.move_stop(ETH, rest))
        case "close":
            return done(desk.close_position(ETH, size=rest))
        case "flatten":
            return done(desk.flatten())
        case "state":
            picture = desk.snapshot
            return {"state": picture.state.value, "held": str(sum(row.size for row in picture.positions))}
        case _:
            return {"error": f"no such command: {word}"}


def done(receipt: Any) -> dict[str, object]:
    return {"done": receipt.done, "said": receipt.summary}


def say(answer: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
