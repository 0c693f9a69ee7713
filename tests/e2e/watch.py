"""What a person would see, as numbers: drawn frames, painted pixels, overflowing text, messages."""

from __future__ import annotations

import time
from collections import deque
from typing import Any

from playwright.sync_api import Page, WebSocket

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
    """Counts the kernel's messages that reach the page."""

    def __init__(self, page: Page) -> None:
        self._times: deque[float] = deque(maxlen=100_000)
        page.on("websocket", self._listen)

    def _listen(self, socket: WebSocket) -> None:
        if "/channels" in socket.url:
            socket.on("framereceived", lambda _frame: self._times.append(time.monotonic()))

    def most_in_a_second(self, since: float) -> int:
        """The fullest second that began at or after ``since`` (monotonic)."""
        times = [moment for moment in self._times if moment >= since]
        most, first = 0, 0
        for last, moment in enumerate(times):
            while moment - times[first] > 1.0:
                first += 1
            most = max(most, last - first + 1)
        return most


def frames(page: Page) -> int:
    """How many times the ladder was drawn."""
    return int(page.locator(".cd-ladder-canvas").first.get_attribute("data-frames") or 0)


def await_frames(page: Page, more: int, timeout_s: float = 20.0) -> None:
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
