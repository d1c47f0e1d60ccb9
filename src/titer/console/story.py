"""Tells what happens, act by act: headings, sentences, tables and quotations of real output."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich import box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

#: Columns of the story when nobody says how wide the terminal is; prose is never wider.
WIDTH = 100


class Story:
    """Writes to one console. Strings are shown as they are; markup in them is not obeyed."""

    def __init__(self, console: Console) -> None:
        self.console = console
        self._acts = 0

    def title(self, text: str, below: str = "") -> None:
        """The name of the whole."""
        self.console.print()
        self.console.print(Text(text, style="bold"))
        if below:
            self.say(below, dim=True)

    def act(self, text: str) -> None:
        """Begin an act."""
        self._acts += 1
        self.console.print()
        self.console.print(Text(f"{self._acts}  {text}", style="bold cyan"))

    def say(self, text: str, *, dim: bool = False) -> None:
        """One paragraph."""
        width = min(self.console.width, WIDTH) - 3
        body = Text(text, style="dim" if dim else "")
        for line in body.wrap(self.console, width):
            line.rstrip()
            self.console.print(Text("   ") + line, highlight=False)

    def check(self, text: str, *, good: bool) -> None:
        """One statement that was checked."""
        mark = Text("   ✓ ", style="green") if good else Text("   ✗ ", style="bold red")
        width = min(self.console.width, WIDTH) - 5
        for index, line in enumerate(Text(text).wrap(self.console, width)):
            line.rstrip()
            self.console.print((Text("     ") if index else mark) + line, highlight=False)

    def quote(self, command: str, lines: Iterable[str], *, most: int = 40) -> None:
        """A command and the first `most` lines that it printed; says how many were left out."""
        self.console.print(Text(f"   $ {command}", style="bold"), highlight=False)
        width = min(self.console.width, WIDTH) - 5
        every = list(lines)
        for line in every[:most]:
            for part in Text(line).wrap(self.console, width):
                part.rstrip()
                self.console.print(Text("     ") + part, highlight=False)
        if len(every) > most:
            rest = Text(f"     ... and {len(every) - most} more lines", style="dim")
            self.console.print(rest, highlight=False)

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A small table; a column of numbers is right-aligned."""
        made = [list(row) for row in rows]
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for index, name in enumerate(head):
            numeric = index > 0 and all(_number(row[index]) for row in made)
            table.add_column(Text(name), justify="right" if numeric else "left")
        for row in made:
            table.add_row(*(Text(cell) for cell in row))
        self.console.print(Padding(table, (0, 0, 0, 3), expand=False))


def _number(cell: str) -> bool:
    plain = cell.replace(",", "").replace(".", "").rstrip(" s%").lstrip("-")
    return plain.isdigit() or cell == "-"
