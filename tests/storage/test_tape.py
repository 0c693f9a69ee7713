"""The tape gives back what was put on it, survives torn ends, and names what is damaged."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contractdesk.domain.events import BookChanged, MarketEvent, TimePassed
from contractdesk.errors import StorageError
from contractdesk.storage.inputs import checkpoints, last_checkpoint, read_inputs, without_holes
from contractdesk.storage.journal import Journal
from contractdesk.storage.journal_reader import JournalReader
from contractdesk.storage.tape import Tape, TapeLimits, last_seq, read_tape
from contractdesk.storage.tape_file import MAGIC, TapeHeader, TornTail, _read_frame, segments
from tests.storage.values import EVENTS, values

MARKET = [kind for kind in EVENTS if issubclass(kind, MarketEvent)]


def change(seq: int) -> BookChanged:
    levels = bytes(range(16)) * 4
    return BookChanged(
        ts_ns=seq, symbol="BTC/USDT:USDT", first_id=seq, last_id=seq, bids=levels, asks=b"", venue_ns=seq
    )


def header(first_seq: int) -> TapeHeader:
    return TapeHeader(
        first_seq=first_seq, opened_ns=first_seq, checkpoint=b"state", settings=b"{}", sources=("ab",)
    )


def filled(folder, *, blocks=4, each=10):
    """A tape of one segment, its blocks written one by one."""
    tape = Tape(folder)
    tape.rotate(header(1))
    seq = 0
    for _ in range(blocks):
        for _ in range(each):
            seq += 1
            tape.append(seq, change(seq))
        tape.flush()
    assert tape.close()
    return segments(folder)[0]


def frames(data: bytes) -> list[int]:
    """Where each begins; the first one is the header's."""
    places, place = [], len(MAGIC)
    while place < len(data):
        places.append(place)
        place += 8 + int.from_bytes(data[place : place + 4], "little")
    return places


@settings(max_examples=25)
@given(events=st.lists(st.sampled_from(MARKET).flatmap(values), max_size=20), data=st.data())
def test_gives_back_what_was_put_on_it(tmp_path_factory, events, data):
    folder = tmp_path_factory.mktemp("tape")
    turns = data.draw(st.sets(st.integers(1, 20)))
    tape = Tape(folder)
    for seq, event in enumerate(events, 1):
        if seq in turns:
            tape.rotate(header(seq))
        tape.append(seq, event)
    assert tape.close()
    expected = list(enumerate(events, 1))
    from_seq = data.draw(st.integers(0, 21))
    assert list(read_tape(folder)) == expected
    assert list(read_tape(folder, from_seq)) == [item for item in expected if item[0] >= from_seq]
    until_seq = data.draw(st.integers(0, 22))
    between = [item for item in expected if from_seq <= item[0] < until_seq]
    assert list(read_tape(folder, from_seq, until_seq=until_seq)) == between
    assert last_seq(folder) == len(events)


def test_goes_on_after_a_restart(tmp_path):
    filled(tmp_path)
    tape = Tape(tmp_path)
    assert tape.last_seq == 40
    tape.append(41, change(41))
    tape.close()
    assert [seq for seq, _ in read_tape(tmp_path, 40)] == [40, 41]
    assert [h.first_seq for h in checkpoints(tmp_path)] == [1]  # the second segment has no checkpoint


def test_the_last_checkpoint_of_some_numbers_reads_no_other_segment(tmp_path):
    tape = Tape(tmp_path)
    for seq in (1, 11, 21):
        tape.rotate(header(seq))
        tape.append(seq, change(seq))
    tape.append(22, change(22))
    assert tape.close()
    segments(tmp_path)[-1].write_bytes(b"of something else")
    assert last_checkpoint(tmp_path, [range(1, 5), range(11, 21)]) == header(11)
    assert last_checkpoint(tmp_path, [range(1, 5)]) == header(1)
    assert last_checkpoint(tmp_path, [range(5, 11)]) is None
    with pytest.raises(StorageError, match="is no tape"):
        last_checkpoint(tmp_path, [range(1, 30)])


def test_a_torn_end_costs_what_is_torn_and_is_told(tmp_path):
    path = filled(tmp_path)
    whole = path.read_bytes()
    for cut in (1, 7, 40):
        path.write_bytes(whole[:-cut])
        torn: list[TornTail] = []
        assert [seq for seq, _ in read_tape(tmp_path, torn=torn)] == list(range(1, 31))
        (found,) = torn
        assert found.path == path
        assert found.kept_bytes + found.lost_bytes == len(whole) - cut
        assert last_seq(tmp_path) == 30


def test_a_last_block_that_did_not_reach_the_disk_is_a_torn_end(tmp_path):
    path = filled(tmp_path)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20] + bytes(20))
    torn: list[TornTail] = []
    assert len(list(read_tape(tmp_path, torn=torn))) == 30
    assert len(torn) == 1


def test_a_segment_torn_in_its_header_is_empty(tmp_path):
    path = filled(tmp_path)
    for kept in (0, 3, 12):
        path.write_bytes(path.read_bytes()[:kept])
        torn: list[TornTail] = []
        assert list(read_tape(tmp_path, torn=torn)) == []
        assert torn
        assert checkpoints(tmp_path) == []
        assert last_seq(tmp_path) == 0


def test_damage_in_the_middle_is_refused_with_its_place(tmp_path):
    path = filled(tmp_path)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0xFF
    path.write_bytes(data)
    found = read_tape(tmp_path)
    with pytest.raises(StorageError, match=r"damaged at byte \d+ .*next segment"):
        list(found)


@pytest.mark.parametrize("byte", [0, 1, 2, 3])
def test_a_damaged_length_is_no_torn_end(tmp_path, byte):
    """Whole blocks stand behind it; nothing does behind a last write."""
    path = filled(tmp_path)
    whole = path.read_bytes()
    for place in (len(MAGIC), *frames(whole)[1:-1]):  # of the header, and of all blocks but the last
        data = bytearray(whole)
        data[place + byte] ^= 0x40
        path.write_bytes(data)
        with pytest.raises(StorageError, match=f"damaged at byte {place} "):
            list(read_tape(tmp_path))
        with pytest.raises(StorageError, match="damaged"):
            Tape(tmp_path)


def test_what_is_behind_a_readers_end_is_not_asked(tmp_path):
    """A desk writes on while its tape is read: then blocks stand behind one that was half there."""
    path = filled(tmp_path)
    size = frames(path.read_bytes())[2] + 20
    with path.open("rb") as file:
        file.seek(frames(path.read_bytes())[2])
        assert _read_frame(file, path, size) is None


def test_refuses_what_is_no_tape_and_what_is_newer(tmp_path):
    (tmp_path / f"{1:020d}.tape").write_bytes(b"something else entirely")
    with pytest.raises(StorageError, match="is no tape of this version"):
        list(read_tape(tmp_path))
    newer = Tape(tmp_path / "newer")
    newer.rotate(TapeHeader(first_seq=1, opened_ns=1, schema=2))
    newer.close()
    with pytest.raises(StorageError, match="schema 2"):
        list(read_tape(tmp_path / "newer"))


def test_rotates_by_size_and_age_and_deletes_the_oldest(tmp_path):
    limits = TapeLimits(segment_bytes=400, segment_ns=1_000, total_bytes=2_000)
    tape = Tape(tmp_path, limits)
    assert tape.due(0)
    for seq in range(1, 101):
        if tape.due(0):
            tape.rotate(header(seq))
        tape.append(seq, change(seq))
        tape.flush()
    assert tape.due(2_000)
    tape.close()
    assert sum(path.stat().st_size for path in segments(tmp_path)) <= 2_000 + 800
    kept = [seq for seq, _ in read_tape(tmp_path)]
    assert kept == list(range(kept[0], 101))
    assert kept[0] > 1
    assert checkpoints(tmp_path)[0].first_seq == kept[0]


def test_segments_are_bounded_without_a_driver_that_rotates(tmp_path):
    tape = Tape(tmp_path, TapeLimits(segment_bytes=300))
    for seq in range(1, 101):
        tape.append(seq, change(seq))
        tape.flush()
    tape.close()
    assert len(segments(tmp_path)) > 5
    assert [seq for seq, _ in read_tape(tmp_path)] == list(range(1, 101))


def test_a_failed_write_is_repeated_without_a_trace(tmp_path):
    tape = Tape(tmp_path)
    tape.rotate(header(1))
    tape.append(1, change(1))
    tape.flush()
    sound, tape._file = tape._file, FullDisk(tape._file)  # type: ignore[arg-type]
    tape.append(2, change(2))
    with pytest.raises(StorageError, match="No space left"):
        tape.flush()
    tape._file = sound
    tape.append(3, change(3))
    tape.flush()
    assert tape.broken == ""
    tape.close()
    assert [seq for seq, _ in read_tape(tmp_path)] == [1, 2, 3]


class FullDisk:
    """A file that takes half of what it is given."""

    def __init__(self, file):
        self._file = file

    def write(self, data):
        self._file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    def __getattr__(self, name):
        return getattr(self._file, name)


def test_journal_and_tape_read_as_one(tmp_path):
    journal, tape = Journal(tmp_path / "journal.db"), Tape(tmp_path / "tape")
    expected = []
    for seq in range(1, 60):
        if seq % 3:
            tape.append(seq, event := change(seq))
        else:
            journal.put_event(seq, event := TimePassed(ts_ns=seq))
        expected.append((seq, event))
    tape.close()
    journal.close()
    with JournalReader(tmp_path / "journal.db") as reader:
        assert list(without_holes(read_inputs(reader, tmp_path / "tape"))) == expected
        assert list(read_inputs(reader, tmp_path / "tape", 30)) == expected[29:]


def test_a_hole_in_the_inputs_is_named():
    event = TimePassed(ts_ns=1)
    with pytest.raises(StorageError, match="inputs 6 to 8 are missing"):
        list(without_holes([(4, event), (5, event), (9, event)]))
