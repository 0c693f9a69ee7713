"""The words behind ``%desk``: what commands there are, and how a line is read. No IPython here."""

from __future__ import annotations

import ast
import difflib
import shlex
from typing import Any, Final

from msgspec import Struct

from contractdesk.errors import UserError

_WORDS = (
    "symbols",
    "timeframe",
    "name",
    "account",
    "mode",
    "confirm",
    "product",
    "asset",
)  # text, never a number


class Words(Struct, frozen=True):
    """What stands behind ``%desk``: ``--desk NAME``, then a command, then words and ``name=value``."""

    desk: str
    command: str
    plain: tuple[str, ...]
    named: dict[str, Any]


class Command(Struct, frozen=True):
    """One sub-command: how it is written, what it does, the same in Python."""

    usage: str
    does: str
    twin: str


COMMANDS: Final[dict[str, Command]] = {
    "open": Command(
        "open VENUE [mode=paper] [name=...]",
        "open a desk, and call it desk",
        'desk = cd.open_desk("embedded")',
    ),
    "start": Command(
        "start STRATEGY symbols=A,B [timeframe=1m] [param=value] [name=...]",
        "run a strategy of the library, or one that you wrote",
        'desk.start(cd.library.TrendFollow(symbols=["BTC/USDT:USDT"], fast=12))',
    ),
    "tune": Command(
        "tune STRATEGY param=value", "change it while it runs", 'desk.tune("TrendFollow", fast=8)'
    ),
    "stop": Command(
        "stop [STRATEGY]", "end one strategy, or all; positions keep their stops", 'desk.stop("TrendFollow")'
    ),
    "halt": Command(
        "halt [REASON]",
        "no more entries, stops stay; every open desk unless --desk says which",
        "desk.halt()",
    ),
    "resume": Command("resume", "go on", "desk.resume()"),
    "flatten": Command("flatten [SYMBOL]", "cancel entries, close positions", "desk.flatten()"),
    "status": Command("status", "how it stands; all of them, where several are open", "desk"),
    "show": Command(
        "show [PANEL] [SYMBOL]", "the whole screen, or one window", "desk.console(); desk.panels.ladder()"
    ),
    "close": Command("close [leave=protected]", "end the desk", 'desk.close(leave="protected")'),
}


def parse(line: str) -> Words:
    """UserError where a quote is left open, but not for a halt, and for a command that there is not."""
    name, words = _option(_split(line))
    command, *rest = words or [""]
    if command in ("", "help", "-h", "--help", "?"):
        return Words(name, "", (), {})
    if command not in COMMANDS:
        near = difflib.get_close_matches(command, COMMANDS, 1)
        hint = f" (did you mean {near[0]}?)" if near else ""
        raise UserError(f"%desk has no {command!r}{hint}; there are {', '.join(COMMANDS)}")
    named: dict[str, Any] = {}
    plain = []
    for word in rest:
        key, equals, value = word.partition("=")
        if equals and key.isidentifier() and command != "halt":  # a reason is only words
            named[key] = value if key in _WORDS else _literal(value)
        else:
            plain.append(word)
    return Words(name, command, tuple(plain), named)


def _split(line: str) -> list[str]:
    """As a shell does; an apostrophe in a reason must not keep anybody from halting."""
    try:
        return shlex.split(line)
    except ValueError as error:
        words = line.split()
        if "halt" in _option(words)[1][:1]:
            return words
        raise UserError(f"%desk: {error}; a reason or a value with spaces stands in quotes") from None


def _option(words: list[str]) -> tuple[str, list[str]]:
    """The value of ``--desk``, and the other words."""
    rest, name = list(words), ""
    for index, word in enumerate(words):
        if word == "--desk":
            if index + 1 == len(words):
                raise UserError("--desk needs the name of a desk")
            name, rest = words[index + 1], words[:index] + words[index + 2 :]
        elif word.startswith("--desk="):
            name, rest = word.removeprefix("--desk="), words[:index] + words[index + 1 :]
    return name, rest


def _literal(text: str) -> Any:
    """12, 0.5, True, None or "text" as Python reads them; anything else is text."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def permitted(words: Words, plain: int, *named: str) -> None:
    """UserError where there are more words than that, or others with an equals sign."""
    odd = [*words.plain[plain:], *(f"{name}=" for name in words.named if name not in named)]
    if odd:
        raise UserError(
            f"%desk {words.command} takes no {odd[0]!r}; it is: %desk {COMMANDS[words.command].usage}"
        )
