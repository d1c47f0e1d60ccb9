"""A dossier about a caller or a campaign: what the log's entries add up to, beside the entries."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from titer.access.secret import load_or_create
from titer.audit.report import marks
from titer.audit.trail import results
from titer.console.attribution import attribute, campaigns_in, partner_groups
from titer.console.campaign import NAME, no_campaign
from titer.console.explain import Explanation, explain, open_view
from titer.console.found_marks import found_marks
from titer.console.names import Names
from titer.core.errors import EvidenceError, InputError
from titer.core.ids import Pseudonyms
from titer.core.nouns import Campaign
from titer.detect.plugins import detectors
from titer.evidence import quorum
from titer.evidence.contents import Alternative, Contents, Infrastructure, Quorum, Sealed
from titer.evidence.dossier import build
from titer.evidence.log import View
from titer.evidence.names import seal


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """How a dossier is to be made. `recipients` are PEM public keys that names are sealed to, one
    by one; `holders` those of whom `threshold` together can read them; `names` the operator's own
    names of callers; `partners` whose held indicators of `least_weight` or more are compared with
    (None: all of them); `marks` what `titer marks trace --json` printed.
    """

    disclose: bool = False
    recipients: Sequence[bytes] = ()
    holders: Sequence[bytes] = ()
    threshold: int = 0
    names: Sequence[str] = ()
    partners: Sequence[str] | None = ()
    least_weight: float = 0.0
    marks: Path | None = None
    exchange_cap: int | None = None


class Made(msgspec.Struct, frozen=True):
    """A dossier, and what it is about. `sealed` counts the names that were sealed."""

    kind: str
    subject: str
    bits: float
    callers: int
    sealed: int
    dossier: bytes


def prove(data: Path, name: str, wanted: Wanted | None = None) -> Made:
    """The dossier on a campaign of that id, or on a subject named as in `explain`.

    Only pseudonyms leave, unless `disclose` writes the operator's own name for a subject into it
    or names are sealed to somebody. Raises `InputError` when the log has nothing about it or too
    much.
    """
    wanted = wanted or Wanted()
    log = open_view(data)
    campaign = campaigns_in(log).get(name)
    if campaign is not None:
        return _campaign(data, log, campaign, wanted)
    if NAME.fullmatch(name):
        raise no_campaign(name)
    found = explain(data, name)
    names = {found.subject: found.name} if wanted.disclose and found.name else {}
    # What partners said is theirs, and no evidence: it is in no dossier.
    shown = msgspec.structs.replace(found, attention=(), name=found.name if names else "")
    told = _told(
        data, log, [found.subject], campaign="", wanted=wanted, alternatives=_alternatives(found)
    )
    made = _build(
        log, subject=found.subject, summary=_summary(shown), told=told[0], names=names,
        exchange_cap=wanted.exchange_cap,
    )  # fmt: skip
    return Made("subject", found.subject, found.bits, 1, told[1], made)


def _campaign(data: Path, log: View, campaign: Campaign, wanted: Wanted) -> Made:
    if wanted.disclose:
        raise InputError(
            "--disclose names one caller; a campaign's members are unmasked only by --seal-to or "
            "--unmask-to, for the holders of other keys"
        )
    considered = tuple(Alternative.of(one) for one in campaign.considered)
    told, sealed = _told(
        data, log, campaign.members, campaign=campaign.id, wanted=wanted, alternatives=considered
    )
    made = _build(
        log, subject=campaign.id, campaign=True, summary=_of_campaign(campaign), told=told,
        exchange_cap=wanted.exchange_cap,
    )  # fmt: skip
    size = len(campaign.members)
    return Made("campaign", campaign.id, campaign.bits, size, sealed, made)


def _build(log: View, **how: Any) -> bytes:
    try:
        return build(log, as_read=True, **how)
    except (LookupError, ValueError) as error:
        raise InputError(f"no dossier was made: {error}") from None


def _told(
    data: Path,
    log: View,
    callers: Sequence[str],
    *,
    campaign: str,
    wanted: Wanted,
    alternatives: tuple[Alternative, ...],
) -> tuple[Contents, int]:
    """What is said beside the entries, and how many names were sealed."""
    pseudonyms = Pseudonyms(load_or_create(data))
    now = time.time_ns() // 1000
    groups = partner_groups(data, wanted.partners, now, least=wanted.least_weight)
    traced = found_marks(wanted.marks, log, callers, at=now) if wanted.marks is not None else ()
    try:
        where = attribute(data, log, callers, campaign=campaign, groups=groups)
    except EvidenceError as error:
        raise InputError(f"no dossier was made: {error}") from None
    (sealed, shared), count = _seal(
        data, log, callers, subject=campaign or callers[0], pseudonyms=pseudonyms, wanted=wanted
    )
    if not campaign:  # one caller has nothing in common with itself
        where = Infrastructure(
            others=where.others, snapshots=where.snapshots, unknown=where.unknown,
            clock=where.clock, links=where.links,
        )  # fmt: skip
    audited = () if campaign else marks((r for _, r in results(log)), callers[0])
    return Contents(where, alternatives, (*audited, *traced), sealed, shared), count


def _seal(
    data: Path,
    log: View,
    callers: Sequence[str],
    *,
    subject: str,
    pseudonyms: Pseudonyms,
    wanted: Wanted,
) -> tuple[tuple[tuple[Sealed, ...], Quorum | msgspec.UnsetType], int]:
    if not wanted.recipients and not wanted.holders:
        return ((), msgspec.UNSET), 0
    own = Names(data)
    given = {
        pseudonyms.of(kind, name): name for name in wanted.names for kind in ("principal", "org")
    }
    known = {c: n for c in callers if (n := given.get(c) or own.of(c))}
    if not known:
        raise InputError(
            "no caller of this dossier has a name here; give a file of the names of accounts "
            "and organisations with --names"
        )
    origin = log.verifier.name
    sealed = tuple(seal(known, pem, origin=origin, subject=subject) for pem in wanted.recipients)
    shared: Quorum | msgspec.UnsetType = msgspec.UNSET
    if wanted.holders:
        shared = quorum.seal(
            known, wanted.holders, wanted.threshold, origin=origin, subject=subject
        )  # fmt: skip
    return (sealed, shared), len(known)


def _alternatives(found: Explanation) -> tuple[Alternative, ...]:
    """For one caller: what its detectors' cards name as honest causes; people must judge them."""
    cards = {d.card.name: d.card for d in detectors()}
    rows = []
    for finding in found.findings:
        card = cards.get(finding.detector.partition("@")[0])
        if card is not None and finding.score > 0 and card.benign_causes:
            bits = f"bits of {finding.detector} beside honest callers"
            rows.append(
                Alternative(card.benign_causes, "not ruled out", bits, round(finding.bits, 3), 0.0)
            )
    return tuple(rows)


def _summary(found: Explanation) -> dict[str, Any]:
    """What is claimed; every id in it is looked up among the entries by whoever verifies."""
    together = found.together
    return {
        "bits": round(found.bits, 3),
        "sources_averaged": found.sources,
        "exposure_tokens": found.exposure,
        "exchanges": found.exchanges,
        "refused": found.refused,
        "first_at": found.first,
        "last_at": found.last,
        "techniques": sorted({f.technique for f in found.findings if f.technique}),
        "detectors": sorted({f.detector for f in found.findings}),
        "calibrations": sorted({f.calibration for f in found.findings if f.calibration}),
        "null": _null(together.n, together.smallest_alpha) if together else "not calibrated",
        "n": together.n if together else 0,
        "findings": [f.id for f in found.findings],
        "decisions": [d.id for d in found.decisions],
        "in_words": found.lines(),
    }


def _null(n: int, alpha: float) -> str:
    return f"{n} honest subjects of the calibration; supports alpha {alpha:.2g} at least"


def _of_campaign(campaign: Campaign) -> Mapping[str, Any]:
    """The campaign's entry, said again in words."""
    members = len(campaign.members)
    words = [
        (
            f"{members} callers act as one: formed by {' and '.join(campaign.formed)}, tested on "
            f"{', '.join(campaign.tested) or 'nothing else'}."
        ),
        f"{campaign.bits:.1f} bits beside {campaign.null or 'a null that is not recorded'}.",
        (
            f"By when it was found: {campaign.exchanges} exchanges, {campaign.tokens_out} "
            "tokens of replies."
        ),
    ]
    if campaign.review:
        words.append("It is for people to look at: no dose follows from it by itself.")
    return {
        "bits": round(campaign.bits, 3),
        "members": members,
        "formed": campaign.formed,
        "tested": campaign.tested,
        "technique": campaign.technique,
        "null": campaign.null,
        "review": campaign.review,
        "first_at": campaign.first_seen,
        "last_at": campaign.last_seen,
        "note": campaign.note,
        "in_words": words,
    }
