"""The tuning panel's traits, made of what runs and of the draft. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import tzinfo
from decimal import Decimal
from itertools import groupby
from typing import Any, Final

import msgspec
from msgspec import Struct

from contractdesk.desk.changes import RISK, Change
from contractdesk.domain.views import DeskSnapshot
from contractdesk.panels import formats
from contractdesk.panels.draft import Difference
from contractdesk.panels.grid import Cell, Column, Grid, Tone
from contractdesk.panels.tunables import Kind, Tunable, of_desk, of_strategy
from contractdesk.panels.tuning_face import DESK, Running, Tuner
from contractdesk.risk.meanings import Effect, effect
from contractdesk.risk.settings import RiskSettings
from contractdesk.strategy.params import plain

SHOWN_CHANGES: Final = 50
_TONES: Final = {Effect.LOOSENS: Tone.WARN, Effect.TIGHTENS: Tone.BUY, Effect.CHANGES: Tone.MUTED}
_OF_DESK: Final = tuple(of_desk())
_TYPES: Final = {field.name: field.type for field in msgspec.structs.fields(RiskSettings)}


class Picture(Struct, frozen=True):
    """What can be tuned and what runs, both by key."""

    strategies: tuple[Running, ...]
    risk: RiskSettings
    tunables: dict[str, Tunable]
    runs: dict[str, Any]

    @classmethod
    def of(cls, tuner: Tuner) -> Picture:
        strategies, risk = tuner.running(), tuner.risk()
        tunables = [each for row in strategies for each in of_strategy(row)]
        params = {row.strategy_id: row.params for row in strategies}
        runs = {each.key: params[each.owner].get(each.name, each.default) for each in tunables}
        runs |= {each.key: plain(getattr(risk, each.name)) for each in _OF_DESK}
        return cls(strategies, risk, {each.key: each for each in (*tunables, *_OF_DESK)}, runs)


def groups(picture: Picture) -> list[dict[str, Any]]:
    """Every control; changes only with what runs, not with its values."""
    shown = [
        {
            "title": row.strategy_id,
            "note": _note(row),
            "open": True,
            "rows": [_control(each) for each in of_strategy(row)],
        }
        for row in picture.strategies
    ]
    for name, members in groupby(_OF_DESK, lambda each: each.group):
        rows = [_control(each) for each in members]
        shown.append({"title": f"Risk: {name.lower()}", "note": "", "open": not shown, "rows": rows})
    return shown


def _note(row: Running) -> str:
    named = "" if row.class_name == row.strategy_id else f"{row.class_name}, "
    return f"{named}{', '.join(row.symbols)}, {row.timeframe} bars"


def _control(each: Tunable) -> dict[str, Any]:
    scale = None if each.low is None or each.high is None else [float(each.low), float(each.high), each.curve]
    return {
        "key": each.key,
        "name": each.name,
        "title": each.title,
        "kind": each.kind.value,
        "unit": each.unit,
        "doc": each.doc,
        "range": each.permitted,
        "whole": each.whole,
        "scale": scale,
        "choices": [str(choice) for choice in each.choices],
    }


def values(picture: Picture, differences: Iterable[Difference]) -> dict[str, Any]:
    """What each control shows: the draft's value, or what runs."""
    wanted = {each.key: each.wanted for each in differences}
    return {key: _shown(each, wanted.get(key, picture.runs[key])) for key, each in picture.tunables.items()}


def _shown(each: Tunable, value: Any) -> Any:
    match each.kind:
        case Kind.TOGGLE:
            return bool(value)
        case Kind.CHOICE:
            return each.choices.index(value) if value in each.choices else -1
        case _:
            return each.text(value)


def rows_of(
    picture: Picture, differences: Sequence[Difference], snapshot: DeskSnapshot
) -> list[dict[str, Any]]:
    """The draft, line by line: from, to, and what that means; in the order of the controls."""
    places = list(picture.tunables)
    ordered = sorted(differences, key=lambda each: places.index(each.key))
    return [_row(picture, each, snapshot) for each in ordered]


def _row(picture: Picture, each: Difference, snapshot: DeskSnapshot) -> dict[str, Any]:
    what = picture.tunables[each.key]
    found = effect_of(picture, each)
    means = "" if found is None else found.value
    if found is not None and what.unit == "% of equity" and snapshot.equity > 0:
        before, after = _money(what, each.runs, snapshot), _money(what, each.wanted, snapshot)
        means += f": {before} \u2192 {after} {snapshot.asset}"
    return {
        "key": each.key,
        "owner": what.owner or "risk",
        "title": what.title,
        "was": what.said(each.runs),
        "now": what.said(each.wanted),
        "means": means,
        "tone": "muted" if found is None else _TONES[found].value,
        "moved": f"was {what.said(each.began)} when you began" if each.moved else "",
    }


def _money(what: Tunable, share: Any, snapshot: DeskSnapshot) -> str:
    if what.is_off(share):
        return "no limit"
    return formats.fixed(Decimal(str(share)) * snapshot.equity, formats.cash_places(snapshot.asset))


def effect_of(picture: Picture, each: Difference) -> Effect | None:
    """None for a parameter of a strategy: only the person knows what it means."""
    what = picture.tunables[each.key]
    if what.owner != DESK:
        return None
    new = msgspec.convert(each.wanted, _TYPES[what.name])
    return effect(what.name, getattr(picture.risk, what.name), new)


def said(picture: Picture, each: Difference) -> str:
    """``fast 8 bars``."""
    what = picture.tunables[each.key]
    return f"{what.title} {what.said(each.wanted)}"


def by_owner(picture: Picture, differences: Iterable[Difference]) -> dict[str, dict[str, Any]]:
    """The draft as the desk takes it, owner by owner."""
    found: dict[str, dict[str, Any]] = {}
    for each in differences:
        what = picture.tunables[each.key]
        found.setdefault(what.owner, {})[what.name] = each.wanted
    return found


def audit_grid(changes: Sequence[Change], tunables: Mapping[str, Tunable], zone: tzinfo) -> Grid:
    """The latest first; times in ``zone``."""
    when = formats.suffix(changes[-1].ts_ns, zone) if changes else "When"
    columns = (*(Column(title) for title in (when, "Who", "What")), Column("From \u2192 to", wide=True))
    rows = [_change(row, tunables, zone) for row in list(changes)[: -SHOWN_CHANGES - 1 : -1]]
    return Grid(
        name="changes",
        title="Changes",
        columns=columns,
        rows=tuple(rows),
        total=len(changes),
        empty="nothing was ever changed",
    )


def _change(row: Change, tunables: Mapping[str, Tunable], zone: tzinfo) -> tuple[Cell, ...]:
    owner = DESK if row.what == RISK else row.what
    what = tunables.get(f"{owner}/{row.name}")
    return (
        Cell(f"{formats.date(row.ts_ns, zone)[5:]} {formats.clock(row.ts_ns, zone)}", Tone.MUTED),
        Cell(row.who),
        Cell(f"{row.what} {row.name.replace('_', ' ') if what is None else what.title}"),
        Cell(_from_to(what, row.was, row.now)),
    )


def _from_to(what: Tunable | None, was: Any, now: Any) -> str:
    if what is None:
        return f"{_alone(was)} \u2192 {_alone(now)}"
    whole = what.is_off(was) or what.is_off(now)  # otherwise the unit once is enough
    before = what.said(was) if whole else what.text(was) or "empty"
    return f"{before} \u2192 {what.said(now)}"


def _alone(value: Any) -> str:
    """Of what cannot be tuned any more."""
    return formats.NONE if value is None else str(value)
