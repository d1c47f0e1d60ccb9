"""What a dossier tells, in words: lines for a terminal, ratios, and strangers' strings."""

from __future__ import annotations

import math

from titer.evidence import contents

#: Characters of a stranger's string that are shown on one line.
SHOWN = 200


def told(of: contents.Contents) -> list[str]:
    """The first ties and links, and the alternatives, a line each for a person."""
    lines: list[str] = []
    for tie in of.infrastructure.ties[:5]:
        what = shown(tie.about or tie.value) or f"any of {tie.values} values"
        lines.append(f"tie      {shown(tie.aspect)} {what}: {_counted(tie)}")
    lines += [
        f"calendar {shown(one.name)}: {one.breaks.hits} of {one.breaks.of} breaks kept, "
        f"{one.shifted.hits} of {one.shifted.of} moved by weeks; {calendar_text(one)}"
        for one in _calendars(of)
    ]
    for link in of.infrastructure.links[:5]:
        where = f"{link.kind} {shown(link.name)}"
        lines.append(f"link     {where}, {shown(link.aspect)}: {_counted(link)}")
    lines += [
        f"unknown  {shown(u.aspect)}: {shown(u.why)}" for u in of.infrastructure.unknown[:10]
    ]
    lines += [f"instead  {shown(a.reason)}: {a.result}" for a in of.alternatives[:20]]
    lines += [
        f"mark     {shown(m.kind)} {shown(m.name)}, {m.bits:.1f} bits: {shown(m.note)}"
        for m in of.marks[:20]
    ]
    lines += [f"sealed   names for the holder of key {s.recipient}" for s in of.sealed]
    if of.quorum:
        keys = ", ".join(h.recipient for h in of.quorum.holders)
        lines.append(f"sealed   names for any {of.quorum.threshold} of the holders of keys {keys}")
    return lines


def ratio_text(ratio: tuple[float, float, float]) -> str:
    """A likelihood ratio with its interval, as people write it."""
    value, low, high = ratio
    return f"{_number(value)} ({_number(low)} to {_number(high)})"


def calendar_text(calendar: contents.Calendar) -> str:
    """What a calendar says, as people write it: its ratio, or that it says nothing."""
    ratio = calendar.ratio()
    return f"ratio {ratio_text(ratio)}" + ("" if ratio[1] > 1 else ": says nothing")


def _calendars(of: contents.Contents) -> tuple[contents.Calendar, ...]:
    clock = of.infrastructure.clock
    return clock.week.calendars[:5] if clock and clock.week else ()


def shown(text: str) -> str:
    """A stranger's string without what could move the cursor or hide text."""
    clean = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return clean if len(clean) <= SHOWN else clean[: SHOWN - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _counted(row: contents.Tie | contents.Link) -> str:
    members, others = row.members, row.others
    return (
        f"{members.hits} of {members.of} members, {others.hits} of {others.of} others; "
        f"ratio {ratio_text(row.ratio())}"
    )


def _number(value: float) -> str:
    if math.isinf(value):
        return "unbounded"
    return f"{value:,.0f}" if value >= 100 else f"{value:.2g}"
