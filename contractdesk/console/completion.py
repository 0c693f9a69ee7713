"""TAB: symbols inside strings and brackets of a desk's calls, and the words of ``%desk``.

``suggest`` is pure; the rest hands it to IPython's completer. It names variables and reads what a desk
already knows: it evaluates nothing, asks nobody, and never raises into the completer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Any, Final

from contractdesk.console.desk import Desk
from contractdesk.console.magic_words import COMMANDS
from contractdesk.console.observing import FACETS
from contractdesk.console.opening import open_desks
from contractdesk.console.tables import Table
from contractdesk.desk.supervisor import attempt
from contractdesk.panels import Panels
from contractdesk.strategy import library
from contractdesk.strategy.base import Strategy

IDENTIFIER = "contractdesk"
Suggestion = tuple[str, list[str]]  # what of the text it replaces, and with what
Namespace = Mapping[str, Any]

_MAGIC = re.compile(r"^\s*(?:[\w, ]+=\s*)?%desk\s+(?P<words>[^\n]*)$")
_CALLEE = re.compile(r"(?P<name>[A-Za-z_]\w*(?:\.\w+)*)\s*$")
_KEYWORD = re.compile(r"(?P<name>\w+)\s*=\s*[\[({]?\s*(?:(?:'[^']*'|\"[^\"]*\")\s*,\s*)*$")
_TABLES = ("positions", "orders", "fills", "refusals", "strategies", "risk")
_SYMBOL_KEYWORDS = ("", "symbol", "symbols")
_SYMBOL_FUNCTIONS = (
    "size", "enter_long", "enter_short", "exit_position", "move_stop", "trail_stop", "cancel_entries",
)  # fmt: skip
_OPEN = "open_desk"
VENUES = ("embedded", "binance")
_CHOICES: Final[dict[str, tuple[str, ...]]] = {
    "side": ("buy", "sell"),
    "leave": ("protected", "flatten"),
    "mode": ("paper", "testnet", "live"),
    "product": ("usd-m", "coin-m"),
    "by": ("strategy", "symbol", "day"),
    "timeframe": ("1s", "1m", "3m", "5m", "15m", "1h", "4h", "1d"),
}


def suggest(text: str, names: Namespace) -> Suggestion | None:
    """What could stand at the end of ``text`` (a cell up to the cursor); None: nothing of ours."""
    line = text.rpartition("\n")[2]
    magic = _MAGIC.match(line)
    if magic is not None:
        return _of_magic(magic["words"], names)
    brackets, begun = unclosed(text)
    if begun is None or not brackets:
        return None
    keyword = _KEYWORD.search(text[: begun - 1].rstrip("'\"rfbRFB"))
    for place in reversed(brackets):
        callee = _CALLEE.search(text[:place])
        if callee is None:
            continue
        named = keyword["name"] if keyword else ""
        found = _columns(callee["name"], names) if text[place] == "[" else []
        found = found or _of_call(callee["name"], named, names)
        if found:
            return _matching(text[begun:], found)
    return None


def unclosed(text: str) -> tuple[list[int], int | None]:
    """Where the open brackets stand, and where the open string's content begins (None: in no string)."""
    brackets: list[int] = []
    place = 0
    while place < len(text):
        sign = text[place]
        if sign in "'\"":
            quote = sign * 3 if text.startswith(sign * 3, place) else sign
            begun = place + len(quote)
            end = _closing(text, begun, quote)
            if end is None:
                return brackets, begun
            place = end
            continue
        if sign == "#":
            newline = text.find("\n", place)
            if newline < 0:
                return brackets, None
            place = newline
        elif sign in "([{":
            brackets.append(place)
        elif sign in ")]}" and brackets:
            brackets.pop()
        place += 1
    return brackets, None


def _closing(text: str, begun: int, quote: str) -> int | None:
    """Behind the end of a string; None where it is still open. A single-line one ends with its line."""
    place = begun
    while place < len(text):
        if text[place] == "\\":
            place += 2
        elif text.startswith(quote, place):
            return place + len(quote)
        elif text[place] == "\n" and len(quote) == 1:
            return place
        else:
            place += 1
    return None


def _columns(callee: str, names: Namespace) -> list[str]:
    """Of ``desk.positions["..."]``, or of a variable that holds a table."""
    root, _, name = callee.partition(".")
    there = names.get(root)
    table = getattr(there, name) if isinstance(there, Desk) and name in _TABLES else there
    return list(table.columns) if isinstance(table, Table) else []


def _of_call(callee: str, keyword: str, names: Namespace) -> list[str]:
    """What a string within ``callee(...)`` or ``callee[...]`` may be; nothing for what is not ours."""
    root, _, path = callee.partition(".")
    there, last = names.get(root), callee.rpartition(".")[2]
    ours = isinstance(there, Desk) or _ours(there, last)
    if ours and keyword in _CHOICES:
        return list(_CHOICES[keyword])
    if not ours or keyword not in _SYMBOL_KEYWORDS:
        return []
    if isinstance(there, Desk):
        return _BY_METHOD.get(path.removeprefix("aio."), symbols_of)(there)
    return list(VENUES) if last == _OPEN else _unique(symbols_of, open_desks())


def _ours(item: object, last: str) -> bool:
    """A function of this package that takes symbols or opens a desk, or a strategy's class."""
    if isinstance(item, type):
        return issubclass(item, Strategy)
    home = item.__name__ if isinstance(item, ModuleType) else getattr(item, "__module__", None)
    here = isinstance(home, str) and home.partition(".")[0] == IDENTIFIER
    return here and last in (_OPEN, *_SYMBOL_FUNCTIONS, *strategies({}))


def _of_magic(line: str, names: Namespace) -> Suggestion | None:
    *words, last = re.split(r"\s+", line)
    if words and words[-1] == "--desk":
        return _matching(last, [desk.name for desk in open_desks()])
    while "--desk" in words:
        place = words.index("--desk")
        del words[place : place + 2]
    if not words:
        return _matching(last, [*COMMANDS, "--desk"])
    command, *rest = words
    key, equals, value = last.partition("=")
    if equals:
        part = value.rpartition(",")[2]
        return _matching(part, _values(key))
    return _matching(last, _magic_words(command, rest, names))


def _values(key: str) -> Iterable[str]:
    return _unique(symbols_of, open_desks()) if key == "symbols" else _CHOICES.get(key, ())


def _magic_words(command: str, rest: list[str], names: Namespace) -> Iterable[str]:
    """The next word of ``%desk command rest...``."""
    desks = open_desks()
    first = not rest
    match command:
        case "open":
            keys = ("mode=", "name=", "account=", "product=", "seed=")
            return VENUES if first else keys
        case "start":
            classes = strategies(names)
            if first:
                return classes
            params = classes[rest[0]].declared() if rest[0] in classes else ()
            given = {word.partition("=")[0] for word in rest}
            return [f"{key}=" for key in ("symbols", "timeframe", "name", *params) if key not in given]
        case "tune" if not first:
            tuned = {name for desk in desks for row in desk.snapshot.strategies for name in row.params}
            return [f"{name}=" for name in sorted(tuned)]
        case "tune" | "stop":
            return _unique(strategies_of, desks)
        case "flatten":
            return _unique(symbols_of, desks)
        case "show":
            return list(Panels.names()) if first and desks else _unique(symbols_of, desks)
        case "close":
            return ["leave="]
        case _:
            return []


# -- what there is -------------------------------------------------------------------------


def symbols_of(desk: Desk) -> list[str]:
    """Those it watches first, then all that its venue lists."""
    return list(dict.fromkeys((*desk.snapshot.symbols, *desk.symbols)))


def strategies_of(desk: Desk) -> list[str]:
    return [row.strategy_id for row in desk.snapshot.strategies]


def _open_orders(desk: Desk) -> list[str]:
    return [order.request.client_id for order in desk.snapshot.orders if order.status.open]


def _told(desk: Desk) -> list[str]:
    """What has a story: orders, the latest first, then refusals."""
    snapshot = desk.snapshot
    orders = [order.request.client_id for order in snapshot.orders]
    return [*orders, *(str(refusal.intent_id) for refusal in reversed(snapshot.refusals))]


_BY_METHOD: Final[dict[str, Callable[[Desk], list[str]]]] = {  # those whose first string is no symbol
    "halt": lambda _: [],
    "replay": lambda _: [],
    "close": lambda _: list(_CHOICES["leave"]),
    "set_position_mode": lambda _: ["one_way", "hedge"],
    "risk.reset": lambda _: ["breaker"],
    "pnl.by": lambda _: ["strategy", "symbol", "day"],
    "pnl.df": lambda _: ["strategy", "symbol", "day"],
    "stop": strategies_of,
    "tune": strategies_of,
    "swap": strategies_of,
    "cancel": _open_orders,
    "why": _told,
    "observe": lambda _: list(FACETS),
}


def strategies(names: Namespace) -> dict[str, type[Strategy]]:
    """Strategy classes by name: the notebook's own first, then the library's."""
    own = {
        name: item
        for name, item in list(names.items())
        if isinstance(item, type) and issubclass(item, Strategy) and item is not Strategy
    }
    ready = {name: getattr(library, name) for name in library.__all__}
    return own | {
        name: item
        for name, item in ready.items()
        if isinstance(item, type) and issubclass(item, Strategy) and name not in own
    }


def _unique(of: Callable[[Desk], list[str]], desks: Iterable[Desk]) -> list[str]:
    return list(dict.fromkeys(item for desk in desks for item in of(desk)))


def _matching(begun: str, found: Iterable[str]) -> Suggestion | None:
    """Those that begin so, in any case of letters."""
    fitting = [item for item in found if item.lower().startswith(begun.lower())]
    return (begun, fitting) if fitting else None


# -- IPython -------------------------------------------------------------------------------


def register(shell: Any) -> None:
    """Add the completion to a shell's completer; again changes nothing."""
    from IPython.core.completer import SimpleCompletion, context_matcher

    @context_matcher(identifier=IDENTIFIER)  # type: ignore[untyped-decorator]
    def matcher(context: Any) -> dict[str, Any]:
        lines = context.full_text.split("\n")[: context.cursor_line]
        found, _ = attempt(suggest, "\n".join([*lines, context.text_until_cursor]), shell.user_ns)
        if not found:
            return {"completions": []}
        fragment, texts = found
        return {
            "completions": [SimpleCompletion(text, type="str") for text in texts],
            "matched_fragment": fragment,
            "suppress": True,  # files and attributes have no place in a symbol
            "ordered": True,
        }

    unregister(shell)
    shell.Completer.custom_matchers.append(matcher)


def unregister(shell: Any) -> None:
    """Take it away."""
    kept = [m for m in shell.Completer.custom_matchers if getattr(m, "matcher_identifier", "") != IDENTIFIER]
    shell.Completer.custom_matchers[:] = kept
