"""Make `images/demo.svg`: the middle of a real run of the demo, as a terminal shows it.

python docs/picture.py        (about a minute; run it again when the demo's output changes)
"""

from __future__ import annotations

import io
import re
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from titer.lab.demo.play import Demo

WIDTH = 100
TARGET = Path(__file__).parent / "images" / "demo.svg"

#: What the picture shows: from a line that matches the first pattern up to one that matches the
#: second, which is left out.
PARTS = ((r"^3  ", r"^4  "), (r"^   ✓ the distiller", r"^6  "), (r"seconds, all on", r"$^"))
#: Lines left out within the parts: the many lines of progress, and what only fills the screen.
SKIP = re.compile(r"callers · |^ +claims |^ +entries |more lines")
#: Fonts would be fetched from elsewhere; the reader's own will do.
FONTS = re.compile(r"@font-face\s*\{.*?\}\s*", re.DOTALL)


class Calm(Console):
    """A console with colours that the live view does not take for a terminal."""

    @property
    def is_terminal(self) -> bool:
        return False


def main() -> int:
    screen = io.StringIO()
    console = Calm(file=screen, width=WIDTH, color_system="truecolor", highlight=False)
    with tempfile.TemporaryDirectory() as folder:
        outcome = Demo(console, Path(folder), seed=7, seconds=0.0).run()
    if outcome.failed:
        print("the story did not hold; no picture was made:", *outcome.failed, sep="\n  ")
        return 1
    picture = Console(record=True, width=WIDTH, file=io.StringIO(), color_system="truecolor")
    for line in chosen(screen.getvalue().splitlines()):
        picture.print(Text.from_ansi(line), highlight=False)
    TARGET.parent.mkdir(exist_ok=True)
    svg = FONTS.sub("", picture.export_svg(title="titer demo"))
    TARGET.write_text("\n".join(part.rstrip() for part in svg.splitlines()) + "\n", "utf-8")
    print(f"{TARGET}: {TARGET.stat().st_size:,} bytes")
    return 0


def chosen(lines: list[str]) -> list[str]:
    """The lines of `PARTS`, in order."""
    plain = [Text.from_ansi(line).plain.rstrip() for line in lines]
    kept: list[str] = []
    for first, stop in PARTS:
        inside = False
        for line, words in zip(lines, plain, strict=True):
            if not inside and re.search(first, words):
                inside = True
            elif inside and re.search(stop, words):
                break
            if inside and not SKIP.search(words):
                kept.append(line.rstrip())
    return kept


if __name__ == "__main__":
    sys.exit(main())
