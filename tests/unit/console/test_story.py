from __future__ import annotations

import io

from rich.console import Console

from titer.console.story import WIDTH, Story


def told(tell, width=WIDTH):
    out = io.StringIO()
    tell(Story(Console(file=out, width=width)))
    return out.getvalue()


def test_acts_are_numbered():
    def tell(story):
        story.act("first")
        story.act("second")

    assert "1  first" in told(tell) and "2  second" in told(tell)


def test_prose_is_wrapped_indented_and_not_padded():
    lines = told(lambda story: story.say("word " * 60), width=60).splitlines()
    assert len(lines) > 4
    assert all(line.startswith("   word") and line == line.rstrip() for line in lines)
    assert max(map(len, lines)) <= 60


def test_checks_say_how_they_went():
    assert "✓ held" in told(lambda story: story.check("held", good=True))
    assert "✗ broke" in told(lambda story: story.check("broke", good=False))


def test_quotations_are_cut_and_say_so():
    text = told(lambda story: story.quote("titer x", [f"line {n}" for n in range(9)], most=3))
    assert "$ titer x" in text and "line 2" in text and "line 3" not in text
    assert "6 more lines" in text


def test_markup_is_not_obeyed():
    text = told(lambda story: story.table(("who", "n"), [("[bold]mallory", "1,000")]))
    assert "[bold]mallory" in text and "1,000" in text
    assert "[red]" in told(lambda story: story.say("[red]"))
