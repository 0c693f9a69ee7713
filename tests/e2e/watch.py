"""What a person would see, as numbers: drawn frames, painted pixels, overflowing text, messages."""

from __future__ import annotations

import re
import time
from collections import Counter, deque
from datetime import datetime
from typing import Any

from playwright.sync_api import Page, WebSocket
from playwright.sync_api import TimeoutError as TooLate

from tests.e2e.lab import PATIENCE_S, run_cell

_PAINTED = """
() => {
  const canvas = document.querySelector('.cd-ladder-canvas');
  const data = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const seen = new Set();
  for (let i = 0; i < data.length; i += 4 * 7) seen.add((data[i] << 16) | (data[i + 1] << 8) | data[i + 2]);
  return seen.size;
}
"""

# An element's own text that is cut or runs out of its box; what scrolls or ends in an ellipsis by
# design is asked for by name.
_OVERFLOWING = """
(scrolling) => [...document.querySelectorAll('.cd, .cd *')]
  .filter((node) => node.clientWidth && getComputedStyle(node).display !== 'inline')
  .filter((node) => !scrolling.some((name) => node.closest(name)))
  .filter((node) => node.scrollWidth > node.clientWidth + 1 || node.scrollHeight > node.clientHeight + 1)
  .map((node) => `${node.className}: "${node.textContent.slice(0, 40)}" ` +
    `${node.scrollWidth}x${node.scrollHeight} in ${node.clientWidth}x${node.clientHeight}`)
"""
# Words of a chart in SVG that its edge cuts; what is hidden, or has moved out of it altogether, is not seen.
_CUT = """
() => [...document.querySelectorAll('.cd-chart .bqplot')].flatMap((figure) => {
  const box = figure.getBoundingClientRect();
  return [...figure.querySelectorAll('text')].filter((text) => text.textContent.trim()).map((text) => {
    const at = text.getBoundingClientRect();
    const across = at.right > box.left && at.left < box.right;
    const seen = at.width && across && at.bottom > box.top && at.top < box.bottom;
    const wide = at.left < box.left - 1 || at.right > box.right + 1;
    const out = wide || at.top < box.top - 1 || at.bottom > box.bottom + 1;
    return seen && out ? text.textContent : '';
  }).filter(Boolean);
})
"""

# What each panel says, by the words in its head; of a canvas its description, of a chart its axes' figures.
_SAID = """
() => Object.fromEntries([...document.querySelectorAll('.cd-panel, .cd-chart')].map((panel, i) => {
  const all = (query) => [...panel.querySelectorAll(query)];
  const canvas = all('canvas[aria-label]').map((node) => node.getAttribute('aria-label'));
  const lines = all('.bqplot path.line, .bqplot path.area')
    .filter((node) => (node.getAttribute('d') ?? '').length > 20).length;
  const title = panel.querySelector('.cd-title')?.textContent ?? panel.dataset.pages ?? String(i);
  const axes = all('.bqplot text').map((node) => node.textContent).join(' ');
  return [title + (panel.dataset.pages ?? ''), {
    words: `${panel.innerText} ${axes} ${canvas.join(' ')}`,
    label: panel.querySelector('.cd-label')?.textContent ?? '',
    drawn: all('canvas').length + lines,
  }];
}))
"""
SCROLLING = [".cd-body", ".cd-status-reason"]


class Wire:
    """The kernel's messages that reach the page, at the times at which the kernel made them.

    The extension listens on a socket of its own, to which the server sends the same once more: one message.
    """

    def __init__(self, page: Page) -> None:
        self._ids: deque[bytes] = deque(maxlen=1_000)
        self._times: deque[float] = deque(maxlen=100_000)
        self._heard: Counter[tuple[str, str]] = Counter()  # (word, way)
        self._words: tuple[str, ...] = ()
        page.on("websocket", self._listen)

    def listen_for(self, *words: str) -> None:
        """Look for these words in whatever is received and sent from now on."""
        self._words = words

    def count_of(self, word: str, way: str) -> int:
        """How many messages, of those ``sent`` or ``received``, had the word."""
        return self._heard[word, way]

    def _listen(self, socket: WebSocket) -> None:
        socket.on("framesent", lambda frame: self._search("sent", _raw(frame)))
        if "/channels" in socket.url:
            socket.on("framereceived", self._received)

    def _received(self, frame: str | bytes) -> None:
        raw = _raw(frame)
        self._search("received", raw)
        known = _ID.search(raw)
        if known is not None and known[0] in self._ids:
            return
        if known is not None:
            self._ids.append(known[0])
        self._times.append(_made(raw))

    def _search(self, way: str, raw: bytes) -> None:
        self._heard.update((word, way) for word in self._words if word.encode() in raw)

    def count(self, since: float) -> int:
        """Messages at or after ``since`` (monotonic)."""
        return sum(moment >= since for moment in self._times)

    def most_in_a_second(self, since: float) -> int:
        """The fullest second that began at or after ``since`` (monotonic)."""
        times = sorted(moment for moment in self._times if moment >= since)
        most, first = 0, 0
        for last, moment in enumerate(times):
            while moment - times[first] > 1.0:
                first += 1
            most = max(most, last - first + 1)
        return most


# The header comes first, its id and its date before its parent's.
_ID = re.compile(rb'"msg_id": ?"[^"]+"')
_DATE = re.compile(rb'"date": ?"([^"]+)"')


def _raw(frame: str | bytes) -> bytes:
    return frame.encode() if isinstance(frame, str) else frame


def _made(raw: bytes) -> float:
    """When the kernel made a message, as monotonic seconds; else now. One that waited on a busy machine is
    not to be counted with those that it came with."""
    if (found := _DATE.search(raw)) is None:
        return time.monotonic()
    return datetime.fromisoformat(found[1].decode()).timestamp() - time.time() + time.monotonic()


def frames(page: Page) -> int:
    """How many times the ladder was drawn."""
    return int(page.locator(".cd-ladder-canvas").first.get_attribute("data-frames") or 0)


def await_frames(page: Page, more: int, timeout_s: float = PATIENCE_S) -> None:
    """Wait until the ladder was drawn ``more`` times from now."""
    wanted = frames(page) + more
    page.wait_for_function(
        "(wanted) => Number(document.querySelector('.cd-ladder-canvas').dataset.frames || 0) >= wanted",
        arg=wanted,
        timeout=timeout_s * 1_000,
    )


def colours_on_ladder(page: Page) -> int:
    """Different colours on the canvas: 1 for a blank one, hundreds for drawn text and bars."""
    return int(page.evaluate(_PAINTED))


def overflowing(page: Page) -> list[str]:
    """Elements whose text is cut or runs out of their box, in HTML and in the charts' SVG."""
    cut = set(page.evaluate(_CUT))
    if cut:  # an axis and its scale come in two messages: what stands for a moment between them is no finding
        await_frames(page, 6)
        cut &= set(page.evaluate(_CUT))
    return [*page.evaluate(_OVERFLOWING, SCROLLING), *(f"cut by its chart: {text}" for text in sorted(cut))]


def said(page: Page) -> dict[str, dict[str, Any]]:
    """What each panel shows: its ``words``, its ``label``, and how many canvases and lines are ``drawn``."""
    return dict(page.evaluate(_SAID))


def value_of(page: Page, key: str) -> str:
    """A value of the status bar."""
    return page.locator(f'.cd-item[data-key="{key}"] .cd-item-value').first.inner_text()


# When the state that is shown becomes HALTED, and when Halt was clicked before it.
_WATCH_FOR_HALT = """
() => {
  window.halts = {};
  const shown = () => document.querySelector('.cd-state[data-state="HALTED"]');
  if (shown()) throw new Error("already halted");
  const observer = new MutationObserver(() => {
    if (!shown()) return;
    window.halts.halted = Date.now() / 1000;
    observer.disconnect();
  });
  observer.observe(document.body, { subtree: true, childList: true, attributeFilter: ["data-state"] });
  document.querySelector(".cd-button-halt")
    .addEventListener("click", () => { window.halts.clicked = Date.now() / 1000; }, { once: true });
}
"""


def watch_for_halt(page: Page) -> None:
    """Begin to watch for the moment at which the status bar says HALTED."""
    page.evaluate(_WATCH_FOR_HALT)


def halted_at(page: Page, timeout_s: float = PATIENCE_S) -> tuple[float, float]:
    """(click on Halt or 0, HALTED shown): wall-clock seconds, the browser's; see ``watch_for_halt``."""
    page.wait_for_function("window.halts.halted", timeout=timeout_s * 1_000)
    seen = page.evaluate("window.halts")
    return float(seen.get("clicked", 0)), float(seen["halted"])


def await_status(page: Page, status: str, timeout_s: float = PATIENCE_S) -> None:
    """Wait until the lab's status bar says that the kernel is ``Idle`` or ``Busy``."""
    page.locator("#jp-main-statusbar", has_text=f"| {status}").wait_for(timeout=timeout_s * 1_000)


def run_until_said(page: Page, index: int, said: str, timeout_s: float = PATIENCE_S) -> str:
    """Run cell ``index`` and wait until it has said ``said``; returns all that it said last.

    AssertionError, with what it says instead, after ``timeout_s``.
    """
    run_cell(page, index)
    lines = page.locator(".jp-Notebook .jp-Cell").nth(index).locator(".jp-OutputArea-output pre")
    try:
        lines.filter(has_text=said).last.wait_for(timeout=timeout_s * 1_000)
    except TooLate as late:
        raise AssertionError(f"cell {index} does not say {said!r}, but {lines.all_inner_texts()}") from late
    return lines.last.inner_text()
