"""The writer never blocks who hands it work, keeps order, and does not forget that it lost something."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import TimeoutError as NotYet

import pytest

from contractdesk.errors import StorageError
from contractdesk.storage.writer import Writer


class Disk:
    """Keeps what is written; can hang, and can be full."""

    def __init__(self) -> None:
        self.written: list[int] = []
        self.free = threading.Event()
        self.free.set()
        self.full = False

    def write(self, items: Sequence[int]) -> None:
        assert self.free.wait(10)
        if self.full:
            raise OSError(28, "No space left on device")
        self.written += items


@pytest.fixture
def disk():
    return Disk()


@pytest.mark.parametrize("linger_s", [0.0, 0.05])
def test_writes_everything_in_order(disk, linger_s):
    writer = Writer("w", disk.write, most=1000, linger_s=linger_s)
    for item in range(500):
        writer.put(item)
    writer.barrier().result(10)
    assert disk.written == list(range(500))
    writer.put(500)
    assert writer.close()
    assert disk.written[-1] == 500


def test_a_hanging_disk_holds_the_barrier_and_nobody_else(disk):
    disk.free.clear()
    writer = Writer("w", disk.write, most=1000)
    for item in range(100):
        writer.put(item)
    barrier = writer.barrier()
    with pytest.raises(NotYet):
        barrier.result(0.1)
    disk.free.set()
    barrier.result(10)
    assert disk.written == list(range(100))
    writer.close()


def test_what_failed_is_written_when_the_disk_is_well_again(disk):
    disk.full = True
    writer = Writer("w", disk.write, most=1000)
    writer.put(1)
    with pytest.raises(StorageError, match="No space left"):
        writer.barrier().result(10)
    assert "No space left" in writer.broken
    disk.full = False
    writer.put(2)
    writer.barrier().result(10)
    assert disk.written == [1, 2]
    assert writer.broken == ""
    assert writer.close()


def test_a_loss_is_never_forgotten(disk):
    disk.free.clear()
    writer = Writer("w", disk.write, most=10)
    for item in range(100):
        writer.put(item)
    disk.free.set()
    with pytest.raises(StorageError, match="records were lost"):
        writer.barrier().result(10)
    writer.put(1000)
    assert not writer.close()
    assert "lost" in writer.broken


def test_a_disk_that_stays_full_does_not_grow_the_memory(disk):
    disk.full = True
    writer = Writer("w", disk.write, most=10)
    for _ in range(5):
        for item in range(10):
            writer.put(item)
        with pytest.raises(StorageError):
            writer.barrier().result(10)
    assert writer.waiting == 10
    writer.close()


def test_a_fault_of_the_thread_is_told():
    go = threading.Event()

    def write(items: Sequence[int]) -> None:
        assert go.wait(10)
        raise ZeroDivisionError

    hook, threading.excepthook = threading.excepthook, lambda _: None
    try:
        writer = Writer("w", write, most=10)
        writer.put(1)
        waiting = writer.barrier()
        go.set()
        with pytest.raises(StorageError, match="died"):
            waiting.result(10)
        writer._thread.join(10)
    finally:
        threading.excepthook = hook
    assert "died" in writer.broken
    with pytest.raises(StorageError, match="died"):
        writer.barrier().result(1)


def test_a_barrier_waits_for_the_disk_itself_and_says_when_that_fails(disk):
    broken, synced = ["no"], []

    def sync() -> None:
        if broken:
            raise OSError(5, "Input/output error")
        synced.append(len(disk.written))

    writer = Writer("w", disk.write, most=1000, sync=sync)
    writer.put(1)
    with pytest.raises(StorageError, match="Input/output"):
        writer.barrier().result(10)
    broken.clear()
    writer.put(2)
    writer.barrier().result(10)
    assert (disk.written, synced, writer.broken) == ([1, 2], [2], "")
    writer.close()
