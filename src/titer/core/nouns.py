"""The nouns of titer: frozen facts that flow one way.

    Exchange -> Finding -> Campaign -> Decision -> Entry

A fact is encoded as msgpack or JSON by msgspec exactly as declared; field names are part of
the stored format, so add, never rename. Facts are not tracked by the garbage collector: they
hold values only, no cycles. Text never enters an `Exchange`. Times are integers:
microseconds since 1970-01-01 UTC. Every id of a caller is a keyed pseudonym (`titer.core.ids`).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

#: The grant of whoever may train on what it gets: weighed, and given no doses.
DISTILLATION = "distillation"


class Principal(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Who called: one key or account, and the organisation that it belongs to."""

    id: str
    org: str = ""
    tier: str = ""
    created: int = 0
    grants: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """The unit that is weighed: the organisation when one is declared, else the account."""
        return self.org or self.id


class Origin(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Where a call came from. Addresses are keyed tokens, never the address itself.

    `ip` is the token of the whole address, `net` of its /24 (IPv4) or /48 (IPv6); `headers`
    the digest of the header names in order; `agent` the product part of the user agent;
    `payment` a keyed token; `kind` what sort of network an imported snapshot says it is
    (`hosting`, `vpn`, `proxy`, `tor`). Empty means unknown.
    """

    ip: str = ""
    net: str = ""
    asn: int = 0
    ja4: str = ""
    headers: str = ""
    agent: str = ""
    payment: str = ""
    attestation: str = ""
    kind: str = ""


class Sketch(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What was asked, without the words: useless without the operator's key.

    `frames` are keyed signed 64-bit MinHash bands of the text with its literals masked (equal
    band = probably the same template); `exact` is the keyed hash of the whole masked text;
    `cells` are coarser keyed tokens of meaning; `chars` counts characters of the text sketched;
    `families` how strongly the text shows each cue of `titer.core.families` (0 to 255 each).
    """

    frames: tuple[int, ...] = ()
    cells: tuple[int, ...] = ()
    exact: int = 0
    chars: int = 0
    lang: str = ""
    families: tuple[int, ...] = ()


class Usage(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Tokens in and out; `estimated` when the upstream did not say (4 characters a token)."""

    tokens_in: int = 0
    tokens_out: int = 0
    estimated: bool = False


class RequestFacts(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a request was like, apart from its text.

    `params` holds the caller's scalar parameters as sent (numbers, booleans, short enums);
    `denied` the parameters that policy dropped, coarsened or refused; `biased` the vocabulary
    ids named in `logit_bias` (at most 300); `varied` which served variant a committed coin chose;
    `mark` the id of the key whose mark was asked of the engine for the reply (the first digits of
    its commitment in the log).
    """

    stream: bool = False
    roles: tuple[str, ...] = ()
    turns: int = 0
    tools: int = 0
    images: int = 0
    params: dict[str, Any] = {}
    denied: tuple[str, ...] = ()
    biased: tuple[int, ...] = ()
    varied: tuple[str, ...] = ()
    mark: str = ""


class ReplyFacts(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What a reply was like, apart from its text. `sha256` is of the bytes sent (hex)."""

    finish: str = ""
    chars: int = 0
    reasoning_tokens: int = 0
    refused: bool = False
    logprobs: bool = False
    complete: bool = True
    sha256: str = ""


class Exchange(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One request and its reply, as facts. `at` is when the request was read (microseconds)."""

    id: str
    at: int
    principal: Principal
    endpoint: str
    model: str = ""
    origin: Origin = Origin()
    request: RequestFacts = RequestFacts()
    sketch: Sketch = Sketch()
    usage: Usage = Usage()
    reply: ReplyFacts = ReplyFacts()
    status: int = 200


class Transfer(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """One movement of a repository's content."""

    id: str
    at: int
    principal: Principal
    repository: str
    verb: Literal["clone", "fetch", "archive", "push", "api"]
    origin: Origin = Origin()
    refs: tuple[str, ...] = ()
    bytes: int = 0


class Finding(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What one detector concludes about one subject after one exchange.

    `bits` is log2 of this detector's calibrated e-value for the subject as of now (a level,
    not an increment); 0 when `calibration` is empty. `score` is the raw statistic, so that an
    uncalibrated detector can still draw attention. `note` is one plain sentence. `cites` are
    ids of exchanges that were seen. `technique` is a MITRE ATLAS id.
    """

    id: str
    at: int
    detector: str
    subject: str
    technique: str
    bits: float
    note: str
    score: float = 0.0
    calibration: str = ""
    cites: tuple[str, ...] = ()


class Standing(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Where a subject stands: derived from findings and exchanges, never stored as truth.

    `bits` is how sure (log2 of the average of two e-values: that of all detectors together, and
    the hunt's; silent ones counted as 1), `exposure` how much teachable output has left (tokens),
    `findings` the latest one per detector. `single` counts exchanges that were single questions,
    `campaign` names the group that the subject acts with and `shared` the tokens that the group
    has taken; until `verified` (microseconds) the subject counts as verified by a person.
    `uses` is what it has used besides text (`titer.core.uses`).
    """

    subject: str
    bits: float = 0.0
    exposure: int = 0
    exchanges: int = 0
    since: int = 0
    last: int = 0
    org: str = ""
    tier: str = ""
    findings: tuple[Finding, ...] = ()
    single: int = 0
    campaign: str = ""
    shared: int = 0
    verified: int = 0
    uses: tuple[str, ...] = ()


class Considered(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An honest explanation of a campaign, and what came of testing it.

    `result` is `ruled out`, `not ruled out` or `not tested`; `measure` says what `value` is and
    `limit` the number from which the explanation would hold (or, for ties, below which).
    """

    reason: str
    result: str
    measure: str = ""
    value: float = 0.0
    limit: float = 0.0


class Campaign(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """Many callers acting as one. Tested on a modality that did not form it.

    `null` says what it was held against; `frames` are its text tokens with the number of members
    that use each; `timeline` (start of day, members who began on its texts that day); `doubtful`
    the members that are least certain, worst first; `uncertain` callers who may belong to it and
    are not accused; `considered` the honest explanations gone through.
    """

    id: str
    members: tuple[str, ...]
    formed: tuple[str, ...]
    tested: tuple[str, ...]
    bits: float
    technique: str
    first_seen: int
    last_seen: int
    exchanges: int = 0
    tokens_out: int = 0
    review: bool = False
    note: str = ""
    cites: tuple[str, ...] = ()
    null: str = ""
    frames: tuple[tuple[int, int], ...] = ()
    timeline: tuple[tuple[int, int], ...] = ()
    doubtful: tuple[str, ...] = ()
    uncertain: tuple[str, ...] = ()
    considered: tuple[Considered, ...] = ()


class Dose(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A mitigation by name and how much of it (0..1; 0 is identity).

    `otherwise` names what is given instead while the mitigation cannot work ("" = nothing).
    """

    mitigation: str
    strength: float
    otherwise: str = ""


class Armed(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A rung that a subject has the bits for, and whose doses it meets with its first request that
    uses one of `uses`: that request already has them. Until then it is given none of them. Ends at
    `until` (microseconds); in `shadow` what it would have done is counted. `below` a decision that
    is itself in shadow, its doses begin beside that.
    """

    rung: str
    uses: tuple[str, ...]
    doses: tuple[Dose, ...]
    until: int = 0
    shadow: bool = False
    below: bool = False


class Decision(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What the ladder gives a subject, why, and until when (microseconds; 0 = until bits fall).

    `shadow` decisions change nothing that the caller sees: what they would have done is counted,
    and `meanwhile` are the doses that go on, of the rung `under`. `armed` are rungs that begin
    with the subject's first use of something, lowest first.
    `segment` is whose rungs were used. A person's decision has `by` = `person:NAME`, says with
    `verb` what it does to which decision (`of`), and is signed (`titer.respond.person`).
    """

    id: str
    at: int
    subject: str
    rung: str
    doses: tuple[Dose, ...]
    because: str
    bits: float = 0.0
    until: int = 0
    shadow: bool = False
    by: str = "policy"
    cites: tuple[str, ...] = ()
    segment: str = ""
    verb: str = ""
    of: str = ""
    signed_by: str = ""
    signature: str = ""
    armed: tuple[Armed, ...] = ()
    meanwhile: tuple[Dose, ...] = ()
    under: str = ""

    @property
    def given(self) -> tuple[Dose, ...]:
        """The doses in force: of a decision in shadow, those that go on."""
        return self.meanwhile if self.shadow else self.doses

    @property
    def gives(self) -> str:
        """The doses in words, those that go on meanwhile, and what is armed."""
        parts = [_said(self.doses)]
        if self.meanwhile:
            parts.append(f"rung {self.under} gives meanwhile: {_said(self.meanwhile)}")
        parts += [
            f"from its first use of {' or '.join(one.uses)} on (rung {one.rung}"
            f"{', shadow' if one.shadow else ''}): {_said(one.doses)}"
            for one in self.armed
        ]
        return "; ".join(parts)


def _said(doses: tuple[Dose, ...]) -> str:
    return ", ".join(f"{dose.mitigation} {dose.strength:g}" for dose in doses) or "nothing"


class Verification(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """An operator's verification service vouches for a subject until `until` (microseconds).

    `nonce` is the SHA-256 (hex) of the single-use nonce that was answered.
    """

    at: int
    subject: str
    nonce: str
    until: int


class Dosed(msgspec.Struct, frozen=True, gc=False):
    """A row of the standings table as workers hold it: who is under which decision."""

    standing: Standing
    decision: Decision


class Weighed(msgspec.Struct, frozen=True, gc=False):
    """What one exchange changed: findings, and a decision when the subject's dose changed."""

    exchange: Exchange
    findings: tuple[Finding, ...] = ()
    decision: Decision | None = None


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What a detector or mitigation is, for people and for the conformance checks.

    `inline` detectors run before `decide` and name their budget in microseconds. A mitigation
    says where it acts (`stage`: doses of one rung are applied in the order gate, pace, request,
    reply), whether it touches nothing that another of its stage does (`apart`: then their order
    does not matter), and with whom it cannot share a rung (`clashes`; `*` is everybody).
    """

    name: str
    version: str
    technique: str
    measures: str
    blind_to: str
    benign_causes: str
    cost: str
    lifecycle: Literal["draft", "calibrated", "retired"]
    inline: bool = False
    budget_us: float = 0.0
    stage: Literal["gate", "pace", "request", "reply"] = "reply"
    apart: bool = False
    clashes: tuple[str, ...] = ()
