"""Tables read as text, as HTML and as pandas, with times in the chosen zone."""

from __future__ import annotations

from decimal import Decimal

from contractdesk.console.tables import SHOWN_CHARS, SHOWN_ROWS, Table, shown, time_text, zone_of

AT_NS = 1_680_652_800_123_000_000  # 2023-04-05 00:00:00.123 UTC


def table(rows: int = 2) -> Table:
    return Table(
        "orders", ("symbol", "size", "opened_time"), [("BTC", Decimal("0.0100"), AT_NS) for _ in range(rows)]
    )


def test_text_has_plain_numbers_and_times_with_their_zone() -> None:
    text = repr(table())
    assert text.startswith("orders (2)\nsymbol")
    assert "0.01 " in text
    assert "2023-04-05 00:00:00.123 UTC" in text


def test_html_is_escaped_and_says_when_there_is_nothing() -> None:
    assert "&lt;b&gt;" in Table("t", ("a",), [("<b>",)])._repr_html_()
    assert "none" in Table("t", ("a",), [])._repr_html_()
    assert repr(Table("t", ("a",), [])) == "t: none"


def test_pandas_keeps_decimals_and_gives_utc_timestamps() -> None:
    frame = table().df
    assert frame["size"][0] == Decimal("0.0100")
    assert str(frame["opened_time"][0]) == "2023-04-05 00:00:00.123000+00:00"
    assert list(Table("t", ("a", "b_time"), []).df.columns) == ["a", "b_time"]


def test_a_long_table_shows_its_end_and_says_how_long_it_is() -> None:
    assert f"({SHOWN_ROWS + 5}, the last {SHOWN_ROWS} shown)" in repr(table(SHOWN_ROWS + 5))
    assert len(table(SHOWN_ROWS + 5)) == SHOWN_ROWS + 5


def test_rows_are_dicts() -> None:
    (row, _) = table()
    assert row["symbol"] == "BTC"
    assert table()[1]["size"] == table().column("size")[1]


def test_values() -> None:
    assert [shown(value) for value in (None, True, Decimal("1E+2"), Decimal("0E-8"))] == [
        "-",
        "yes",
        "100",
        "0",
    ]
    assert time_text(AT_NS, zone_of("Europe/Berlin")).endswith("02:00:00.123 CEST")


def test_a_long_cell_is_cut_in_the_faces_and_whole_in_pandas() -> None:
    long = Table("t", ("reason",), [("word " * 40,)])
    assert max(map(len, repr(long).splitlines())) == SHOWN_CHARS
    assert "\u2026" in long._repr_html_()
    assert long.df["reason"][0] == "word " * 40
    assert len(repr(Table("t", ("a",), [("x" * 150,)], widest=200)).splitlines()[-1]) == 150
    assert repr(Table("t", ("a",), [], empty="all is well")) == "t: all is well"
