"""What is desired is confirmed, exactly, at a rate that the venue allows."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from contractdesk.clock import NS_PER_S
from contractdesk.venues.subscriptions import AGAIN_NS, BATCH, RATE, Subscriptions

TOPICS = st.sampled_from([f"t{number}@depth" for number in range(12)])
STEP = st.one_of(
    st.tuples(st.just("want"), TOPICS),
    st.tuples(st.just("drop"), TOPICS),
    st.tuples(st.just("connect"), st.none()),
    st.tuples(st.just("answer"), st.booleans()),
)


class Venue:
    """Grants everything it is asked for, when it is told to answer."""

    def __init__(self) -> None:
        self.granted: set[str] = set()
        self.asked: list[dict[str, object]] = []

    def answer(self, book: Subscriptions) -> None:
        for message in self.asked:
            change = (
                self.granted.update if message["method"] == "SUBSCRIBE" else self.granted.difference_update
            )
            change(message["params"])  # type: ignore[arg-type]
            book.on_ack(message["id"], None)  # type: ignore[arg-type]
        self.asked.clear()


def drain(book: Subscriptions, venue: Venue, now_ns: int) -> int:
    sent = 0
    while message := book.next_message(now_ns):
        venue.asked.append(json.loads(message))
        sent += 1
    return sent


@given(st.lists(STEP, max_size=60))
def test_complete_means_that_the_venue_delivers_exactly_what_is_desired(
    steps: list[tuple[str, object]],
) -> None:
    book, venue, now_ns = Subscriptions(), Venue(), 0
    for kind, value in steps:
        now_ns += NS_PER_S
        if kind == "want":
            book.want((str(value),))
        elif kind == "drop":
            book.drop((str(value),))
        elif kind == "connect":
            book.on_connected()
            venue = Venue()
        elif value:
            venue.answer(book)
        drain(book, venue, now_ns)
        assert not book.complete or venue.granted == book.desired.keys()
    for _ in range(4):
        now_ns += NS_PER_S
        drain(book, venue, now_ns)
        venue.answer(book)
    assert book.complete
    assert venue.granted == book.desired.keys()


def test_no_more_messages_than_the_venue_allows() -> None:
    book, venue = Subscriptions(), Venue()
    book.want(tuple(f"t{number}" for number in range(BATCH * (RATE + 2))))
    assert drain(book, venue, 0) == RATE
    assert drain(book, venue, NS_PER_S - 1) == 0
    assert drain(book, venue, NS_PER_S) == 2
    assert all(len(message["params"]) <= BATCH for message in venue.asked)  # type: ignore[arg-type]


def test_refused_topics_are_named_and_asked_for_again_one_by_one() -> None:
    book, venue = Subscriptions(), Venue()
    book.want(("nosuch@depth", "t1@depth"))
    drain(book, venue, 0)
    book.on_ack(1, "2: Invalid request")
    assert book.refused == dict.fromkeys(("nosuch@depth", "t1@depth"), "2: Invalid request")
    assert not book.complete
    venue.asked.clear()
    assert drain(book, venue, NS_PER_S) == 0
    assert drain(book, venue, NS_PER_S + AGAIN_NS) == 2
    assert [message["params"] for message in venue.asked] == [["nosuch@depth"], ["t1@depth"]]
    book.on_ack(2, "2: Invalid request")
    book.on_ack(3, None)
    assert (book.confirmed, list(book.refused)) == ({"t1@depth"}, ["nosuch@depth"])


def test_an_unanswered_message_is_overdue() -> None:
    book = Subscriptions()
    book.want(("a",))
    drain(book, Venue(), 0)
    assert not book.overdue(5 * NS_PER_S)
    assert book.overdue(5 * NS_PER_S + 1)
    book.on_connected()
    assert not book.overdue(99 * NS_PER_S)
