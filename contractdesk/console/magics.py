"""``%load_ext contractdesk``: ``%desk start|stop|halt|status|show``, the desk's verbs with fewer brackets."""

from __future__ import annotations

import html
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from IPython.core.error import UsageError
from IPython.core.magic import Magics, line_magic, magics_class

from contractdesk.console import completion
from contractdesk.console.calls import LONGEST_S, announced, begun
from contractdesk.console.desk import Desk
from contractdesk.console.magic_words import COMMANDS, Words, parse, permitted
from contractdesk.console.opening import open_desk, open_desks
from contractdesk.console.receipts import say
from contractdesk.console.tables import Table
from contractdesk.console.verbs import Verbs
from contractdesk.desk.supervisor import attempt
from contractdesk.errors import ContractdeskError, UserError
from contractdesk.panels import gist
from contractdesk.strategy.base import Strategy

NAME = "desk"  # the variable that ``%desk open`` makes


class Help:
    """What ``%desk`` alone shows."""

    def __repr__(self) -> str:
        wide = max(len(command.usage) for command in COMMANDS.values())
        lines = [
            f"  %desk {c.usage:<{wide}}  {c.does}\n{'':<{wide + 10}}= {c.twin}" for c in COMMANDS.values()
        ]
        return "\n".join([f"%desk COMMAND; {self._which}", *lines])

    def _repr_html_(self) -> str:
        left = 'style="text-align:left"'
        rows = "".join(
            f"<tr><td {left}><code>%desk {html.escape(c.usage)}</code></td>"
            f"<td {left}>{html.escape(c.does)}</td><td {left}><code>{html.escape(c.twin)}</code></td></tr>"
            for c in COMMANDS.values()
        )
        head = "".join(f"<th {left}>{word}</th>" for word in ("command", "does", "the same in Python"))
        return (
            f'<table class="contractdesk"><caption {left}>{html.escape(self._which)}</caption>'
            f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"
        )

    @property
    def _which(self) -> str:
        there = ", ".join(desk.name for desk in open_desks()) or "none"
        return f"--desk NAME where several are open; open now: {there}"


@magics_class
class DeskMagics(Magics):
    """The ``%desk`` line magic."""

    @line_magic
    def desk(self, line: str) -> Any:
        """``%desk COMMAND ...``; alone it lists the commands, each with its twin in Python."""
        try:
            words = parse(line)
            return self._commands()[words.command](words) if words.command else Help()
        except (ContractdeskError, TimeoutError) as error:
            raise UsageError(str(error)) from None  # one sentence, not the way through our code

    @property
    def _names(self) -> dict[str, Any]:
        """The notebook's variables."""
        shell: Any = self.shell
        names: dict[str, Any] = shell.user_ns
        return names

    def _commands(self) -> Mapping[str, Callable[[Words], Any]]:
        return {name: getattr(self, f"_{name}") for name in COMMANDS}

    def _open(self, words: Words) -> Desk:
        desk = open_desk(*words.plain[:1], **_options(words))
        names = self._names
        if NAME not in names or isinstance(names[NAME], Desk):
            names[NAME] = desk
        else:
            kind = type(names[NAME]).__name__
            say(f"{NAME} is a {kind} of yours and stays so: write my_desk = %desk open ...")
        return desk

    def _start(self, words: Words) -> Any:
        desk = chosen(words)
        params = dict(words.named)
        name = params.pop("name", None)
        return desk.start(self._strategy(words, params), name=name)

    def _strategy(self, words: Words, params: dict[str, Any]) -> Strategy:
        """The one of that variable, or one made of a class of the notebook or the library."""
        permitted(words, 1, *words.named)
        known = completion.strategies(self._names)
        there = f"there are {', '.join(known)}"
        if not words.plain:
            raise UserError(f"%desk {COMMANDS['start'].usage}: {there}")
        (named,) = words.plain
        found = self._names.get(named)
        if isinstance(found, Strategy):
            if params:
                raise UserError(f"{named} has its parameters already: %desk tune changes them once it runs")
            return found
        if named not in known:
            raise UserError(f"no strategy {named!r}; {there}")
        if "symbols" not in params:
            raise UserError(f"say what {named} trades: %desk start {named} symbols=BTC/USDT:USDT")
        return known[named](params.pop("symbols").split(","), **params)

    def _tune(self, words: Words) -> Any:
        permitted(words, 1, *words.named)
        if not words.plain or not words.named:
            raise UserError(f"%desk {COMMANDS['tune'].usage}")
        return chosen(words).tune(words.plain[0], **words.named)

    def _stop(self, words: Words) -> Any:
        permitted(words, 1)
        return chosen(words).stop(*words.plain)

    def _halt(self, words: Words) -> Any:
        """All of them, as ``contractdesk halt`` does: whoever halts has no time to be asked which."""
        reason = (" ".join(words.plain),) if words.plain else ()
        desks = open_desks()
        return chosen(words).halt(*reason) if words.desk or len(desks) < 2 else halt_all(desks, *reason)

    def _resume(self, words: Words) -> Any:
        permitted(words, 0)
        return chosen(words).resume()

    def _flatten(self, words: Words) -> Any:
        permitted(words, 1)
        return chosen(words).flatten(*words.plain)

    def _status(self, words: Words) -> Any:
        permitted(words, 0)
        desks = open_desks()
        return chosen(words) if words.desk or len(desks) < 2 else overview(desks)

    def _show(self, words: Words) -> Any:
        permitted(words, 2)
        panels = chosen(words).panels
        name, *symbol = words.plain or ("console",)
        known = panels.names()
        if name not in known:
            raise UserError(f"no panel {name!r}; there are {', '.join(known)}")
        panel = getattr(panels, name)
        if symbol and "symbol" not in inspect.signature(panel).parameters:
            raise UserError(f"the {name} panel is of the whole desk: it takes no symbol")
        return panel(*symbol)

    def _close(self, words: Words) -> Any:
        permitted(words, 0, "leave")
        return chosen(words).close(**words.named)


def _options(words: Words) -> dict[str, Any]:
    """Of ``open``; which of them there are says ``open_desk``."""
    permitted(words, 1, *words.named)
    if words.desk:
        raise UserError("a desk that is opened gets its name by name=, not --desk")
    return words.named


def chosen(words: Words) -> Desk:
    """The desk that ``--desk`` names, else the only open one; UserError where that is not one."""
    desks = {desk.name: desk for desk in open_desks()}
    if not desks:
        raise UserError("no desk is open: %desk open embedded")
    if words.desk:
        if words.desk not in desks:
            raise UserError(f"no desk {words.desk!r} is open; open: {', '.join(desks)}")
        return desks[words.desk]
    if len(desks) > 1:
        first = next(iter(desks))
        raise UserError(
            f"{len(desks)} desks are open ({', '.join(desks)}): say which,"
            f" e.g. %desk {words.command} --desk {first}"
        )
    return next(iter(desks.values()))


def overview(desks: list[Desk]) -> Table:
    """One row a desk, in the status bar's words."""
    rows = []
    for desk in desks:
        snapshot = desk.snapshot
        texts = [item.text for item in gist.items(snapshot)]
        rows.append((desk.name, desk.label, snapshot.state.value, *texts))
    columns = ("desk", "mode", "state", "equity", "uPnL", "margin", "protection", "feed", "loop lag")
    return Table("desks", columns, rows)


def halt_all(desks: list[Desk], *reason: str) -> None:
    """Halt every one: all are begun before any is waited for. UserError names those not confirmed.

    One that is closed meanwhile keeps no other one from being halted, and is said to be closed: as it was
    closed, its entries were cancelled, and it sends nothing any more.
    """
    halts = []
    for desk in desks:
        session = desk._session  # noqa: SLF001  (one component)
        halts.append((desk, begun(session, Verbs(session).halt(*reason))))
    failed = []
    for desk, halting in halts:
        receipt, error = attempt(halting.result, LONGEST_S)
        if receipt is None and desk._session.closed:  # noqa: SLF001  (one component)
            say(f"{desk.name} ({desk.label}) was closed meanwhile: it sends nothing any more")
        elif receipt is None:
            failed.append(f"{desk.name}: halt NOT confirmed: {error or 'no answer'}")
        else:
            say(f"{desk.name} ({desk.label})")
            announced(receipt)
    if failed:
        raise UserError("; ".join(failed))


def load(shell: Any) -> None:
    """Register the magic and the completion; again changes nothing."""
    shell.register_magics(DeskMagics)
    completion.register(shell)


def unload(shell: Any) -> None:
    """Take both away."""
    shell.magics_manager.magics["line"].pop(NAME, None)
    completion.unregister(shell)
