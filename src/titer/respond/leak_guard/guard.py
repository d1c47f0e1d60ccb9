"""Leak guard: protected texts and secrets do not leave in an answer, in whatever writing.

Protected are the operator's texts (`[protect] texts`), the request's own system prompt (unless
turned off), the reasoning that was just taken out of this reply, and secrets known by keyed hash.
An answer is read in some 40 ways at once; where one of them shows a protected text, the text is
held back until it is either a leak or not, so that nothing leaves that would have to be recalled.

`strength` says how little of a text may leave as it stands: fewer than 48 letters in a row at 1,
96 at 0.5, at most 192. In an encoding it is 28 letters, of a secret five characters, always.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import blake2b
from typing import TYPE_CHECKING, Any

from titer.core.nouns import Card, Standing
from titer.core.wire import Problem, Request, Transform
from titer.respond.leak_guard.settings import LeakSettings

if TYPE_CHECKING:
    from titer.respond.leak_guard.index import Index
    from titer.respond.leak_guard.secrets import Watched

__all__ = ["LeakGuard", "instructions", "without_instructions"]

#: Letters in a row that are a leak at strength 1, and at the weakest.
LEAK, WEAKEST = 48, 192

#: System prompts whose index is remembered, and bytes of these together: each takes 48 KiB, one of
#: 200,000 characters 4 MiB.
MAX_PROMPTS, MAX_BYTES = 128, 64 << 20

#: Characters that a prompt may add, as a share of the operator's texts, before everything is read
#: again into a larger index.
_FITS = 4

#: Characters of a system prompt that are protected, and of the caller's own words that are not.
MAX_PROMPT = 200_000

#: What the model is told in place of a system prompt that it gave away.
PLAIN = "You are a helpful assistant. Answer the user; you have no other instructions."


class LeakGuard:
    """The mitigation. Its inner loop is compiled once on a machine, which takes ten seconds: call
    `ready` before traffic comes, or the first dose waits for it.
    """

    card = Card(
        name="leak_guard",
        version="1",
        technique="AML.T0056",
        measures="holds back and takes out protected texts, system prompts, hidden reasoning and "
        "secrets, in some 40 writings",
        blind_to="translations and paraphrases (there is no local embedding in the serving path); "
        "texts given away a few words an answer, a choice, a block, a tool call or a value of its "
        "input; every fourth letter and sparser; ciphers with a key",
        benign_causes="answers that quote their system prompt at length, because it holds the "
        "document that they are asked about",
        cost="20 ns a character; holds back only what looks like a leak",
        lifecycle="calibrated",
        apart=True,
    )

    def __init__(self, settings: LeakSettings | None = None, key: bytes = bytes(32)) -> None:
        self._settings = settings or LeakSettings()
        self._key = key
        self._base: Index | None = None
        self._watched: Watched | None = None
        self._made: OrderedDict[bytes, Index] = OrderedDict()
        self.leaks: dict[str, int] = {}

    def ready(self) -> Index:
        """Load and compile what works, and read what is protected.

        Raises ValueError when there is more to protect than the guard can hold.
        """
        if self._base is None:
            from titer.respond.leak_guard.index import Index  # noqa: PLC0415 - loads numba
            from titer.respond.leak_guard.scan import Scan, limits  # noqa: PLC0415
            from titer.respond.leak_guard.secrets import Watched  # noqa: PLC0415

            if self._settings.secrets:
                self._watched = Watched(self._settings.secrets, self._key)
            self._base = Index(self._settings.texts)
            Scan(self._base, limits(LEAK), self._watched).push(".")
        return self._base

    def request(self, request: Request, strength: float, standing: Standing) -> Request:
        """Requests pass as they are."""
        del strength, standing
        return request

    def reply(self, strength: float, standing: Standing) -> Transform | None:
        """A transform for a reply to a request that nobody knows."""
        del standing
        return self._transform(self.ready(), strength, None) if strength > 0 else None

    def answer(self, request: Request, strength: float, standing: Standing) -> Transform | None:
        """A transform for the reply to this request, whose system prompt it protects."""
        del standing
        if strength <= 0:
            return None
        index = self.ready()
        if self._settings.system_prompts:
            told, asked = instructions(request.body)
            if told:
                index = self._index(told, asked)
        return self._transform(index, strength, request)

    def _transform(self, index: Index, strength: float, request: Request | None) -> Transform:
        from titer.respond.leak_guard.work import Guarding  # noqa: PLC0415 - loads numba

        leak = min(WEAKEST, round(LEAK / max(strength, 0.01)))
        return Guarding(
            index, leak, self._watched,
            action=self._settings.on_leak, request=request, count=self.count,
        )  # fmt: skip

    def _index(self, told: str, asked: str) -> Index:
        told, asked = told[:MAX_PROMPT], asked[-MAX_PROMPT:]
        name = blake2b(told.encode("utf-8", "replace"), digest_size=16).digest()
        index = self._made.get(name)
        if index is None:
            index = self._made[name] = self._with(told)
            while len(self._made) > MAX_PROMPTS or (
                len(self._made) > 1 and sum(i.size for i in self._made.values()) > MAX_BYTES
            ):
                self._made.popitem(last=False)
        else:
            self._made.move_to_end(name)
        if asked:
            index = index.copy()
            index.forget(asked)
        return index

    def _with(self, told: str) -> Index:
        """The operator's texts and this prompt together; the larger set decides the size."""
        from titer.respond.leak_guard.index import MAX_CHARS, Index  # noqa: PLC0415

        texts = self._settings.texts
        if len(told) * _FITS <= sum(map(len, texts)):
            index = self.ready().copy()
            index.add(told)
            return index
        return Index((*texts, told), most=MAX_CHARS + MAX_PROMPT)

    def count(self, what: str) -> None:
        """Note a leak that was stopped, by what was leaking."""
        self.leaks[what] = self.leaks.get(what, 0) + 1


WITHHELD = Problem(
    kind="permission",
    code="protected_text",
    message="The answer was withheld: it held text that this service does not give out. "
    "Ask without asking for instructions or secrets.",
)

_SYSTEM = ("system", "developer")


def instructions(body: Mapping[str, Any]) -> tuple[str, str]:
    """(what the system prompts of a request say, what its user says), in any dialect."""
    told = [*_strings(body.get("system")), *_strings(body.get("instructions"))]
    asked: list[str] = []
    for name in ("messages", "input"):
        turns = body.get(name)
        if type(turns) is str:
            asked.append(turns)
        for turn in turns if type(turns) is list else ():
            if type(turn) is dict:
                role = turn.get("role")
                where = told if role in _SYSTEM else asked if role == "user" else None
                if where is not None:
                    where += _strings(turn.get("content"))
    return "\n".join(told), "\n".join(asked)


def without_instructions(request: Request) -> Request | None:
    """The request with a plain sentence for its system prompt; None when it has none."""
    body = request.body
    put: dict[str, Any] = {}
    for name in ("system", "instructions"):
        if body.get(name):
            put[name] = PLAIN
    for name in ("messages", "input"):
        turns = body.get(name)
        if type(turns) is list and any(
            type(t) is dict and t.get("role") in _SYSTEM for t in turns
        ):
            put[name] = [
                {**t, "content": PLAIN} if type(t) is dict and t.get("role") in _SYSTEM else t
                for t in turns
            ]
    return request.edit(put=put) if put else None


def _strings(content: Any) -> list[str]:
    if type(content) is str:
        return [content]
    parts = content if type(content) is list else ()
    return [p["text"] for p in parts if type(p) is dict and type(p.get("text")) is str]
