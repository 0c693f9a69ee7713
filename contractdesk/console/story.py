"""``desk.why(...)``: a story that reads as text in a cell, with its parts as attributes."""

from __future__ import annotations

import html

from contractdesk.engine.story import Story


class StoryView:
    """signal -> intent -> rules -> order -> fills -> stop; ``.story`` has the parts."""

    def __init__(self, story: Story) -> None:
        self.story = story

    @property
    def lines(self) -> tuple[str, ...]:
        return self.story.lines

    def __repr__(self) -> str:
        return "\n".join((f"why {self.story.id}:", *(f"  {line}" for line in self.lines)))

    def _repr_html_(self) -> str:
        items = "".join(f"<li>{html.escape(line)}</li>" for line in self.lines)
        return f"<b>why {html.escape(self.story.id)}</b><ul>{items}</ul>"
