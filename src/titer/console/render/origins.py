"""Sections of a report: where it came from, when it was active, what was seen elsewhere."""

from __future__ import annotations

import math

from titer.console.render.model import Bars, Section, Span, Spans, Table, cut, plain
from titer.evidence.contents import Clock, Infrastructure, Week
from titer.evidence.telling import calendar_text, ratio_text
from titer.hunt.infrastructure import WORDS

#: Rows of ties that are shown, and in a figure; of links.
TIES, DRAWN, LINKS = 60, 20, 30
#: Share of the work by which a shift is told.
SHIFT = 0.8
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


def infrastructure(found: Infrastructure, *, many: bool) -> Section | None:
    if not many and not found.unknown and not found.snapshots:
        return None
    figures, tables = [], []
    if found.ties:
        spans = tuple(
            Span(_named(t.aspect, t.value, t.values), *t.ratio()) for t in found.ties[:DRAWN]
        )
        figures.append(
            Spans(
                "How much more common among members than among other callers (likelihood ratio "
                "with interval; 1 says nothing)", spans,
            )
        )  # fmt: skip
        rows = tuple(
            (
                plain(WORDS.get(t.aspect, t.aspect), 60), _value(t.value, t.about, t.values),
                _share(t.members.hits, t.members.of), _share(t.others.hits, t.others.of),
                ratio_text(t.ratio()),
            )
            for t in found.ties[:TIES]
        )  # fmt: skip
        head = ("Aspect", "Value", "Members", "Others", "Likelihood ratio")
        tables.append(Table(head, rows, (10, 14, 9, 9, 12)))
    if found.snapshots:
        rows = tuple(
            (
                plain(s.name, 40),
                plain(s.kind, 20),
                plain(s.source, 120),
                s.dated[:10],
                s.sha256[:16],
            )
            for s in found.snapshots[:30]
        )
        head = ("Network data", "Kind", "Source", "Dated", "SHA-256 begins")
        tables.append(Table(head, rows, (8, 5, 16, 6, 9)))
    notes = [f"Not known: {plain(u.aspect, 80)}: {plain(u.why, 160)}." for u in found.unknown[:20]]
    words = [
        (
            "A shared network, program or card is no person. Each value was chosen on one half of "
            "the members and counted on the other; the ratio compares with "
            f"{found.others:,} other callers of this operator, who are in no campaign and not "
            "known to be honest. The intervals hold for the whole table together."
        ),
    ]
    return Section(
        "Where it came from",
        words=tuple(words) if found.ties else (),
        figures=tuple(figures),
        tables=tuple(tables),
        notes=tuple(notes),
    )


def hours(clock: Clock | None) -> Section | None:
    if clock is None or not sum(clock.hours):
        return None
    if clock.offset:
        low, high = (f"{v:+.1f}" for v in clock.offset)
        said = (
            f"Activity peaks around {_hour(clock.peak)} UTC (rhythm {clock.rhythm:.2f} of 1). If "
            f"that were the middle of a working day, the place would be {low} to {high} hours "
            "from UTC. Shifts, other habits and programs fit as well; nothing about anybody's "
            "nationality follows."
        )
    else:
        said = (
            f"There is no rhythm of the day to speak of (rhythm {clock.rhythm:.2f} of 1): no "
            "range of time zones is given."
        )
    words = [said, _shifts(clock)]
    if clock.quiet:
        days = ", ".join(plain(d, 10) for d in clock.quiet[:20])
        words.append(f"Days on which members nearly stopped and other callers did not: {days}.")
    tables: tuple[Table, ...] = ()
    if clock.week:
        words.append(_rest(clock.week))
        tables = _calendars(clock.week)
    weekdays = tuple(zip(_DAYS, clock.weekdays, strict=True))
    return Section(
        "When it was active",
        words=tuple(words),
        figures=(
            Bars("Exchanges by hour of the day (UTC)", tuple(f"{h:02d}" for h in range(24)),
                 tuple(map(float, clock.hours)), ""),
            Bars("Exchanges by day of the week (UTC)", tuple(d for d, _ in weekdays),
                 tuple(float(n) for _, n in weekdays), ""),
        ),
        tables=tables,
    )  # fmt: skip


def _rest(week: Week) -> str:
    """The days of the week on which members rest beyond chance, or that none can be told."""
    kept = [n for n in range(7) if week.ratio(n)[1] > 1]
    where = f"by the calendar {week.zone:+d} hours from UTC"
    if not kept:
        return f"No day of the week is one of rest beyond chance ({where})."
    said = "; ".join(
        f"{_DAYS[n]} in {week.members[n].hits} of {week.members[n].of} weeks (other callers in "
        f"{week.others[n].hits} of {week.others[n].of}; ratio to all other days "
        f"{ratio_text(week.ratio(n))})"
        for n in kept
    )
    return f"Members nearly stop on these days of the week, {where}: {said}."


def _calendars(week: Week) -> tuple[Table, ...]:
    """Every calendar that was held against the days, also those that say nothing."""
    if not week.calendars:
        return ()
    rows = tuple(
        (
            plain(one.name, 60), f"{plain(one.source, 60)}, {plain(one.dated, 10)}",
            _share(one.breaks.hits, one.breaks.of), _share(one.shifted.hits, one.shifted.of),
            calendar_text(one),
        )
        for one in week.calendars
    )  # fmt: skip
    head = ("Calendar", "Source", "Breaks kept", "The same, moved by weeks", "Likelihood ratio")
    return (Table(head, rows, (8, 12, 8, 9, 14)),)


def _shifts(clock: Clock) -> str:
    """The shortest stretch of hours with most of the work, and what the weekend has of it."""
    total = sum(clock.hours)
    size, begin = min(
        (size, begin)
        for begin in range(24)
        for size in range(1, 25)
        if sum(clock.hours[(begin + n) % 24] for n in range(size)) >= SHIFT * total
    )
    weekend = sum(clock.weekdays[5:])
    return (
        f"{SHIFT:.0%} of the exchanges fall into {size} of 24 hours, from {begin:02d}:00 to "
        f"{(begin + size) % 24:02d}:00 UTC; Saturday and Sunday have {weekend / total:.0%} (two "
        "days of seven are 29%)."
    )


def links(found: Infrastructure) -> Section:
    if not found.links:
        return Section(
            "Seen elsewhere",
            words=(
                (
                    "No earlier campaign of this log, no partner's indicator and no repository "
                    "event shares infrastructure or texts with the members beyond what other "
                    "callers share, of those that were compared."
                ),
            ),
        )
    rows = tuple(
        (
            f"{link.kind} {plain(link.name, 60)}", plain(link.source, 60),
            plain(WORDS.get(link.aspect, link.aspect), 60),
            _share(link.members.hits, link.members.of), _share(link.others.hits, link.others.of),
            ratio_text(link.ratio()),
        )
        for link in found.links[:LINKS]
    )  # fmt: skip
    head = ("Where", "Source", "What is shared", "Members", "Others", "Likelihood ratio")
    return Section(
        "Seen elsewhere",
        words=(
            (
                f"Comparisons made: {found.links[0].compared:,}. Shown are those whose "
                "interval lies above 1 in the light of all of them."
            ),
        ),
        tables=(Table(head, rows, (10, 8, 11, 8, 8, 11)),),
    )


def _named(aspect: str, value: str, values: int) -> str:
    return f"{aspect}: {cut(value) if value else f'any of {values}'}"


def _value(value: str, about: str, values: int) -> str:
    if not value:
        return f"any of {values:,} values that members share"
    return f"{plain(value, 64)} ({plain(about, 80)})" if about else plain(value, 64)


def _share(hits: int, of: int) -> str:
    return f"{hits:,} of {of:,} ({hits / of:.1%})" if of else "nobody to compare"


def _hour(hour: float) -> str:
    whole = math.floor(hour)
    return f"{whole:02d}:{math.floor((hour - whole) * 60):02d}"
