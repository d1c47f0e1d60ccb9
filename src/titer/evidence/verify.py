"""Verification of a dossier, offline, by somebody who trusts neither file nor operator.

Each step names what it stops. Nothing after a failed step is looked at.

 1. Size: a file that is too large to be a dossier (exhausting the verifier).
 2. Envelope: exact form and spelling, one signature (second readings of one file; appended,
    doubled, renamed or re-cased members; slack bits in base64).
 3. Statement: the same for the payload (as 2, inside the signed part).
 4. Types: payload, statement and predicate (a signature over something else shown as a dossier).
 5. Key: the pinned key when one is given, and the key id that belongs to it (a dossier that
    somebody else signed with a key of his own).
 6. Signature: DSSE, Ed25519 over the pre-authentication encoding (any change of the statement).
 7. Head: checkpoint signed by the same key, under the log's own name (entries of a tree that
    the log never published). It extends every head that others vouched for; of these, as many
    witnesses and time stamps as were asked for hold (a second log, a log made afterwards).
 8. Order: indices rise strictly and lie inside the tree (one entry counted twice; reordering).
 9. Commitments and inclusion: salt and body give the leaf, the leaf is in the tree (invented,
    altered or swapped bodies, salts, kinds and times).
10. Binding: the statement's subject digest is over these leaves (entries dropped or added).
11. Relevance: every entry is about the subject (or a member of the campaign), or a calibration or
    list of network data that is named (other people's conduct shown as the subject's).
12. Citations: what summary, findings and decisions cite is there, or listed as omitted
    (claims without the entries that they lean on).
13. Counts: they are those of the entries (a cap that hides more than it says).
14. Limits: what a dossier does not show is stated (a proof sold as more than it is).
15. Contents, of version 2: tables that can be, that agree with each other and with the entries
    (`evidence.agreement`).

What remains is in `form.LIMITS` and `contents.LIMITS`; foremost that without `key` the dossier
vouches for itself.
"""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from securesystemslib.dsse import Envelope as DsseEnvelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import Signature, SSlibKey  # type: ignore[attr-defined]

from titer.core.errors import EvidenceError
from titer.evidence import agreement, checkpoint, contents, entry, form, merkle, note, vouched
from titer.evidence.checkpoint import Checkpoint
from titer.evidence.telling import shown, told
from titer.evidence.vouched import Said, Trust

#: Microseconds of the last moment that a calendar of four-digit years holds.
_LAST_DATE = 253_402_300_799_000_000
#: Claims of a summary that are times, in microseconds since 1970.
_TIMES = frozenset({"first_at", "last_at"})


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What a dossier shows after every step has held.

    `pinned` is False when the key was taken from the dossier itself. `kinds` counts entries,
    `first_at` and `last_at` are microseconds, `root` is hex. `kind` is `subject` or `campaign`;
    `exposure`, `timeline` and `contents` are empty in version 1.
    """

    version: int
    kind: str
    subject: str
    summary: dict[str, Any]
    names: dict[str, str]
    origin: str
    key: str
    pinned: bool
    size: int
    root: str
    where: str
    made_at: int
    entries: int
    kinds: dict[str, int]
    counts: form.Counts | contents.Counts
    first_at: int
    last_at: int
    omitted: tuple[form.Omitted, ...]
    limits: tuple[str, ...]
    exposure: contents.Exposure = contents.Exposure()
    timeline: tuple[contents.Day, ...] = ()
    contents: contents.Contents = contents.Contents()
    vouched: int = 0
    said: tuple[Said, ...] = ()

    def lines(self) -> list[str]:
        """The result for a person; strings of the dossier are shown without control marks."""
        kinds = ", ".join(f"{n} {kind}" for kind, n in sorted(self.kinds.items()))
        known = (
            f"key      {shown(self.key)} (the one you gave)"
            if self.pinned
            else f"KEY NOT CHECKED: {shown(self.key)} is the key INSIDE the dossier; "
            "anybody can make one. Compare it with the operator's over another channel."
        )
        what = "campaign " if self.kind == "campaign" else ""
        span = f"from {_date(self.first_at)} to {_date(self.last_at)}"
        share = f"{self.counts.exchanges} of {self.counts.exchanges_in_log} exchanges included"
        lines = [
            f"verified {what}{shown(self.subject)}: {self.entries} entries ({kinds})",
            known,
            f"log      {shown(self.origin)}, {self.size} entries, root {self.root}",
            f"entries  {span}; {share}",
        ]
        lines += [
            f"{one.how:8} by {shown(one.by)} on {_date(one.at * 1_000_000)}: entries "
            f"below {one.size} were in the log"
            for one in self.said
        ]
        if self.vouched and not self.said:
            lines.append(
                f"vouched  {self.vouched} earlier heads carry what others said: NOT CHECKED; name "
                "whom you trust with --witness or --roots"
            )
        if self.where:
            lines.append(f"served   {shown(self.where)}")
        lines += [f"name     {shown(k)} = {shown(v)}" for k, v in self.names.items()]
        lines += [f"claims   {shown(k)}: {_claimed(k, v)}" for k, v in self.summary.items()]
        lines += told(self.contents)
        if self.omitted:
            reasons = Counter(o.why for o in self.omitted)
            lines += [f"omitted  {n} cited ids: {why}" for why, n in sorted(reasons.items())]
        return lines + [f"limit    {shown(text)}" for text in self.limits]


class Proven(msgspec.Struct, frozen=True):
    """A dossier that holds, with its entries."""

    verified: Verified
    entries: tuple[form.Item, ...]


def verify(data: bytes, *, key: str | None = None, trust: Trust | None = None) -> Verified:
    """Verify a dossier; `key` is the log's verifier key as known from elsewhere, `trust` whose
    word on the log is asked for besides the operator's.

    Raises EvidenceError, and nothing else, whatever `data` holds.
    """
    return prove(data, key=key, trust=trust).verified


def prove(data: bytes, *, key: str | None = None, trust: Trust | None = None) -> Proven:
    """As `verify`, with the entries for whoever shows them. Raises EvidenceError."""
    # 1. Size.
    if len(data) > form.MAX_DOSSIER:
        raise EvidenceError(f"dossier: larger than {form.MAX_DOSSIER} bytes")
    # 2. Envelope.
    if not data.endswith(b"\n"):
        raise EvidenceError("dossier: the file does not end in one newline")
    envelope = form.decode(data[:-1], form.Envelope)
    if len(envelope.signatures) != 1:
        raise EvidenceError("dossier: expected exactly one signature")
    payload = note.decode_base64(envelope.payload)
    # 3, 4. Statement and types.
    about, predicate = _statement(envelope, payload)
    # 5. Key.
    inside = note.Verifier.parse(predicate.log.key)
    if key is not None and note.Verifier.parse(key.strip()) != inside:
        raise EvidenceError("dossier: made by another key than the one that you gave")
    if envelope.signatures[0].keyid != key_id(inside):
        raise EvidenceError("dossier: the signature names another key than the log's")
    # 6. Signature.
    _check_signature(envelope, payload, inside)
    # 7. Head.
    head = checkpoint.read(predicate.log.checkpoint.encode(), [inside])
    second = predicate if isinstance(predicate, contents.Predicate) else None
    said: tuple[Said, ...] = ()
    heads = () if second is None else second.vouched
    vouched.check(heads, head, inside)
    if trust is not None:
        said = vouched.require(heads, inside, trust, now=int(time.time()))
    # 8. Order.
    _check_order(predicate.entries, head.size)
    # 9. Commitments and inclusion.
    leaves = [_checked_leaf(item, head) for item in predicate.entries]
    # 10. Binding.
    if about.digest.sha256 != leaves_digest(leaves):
        raise EvidenceError("dossier: the subject's digest is not over these entries")
    # 11 to 15. What the entries say.
    kinds = Counter(item.kind for item in predicate.entries)
    limits: tuple[str, ...] = form.LIMITS
    if second is not None:
        agreement.check(second, about.name, kinds)
        limits = form.LIMITS + contents.LIMITS
    elif isinstance(predicate, form.Predicate):
        _check_content(predicate, about.name)
        _check_counts(predicate.counts, kinds)
    if predicate.limits[: len(limits)] != limits:
        raise EvidenceError("dossier: it does not state what it cannot show")
    times = [item.at for item in predicate.entries]
    verified = Verified(
        version=1 if second is None else 2,
        kind="subject" if second is None else second.kind,
        subject=about.name,
        summary=predicate.summary,
        names=predicate.names,
        origin=head.origin,
        key=predicate.log.key,
        pinned=key is not None,
        size=head.size,
        root=head.root.hex(),
        where=predicate.log.where,
        made_at=predicate.made_at,
        entries=len(times),
        kinds=dict(kinds),
        counts=predicate.counts,
        first_at=min(times),
        last_at=max(times),
        omitted=predicate.omitted,
        limits=predicate.limits,
        exposure=contents.Exposure() if second is None else second.exposure,
        timeline=() if second is None else second.timeline,
        contents=contents.Contents() if second is None else second.contents,
        vouched=len(heads),
        said=said,
    )
    return Proven(verified, predicate.entries)


def key_id(verifier: note.Verifier) -> str:
    """How the DSSE signature names the log's key."""
    return f"{verifier.name}+{verifier.key_id.hex()}"


def leaves_digest(leaves: Sequence[bytes]) -> str:
    """SHA-256 (hex) over the leaf hashes in their order."""
    return hashlib.sha256(b"".join(leaves)).hexdigest()


def _statement(
    envelope: form.Envelope, payload: bytes
) -> tuple[form.About, form.Predicate | contents.Predicate]:
    """The statement in its one spelling: whom it is about, and its predicate."""
    kind = form.predicate_type(payload)
    if kind not in (form.PREDICATE_TYPE, contents.PREDICATE_TYPE):
        raise EvidenceError("dossier: not a titer dossier of version 1 or 2")
    statement: form.Statement | contents.StatementOfTwo
    if kind == form.PREDICATE_TYPE:
        statement = form.decode(payload, form.Statement)
    else:
        statement = form.decode(payload, contents.StatementOfTwo)
    if envelope.payloadType != form.PAYLOAD_TYPE or statement.type_ != form.STATEMENT_TYPE:
        raise EvidenceError("dossier: not an in-toto Statement v1")
    if statement.predicate is None:
        raise EvidenceError("dossier: not a titer dossier: it has no predicate")
    if len(statement.subject) != 1 or not statement.subject[0].name:
        raise EvidenceError("dossier: expected exactly one subject")
    return statement.subject[0], statement.predicate


def _check_signature(envelope: form.Envelope, payload: bytes, verifier: note.Verifier) -> None:
    raw = note.decode_base64(envelope.signatures[0].sig)
    keyid = key_id(verifier)
    dsse = DsseEnvelope(payload, envelope.payloadType, {keyid: Signature(keyid, raw.hex())})
    try:
        dsse.verify([SSlibKey.from_crypto(verifier.public, keyid=keyid)], threshold=1)
    except VerificationError:
        raise EvidenceError("dossier: the signature does not hold") from None


def _check_order(items: Sequence[form.Item], size: int) -> None:
    if not items:
        raise EvidenceError("dossier: without entries it shows nothing")
    if len(items) > form.MAX_ENTRIES:
        raise EvidenceError(f"dossier: more than {form.MAX_ENTRIES} entries")
    last = -1
    for item in items:
        if not last < item.index < size:
            raise EvidenceError("dossier: the entries are out of order or outside the tree")
        last = item.index


def _checked_leaf(item: form.Item, head: Checkpoint) -> bytes:
    salt = note.decode_base64(item.salt)
    if len(salt) != entry.SALT_SIZE:
        raise EvidenceError(f"dossier: entry {item.index} has a salt of the wrong length")
    if len(item.proof) > merkle.MAX_PATH:
        raise EvidenceError(f"dossier: entry {item.index} has too long a proof")
    try:
        line = entry.line(item.kind, item.at, entry.commit(salt, item.body.encode()))
    except ValueError:
        raise EvidenceError(f"dossier: entry {item.index} has no line in any log") from None
    leaf = merkle.leaf_hash(line)
    proof = [note.decode_base64(h) for h in item.proof]
    merkle.verify_inclusion(leaf, proof, index=item.index, size=head.size, root=head.root)
    return leaf


def _check_content(predicate: form.Predicate, subject: str) -> None:
    ids: set[str] = set()
    needed: set[str] = set(form.cited(predicate.summary))
    shown: set[str] = set()  # calibrations that are entries
    named: set[str] = set()  # calibrations that findings name
    for item in predicate.entries:
        facts = form.body_facts(item.body.encode())
        name = str(facts.get("id", ""))
        ids.add(name)
        if item.kind == "calibration":
            shown.add(name)
            continue
        if not form.concerns(item.kind, facts, subject):
            raise EvidenceError(f"dossier: entry {item.index} is not about the subject")
        if item.kind in ("finding", "decision"):
            needed.update(form.cited(facts))
        if item.kind == "finding":
            named.add(str(facts.get("calibration", "")))
    if not shown <= named:
        raise EvidenceError("dossier: a calibration is shown that no finding names")
    agreement.check_omitted(predicate.omitted, needed - ids)


def _check_counts(counts: form.Counts, kinds: Counter[str]) -> None:
    agreement.check_counts(
        kinds,
        {
            "exchange": counts.exchanges, "finding": counts.findings,
            "decision": counts.decisions, "campaign": counts.campaigns,
            "calibration": counts.calibrations,
        },
        (("exchanges", counts.exchanges_in_log, counts.exchange_cap, counts.exchanges),),
    )  # fmt: skip


def _claimed(name: str, value: Any) -> str:
    """A claim for a person: times, which are microseconds in the file, as dates."""
    if name in _TIMES and isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return _date(value)
    return shown(msgspec.json.encode(value).decode())


def _date(at: int) -> str:
    if at > _LAST_DATE:
        return f"{at} us"
    return datetime.fromtimestamp(at // 1_000_000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
