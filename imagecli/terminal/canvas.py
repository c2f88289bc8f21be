"""What an animation is drawn with: rich's progress columns, rendered to lines that the console puts on the screen.

Imported in the thread that draws, never before: see `animation.py`.
"""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from rich.console import Console as RichConsole
from rich.console import ConsoleDimensions
from rich.progress import BarColumn, Progress, ProgressColumn, SpinnerColumn
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from rich.console import OverflowMethod, RenderableType
    from rich.progress import Task

    from imagecli.terminal.console import Console
    from imagecli.terminal.rows import Row

_WIDE, _MEDIUM, _NARROW = 72, 48, 32
"""Columns from which a bar is long, from which there is one, and from which labels are whole."""
_LONG_BAR, _SHORT_BAR = 24, 12
_SHORT_LABELS = re.compile("image |total|batch")
"""What the labels of a narrow window lack."""
_STYLES = {"saved": "green", "failed": "red", "queued": "dim"}


class Canvas:
    """A place of some columns and rows; `fit` says how many."""

    def __init__(self, console: Console) -> None:
        """Draw as `console` can: in colour or not, in Unicode or not."""
        self.width, self.height = 79, 23
        self.unicode = console.unicode
        self._rich = RichConsole(
            file=io.TextIOWrapper(io.BytesIO(), "utf-8" if console.unicode else "ascii"),  # nothing is written to it
            color_system="standard" if console.colour else None,
            no_color=not console.colour,
            force_terminal=True,
            legacy_windows=False,
            _environ={},
        )
        self._label = _Label(self)
        self._columns = (_Mark(unicode=console.unicode), self._label, _Stage(self), _Detail(self))
        self._progress = Progress(*self._columns, console=self._rich, auto_refresh=False)

    def fit(self, columns: int, rows: int) -> None:
        """Draw into so many columns and rows from now on."""
        self.width, self.height = max(1, columns), max(1, rows)
        self._rich.size = ConsoleDimensions(self.width, self.height)

    def rows(self, rows: Sequence[Row]) -> list[str]:
        """Return a line for each row: its mark, label and stage, its bar, and what else there is to say."""
        tasks = self._progress.tasks
        for _ in rows[len(tasks) :]:
            self._progress.add_task("", total=1)
        tasks = self._progress.tasks[: len(rows)]
        has_labels = any(row.label for row in rows)
        self._progress.columns = tuple(each for each in self._columns if has_labels or each is not self._label)
        for task, row in zip(tasks, rows, strict=True):
            self._progress.update(task.id, completed=row.share or 0, row=row)
        return self._lines(self._progress.make_tasks_table(tasks))

    def sentence(self, parts: Iterable[tuple[str, str]]) -> list[str]:
        """Return (text, style) parts in a row, with as many in a line as there is room for."""
        gap = Text(" · " if self.unicode else "; ", "dim")
        lines = [Text()]
        for part in parts:
            piece = Text(*part)
            if lines[-1] and lines[-1].cell_len + gap.cell_len + piece.cell_len > self.width:
                lines.append(Text())
            lines[-1] = Text.assemble(lines[-1], *([gap] if lines[-1] else []), piece)
        return [line for each in lines for line in self._lines(each)[:1]]

    def bar_of(self, task: Task) -> RenderableType | None:
        """Return the bar of a task; None where there is no room for it."""
        if self.width < _MEDIUM:
            return None
        width = _LONG_BAR if self.width >= _WIDE else _SHORT_BAR
        return BarColumn(width, style="bright_black", complete_style="cyan", finished_style="green").render(task)

    def _lines(self, renderable: RenderableType) -> list[str]:
        """Return a renderable as lines with escape sequences, without blanks at their ends."""
        lines = []
        for segments in self._rich.render_lines(renderable, pad=False)[: self.height]:
            while segments and not segments[-1].text.strip():
                segments.pop()
            if segments:
                last = segments[-1]
                segments[-1] = Segment(last.text.rstrip(), last.style)
            lines.append("".join(self._escaped(each) for each in segments))
        return lines

    def _escaped(self, segment: Segment) -> str:
        if segment.style is None:
            return segment.text
        return segment.style.render(segment.text, color_system=self._rich._color_system)  # noqa: SLF001 - it has no other


class _Mark(SpinnerColumn):
    """What a row's image is at, as a sign: a spinner while it is at work."""

    def __init__(self, *, unicode: bool) -> None:
        super().__init__("dots" if unicode else "line", style="cyan")
        self._signs = {"saved": "✓", "failed": "✗", "queued": "·"} if unicode else {"saved": "+", "failed": "!"}

    def render(self, task: Task) -> RenderableType:
        mark = task.fields["row"].mark
        if mark == "busy":
            return self.spinner.render(task.get_time())
        return Text(self._signs.get(mark, " "), _STYLES.get(mark, ""))


class _Label(ProgressColumn):
    """Which image it is."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(Column(no_wrap=True, overflow="crop"))
        self._canvas = canvas

    def render(self, task: Task) -> RenderableType:
        label = task.fields["row"].label
        return Text(f"{label} " if self._canvas.width >= _NARROW else _SHORT_LABELS.sub("", label))


class _Stage(ProgressColumn):
    """What it is at, in a word."""

    def __init__(self, canvas: Canvas) -> None:
        super().__init__(Column(no_wrap=True, overflow="crop"))
        self._canvas = canvas

    def render(self, task: Task) -> RenderableType:
        row = task.fields["row"]
        stage = f"{row.stage} " if self._canvas.width >= _NARROW and row.detail else row.stage
        return Text(stage, _STYLES.get(row.mark, ""))


class _Detail(ProgressColumn):
    """How much of it is done, as a bar where there is room, and in words."""

    def __init__(self, canvas: Canvas) -> None:
        # Alone in being narrowed, as the others don't wrap; a column would cut what its cells leave.
        super().__init__(Column())
        self._canvas = canvas

    def render(self, task: Task) -> RenderableType:
        row = task.fields["row"]
        is_short = row.share is not None and self._canvas.width < _NARROW
        overflow: OverflowMethod = "ellipsis" if self._canvas.unicode else "crop"
        words = Text(f"{100 * row.share:.0f} %" if is_short else row.detail, "dim", no_wrap=True, overflow=overflow)
        bar = None if row.share is None else self._canvas.bar_of(task)
        if bar is None:
            return words
        both = Table.grid(padding=(0, 1))
        both.add_row(bar, words)
        return both
