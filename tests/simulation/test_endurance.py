"""Hours of a desk's life: what it holds is measured, and growth without end is noticed."""

from __future__ import annotations

from msgspec.structs import replace

from tests.simulation.endurance import CHAPTER_S, Endurance, Extent, extent_of, unbounded

LEVEL = Extent(
    at_s=0.0, fills=0, faults=0, crashes=0, objects=100_000, memory=16_000_000, tasks=32, sockets=3,
    waiting=0, journal=0, log=4_100_000, tape=0,
)  # fmt: skip


def extents(**grows: float) -> list[Extent]:
    """Twenty chapters of forty fills, in which each named quantity grows by so much a chapter."""
    rows = []
    for number in range(20):
        known = replace(LEVEL, fills=40 * number, journal=400_000 * number, tape=600_000 * number)
        more = {name: getattr(known, name) + round(step * number) for name, step in grows.items()}
        rows.append(replace(known, **more))
    return rows


def test_a_level_is_bounded_and_what_grows_without_end_is_named() -> None:
    assert unbounded(extents()) == ""
    for name, step in {
        "memory": 400_000,
        "objects": 2_000,
        "tasks": 4,
        "sockets": 0.5,
        "log": 60_000,
    }.items():
        assert unbounded(extents(**{name: step})).startswith(f"{name} grew"), name


def test_one_peak_is_no_growth() -> None:
    rows = extents()
    assert unbounded([*rows[:-1], replace(rows[-1], objects=144_000)]) == ""


def test_a_journal_may_grow_with_the_fills_and_not_faster() -> None:
    rows = extents()
    dearer = [replace(row, journal=row.journal + 20_000 * number**2) for number, row in enumerate(rows)]
    assert "bytes of journal" in unbounded(dearer)


def test_what_a_desk_holds_is_counted_and_not_the_world_around_it() -> None:
    class Held:
        def __init__(self) -> None:
            self.rows = [bytearray(10_000) for _ in range(10)]
            self.elsewhere = LEVEL  # of the tests: no part of it

    objects, memory = extent_of(Held())
    assert 100_000 < memory < 110_000
    assert objects < 50


def test_two_chapters_are_told_each_with_its_own_faults() -> None:
    story = Endurance(3, 2 * CHAPTER_S / 3600)
    outcome = story.tell()
    assert not outcome.breach
    first, second = story.extents
    assert second.at_s - first.at_s > CHAPTER_S / 2
    assert second.fills > first.fills > 0
    assert second.faults > first.faults > 0
    assert 1_000_000 < second.memory < 50_000_000
    assert unbounded(story.extents) == "too short a story to tell"
