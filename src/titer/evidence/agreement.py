"""Whether a dossier of version 2 agrees with itself: entries, counts, tables and citations.

What an operator says cannot be checked against a log that the verifier does not have; what can be
checked is that no part of it contradicts another, nor the entries, whose inclusion is proved.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import msgspec

from titer.core.errors import EvidenceError
from titer.core.nouns import Campaign
from titer.evidence import contents, form, names, quorum

#: What `Alternative.result` may be.
RESULTS = ("ruled out", "not ruled out", "not tested")
#: Hours ahead of UTC that a place on earth may have.
OFFSETS = (-12.0, 14.0)


def check(predicate: contents.Predicate, name: str, kinds: Counter[str]) -> None:
    """Steps 11, 12, 13 and 15 of `evidence.verify`. Raises EvidenceError."""
    facts = [_facts(item) for item in predicate.entries]
    campaign = _campaign(predicate, name, facts)
    _check_relevance(predicate, name, facts)
    _check_counts(predicate.counts, kinds)
    _check_exposure(predicate, facts)
    _check_infrastructure(predicate, facts, campaign)
    _check_alternatives(predicate.contents.alternatives, campaign)
    _check_audits(predicate, facts)
    _check_rest(predicate)


def check_omitted(
    omitted: Sequence[form.Omitted], missing: set[str], more: tuple[str, ...] = ()
) -> None:
    """Every id that is cited and not here is listed, with a reason. Raises EvidenceError."""
    if any(o.why not in (form.ABSENT, form.OTHER, *more) for o in omitted):
        raise EvidenceError("dossier: an id is omitted for no known reason")
    if [o.id for o in omitted] != sorted(missing):
        raise EvidenceError("dossier: a cited entry is neither included nor listed as omitted")


def members_of(facts: Sequence[Mapping[str, Any]], kinds: Sequence[str], name: str) -> set[str]:
    """The members of a campaign, in any version of it that is among the entries."""
    found: set[str] = set()
    for kind, body in zip(kinds, facts, strict=True):
        members = body.get("members")
        if kind == "campaign" and body.get("id") == name and isinstance(members, list):
            found.update(m for m in members if isinstance(m, str))
    return found


def _facts(item: form.Item) -> dict[str, Any]:
    """An entry's body as an object; a list of network data is one under `lists`."""
    body = item.body.encode()
    if item.kind != "networks":
        return form.body_facts(body)
    try:
        return {"lists": msgspec.json.decode(body, type=list[dict[str, Any]])}
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise EvidenceError("entry: the network data are not a list of objects") from None


def _campaign(
    predicate: contents.Predicate, name: str, facts: Sequence[Mapping[str, Any]]
) -> Campaign | None:
    """The newest entry of the campaign that the dossier is about; None for a subject's."""
    if predicate.kind == "subject":
        return None
    newest = None
    for item, body in zip(predicate.entries, facts, strict=True):
        if item.kind == "campaign" and body.get("id") == name:
            newest = item
    if newest is None:
        raise EvidenceError("dossier: the campaign that it is about is not among the entries")
    try:
        return msgspec.json.decode(newest.body, type=Campaign)
    except (msgspec.MsgspecError, ValueError):
        raise EvidenceError("dossier: the campaign's entry cannot be read") from None


def _check_relevance(
    predicate: contents.Predicate, name: str, facts: Sequence[Mapping[str, Any]]
) -> None:
    kinds = [item.kind for item in predicate.entries]
    who = {name} if predicate.kind == "subject" else members_of(facts, kinds, name)
    ids: set[str] = set()
    needed: set[str] = set(form.cited(predicate.summary))
    shown_here: set[str] = set()  # calibrations that are entries
    named: set[str] = set()  # calibrations that findings name
    for item, body in zip(predicate.entries, facts, strict=True):
        ident = str(body.get("id", ""))
        if item.kind == "networks":
            continue
        ids.add(ident)
        if item.kind == "calibration":
            shown_here.add(ident)
            continue
        if not _concerns(predicate, item.kind, body, who, name):
            raise EvidenceError(f"dossier: entry {item.index} is not about the subject")
        if item.kind in ("finding", "decision"):
            needed.update(form.cited(body))
        if item.kind == "finding":
            named.add(str(body.get("calibration", "")))
    if not shown_here <= named:
        raise EvidenceError("dossier: a calibration is shown that no finding names")
    check_omitted(predicate.omitted, needed - ids, (contents.CAPPED,))
    capped = sum(o.why == contents.CAPPED for o in predicate.omitted)
    if capped and not _capped(predicate.counts):
        raise EvidenceError("dossier: an id is left out by a cap that was not reached")


def _concerns(
    predicate: contents.Predicate, kind: str, body: Mapping[str, Any], who: set[str], name: str
) -> bool:
    if predicate.kind == "subject":
        return form.concerns(kind, body, name)
    if kind == "campaign":
        return body.get("id") == name
    if kind == "exchange":
        principal = body.get("principal")
        return isinstance(principal, dict) and (
            principal.get("org") in who or principal.get("id") in who
        )
    return kind in ("finding", "decision") and body.get("subject") in who


def _capped(counts: contents.Counts) -> bool:
    return (
        counts.exchanges < counts.exchanges_in_log
        or counts.findings < counts.findings_in_log
        or counts.decisions < counts.decisions_in_log
    )


def check_counts(
    kinds: Counter[str], included: Mapping[str, int], capped: Iterable[tuple[str, int, int, int]]
) -> None:
    """That as many entries are here as `included` says by kind, and that of what is `capped`
    (what, how many the log has, the cap, how many are here) none is missing below its cap. Raises
    EvidenceError.
    """
    if any(kinds[kind] != number for kind, number in included.items()):
        raise EvidenceError("dossier: the counts are not those of the entries")
    for what, there, cap, here in capped:
        if not 0 <= min(there, cap) <= here <= there:
            raise EvidenceError(f"dossier: fewer {what} are included than the cap allows")


def _check_counts(counts: contents.Counts, kinds: Counter[str]) -> None:
    check_counts(
        kinds,
        {
            "exchange": counts.exchanges, "finding": counts.findings,
            "decision": counts.decisions, "campaign": counts.campaigns,
            "calibration": counts.calibrations, "networks": counts.networks,
        },
        (
            ("exchanges", counts.exchanges_in_log, counts.exchange_cap, counts.exchanges),
            ("findings", counts.findings_in_log, counts.finding_cap, counts.findings),
            ("decisions", counts.decisions_in_log, counts.decision_cap, counts.decisions),
        ),
    )  # fmt: skip


def _check_exposure(predicate: contents.Predicate, facts: Sequence[Mapping[str, Any]]) -> None:
    told_, days = predicate.exposure, predicate.timeline
    numbers = (
        told_.refused, told_.tokens_in, told_.tokens_out, told_.reasoning_tokens, told_.estimated,
        *(n for use in told_.models for n in (use.exchanges, use.tokens_out)),
        *(n for day in days for n in (day.at, day.exchanges, day.tokens_out, day.began)),
    )  # fmt: skip
    if min(numbers, default=0) < 0 or told_.refused > told_.exchanges:
        raise EvidenceError("dossier: the exposure has numbers that cannot be")
    if len(days) > contents.MAX_DAYS or len(told_.models) > contents.MAX_ROWS:
        raise EvidenceError("dossier: a table is longer than a dossier may have")
    if told_.exchanges != predicate.counts.exchanges_in_log:
        raise EvidenceError("dossier: the exposure is not over the exchanges that are counted")
    if (
        sum(use.exchanges for use in told_.models) != told_.exchanges
        or sum(use.tokens_out for use in told_.models) != told_.tokens_out
        or sum(day.exchanges for day in days) != told_.exchanges
        or sum(day.tokens_out for day in days) != told_.tokens_out
    ):
        raise EvidenceError("dossier: models or days do not add up to the exposure")
    if any(b.at <= a.at for a, b in pairwise(days)):
        raise EvidenceError("dossier: the days of the timeline are out of order")
    seen: dict[int, list[int]] = defaultdict(lambda: [0, 0])
    first = days[0].at if days else 0
    for item, body in zip(predicate.entries, facts, strict=True):
        if item.kind != "exchange":
            continue
        at, usage, status = body.get("at"), body.get("usage", {}), body.get("status", 200)
        out = usage.get("tokens_out", 0) if isinstance(usage, dict) else 0
        if not isinstance(at, int) or not isinstance(out, int) or not isinstance(status, int):
            raise EvidenceError(f"dossier: entry {item.index} is no exchange")
        tally = seen[max(first, contents.day_of(at))]
        tally[0] += 1
        tally[1] += out if status < 400 else 0
    by_day = {day.at: day for day in days}
    for at, (exchanges, out) in seen.items():
        day = by_day.get(at)
        if day is None or day.exchanges < exchanges or day.tokens_out < out:
            raise EvidenceError("dossier: the timeline has less than the entries show")
        whole = predicate.counts.exchanges == told_.exchanges
        if whole and (day.exchanges, day.tokens_out) != (exchanges, out):
            raise EvidenceError("dossier: the timeline is not that of the entries")


def _check_infrastructure(
    predicate: contents.Predicate,
    facts: Sequence[Mapping[str, Any]],
    campaign: Campaign | None,
) -> None:
    found = predicate.contents.infrastructure
    size = 1 if campaign is None else len(campaign.members)
    rows = max(len(found.snapshots), len(found.unknown))
    if (
        rows > contents.MAX_ROWS
        or len(found.ties) > contents.MAX_TIES
        or len(found.links) > contents.MAX_LINKS
    ):
        raise EvidenceError("dossier: a table is longer than a dossier may have")
    if not 0 <= found.others <= contents.MAX_COUNT or size > contents.MAX_COUNT:
        raise EvidenceError("dossier: more callers are counted than a dossier may")
    for tie in found.ties:
        shares = (tie.members, tie.tested, tie.others)
        if not all(s.holds() for s in shares) or tie.values < 1 or tie.compared < 1:
            raise EvidenceError("dossier: a tie has counts that cannot be")
        if tie.members.of > size or tie.tested.of > tie.members.of:
            raise EvidenceError("dossier: a tie counts more members than there are")
        if tie.tested.hits > tie.members.hits or tie.others.of > found.others:
            raise EvidenceError("dossier: a tie has counts that cannot be")
    for link in found.links:
        if not (link.members.holds() and link.others.holds()) or link.compared < 1:
            raise EvidenceError("dossier: a link has counts that cannot be")
        if link.members.of > size or link.others.of > found.others or link.values < 1:
            raise EvidenceError("dossier: a link has counts that cannot be")
        if link.ratio()[1] <= 1.0:
            raise EvidenceError("dossier: a link is a bare match: its interval does not exceed 1")
    _check_clock(found.clock)
    lists = [s for i, s in zip(predicate.entries, facts, strict=True) if i.kind == "networks"]
    held = {
        tuple(str(one.get(n, "")) for n in contents.Snapshot.__struct_fields__)
        for body in lists
        for one in body["lists"]
    }
    if any(msgspec.structs.astuple(s) not in held for s in found.snapshots):
        raise EvidenceError("dossier: network data are named that no entry of the log names")


def _check_clock(clock: contents.Clock | None) -> None:
    if clock is None:
        return
    floats = (clock.rhythm, clock.peak, *clock.offset)
    low, high = OFFSETS
    if (
        len(clock.hours) != 24
        or len(clock.weekdays) != 7
        or min(*clock.hours, *clock.weekdays) < 0
        or sum(clock.hours) != sum(clock.weekdays)
        or not all(math.isfinite(f) for f in floats)
        or not 0 <= clock.rhythm <= 1
        or not 0 <= clock.peak < 24
        or len(clock.offset) not in (0, 2)
        or any(not low <= f <= high for f in clock.offset)
    ):
        raise EvidenceError("dossier: the clock has numbers that cannot be")
    if clock.week:
        _check_week(clock.week)


def _check_week(week: contents.Week) -> None:
    shares = (*week.members, *week.others)
    rows = [share for one in week.calendars for share in (one.breaks, one.shifted)]
    low, high = OFFSETS
    if (
        (len(week.members), len(week.others)) != (7, 7)
        or not low <= week.zone <= high
        or not all(share.holds() for share in (*shares, *rows))
        or max(share.of for share in (*shares, *rows)) > contents.MAX_COUNT
        or len(week.calendars) > contents.MAX_CALENDARS
        or any(one.compared < len(week.calendars) for one in week.calendars)
    ):
        raise EvidenceError("dossier: the days of the week have numbers that cannot be")


def _check_alternatives(told_: Sequence[contents.Alternative], campaign: Campaign | None) -> None:
    if len(told_) > contents.MAX_ROWS:
        raise EvidenceError("dossier: a table is longer than a dossier may have")
    for one in told_:
        if one.result not in RESULTS or not math.isfinite(one.value + one.limit):
            raise EvidenceError("dossier: an alternative without a known result")
    if campaign is not None:
        logged = tuple(contents.Alternative.of(one) for one in campaign.considered)
        if tuple(told_[: len(logged)]) != logged:
            raise EvidenceError("dossier: the alternatives are not those that the log holds")


def _check_audits(predicate: contents.Predicate, facts: Sequence[Mapping[str, Any]]) -> None:
    """Results of audits stand behind the plans that they name; marks told have their results."""
    plans: dict[object, tuple[int, int]] = {}
    results: set[object] = set()
    for item, body in zip(predicate.entries, facts, strict=True):
        if item.kind == "audit-plan":
            plans.setdefault(body.get("id"), (item.index, item.at))
        elif item.kind == "audit-result":
            if plans.get(body.get("plan")) != (body.get("plan_entry"), body.get("plan_at")):
                raise EvidenceError(f"dossier: entry {item.index} has no plan that came before it")
            results.add(body.get("id"))
    if any(m.kind == "radioactivity" and m.name not in results for m in predicate.contents.marks):
        raise EvidenceError("dossier: a mark is told that no result of an audit is here for")


def _check_rest(predicate: contents.Predicate) -> None:
    if predicate.contents.quorum:
        quorum.check(predicate.contents.quorum)
    if len(predicate.contents.marks) > contents.MAX_ROWS:
        raise EvidenceError("dossier: a table is longer than a dossier may have")
    if any(not math.isfinite(m.bits) or m.bits < 0 or m.at < 0 for m in predicate.contents.marks):
        raise EvidenceError("dossier: a mark has numbers that cannot be")
    if len(predicate.contents.sealed) > contents.MAX_RECIPIENTS:
        raise EvidenceError("dossier: sealed to more people than a dossier may be")
    for sealed in predicate.contents.sealed:
        names.check(sealed)
