"""The form of a dossier: what its JSON holds, and the one way in which it is spelled.

A dossier file is a DSSE envelope around an in-toto Statement v1. Both are JSON without spaces,
with their members in the order declared here and nothing else in them; the file ends in one
newline. A reader writes what it has read again and compares: a second spelling of the same
dossier is refused, so that no bit of the file can change unnoticed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from titer.core.errors import EvidenceError

PAYLOAD_TYPE = "application/vnd.in-toto+json"
STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
#: A name, not an address: `.invalid` never resolves (RFC 2606). Its text is docs/spec/dossier.md.
PREDICATE_TYPE = "https://titer.invalid/dossier/v1"

#: A dossier is read into memory whole; this is some 30,000 entries.
MAX_DOSSIER = 64 * 1024 * 1024
#: Entries in one dossier: each costs the verifier some 30 hashes.
MAX_ENTRIES = 50_000
#: Exchanges that no finding cites are there for illustration; so many of them are enough.
EXCHANGE_CAP = 1_000

#: Why a cited id has no entry in the dossier.
ABSENT = "not in the log"
OTHER = "about another subject"

#: What a dossier of this form never shows. A verifier refuses one that leaves any of it out.
LIMITS = (
    "The log shows what its operator recorded; gap entries count what was dropped under load.",
    "One operator's signature: without witnesses or time stamps he could keep two logs.",
    "A log can be written afterwards: compare key and an earlier head over another channel.",
    "Times are those of the operator's clock; order is the index.",
    "Bits hold against the honest crowd of the calibration that a finding names, and no other.",
    "The summary is the operator's reading of the entries.",
    "No prompt and no reply is in it: entries hold facts and keyed sketches.",
    "Subjects are keyed pseudonyms: who stands behind one is not shown by the log.",
)


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One DSSE signature: key id `origin+hex`, and base64 of 64 bytes."""

    keyid: str
    sig: str


class Envelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The DSSE envelope; `payload` is base64 of the statement."""

    payload: str
    payloadType: str  # noqa: N815 - the name is the standard's
    signatures: tuple[Signature, ...]


class Digest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """SHA-256 (hex) over the leaf hashes of the entries, in their order."""

    sha256: str


class About(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The in-toto subject: the pseudonym, bound to the entries."""

    name: str
    digest: Digest


class LogHead(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The log that the entries are in: verifier key, signed checkpoint, where it is served."""

    key: str
    checkpoint: str
    where: str


class Counts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How much of what the log holds about the subject is here.

    `exchanges_in_log` counts all of them up to the checkpoint; at most `exchange_cap` are
    included beside those that findings and decisions cite.
    """

    exchanges_in_log: int
    exchange_cap: int
    exchanges: int
    findings: int
    decisions: int
    campaigns: int
    calibrations: int


class Item(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry: its commitment opened (`salt` base64, `body` exact text), and its proof."""

    index: int
    kind: str
    at: int
    salt: str
    body: str
    proof: tuple[str, ...]


class Omitted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A cited id whose entry is not in the dossier, and why (ABSENT or OTHER)."""

    id: str
    why: str


class Predicate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What the dossier says. `summary` and `names` are the operator's statements."""

    made_at: int
    summary: dict[str, Any]
    names: dict[str, str]
    log: LogHead
    counts: Counts
    entries: tuple[Item, ...]
    omitted: tuple[Omitted, ...]
    limits: tuple[str, ...]


class Statement(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The in-toto Statement v1."""

    type_: str = msgspec.field(name="_type")
    subject: tuple[About, ...] = ()
    predicateType: str = ""  # noqa: N815 - the name is the standard's
    predicate: Predicate | None = None


class Kind(msgspec.Struct, frozen=True):
    """Which predicate a statement has: looked at before the whole is read in its own form."""

    predicateType: str = ""  # noqa: N815 - the name is the standard's


_Form = TypeVar("_Form", bound=msgspec.Struct)


def encode(form: msgspec.Struct) -> bytes:
    """The one spelling of an envelope or statement."""
    return msgspec.json.encode(form)


def predicate_type(data: bytes) -> str:
    """What a statement says its predicate is. Raises EvidenceError."""
    try:
        return msgspec.json.decode(data, type=Kind).predicateType
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise EvidenceError("dossier: the statement is not of this form") from None


def decode(data: bytes, form: type[_Form]) -> _Form:
    """Read an envelope or statement in its one spelling. Raises EvidenceError."""
    what = form.__name__.partition("Of")[0].lower()
    try:
        found = msgspec.json.decode(data, type=form)
        again = msgspec.json.encode(found)
    except (msgspec.MsgspecError, ValueError, OverflowError, RecursionError):
        raise EvidenceError(f"dossier: the {what} is not of this form") from None
    if again != data:
        raise EvidenceError(f"dossier: the {what} is not in canonical form")
    return found


def body_facts(body: bytes) -> dict[str, Any]:
    """The JSON object in an entry's body. Raises EvidenceError when it is none."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise EvidenceError("entry: the body is not JSON") from None
    if not isinstance(found, dict):
        raise EvidenceError("entry: the body is not a JSON object")
    return found


#: Kinds of entries that may be about a subject: what `concerns` knows.
ABOUT_SUBJECTS = frozenset(
    {"exchange", "finding", "decision", "campaign", "mark-key", "audit-plan", "audit-result"}
)


def concerns(kind: str, facts: Mapping[str, Any], subject: str) -> bool:
    """Whether an entry is about the subject."""
    if kind == "exchange":
        principal = facts.get("principal")
        return isinstance(principal, dict) and subject in (
            principal.get("id"),
            principal.get("org"),
        )
    if kind == "campaign":
        members = facts.get("members")
        return isinstance(members, list) and subject in members
    if kind == "mark-key":
        return facts.get("account") == subject
    if kind in ("audit-plan", "audit-result"):
        accounts = facts.get("accounts")
        return isinstance(accounts, list) and subject in accounts
    return kind in ("finding", "decision") and facts.get("subject") == subject


def cited(facts: object) -> Iterator[str]:
    """The ids that a summary or a body leans on.

    Strings in any `cites`; in any `findings` or `decisions`, strings and the `id` of objects.
    """
    rest = [facts]
    while rest:
        value = rest.pop()
        if isinstance(value, list):
            rest += value
        elif isinstance(value, dict):
            rest += value.values()
            for name in ("cites", "findings", "decisions"):
                yield from _ids(value.get(name), whole=name != "cites")


def _ids(value: object, *, whole: bool) -> Iterator[str]:
    for one in value if isinstance(value, list) else ():
        if isinstance(one, str):
            yield one
        elif whole and isinstance(one, dict) and isinstance(one.get("id"), str):
            yield one["id"]
