"""What has been fetched: sets of time, and no more trust in them than in the data beside them."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contractdesk.errors import StorageError
from contractdesk.history.coverage import FILE, Coverage, joined, without
from contractdesk.history.importing import series_of
from contractdesk.storage.dataset_files import series_folder
from contractdesk.venues.past import Span

SERIES = series_of("binance", "BTC/USDT:USDT", "funding")
SPANS = st.builds(lambda start, length: Span(start, start + length), st.integers(0, 40), st.integers(-2, 9))


def instants(*spans: Span) -> set[int]:
    return {ns for span in spans for ns in range(span.start_ns, span.end_ns)}


@given(SPANS, st.lists(SPANS, max_size=8))
def test_what_is_left_is_what_was_wanted_and_not_taken(wanted: Span, taken: list[Span]) -> None:
    left = without(wanted, taken)
    assert instants(*left) == instants(wanted) - instants(*taken)
    assert left == joined(left)


@given(st.lists(SPANS, max_size=8))
def test_a_union_is_apart_and_ascends(spans: list[Span]) -> None:
    union = joined(spans)
    assert instants(*union) == instants(*spans)
    assert all(before.end_ns < after.start_ns for before, after in pairwise(union))


def test_it_is_kept_beside_the_data_and_a_damaged_one_is_said(tmp_path: Path) -> None:
    series_folder(tmp_path, SERIES).mkdir(parents=True)
    Coverage(tmp_path, SERIES).note(Span(10, 20), ())
    Coverage(tmp_path, SERIES).note(Span(20, 30), ())
    assert Coverage(tmp_path, SERIES).spans == [Span(10, 30)]
    assert Coverage(tmp_path, SERIES).missing(Span(0, 40)) == [Span(0, 10), Span(30, 40)]
    (series_folder(tmp_path, SERIES) / FILE).write_text('{"spans": [[1]]}')
    with pytest.raises(StorageError, match="remove it, then all is fetched again"):
        Coverage(tmp_path, SERIES)
