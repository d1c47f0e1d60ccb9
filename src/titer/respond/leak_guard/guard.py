"""Leak guard: protected texts and secrets do not leave in an answer, in whatever writing.

Protected are the operator's texts (`[protect] texts`), the request's own system prompt (unless
turned off), the reasoning that was just taken out of this reply, and secrets known by keyed hash.
An answer is read in many ways at once; where one of them shows a protected text, the text is
held back until it is either a leak or not, so that nothing leaves that would have to be recalled.

`strength` says how little of a text may leave as it stands: fewer than 48 letters in a row at 1,
96 at 0.5, at most 192. In an encoding it is 28 letters, of a secret five characters, always.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from titer.core.nouns import Card, Standing
from titer.core.wire import Problem, Request, Transform
from titer.respond.leak_guard.settings import LeakSettings

if TYPE_CHECKING:
    from titer.respond.leak_guard.index import Index
    from titer.respond.leak_guard.memory import Memory
    from titer.respond.leak_guard.prompts import Prompts
    from titer.respond.leak_guard.secrets import Watched

__all__ = ["LeakGuard", "instructions", "without_instructions"]

#: Letters in a row that are a leak at strength 1, and at the weakest.
LEAK, WEAKEST = 48, 192

#: System prompts whose index is remembered, and bytes of these together: one of a page takes 140
#: KiB, one of 200,000 characters 8 MiB.
MAX_PROMPTS, MAX_BYTES = 128, 64 << 20

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
        "secrets, in any writing that keeps repetitions, lengths or order",
        blind_to="translations and paraphrases (there is no local embedding in the serving path); "
        "pieces of fewer than 20 letters, an answer or a choice each; every fourth letter and "
        "sparser in text that reads well; keys longer than eight letters; orders that keep spaces",
        benign_causes="answers that quote their system prompt at length, because it holds the "
        "document that they are asked about",
        cost="30 to 75 ns a character; holds back only what looks like a leak",
        lifecycle="calibrated",
        apart=True,
    )

    def __init__(self, settings: LeakSettings | None = None, key: bytes = bytes(32)) -> None:
        self._settings = settings or LeakSettings()
        self._key = key
        self._base: Index | None = None
        self._watched: Watched | None = None
        self._prompts: Prompts | None = None
        self._memory: Memory | None = None
        self.leaks: dict[str, int] = {}

    def ready(self) -> Index:
        """Load and compile what works, and read what is protected.

        Raises ValueError when there is more to protect than the guard can hold.
        """
        if self._base is None:
            from titer.respond.leak_guard.index import Index  # noqa: PLC0415 - loads numba
            from titer.respond.leak_guard.memory import Memory  # noqa: PLC0415
            from titer.respond.leak_guard.prompts import Prompts  # noqa: PLC0415
            from titer.respond.leak_guard.scan import Scan, limits  # noqa: PLC0415
            from titer.respond.leak_guard.secrets import Watched  # noqa: PLC0415

            if self._settings.secrets:
                self._watched = Watched(self._settings.secrets, self._key)
            self._prompts = Prompts(self._key, MAX_PROMPTS, MAX_BYTES)
            self._memory = Memory(self._key)
            self._base = Index(self._settings.texts)
            Scan(self._base, limits(LEAK), self._watched).push(".")
            Index((PLAIN,)).forget(PLAIN)  # compiles what reads prompts
        return self._base

    def request(self, request: Request, strength: float, standing: Standing) -> Request:
        """Requests pass as they are."""
        del strength, standing
        return request

    def reply(self, strength: float, standing: Standing) -> Transform | None:
        """A transform for a reply to a request that nobody knows."""
        return self._transform(strength, None, standing) if strength > 0 else None

    def answer(self, request: Request, strength: float, standing: Standing) -> Transform | None:
        """A transform for the reply to this request, whose system prompt it protects."""
        return self._transform(strength, request, standing) if strength > 0 else None

    def _transform(
        self, strength: float, request: Request | None, standing: Standing
    ) -> Transform:
        from titer.respond.leak_guard.work import Guarded, Guarding  # noqa: PLC0415 - loads numba

        base = self.ready()
        assert self._prompts is not None
        caller = standing.campaign or standing.subject
        guarded = []
        if self._settings.texts or self._watched is not None:
            guarded.append(Guarded(base, self._watched, caller, b"texts"))
        if self._settings.system_prompts and request is not None:
            told, asked = instructions(request.body)
            if told:
                told, asked = told[:MAX_PROMPT], asked[-MAX_PROMPT:]
                index = self._prompts.get(told, asked)
                user = end_user(request.body)
                name = f"{caller}\x00{user}" if user else ""
                guarded.append(Guarded(index, None, name, self._prompts.name(told)))
        leak = min(WEAKEST, round(LEAK / max(strength, 0.01)))
        return Guarding(
            guarded, leak, self._memory,
            action=self._settings.on_leak, request=request, count=self.count,
        )  # fmt: skip

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


def end_user(body: Mapping[str, Any]) -> str:
    """Whom the request says it is sent for, as far as a dialect has a member for that."""
    metadata = body.get("metadata")
    found = (
        body.get("safety_identifier"),
        body.get("user"),
        metadata.get("user_id") if type(metadata) is dict else None,
    )
    return next((one[:256] for one in found if type(one) is str and one), "")


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
