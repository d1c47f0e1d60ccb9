"""A progress bar for long work over files, when a terminal watches; nothing otherwise."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from titer.gateway.feeds.run import Watch


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
