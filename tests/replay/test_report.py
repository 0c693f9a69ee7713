"""The page is one file, well formed, says what the metrics say, and shows nothing that it was not told."""

from __future__ import annotations

import re
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contractdesk.replay.reports import charts as report_charts
from contractdesk.replay.reports.svg import MOST_POINTS, Plot, thinned, time_ticks
from contractdesk.replay.reports.wording import MINUS, NONE, length, moment, money, number, percent, places_of
from contractdesk.replay.result import Result
from contractdesk.strategy import BarView, Context
from contractdesk.strategy.base import Wish
from tests.replay.markets import BTC, COIN, DAY, ETH, T0, Turner, played, turned, walk

VOID = {"meta", "br"}


class Page(HTMLParser):
    """Tables by caption, figures by field, and every tag with what it points at."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.tags: set[str] = set()
        self.figures: dict[str, str] = {}
        self.rows: dict[str, int] = {}
        self.words: list[str] = []
        self._caption, self._field = "", ""
        self.feed(text)
        self.close()
        assert not self.open, "every element is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given_ = dict(attrs)
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name in {"src", "href", "data", "action"}]
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self._field = given_.get("data-name") or ""
            self.rows[self._caption] = self.rows.get(self._caption, 0) + 1

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if self.open[-1:] == ["caption"]:
            self._caption = data
        if self._field and self.open[-1] == "td":
            self.figures[self._field] = data  # the last cell is the value


@pytest.fixture(scope="module")
def result() -> Result:
    return turned(BTC, ETH, days=2)


@pytest.fixture(scope="module")
def text(result: Result, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("report") / "report.html"
    assert result.to_html(path) == path
    return path.read_text(encoding="utf-8")


def test_the_numbers_are_those_of_the_metrics(result: Result, text: str) -> None:
    page, m = Page(text), result.metrics
    assert page.figures == {line.name: line.text for line in m.lines()}
    assert page.figures["net_profit"] == money(m.net_profit, "USDT", signed=True)
    assert page.figures["drawdown.fraction"] == percent(m.drawdown.fraction)
    assert page.figures["trips"] == str(len(result.trips[result.trips["exit"] != "open"]))
    shown = float(page.figures["fees"].removesuffix(" USDT").replace(",", ""))
    assert shown == pytest.approx(result.fills["fee"].sum(), abs=0.005)
    assert page.figures["sharpe"] == NONE, "two days say nothing of a year"


def test_the_tables_have_their_rows(result: Result, text: str) -> None:
    rows = Page(text).rows
    assert rows["Round trips, money in USDT"] == len(result.trips) + 1
    assert rows["Slippage of taking fills; + is against us"] == result.slippage["role"].nunique() + 1
    assert rows["Funding payments"] == len(result.outcome.payments) + 1
    assert rows["Where it comes from, money in USDT"] == 4 + 1
    assert ("Refused by rules" in rows) == bool(result.refused)


def test_it_is_one_file_that_asks_for_nothing(result: Result, text: str) -> None:
    page = Page(text)
    assert page.links == []
    assert not page.tags & {"script", "link", "img", "iframe", "object", "embed"}
    assert not re.search(r"https?:|url\(|@import|javascript", text)
    assert "prefers-color-scheme: dark" in text
    for line in result.assumptions:
        assert line in page.words
    assert not re.search(r"\bnan\b|\bNaN\b|\bNaT\b|\bNone\b", " ".join(page.words))


def test_every_chart_is_well_formed_and_stays_in_its_frame(result: Result, text: str) -> None:
    charts = re.findall(r'<svg viewBox="0 0 \d+ \d+".*?</svg>', text, re.DOTALL)
    assert len(charts) == 2 + 4, "a price a contract; equity, drawdown, trips, exposure"
    for chart in charts:
        tree = ElementTree.fromstring(chart)  # noqa: S314  (our own text)
        width, height = map(int, tree.attrib["viewBox"].split()[2:])
        for path in tree.iter("path"):
            if "transform" not in path.attrib:
                points = re.findall(r"[ML](-?[\d.]+),(-?[\d.]+)", path.attrib["d"])
                assert all(0 <= float(x) <= width and 0 <= float(y) <= height for x, y in points)
    entries = result.fills[result.fills["role"] == "entry"]
    assert text.count("<title>entry: ") == len(entries)


def test_a_notebook_and_a_terminal_get_a_summary(result: Result) -> None:
    brief, net = result._repr_html_(), money(result.metrics.net_profit, "USDT", signed=True)
    Page(brief)
    assert net in brief
    assert net in repr(result)
    assert "<style" not in brief
    assert "<script" not in brief
    assert result.metrics.text() == repr(result.metrics)
    html = result.metrics._repr_html_()
    Page(html)
    assert all(line.title in html.replace("&#x27;", "'") for line in result.metrics.lines())


def test_coins_have_six_digits(tmp_path: Path) -> None:
    result = turned(COIN, days=0.6)
    figures = Page(result.to_html(tmp_path / "coin.html").read_text()).figures
    assert re.fullmatch(rf"[+{MINUS}]\d\.\d{{6}} BTC", figures["net_profit"])


class Faulty(Turner):
    def on_bar(self, bar: BarView, ctx: Context) -> Wish:
        raise ValueError("<b>it's broken</b> & out")


def test_what_went_wrong_is_told_and_is_text(tmp_path: Path) -> None:
    result = played(walk(0.05), [BTC], [Faulty(BTC.symbol, timeframe="5m")])
    text = result.to_html(tmp_path / "faulty.html").read_text()
    page = Page(text)
    assert "ALARM" in page.words
    assert page.rows["Told on the way"] == 2
    assert any("<b>it's broken</b> & out" in words for words in page.words)
    assert "<b>it" not in text.replace("&lt;b&gt;it", "")
    assert "ALARM" in repr(result)
    assert "ALARM" in result._repr_html_()
    assert page.figures["win_rate"] == NONE
    assert "Round trips, money in USDT: none" in page.words


def test_more_marks_than_a_browser_likes_are_left_out_and_told(
    result: Result, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_charts, "MOST_MARKS", 3)
    charts = report_charts.charts_of(result)
    bought = len(result.fills[(result.fills["symbol"] == BTC.symbol) & (result.fills["side"] == "buy")])
    assert f"bought to enter (the last 3 of {bought})" in charts
    assert f"Net of each round trip, USDT (the last 3 of {len(result.trips)})" in charts


# -- charts and words ---------------------------------------------------------------------------


@given(st.lists(st.one_of(st.floats(-1e6, 1e6), st.just(float("nan"))), min_size=1, max_size=400))
def test_thinning_keeps_the_extremes_and_both_ends(values: list[float]) -> None:
    array = np.array(values)
    times, kept = thinned(np.arange(len(values)), array, 40)
    assert len(kept) <= 44
    assert (times[0], times[-1]) == (0, len(values) - 1)
    known = array[np.isfinite(array)]
    if len(known):
        assert (np.nanmin(kept), np.nanmax(kept)) == (known.min(), known.max())


@given(st.integers(0, 400 * DAY), st.integers(60 * 10**9, 900 * DAY))
def test_ticks_of_time_are_round_few_and_inside(begin: int, span: int) -> None:
    ticks = time_ticks(T0 + begin, T0 + begin + span)
    assert len(ticks) <= 9
    assert all(T0 + begin <= at <= T0 + begin + span and at % (60 * 10**9) == 0 for at, _ in ticks)
    assert len({words for _, words in ticks}) == len(ticks)


def test_a_line_is_broken_where_nothing_is_known_and_bounded() -> None:
    plot = Plot((0, 10), (0.0, 1.0), 100, "t")
    plot.line(np.arange(5), np.array([0, 1, np.nan, 1, 0.0]), "plain", "")
    (path,) = re.findall(r'd="(M[^"]+)"', plot.svg())
    assert (path.count("M"), path.count("L")) == (2, 2)
    many = np.arange(50_000)
    plot = Plot((0, len(many)), (0.0, 1.0), 100, "t")
    plot.line(many, np.sin(many), "plain", "sine")
    plot.line(many, np.sin(many), "stop", "steps", steps=True)
    assert plot.svg().count("L") < 5 * MOST_POINTS


def test_words() -> None:
    assert (number(-1234.5), number(0.0, signed=True), number(None)) == (f"{MINUS}1,234.50", "0.00", NONE)
    assert (number(-0.001), number(3, 0, signed=True), number(float("nan"))) == ("0.00", "+3", NONE)
    assert (percent(0.0312), percent(-0.5, 0, signed=True)) == ("3.12 %", f"{MINUS}50 %")
    assert (money(0.1, "BTC"), money(None, "USDT")) == ("0.100000 BTC", NONE)
    told = [length(span) for span in (0, 75_000, 75 * 10**6, 3.2e9, 300e9, 5.1 * 3600e9, 3 * DAY, None)]
    assert told == ["0 s", "75 us", "75 ms", "3.2 s", "5 min", "5.1 h", "3.0 d", NONE]
    assert (moment(T0), moment(0)) == ("2024-08-08 00:00:00", NONE)
    assert [places_of(Decimal(step)) for step in ("0.1", "0.25", "10", "1E-8")] == [1, 2, 0, 8]
