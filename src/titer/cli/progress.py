"""A progress bar for long work over files, when a terminal watches; nothing otherwise."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from titer.gateway.feeds.run import Watch


class Count(Protocol):
    """Told what is being counted and how much of it is done (0..1)."""

    def __call__(self, what: str, share: float) -> None: ...


@contextmanager
def counting() -> Iterator[Count | None]:
    """A `Count` that draws a bar for each thing counted, or None when nobody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("counting {task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0)

        def count(what: str, share: float) -> None:
            bar.update(task, description=what, completed=share)

        yield count


@contextmanager
def watching(what: str) -> Iterator[Watch | None]:
    """A `Watch` that draws a bar on standard error, or None when nobody looks."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (
        TextColumn("{task.description}"), BarColumn(),
        TextColumn("{task.fields[seen]:,} exchanges"), TimeRemainingColumn(),
    )  # fmt: skip
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None, seen=0)

        def watch(*, done: int, total: int, exchanges: int) -> None:
            bar.update(task, completed=done, total=total or None, seen=exchanges)

        yield watch
