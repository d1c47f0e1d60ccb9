from __future__ import annotations

import io

from rich.console import Console

from titer.console.live import LINE_EVERY, ROWS, Row, Snapshot, View, order, render, summary


def screen(snapshot):
    out = io.StringIO()
    Console(file=out, width=120).print(render(snapshot))
    return out.getvalue()


ROW = Row("0123456789abcdef", "acme", 240, 123_456, 8.2, "slow", ("throttle",))


def test_a_row_shows_a_short_pseudonym_and_what_was_taken():
    shown = screen(Snapshot(rows=(ROW,), callers=1, requests=240))
    assert "01234567" in shown and "0123456789abcdef" not in shown
    for part in ("acme", "240", "123,456", "8.2", "slow", "throttle"):
        assert part in shown


def test_a_shadow_dose_is_called_one_and_not_counted():
    shadow = Row("s", doses=("throttle",), shadow=True, bits=5.0)
    assert "throttle (shadow)" in screen(Snapshot(rows=(shadow,)))
    assert "0 under a dose" in summary(Snapshot(rows=(shadow,)))
    assert "1 under a dose" in summary(Snapshot(rows=(ROW, shadow)))


def test_the_most_suspicious_comes_first_and_the_rest_is_summed():
    rows = [Row(f"r{n:02d}", requests=1, exposure=10, bits=n / 10) for n in range(ROWS + 5)]
    assert [row.bits for row in order(rows)] == sorted((r.bits for r in rows), reverse=True)
    shown = screen(Snapshot(rows=tuple(rows)))
    assert "5 others" in shown and "0.4 at most" in shown


def test_markup_of_a_stranger_is_not_obeyed():
    assert "[red]" in screen(Snapshot(rows=(Row("x", name="[red]mallory"),)))


def test_without_a_terminal_a_line_is_written_now_and_then():
    out, now, asked = io.StringIO(), [0.0], []

    def snapshot():
        asked.append(1)
        return Snapshot(callers=3, requests=7, log_size=9, head="abc")

    with View(Console(file=out, width=120), snapshot, clock=lambda: now[0]) as view:
        assert view.tick()
        assert not view.tick()
        now[0] += LINE_EVERY
        assert view.tick()
    assert len(asked) == 2
    assert out.getvalue().count("3 callers · 7 requests") == 2
    assert "log 9 entries" in out.getvalue()


def test_on_a_terminal_the_table_is_redrawn_and_leaves_nothing_behind():
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=True)
    with View(console, lambda: Snapshot(rows=(ROW,), callers=1)) as view:
        assert view.tick()
    assert "acme" in out.getvalue()
