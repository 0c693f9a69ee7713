"""Pages that are more than one table: funding, latency, the log, the gauges."""

from __future__ import annotations

import re
from datetime import UTC
from decimal import Decimal

import pytest
from msgspec.structs import replace

from contractdesk.domain.commands import Severity
from contractdesk.domain.views import DeskSnapshot, Latency
from contractdesk.panels import formats, funding
from contractdesk.panels.pages import TABLES, Page, Sheets, sheet_of
from tests.e2e.synthetic import Market
from tests.panels.test_grids import row_of

D = Decimal


@pytest.fixture(scope="module")
def snapshot() -> DeskSnapshot:
    market = Market()
    for _ in range(300):
        last = market.step()
    return last


def test_the_ledger_says_what_the_next_settlement_costs_and_when(snapshot: DeskSnapshot) -> None:
    row = row_of(funding.funding_ledger(snapshot))
    cost = snapshot.positions[0].notional * D("0.0001")
    assert row["Predicted"].text == f"\u2212{cost:.4f}"
    assert (row["Rate"].text, row["Every"].text, row["Accrued"].text) == ("+0.0100 %", "8 h", "\u22120.0283")
    assert (row["Next UTC"].text, row["In"].text) == ("04-05 00:00:00", "90.0 s")
    assert re.fullmatch(r"in [\d.,]+ h", row["Eats the profit"].text)


def test_the_ledger_of_a_loss_and_of_what_nobody_knows_shows_dashes(snapshot: DeskSnapshot) -> None:
    symbol, view = next(iter(snapshot.symbols.items()))
    unknown = replace(view, funding_rate=None, funding_interval_ns=0, settled_rates=None, next_funding_ns=0)
    row = row_of(funding.funding_ledger(replace(snapshot, symbols={symbol: unknown})))
    names = ("Rate", "Predicted", "Next UTC", "In", "Every", "Settled 8 h", "Eats the profit")
    assert [row[name].text for name in names] == [formats.NONE] * len(names)


def test_payments_come_latest_first_and_the_tab_counts_them(snapshot: DeskSnapshot) -> None:
    (first,) = snapshot.payments
    later = replace(first, payment_id="f-2", amount=D("0.5"), venue_ns=first.venue_ns + 10**9)
    two = replace(snapshot, payments=(first, later))
    grid = funding.payments(two)
    assert [row_of(grid, i)["Id"].text for i in range(2)] == ["f-2", "f-1"]
    sheet = sheet_of(Page.FUNDING, two, UTC)
    assert sheet.count == 2
    assert sheet.html.index("Eats the profit") < sheet.html.index("Payments") < sheet.html.index("f-2")


def test_a_histogram_has_a_bar_a_bucket_and_the_least_can_be_seen(snapshot: DeskSnapshot) -> None:
    html = sheet_of(Page.LATENCY, snapshot, UTC).html
    assert html.count('class="cd-hist"') == 2
    assert "p50 <b>10.6 ms</b>" not in html, "from ten on, whole milliseconds"
    assert "p50 <b>11 ms</b>" in html
    assert 'style="height:100%" title="up to 11 ms: 9"' in html
    assert 'style="height:0%" title="up to 17 ms: 0"' in html
    one_in_thousands = Latency(
        name="x", count=9_001, p50_ms=1.0, p99_ms=1.0, max_ms=9.0, buckets=((1.0, 9_000), (9.0, 1))
    )
    shown = sheet_of(Page.LATENCY, replace(snapshot, latencies=(one_in_thousands,)), UTC).html
    assert 'style="height:4%" title="up to 9.0 ms: 1"' in shown


def test_what_was_not_measured_says_so(snapshot: DeskSnapshot) -> None:
    unused = Latency(name="x", count=0, p50_ms=0, p99_ms=0, max_ms=0, buckets=())
    assert "none yet" in sheet_of(Page.LATENCY, replace(snapshot, latencies=(unused,)), UTC).html
    assert "nothing is timed yet" in sheet_of(Page.LATENCY, replace(snapshot, latencies=()), UTC).html


def test_an_alarm_makes_the_logs_tab_loud_and_its_words_too(snapshot: DeskSnapshot) -> None:
    assert not sheet_of(Page.LOG, snapshot, UTC).loud
    alarm = replace(snapshot.notices[0], severity=Severity.ALARM, message="The stop was rejected.")
    sheet = sheet_of(Page.LOG, replace(snapshot, notices=(*snapshot.notices, alarm)), UTC)
    assert sheet.loud
    assert '<td class="cd-wide cd-alarm">The stop was rejected.</td>' in sheet.html


def test_times_of_a_page_are_of_the_zone_and_its_heading_names_it(snapshot: DeskSnapshot) -> None:
    berlin = formats.zone_of("Europe/Berlin")
    for page in (Page.ORDERS, Page.FILLS, Page.REFUSALS, Page.LOG, Page.FUNDING):
        html = sheet_of(page, snapshot, berlin).html
        assert "Time CEST" in html, page
        assert "23:58:" not in html, page
        assert "01:58:" in html or page is Page.FUNDING


def test_every_page_shows_something_and_the_gauges_stand_apart(snapshot: DeskSnapshot) -> None:
    assert set(TABLES) == set(Page) - {Page.RISK}
    for page in Page:
        assert re.search(r"[1-9]", sheet_of(page, snapshot, UTC).html), page


def test_a_gauge_near_its_limit_warns_and_one_that_blocks_says_what_passes(
    snapshot: DeskSnapshot,
) -> None:
    gauge = next(row for row in snapshot.risk if row.rule == "size_cap")
    near = replace(gauge, found="2.90 % of equity", limit="<= 3 % of equity")
    lost = replace(gauge, rule="breaker", found="-6.5 % within 300 s", limit="> -8 % of equity within 300 s")
    html = sheet_of(Page.RISK, replace(snapshot, risk=(near, lost)), UTC).html
    assert html.count("cd-gauge-near") == 2
    assert "width:97%" in html
    assert "width:81%" in html
    blocked = sheet_of(Page.RISK, snapshot, UTC)
    assert (blocked.title, blocked.loud) == ("Risk: 1 blocking", True)
    assert "passes with a right clock" in blocked.html


def test_a_page_is_made_anew_only_when_what_stands_on_it_has_changed(snapshot: DeskSnapshot) -> None:
    berlin, sheets = formats.zone_of("Europe/Berlin"), Sheets(TABLES)
    first = sheets.of(snapshot, berlin)
    later = replace(snapshot, ts_ns=snapshot.ts_ns + 10**9, orders=tuple(snapshot.orders))
    second = sheets.of(later, berlin)
    assert second[Page.ORDERS] is first[Page.ORDERS]
    assert second[Page.LOG] is first[Page.LOG]
    assert second[Page.FUNDING] is not first[Page.FUNDING]
    fewer = sheets.of(replace(later, orders=snapshot.orders[:1]), berlin)
    assert (fewer[Page.ORDERS].count, second[Page.ORDERS].count) == (1, 3)
    tomorrow = sheets.of(replace(later, ts_ns=snapshot.ts_ns + 86_400 * 10**9), berlin)
    assert "04-05 01:58:04" in tomorrow[Page.ORDERS].html


def test_made_once_or_anew_a_page_is_the_same() -> None:
    market, sheets = Market(), Sheets(tuple(Page))
    for _ in range(260):
        snapshot = market.step()
        shown = sheets.of(snapshot, UTC)
        assert shown == {page: sheet_of(page, snapshot, UTC) for page in Page}
