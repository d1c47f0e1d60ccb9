"""What a verified dossier says, in words, tables and figures for somebody who is no engineer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from titer.console.render.model import Bars, Report, Section, Table, cut, moment, plain
from titer.console.render.origins import hours, infrastructure, links
from titer.core.errors import InputError
from titer.core.nouns import Campaign, Decision, Finding
from titer.detect.calibration import Calibration
from titer.detect.calibration import load as load_calibration
from titer.evidence.verify import Proven, Verified

#: Rows of a table of findings or decisions: the weightiest; the file has all.
ROWS = 25
#: Rows of one detector among them: all of them say the same of callers that act as one.
ROWS_EACH = 5


class _Facts(msgspec.Struct):
    """The entries of a dossier, read."""

    campaign: Campaign | None
    findings: list[Finding]
    decisions: list[Decision]
    calibrations: dict[str, Calibration]


def report(proven: Proven) -> Report:
    """The report of a dossier that holds. Whatever is in it is shown as text, cut where long."""
    found = proven.verified
    facts = _facts(proven)
    what = "campaign" if found.kind == "campaign" else "caller"
    unpinned = (
        ""
        if found.pinned
        else "KEY NOT CHECKED. This dossier holds under the key inside it, and anybody can make "
        "such a key. Compare the key below with the operator's over another channel."
    )
    return Report(
        title=f"Dossier on {what} {plain(found.subject, 64)}",
        subtitle=f"From the log {plain(found.origin, 120)}, as of {moment(found.made_at)}",
        warning=unpinned,
        sections=tuple(
            s
            for s in (
                _short(found, facts),
                _taken(found),
                _campaign_section(facts.campaign) if facts.campaign else None,
                _findings(found, facts),
                infrastructure(found.contents.infrastructure, many=facts.campaign is not None),
                hours(found.contents.infrastructure.clock),
                links(found.contents.infrastructure) if facts.campaign else None,
                _alternatives(found),
                _marks(found),
                _decisions(found, facts),
                Section("What this does not show", points=tuple(plain(t) for t in found.limits)),
                _check(found),
            )
            if s is not None
        ),
        listed_heading=(
            f"Members of the campaign, as pseudonyms ({len(facts.campaign.members):,})"
            if facts.campaign
            else ""
        ),
        listed=tuple(plain(m, 80) for m in facts.campaign.members) if facts.campaign else (),
        foot=f"{plain(found.subject, 64)} · {plain(found.origin, 60)} · root {found.root[:16]}",
    )


def _facts(proven: Proven) -> _Facts:
    """The entries as nouns; what does not decode is left to the file."""
    made = _Facts(None, [], [], {})
    for item in proven.entries:
        body = item.body.encode()
        try:
            if item.kind == "finding":
                made.findings.append(msgspec.json.decode(body, type=Finding))
            elif item.kind == "decision":
                made.decisions.append(msgspec.json.decode(body, type=Decision))
            elif item.kind == "campaign" and proven.verified.kind == "campaign":
                made.campaign = msgspec.json.decode(body, type=Campaign)
            elif item.kind == "calibration":
                held = load_calibration(body)
                made.calibrations[held.id] = held
        except (msgspec.MsgspecError, InputError, ValueError):
            continue
    return made


def _short(found: Verified, facts: _Facts) -> Section:
    bits = found.summary.get("bits")
    rows: list[tuple[str, str]] = []
    words = []
    if isinstance(bits, int | float) and 0 <= bits < 1_000:
        rows.append(("Weight of evidence", f"{bits:.1f} bits"))
        chance = f"{2.0**-bits:.2g}"
        whom = "a group of honest callers" if facts.campaign else "an honest caller"
        words.append(
            f"By the operator's calibration, {whom} would look this unusual with a probability of "
            f"at most {chance}. This is no probability of guilt."
            if bits > 0
            else "There is no weight of evidence by itself (0 bits): what is shown is for people "
            "to judge."
        )
    if facts.campaign is not None:
        rows.append(("Callers that act as one", f"{len(facts.campaign.members):,}"))
        rows.append(("For people to look at first", "yes" if facts.campaign.review else "no"))
    exposure = found.exposure
    if found.version > 1:
        rows.append(("Exchanges", f"{exposure.exchanges:,} ({exposure.refused:,} refused)"))
        rows.append(("Tokens of replies taken", f"{exposure.tokens_out:,}"))
    days = found.timeline
    if days:
        rows.append(("Seen", f"{moment(days[0].at)[:10]} to {moment(days[-1].at)[:10]} (UTC)"))
    kinds = ", ".join(f"{n:,} {kind}" for kind, n in sorted(found.kinds.items()))
    rows.append(("Entries of the log in this file", f"{found.entries:,}: {kinds}"))
    rows.append(("Size of the log", f"{found.size:,} entries"))
    told = found.summary.get("in_words")
    own = (
        [plain(t, 600) for t in told if isinstance(t, str)][:12] if isinstance(told, list) else []
    )
    names = [f"{plain(k, 64)} is {plain(v, 120)}" for k, v in list(found.names.items())[:20]]
    return Section(
        "In short",
        words=tuple(words),
        tables=(Table(("What", "How much"), tuple(rows), (2, 4)),),
        points=tuple(names),
        notes=(*(("In the operator's words:",) if own else ()), *own),
    )


def _taken(found: Verified) -> Section | None:
    exposure = found.exposure
    if found.version == 1 or not exposure.exchanges:
        return None
    labels = tuple(moment(day.at)[5:10] for day in found.timeline)
    figures = [
        Bars("Exchanges a day (UTC)", labels, tuple(d.exchanges for d in found.timeline), "")
    ]
    if exposure.tokens_out:
        out = tuple(d.tokens_out for d in found.timeline)
        figures.append(Bars("Tokens of replies a day (UTC)", labels, out, "tokens"))
    if found.kind == "campaign":
        began = tuple(float(d.began) for d in found.timeline)
        figures.append(
            Bars("Members seen for the first time in this log, by day", labels, began, "")
        )
    models = tuple(
        (plain(u.model, 60) or "(not named)", f"{u.exchanges:,}", f"{u.tokens_out:,}")
        for u in exposure.models[:12]
    )
    notes = [f"Counted over all {exposure.exchanges:,} exchanges that the log holds."]
    if exposure.reasoning_tokens:
        notes.append(f"{exposure.reasoning_tokens:,} tokens were reasoning.")
    if exposure.estimated:
        notes.append(
            f"Of {exposure.estimated:,} exchanges tokens were estimated at 4 characters each."
        )
    return Section(
        "What was taken, and when",
        figures=tuple(figures),
        tables=(Table(("Model", "Exchanges", "Tokens of replies"), models, (4, 2, 2), (1, 2)),),
        notes=tuple(notes),
    )


def _campaign_section(campaign: Campaign) -> Section:
    begun = [(moment(at)[5:10], float(n)) for at, n in campaign.timeline]
    figures = (
        (
            Bars(
                "Members who began on the campaign's texts, by day",
                tuple(at for at, _ in begun), tuple(n for _, n in begun), "members",
            ),
        )
        if begun
        else ()
    )  # fmt: skip
    rows = [
        ("Formed by", ", ".join(plain(m, 40) for m in campaign.formed)),
        (
            "Tested on (not what formed it)",
            ", ".join(plain(m, 40) for m in campaign.tested) or "-",
        ),
        ("Held against", plain(campaign.null, 200) or "-"),
        ("Technique (MITRE ATLAS)", plain(campaign.technique, 40)),
        ("First and last seen", f"{moment(campaign.first_seen)} to {moment(campaign.last_seen)}"),
    ]
    if campaign.doubtful:
        rows.append(("Least certain members", ", ".join(plain(m, 24) for m in campaign.doubtful)))
    return Section(
        "How the campaign was found",
        words=(
            (
                "Callers were grouped by one kind of likeness and then tested on other kinds, "
                "beside groups of other callers drawn at random. What formed the group is not "
                "counted as evidence for it."
            ),
        ),
        figures=figures,
        tables=(Table(("Step", "Result"), tuple(rows), (2, 4)),),
        notes=(plain(campaign.note, 800),) if campaign.note else (),
    )


def _findings(found: Verified, facts: _Facts) -> Section | None:
    if not facts.findings:
        return None
    ranked = sorted(facts.findings, key=lambda f: (-f.bits, -f.score, f.id))
    best = _few_of_each(ranked)
    rows = tuple(
        (
            plain(f.detector, 40), cut(f.subject), f"{f.bits:.1f}", plain(f.technique, 24),
            _null_of(f, facts.calibrations), plain(f.note, 260),
        )
        for f in best
    )  # fmt: skip
    counts = Counter(plain(f.detector, 40) for f in facts.findings)
    by = ", ".join(f"{name}: {n:,}" for name, n in sorted(counts.items()))
    in_log = getattr(found.counts, "findings_in_log", found.counts.findings)
    head = ("Detector", "About", "Bits", "Technique", "n (calibration)", "What it saw")
    return Section(
        "Findings",
        words=(
            (
                "Each line is what one detector, in the version named, concluded about one "
                "caller. Bits hold beside the honest callers of the calibration named, and no "
                "others."
            ),
        ),
        tables=(Table(head, rows, (10, 12, 5, 10, 12, 26), (2,)),),
        notes=(
            (
                f"{len(facts.findings):,} of {in_log:,} findings are in the file, "
                f"{len(best)} are shown. {by}."
            ),
        ),
    )


def _few_of_each(ranked: Sequence[Finding]) -> list[Finding]:
    """The first ones of each detector, as many as a table has room for."""
    seen: Counter[str] = Counter()
    chosen: list[Finding] = []
    for finding in ranked:
        seen[finding.detector] += 1
        if seen[finding.detector] <= ROWS_EACH and len(chosen) < ROWS:
            chosen.append(finding)
    return chosen


def _null_of(finding: Finding, calibrations: Mapping[str, Calibration]) -> str:
    if not finding.calibration:
        return "none: draws attention only"
    held = calibrations.get(finding.calibration)
    if held is None:
        return cut(finding.calibration)
    null = held.detectors.get(finding.detector.partition("@")[0])
    n = null.everyone.n if null is not None else held.combination.everyone.n
    return f"n = {n:,} ({cut(held.id)})"


def _alternatives(found: Verified) -> Section | None:
    if found.version == 1:
        return None
    rows = tuple(
        (
            plain(a.reason, 300), plain(a.result, 40), plain(a.measure, 200),
            _figure(a.value) if a.measure else "", _figure(a.limit) if a.limit else "",
        )
        for a in found.contents.alternatives[:40]
    )  # fmt: skip
    if not rows:
        return Section("Honest explanations considered", words=("None was considered by titer.",))
    head = ("Explanation", "Result", "Measured by", "Value", "Limit")
    return Section(
        "Honest explanations considered",
        tables=(Table(head, rows, (14, 7, 14, 5, 5), (3, 4)),),
        notes=("What is not ruled out or not tested is for people to judge.",),
    )


def _marks(found: Verified) -> Section | None:
    marks = found.contents.marks
    if not marks:
        return None
    rows = tuple(
        (plain(m.kind, 40), plain(m.name, 60), moment(m.at), f"{m.bits:.1f}", plain(m.note, 200))
        for m in marks[:ROWS]
    )
    head = ("Mark", "Name", "Found", "Bits", "What")
    return Section("Marks found again", tables=(Table(head, rows, (6, 8, 9, 4, 14), (3,)),))


def _effect(decision: Decision) -> str:
    if not decision.shadow:
        return "given"
    return "shadow; the rung below is given" if decision.given else "shadow: not given"


def _decisions(found: Verified, facts: _Facts) -> Section | None:
    if not facts.decisions:
        return None
    rows = tuple(
        (
            moment(d.at), cut(d.subject), plain(d.rung, 30) or "none",
            plain(d.gives, 300) if d.doses or d.meanwhile or d.armed else "none",
            _effect(d), plain(d.because, 200), plain(d.by, 60),
        )
        for d in sorted(facts.decisions, key=lambda d: -d.at)[:ROWS]
    )  # fmt: skip
    in_log = getattr(found.counts, "decisions_in_log", found.counts.decisions)
    head = ("When", "Caller", "Rung", "Doses", "Effect", "Because", "By")
    return Section(
        "What was done about it",
        tables=(Table(head, rows, (9, 9, 7, 10, 7, 12, 6)),),
        notes=(f"{len(facts.decisions):,} of {in_log:,} decisions are in the file.",),
    )


def _check(found: Verified) -> Section:
    sealed = [
        f"Names are sealed to the holder of key {s.recipient}." for s in found.contents.sealed
    ]
    if shared := found.contents.quorum:
        sealed.append(
            f"Names open for any {shared.threshold} of {len(shared.holders)} people together, the "
            f"holders of keys {', '.join(h.recipient for h in shared.holders)}."
        )
    omitted = Counter(o.why for o in found.omitted)
    gone = [
        f"{n:,} cited entries are not in the file: {why}." for why, n in sorted(omitted.items())
    ]
    rows = (
        ("Verifier key of the log", plain(found.key, 200)),
        ("Name of the log", plain(found.origin, 200)),
        ("Head", f"{found.size:,} entries, root {found.root}"),
        ("Served at", plain(found.where, 200) or "not said"),
        ("Vouched for by others", _vouched(found)),
        ("Form", f"in-toto Statement v1 in DSSE, titer dossier version {found.version}"),
    )
    return Section(
        "How to check this",
        words=(
            (
                "This page is a rendering; what counts is the dossier file. `titer verify FILE "
                "--key KEY` checks it offline, and so do openssl, any DSSE verifier and Go's tlog "
                "package, as titer's documentation tells (Verify a dossier)."
            ),
        ),
        tables=(Table(("What", "Value"), rows, (2, 6)),),
        notes=(*sealed, *gone),
    )


def _vouched(found: Verified) -> str:
    if not found.vouched:
        return "no head of the log that covers it"
    said = "; ".join(
        f"{one.how} by {plain(one.by, 100)} on {moment(one.at * 1_000_000)} (entries below "
        f"{one.size:,})"
        for one in found.said[:10]
    )
    return said or f"{found.vouched} earlier heads; what was said of them was not checked here"


def _figure(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
