"""A strategy's code as text with a hash, and back: the journal keeps it, a replay runs it.

A module's class is kept with its whole module. A class typed into a notebook (or a script) is kept
with what it uses: imports, constants, and the functions and classes defined beside it.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import linecache
import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from contractdesk.errors import ConfigError
from contractdesk.strategy.base import Strategy
from contractdesk.strategy.notebook_source import compose

PREFIX = "contractdesk_strategy_"
_SOURCE = "__strategy_source__"


def source_of(cls: type[Strategy]) -> tuple[str, str]:
    """Source text that ``load`` takes, and its sha256 in hex; ConfigError where it cannot be found."""
    module = sys.modules.get(cls.__module__)
    loaded = getattr(module, _SOURCE, None)
    if isinstance(loaded, str):
        return loaded, _digest(loaded)
    in_file = module is not None and getattr(module, "__file__", None) is not None
    source = _module_source(module, cls) if in_file and cls.__module__ != "__main__" else compose(cls)
    return source, _digest(source)


def load(source: str, class_name: str) -> type[Strategy]:
    """Execute ``source`` in a module of its own and return its class; ConfigError when it has none.

    The names of ``contractdesk.strategy``, and ``cd``, are there without an import. This runs code:
    give it only what this account's own journal, notebook or module holds.
    """
    name = PREFIX + _digest(source)[:16]
    module = sys.modules.get(name) or _execute(name, source)
    found = getattr(module, class_name, None)
    if not (isinstance(found, type) and issubclass(found, Strategy)):
        raise ConfigError(f"the source has no Strategy class {class_name!r}")
    return found


def load_all(
    names: Mapping[str, str], sources: Mapping[str, str]
) -> tuple[dict[str, type[Strategy]], dict[str, Exception]]:
    """Classes by the hash of their source, and why some could not be built again.

    ``names`` are class names, ``sources`` texts, both by that hash.
    """
    classes: dict[str, type[Strategy]] = {}
    failed: dict[str, Exception] = {}
    for digest, name in names.items():
        try:
            classes[digest] = load(sources[digest], name)
        except (ConfigError, KeyError) as error:
            failed[name] = error
    return classes, failed


def _execute(name: str, source: str) -> ModuleType:
    module, filename = ModuleType(name), f"<{name}>"
    vars(module).update(_names())
    vars(module)[_SOURCE] = source
    # Tracebacks and inspect find the text here, as they do for a notebook's cells.
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    sys.modules[name] = module  # before it runs: structs and enums look their module up
    try:
        code = compile(source, filename, "exec", dont_inherit=True)
        exec(code, vars(module))  # noqa: S102  (the user's own strategy: running it is the purpose)
    except Exception as exc:  # whatever the user's code raises is the user's to repair
        del sys.modules[name]
        raise ConfigError(f"the strategy's source cannot be loaded: {type(exc).__name__}: {exc}") from exc
    return module


def _names() -> dict[str, Any]:
    strategy = importlib.import_module("contractdesk.strategy")
    names = {name: getattr(strategy, name) for name in strategy.__all__}
    return names | {"cd": importlib.import_module("contractdesk")}


def _module_source(module: ModuleType | None, cls: type) -> str:
    try:
        return inspect.getsource(module) if module is not None else compose(cls)
    except (OSError, TypeError) as exc:
        raise ConfigError(f"the source of {cls.__name__} cannot be found in {cls.__module__}") from exc


def _digest(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()
