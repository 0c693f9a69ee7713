"""The self-contained source of a class that was typed into a notebook.

IPython keeps each cell's text in ``linecache``; the class is cut out of its cell, and the names it
uses are resolved as they are now: imports stay imports, constants become literals, functions and
classes of the notebook follow with their own sources. Anything else is refused by name.
"""

from __future__ import annotations

import ast
import builtins
import inspect
import linecache
import symtable
import sys
from collections.abc import Iterator, Mapping
from decimal import Decimal
from types import FunctionType, ModuleType
from typing import Any

from contractdesk.errors import ConfigError

CO_FUTURE_ANNOTATIONS = 0x1000000  # __future__.CO_FUTURE_ANNOTATIONS
MAX_DEFINITIONS = 200  # bounds the walk through a notebook's helpers


def compose(cls: type) -> str:
    """Source text that defines ``cls`` by itself; ConfigError names what stands in the way."""
    parts = _Parts()
    parts.add_definition(cls.__name__, cls)
    future = ["from __future__ import annotations"] if parts.future else []
    heads = (future, sorted(parts.imports), parts.constants)
    sections = ["\n".join(head) for head in heads if head] + parts.definitions
    return "\n\n".join(sections) + "\n"


class _Parts:
    """What has been gathered so far; definitions stand after what they use."""

    def __init__(self) -> None:
        self.imports: set[str] = set()
        self.constants: list[str] = []
        self.definitions: list[str] = []
        self.future = False
        self._seen: set[str] = set()

    def add_definition(self, name: str, item: type | FunctionType) -> None:
        self._seen.add(name)
        if len(self._seen) > MAX_DEFINITIONS:
            raise ConfigError(f"{name} and what it uses are more than {MAX_DEFINITIONS} definitions")
        source = definition_source(item)
        for function in _functions(item):
            self.future |= bool(function.__code__.co_flags & CO_FUTURE_ANNOTATIONS)
        names = _globals(item)
        for used in sorted(free_names(source) - self._seen):
            if used in names and not _is_builtin(used, names[used]):
                self._add(name, used, names[used])
        self.definitions.append(source)

    def _add(self, user: str, name: str, value: object) -> None:
        self._seen.add(name)
        line = import_line(name, value)
        if line is not None:
            self.imports.add(line)
        elif isinstance(value, type | FunctionType):
            self.add_definition(name, value)
        elif (literal := literal_of(value)) is not None:
            self.constants.append(f"{name} = {literal}")
            if "Decimal(" in literal:
                self.imports.add("from decimal import Decimal")
        else:
            raise ConfigError(
                f"{user} uses {name!r}, a {type(value).__name__} that lives only in the notebook: "
                "make it a Param, or build it in on_start, so that the strategy can be replayed"
            )


def definition_source(item: type | FunctionType) -> str:
    """The text of one top-level class or function; ConfigError where no cell holds it."""
    for filename, line in _places(item):
        lines = linecache.getlines(filename)
        node = _find(lines, item.__name__, line)
        if node is not None:
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            return "".join(lines[first - 1 : node.end_lineno]).rstrip()
    raise ConfigError(
        f"the source of {item.__name__!r} cannot be found: define it at the top level of a cell or a module"
    )


def free_names(source: str) -> set[str]:
    """The global names that ``source`` reads, builtins included."""
    return set(_free(symtable.symtable(source, "<strategy>", "exec")))


def import_line(name: str, value: object) -> str | None:
    """The import that binds ``value`` to ``name``; None for what the notebook itself defined."""
    if isinstance(value, ModuleType):
        return f"import {value.__name__} as {name}"
    home = sys.modules.get(getattr(value, "__module__", None) or "")
    if home is None or home.__name__ == "__main__" or getattr(home, "__file__", "") is None:
        return None
    for own in (getattr(value, "__name__", None), getattr(value, "_name", None), name):
        if isinstance(own, str) and getattr(home, own, None) is value:
            return f"from {home.__name__} import {own} as {name}"
    return None


def literal_of(value: object) -> str | None:
    """``value`` as an expression of literals and decimals; None where there is none."""
    text = repr(value)
    try:
        same = eval(text, {"__builtins__": {}, "Decimal": Decimal}) == value  # noqa: S307  (a repr of ours)
    except Exception:  # whatever a foreign repr does, it is no literal
        return None
    return text if same and _plain(value) else None


def _plain(value: object) -> bool:
    match value:
        case None | bool() | int() | float() | str() | bytes() | Decimal():
            return True
        case tuple() | list() | set() | frozenset():
            return all(_plain(item) for item in value)
        case dict():
            return all(_plain(key) and _plain(item) for key, item in value.items())
        case _:
            return False


def _free(table: symtable.SymbolTable) -> Iterator[str]:
    top = table.get_type() == "module"
    for symbol in table.get_symbols():
        own = symbol.is_assigned() or symbol.is_imported()
        if symbol.is_referenced() and (symbol.is_global() or top) and not (top and own):
            yield symbol.get_name()
    for child in table.get_children():
        yield from _free(child)


def _functions(item: type | FunctionType) -> list[FunctionType]:
    if isinstance(item, FunctionType):
        return [item]
    inner = (getattr(value, "fget", getattr(value, "__func__", value)) for value in vars(item).values())
    return [value for value in inner if isinstance(value, FunctionType)]


def _globals(item: type | FunctionType) -> Mapping[str, Any]:
    functions = _functions(item)
    return functions[0].__globals__ if functions else vars(sys.modules[item.__module__])


def _places(item: type | FunctionType) -> Iterator[tuple[str, int]]:
    """Files and lines where the definition may stand, the surest first; line 0 means anywhere."""
    for function in _functions(item):
        if function.__qualname__.startswith(item.__qualname__):
            yield function.__code__.co_filename, function.__code__.co_firstlineno
    if isinstance(item, type) and not _functions(item):  # only Params in it: the newest cell that has it
        yield from ((filename, 0) for filename in reversed(list(linecache.cache)))


def _find(lines: list[str], name: str, line: int) -> ast.ClassDef | ast.FunctionDef | None:
    try:
        tree = ast.parse("".join(lines))
    except SyntaxError:  # a cell with magics, or no Python at all
        return None
    nodes = [n for n in tree.body if isinstance(n, ast.ClassDef | ast.FunctionDef) and n.name == name]
    for node in reversed(nodes):
        first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
        if not line or first <= line <= (node.end_lineno or first):
            return node
    return None


def _is_builtin(name: str, value: object) -> bool:
    return getattr(builtins, name, inspect) is value
