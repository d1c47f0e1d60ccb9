"""The plan: what will be asked, of whom, tested how, and when it stops. Logged before it runs.

A plan names files by the SHA-256 of their bytes and keys by their commitments in the log, so that
nothing about the test can be chosen after an answer was seen. Its id is the hash of its content;
the wrong keys that the null is measured with follow from the id. `register` puts it into the
evidence log as an `audit-plan` entry, `require` finds it there again and refuses anything else.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import msgspec

from titer.core.errors import EvidenceError, InputError
from titer.evidence.log import View

PLAN, RESULT = "audit-plan", "audit-result"

#: Fewest wrong keys: with fewer, an inflated test could go unnoticed, and the rank p ends at 1 %.
MIN_WRONG_KEYS = 100
#: Most of them: the null of a test is known well enough, and each costs a pass over all pairs.
MAX_WRONG_KEYS = 10_000
#: Fewest control texts per key: texts that no key of ours marked.
MIN_CONTROLS = 100
#: Most keys of one plan: each is a hypothesis that the level is shared with.
MAX_KEYS = 1_000
#: Most requests of one plan, whatever the budget says.
MAX_REQUESTS = 1_000_000

Statistic = Literal[
    "closed",  # the suspect's own words
    "closed-filter",  # the same, only after contexts that our marked replies reached
    "topk",  # the probabilities that its API gives beside its own words
    "topk-filter",
    "argmax",  # its most likely next token while it reads our marked text
    "soft",  # the probabilities of its next token while it reads our marked text
]
#: What each statistic needs to be asked. `words`: generate; `chances`: generate with
#: log-probabilities; `reading`: next-token probabilities along a given text.
NEEDS: dict[str, str] = {
    "closed": "words", "closed-filter": "words", "topk": "chances", "topk-filter": "chances",
    "argmax": "reading", "soft": "reading",
}  # fmt: skip
#: Schemes whose values at distinct pairs are not independent of each other.
TIED = frozenset({"hf-synthid"})
#: Statistics whose scored pairs follow our own marked text, and so depend on the key.
FOLLOWS_KEY = frozenset({"closed-filter", "topk-filter", "argmax", "soft"})


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """A model to ask: the suspect, or the model that it was probably made from.

    name: what the report calls it. url: base address of an OpenAI-compatible server, up to and
    including `/v1`. model: its name there. api: `chat`, `completions`, or `callable` for weights
    that the operator runs. callable: `package.module:function` then (docs/how-to).
    """

    name: str
    url: str = ""
    model: str = ""
    api: Literal["chat", "completions", "callable"] = "chat"
    callable: str = ""

    def __post_init__(self) -> None:
        if not self.name or len(self.name) > 200:
            raise ValueError("name must have 1 to 200 characters")
        if self.api == "callable":
            if self.url or self.callable.count(":") != 1:
                raise ValueError("callable must be package.module:function, without a url")
        elif not self.url.startswith(("http://", "https://")) or self.callable:
            raise ValueError("url must begin with http:// or https://, up to and including /v1")


class Material(msgspec.Struct, frozen=True, omit_defaults=True):
    """A file of texts: how many, and the SHA-256 (hex) of its bytes.

    Or contexts that marked replies reached, as `titer.marks.context_log` keeps them: how many, and
    the SHA-256 of their file; with `below` those of the log's entries below that index.
    """

    sha256: str
    count: int
    below: int = 0


class PlannedKey(msgspec.Struct, frozen=True, kw_only=True):
    """A key to test, never the key itself: whose, since when committed, and how it marks.

    `commitment` is hex, `entry` the index of the log's entry that holds it, `at` that entry's
    time (microseconds), `master` whether it commits to the epoch's master and not to this key
    alone. `account` is a pseudonym. `logged` are our replies marked with it.
    """

    account: str
    epoch: int
    commitment: str
    entry: int
    at: int
    master: bool = False
    scheme: str
    parameters: dict[str, Any]
    logged: Material | None = None

    @property
    def label(self) -> str:
        """How the report names the key."""
        return f"{self.account}/{self.epoch}"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that decides what the result can be. See the module's words.

    suspect, base: whom to ask; `base` is the public model that the suspect may come from.
    prompts: asked `copies` times each, replies of at most `max_tokens`, at `temperature`.
    reading: marked text of ours that the suspect reads (argmax, soft). controls: texts that no
    key of ours marked. public: text that anybody could have trained on, if any was gathered.
    logprobs: how many alternatives are asked for. sentinels: prompts asked early and late again.
    alpha: level of the whole family of hypotheses, after Holm. requests, tokens: the budget.
    pause: least seconds between two requests. seed: of the order of asking.
    When a plan was made is the time of its entry, and not part of it.
    """

    suspect: Target
    tokenizer: str
    keys: tuple[PlannedKey, ...]
    statistics: tuple[Statistic, ...]
    prompts: Material | None
    controls: Material
    requests: int
    tokens: int
    base: Target | None = None
    reading: Material | None = None
    public: Material | None = None
    copies: int = 1
    max_tokens: int = 256
    temperature: float = 1.0
    logprobs: int = 0
    sentinels: int = 8
    alpha: float = 1e-6
    wrong_keys: int = 200
    pause: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1 <= len(self.keys) <= MAX_KEYS:
            raise ValueError(f"keys must be 1 to {MAX_KEYS}")
        if len({k.label for k in self.keys}) != len(self.keys):
            raise ValueError("keys must be named once each")
        if not self.statistics or len(set(self.statistics)) != len(self.statistics):
            raise ValueError("statistics must name at least one, and each once")
        if not MIN_WRONG_KEYS <= self.wrong_keys <= MAX_WRONG_KEYS:
            raise ValueError(
                f"wrong_keys must be {MIN_WRONG_KEYS} to {MAX_WRONG_KEYS}: nobody may be accused "
                "by a test whose null was not measured"
            )
        if self.controls.count < MIN_CONTROLS:
            raise ValueError(
                f"controls must have at least {MIN_CONTROLS} texts that none of your keys marked, "
                "or a key whose null is off cannot be told"
            )
        needed = {NEEDS[s] for s in self.statistics}
        if needed & {"words", "chances"} and self.prompts is None:
            raise ValueError("prompts must be given for closed and topk statistics")
        if "reading" in needed and self.reading is None:
            raise ValueError("reading must be given for argmax and soft")
        if needed & {"chances", "reading"} and not 1 <= self.logprobs <= 256:
            raise ValueError("logprobs must be 1 to 256 for topk, argmax and soft")
        if self.wants_filter and any(k.logged is None for k in self.keys):
            raise ValueError("keys must each name their logged replies for a -filter statistic")
        if any(k.scheme in TIED for k in self.keys) and set(self.statistics) != {"closed"}:
            raise ValueError(
                f"statistics must be closed alone for {', '.join(sorted(TIED))}: that scheme ties "
                "values of different contexts together, and only their plain sum has a known law"
            )
        if not 0.0 < self.alpha <= 0.01:
            raise ValueError("alpha must be more than 0 and at most 0.01")
        if not 1 <= self.requests <= MAX_REQUESTS or self.tokens < 1:
            raise ValueError(f"requests must be 1 to {MAX_REQUESTS}, and tokens at least 1")
        if not 1 <= self.copies <= 1000 or not 1 <= self.max_tokens <= 100_000:
            raise ValueError("copies must be 1 to 1000 and max_tokens 1 to 100000")
        if not 0.0 <= self.temperature <= 2.0 or not 0.0 <= self.pause <= 3600.0:
            raise ValueError("temperature must be 0 to 2 and pause 0 to 3600")
        if not 0 <= self.sentinels <= 1000:
            raise ValueError("sentinels must be 0 to 1000")

    @property
    def wants_filter(self) -> bool:
        """Whether a statistic looks only after contexts of our logged replies."""
        return any(s.endswith("-filter") for s in self.statistics)

    @property
    def accounts(self) -> tuple[str, ...]:
        """Whose keys are tested: pseudonyms, each once."""
        return tuple(dict.fromkeys(key.account for key in self.keys))

    def body(self) -> bytes:
        """The entry of the log: JSON with the id and the accounts first."""
        head = {"id": self.id, "accounts": self.accounts}
        return msgspec.json.encode(head | msgspec.to_builtins(self))

    @property
    def id(self) -> str:
        """`ap-` and 20 hex digits of the SHA-256 of the content."""
        return f"ap-{hashlib.sha256(msgspec.json.encode(self)).hexdigest()[:20]}"

    def wrong(self) -> list[int]:
        """The wrong keys: 64 bits each, from the plan's id, so that nobody can pick them."""
        seed = self.id.encode()
        return [
            int.from_bytes(hashlib.sha256(b"%b wrong key %d" % (seed, i)).digest()[:8], "big")
            for i in range(self.wrong_keys)
        ]


class Registered(msgspec.Struct, frozen=True):
    """A plan as the log holds it: where, since when, and what else was planned on the suspect.

    `index` and `at` (microseconds) are the entry's; `others` are ids of other plans on the same
    suspect, and `concluded` is the id of a result under this plan, empty when there is none.
    """

    index: int
    at: int
    others: tuple[str, ...]
    concluded: str


def read_body(body: bytes) -> Plan:
    """A plan as an entry's body holds it. Raises EvidenceError."""
    try:
        held = msgspec.json.decode(body)
        name, accounts = held.pop("id"), tuple(held.pop("accounts"))
        plan = msgspec.convert(held, Plan)
    except (msgspec.MsgspecError, ValueError, KeyError, AttributeError, TypeError):
        raise EvidenceError("audit-plan: the entry is not a plan of this form") from None
    if plan.id != name or plan.accounts != accounts:
        raise EvidenceError(f"audit-plan: the entry calls itself {name} and is {plan.id}")
    return plan


def require(view: View, plan: Plan) -> Registered:
    """Find the plan in the published log. Raises InputError when it is not there.

    What is in the journal and not yet under a signed head does not count: a head is what others
    can hold us to.
    """
    found: tuple[int, int] | None = None
    others: list[str] = []
    concluded = ""
    for stored in view.scan(kinds=(PLAN, RESULT)):
        if stored.body is None:
            continue
        if stored.kind == RESULT:
            concluded = _concluded(stored.body, plan.id) or concluded
            continue
        other = read_body(stored.body)
        if other.id == plan.id:
            found = found or (stored.index, stored.at)
        elif same_target(other.suspect, plan.suspect):
            others.append(other.id)
    if found is None:
        near = f" The log holds {', '.join(others[-3:])} on this suspect." if others else ""
        raise InputError(
            f"plan {plan.id} is not in the published log: register it first with "
            f"`titer audit plan`; a changed plan is another plan.{near}"
        )
    return Registered(found[0], found[1], tuple(dict.fromkeys(others)), concluded)


def same_target(a: Target, b: Target) -> bool:
    """Whether two plans ask the same model: looks under another plan are looks all the same."""
    return (a.url, a.model, a.callable) == (b.url, b.model, b.callable) or a.name == b.name


def _concluded(body: bytes, plan: str) -> str:
    class Head(msgspec.Struct):
        id: str = ""
        plan: str = ""

    try:
        head = msgspec.json.decode(body, type=Head)
    except msgspec.MsgspecError:
        return ""
    return head.id if head.plan == plan else ""
