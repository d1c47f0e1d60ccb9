"""What a dossier of version 2 tells beside its entries, and the numbers behind each table.

Tables hold counts, never ratios: whoever reads them works shares, likelihood ratios and intervals
out again (`Tie.ratio`), by the formula of docs/spec/dossier.md. Members stand in the order
declared here, none is left out when it is empty.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from titer.core.interval import likelihood_ratio
from titer.core.nouns import Considered
from titer.evidence.form import About, Item, LogHead, Omitted

PREDICATE_TYPE = "https://titer.invalid/dossier/v2"

#: Findings, decisions and exchanges of a campaign's dossier, each: 25,000 members have more of
#: them than anybody reads or a verifier should have to hash.
CAMPAIGN_CAP = 500
#: Rows of a table and days of a timeline; older days are counted to the first one.
MAX_ROWS = 2_000
#: Rows of ties and of links, and callers that one counts: an interval costs the verifier a second
#: at worst for a hundred rows of so many.
MAX_TIES, MAX_LINKS, MAX_CALENDARS = 200, 50, 64
MAX_COUNT = 1_000_000
MAX_DAYS = 1_500
#: Recipients to whom members' names are sealed.
MAX_RECIPIENTS = 16
#: Probability with which at least one interval of one table may miss.
ERROR = 0.05
_DAY = 86_400_000_000

#: Why a cited id has no entry, beside the reasons of version 1: more was cited than is included.
CAPPED = "left out by a cap"

#: What a dossier of version 2 never shows, beside the limits of version 1.
LIMITS = (
    "Who trained what on the replies is not shown: the log ends where a query was answered.",
    "A shared network, program or card is no person: ratios compare with this operator's others.",
    "Other callers are those of no campaign: they are not known to be honest.",
    "Addresses are kept as keyed tokens: a range is named by its token, never by itself.",
    "Hours of activity fit many time zones, shifts and programs; no nationality follows.",
    "Residential proxies are unknown wherever no list of them was imported.",
    "An alternative that is not listed as considered was not considered.",
)


class Form(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of a dossier."""


class Share(Form, frozen=True):
    """`hits` of `of`."""

    hits: int
    of: int

    def holds(self) -> bool:
        """Whether it can be."""
        return 0 <= self.hits <= self.of


class Tie(Form, frozen=True):
    """What members have in common: one value, or (`value` empty) any of `values` values.

    `members` counts all members; `tested` those that had no part in choosing the value, by whom
    the ratio is worked out; `others` every other caller of the log that is in no campaign;
    `compared` how many rows were looked at beside this one. `about` names a value for people.
    """

    aspect: str
    value: str
    about: str
    values: int
    members: Share
    tested: Share
    others: Share
    compared: int

    def ratio(self) -> tuple[float, float, float]:
        """(likelihood ratio, its lower and its upper bound); all bounds of a table hold together
        with probability 1 - ERROR (Bonferroni). Infinite where no other caller has the value.
        """
        return likelihood_ratio(
            self.tested.hits, self.tested.of, self.others.hits, self.others.of,
            confidence=1 - ERROR / max(1, self.compared),
        )  # fmt: skip


class Link(Form, frozen=True):
    """The same infrastructure or habits elsewhere: in another campaign of this log, a partner's
    indicators, or movements of a repository. Counts as in `Tie`; `values` how many were compared.
    """

    kind: Literal["campaign", "indicators", "repository"]
    name: str
    source: str
    aspect: str
    values: int
    members: Share
    others: Share
    compared: int

    def ratio(self) -> tuple[float, float, float]:
        """As of `Tie`."""
        return likelihood_ratio(
            self.members.hits, self.members.of, self.others.hits, self.others.of,
            confidence=1 - ERROR / max(1, self.compared),
        )  # fmt: skip


class Snapshot(Form, frozen=True):
    """Network data in force, as an entry of the log names it; `sha256` is of its table."""

    name: str
    kind: str
    source: str
    dated: str
    sha256: str


class Unknown(Form, frozen=True):
    """What the data at hand do not tell, and why."""

    aspect: str
    why: str


class Calendar(Form, frozen=True):
    """An imported calendar of holidays, held against the days of the campaign.

    A break is a run of its days; `breaks` counts those of which members kept every day that can be
    told (they nearly stopped, for that day of the week, and others did not); `shifted` the same of
    the same breaks moved by whole weeks; `compared` how many calendars were held against it.
    `sha256` is of the calendar's signed file.
    """

    name: str
    source: str
    dated: str
    sha256: str
    breaks: Share
    shifted: Share
    compared: int

    def ratio(self) -> tuple[float, float, float]:
        """As of `Tie`: how much more often its breaks were kept than other times alike."""
        return likelihood_ratio(
            self.breaks.hits, self.breaks.of, self.shifted.hits, self.shifted.of,
            confidence=1 - ERROR / max(1, self.compared),
        )  # fmt: skip


class Week(Form, frozen=True):
    """The days of the week on which members rest: Monday to Sunday, at `zone` hours ahead of UTC.

    Each share is of the weeks in which that day can be told: members (or all other callers) made
    less than a fifth of their median day. `calendars` are those that were imported.
    """

    zone: int
    members: tuple[Share, ...]
    others: tuple[Share, ...]
    calendars: tuple[Calendar, ...]

    def ratio(self, day: int) -> tuple[float, float, float]:
        """As of `Tie`: how much more often members rested on this day of the week than on all
        others; the seven intervals hold together.
        """
        rest = [share for n, share in enumerate(self.members) if n != day]
        one = self.members[day]
        return likelihood_ratio(
            one.hits, one.of, sum(s.hits for s in rest), sum(s.of for s in rest),
            confidence=1 - ERROR / 7,
        )  # fmt: skip


class Clock(Form, frozen=True):
    """When members are active: exchanges by hour of day (24) and day of week (7, from Monday).

    `rhythm` is the length (0..1) of the mean direction on the clock: 0 is round the clock. `peak`
    is its hour (UTC, as all hours here); `offset` the hours ahead of UTC, lower and upper, of a
    place where that would be the middle of a working day; empty when there is no rhythm. `quiet`
    are days (YYYY-MM-DD) on which members nearly stopped and other callers did not. `week` is not
    spelt where there are too few days to tell.
    """

    hours: tuple[int, ...]
    weekdays: tuple[int, ...]
    rhythm: float
    peak: float
    offset: tuple[float, ...]
    quiet: tuple[str, ...]
    week: Week | msgspec.UnsetType = msgspec.UNSET


class Infrastructure(Form, frozen=True):
    """Where it came from. `others` is how many other callers there are to compare with."""

    others: int = 0
    ties: tuple[Tie, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()
    unknown: tuple[Unknown, ...] = ()
    clock: Clock | None = None
    links: tuple[Link, ...] = ()


class Day(Form, frozen=True):
    """One day (UTC, its first microsecond): exchanges, tokens out, callers that began on it."""

    at: int
    exchanges: int
    tokens_out: int
    began: int


class Use(Form, frozen=True):
    """What one model gave."""

    model: str
    exchanges: int
    tokens_out: int


class Exposure(Form, frozen=True):
    """What was taken, in tokens of replies served; `estimated` were counted at 4 characters."""

    exchanges: int = 0
    refused: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    reasoning_tokens: int = 0
    estimated: int = 0
    models: tuple[Use, ...] = ()


class Alternative(Form, frozen=True):
    """An honest explanation, and what came of testing it; see `nouns.Considered`."""

    reason: str
    result: str
    measure: str
    value: float
    limit: float

    @classmethod
    def of(cls, one: Considered) -> Alternative:
        """The same, as a dossier spells it."""
        return cls(one.reason, one.result, one.measure, one.value, one.limit)


class Mark(Form, frozen=True):
    """A mark that was found again: what kind, which, when, with how many bits, in plain words."""

    kind: str
    name: str
    at: int
    bits: float
    note: str


class Sealed(Form, frozen=True):
    """Names that only one other person can read; see `evidence.names`."""

    recipient: str
    suite: str
    text: str


class Holder(Form, frozen=True):
    """One of those who together can read names: `recipient` names his key as in `Sealed`;
    `commitment` is SHA-256 (hex) of his share, `text` the share sealed to his key.
    """

    recipient: str
    commitment: str
    text: str


class Quorum(Form, frozen=True):
    """Names that any `threshold` of the holders can read together; see `evidence.quorum`.

    `key` is a commitment (SHA-256, hex) to the key that the shares give, `text` the names under
    it. A holder's share has his place in `holders`, from 1, as its number.
    """

    threshold: int
    holders: tuple[Holder, ...]
    suite: str
    key: str
    text: str


class Stamp(Form, frozen=True):
    """A time stamping authority's RFC 3161 reply (base64 of DER) over a head's own signatures."""

    name: str
    token: str


class Vouched(Form, frozen=True):
    """An earlier head of the log, with cosignatures among its signatures, the consistency proof
    (base64 hashes) from it to the dossier's head, and time stamps.
    """

    checkpoint: str
    extends: tuple[str, ...]
    stamps: tuple[Stamp, ...]


class Counts(Form, frozen=True):
    """How much of what the log holds about the subject is here; of each kind at least
    min(in the log, cap) is included.
    """

    exchanges_in_log: int
    exchange_cap: int
    exchanges: int
    findings_in_log: int
    finding_cap: int
    findings: int
    decisions_in_log: int
    decision_cap: int
    decisions: int
    campaigns: int
    calibrations: int
    networks: int


class Contents(Form, frozen=True):
    """What whoever makes a dossier says beside the entries; the rest is counted out of the log.

    `quorum` is not spelt when there is none: a dossier without it is as it was before there could
    be one.
    """

    infrastructure: Infrastructure = Infrastructure()
    alternatives: tuple[Alternative, ...] = ()
    marks: tuple[Mark, ...] = ()
    sealed: tuple[Sealed, ...] = ()
    quorum: Quorum | msgspec.UnsetType = msgspec.UNSET


class Predicate(Form, frozen=True):
    """What the dossier says; `kind` is what the in-toto subject's name is a name of."""

    made_at: int
    kind: Literal["subject", "campaign"]
    summary: dict[str, Any]
    names: dict[str, str]
    log: LogHead
    vouched: tuple[Vouched, ...]
    counts: Counts
    exposure: Exposure
    timeline: tuple[Day, ...]
    contents: Contents
    entries: tuple[Item, ...]
    omitted: tuple[Omitted, ...]
    limits: tuple[str, ...]


class StatementOfTwo(Form, frozen=True):
    """The in-toto Statement v1 around a predicate of version 2."""

    type_: str = msgspec.field(name="_type")
    subject: tuple[About, ...] = ()
    predicateType: str = ""  # noqa: N815 - the name is the standard's
    predicate: Predicate | None = None


def day_of(at: int) -> int:
    """The first microsecond of the day (UTC) that a time is in."""
    return at - at % _DAY
