"""What the fake model server says: settings, and a reply planned from a seed and the prompt.

The same seed and body give the same reply, whatever the dialect and whether it is streamed.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Mapping
from typing import Any

import msgspec

#: Words of the fake model; with the seed they decide every reply.
WORDS = (
    "the", "a", "model", "answer", "first", "second", "then", "because", "value", "table",
    "river", "stone", "light", "window", "paper", "small", "large", "under", "over", "between",
    "before", "after", "measure", "weight", "number", "simple", "careful", "quiet", "open",
    "closed", "north", "south", "early", "late", "water", "green", "metal", "glass", "wood",
    "signal", "pattern", "result", "question", "reason", "method", "sample", "system", "note",
    "page", "line", "word", "garden", "street", "bridge", "harbour",
)  # fmt: skip


class Behaviour(msgspec.Struct, frozen=True, kw_only=True):
    """How the fake server behaves; every field can be set per request.

    In a model name: `lab@status=429,delay=0.2`; in headers: `x-lab-status: 429`.

    delay: seconds to the first byte. interval: seconds between events. words: length of a reply
    (also bounded by the request's token limit). chunk_words: words an event. text: say exactly
    this instead. status: answer with this error status. retry_after: of an error, seconds.
    hang: never answer. die: close the connection after so many events (0 = after the head).
    garbage: `json` (payloads that are not JSON), `http` (bytes that are not HTTP), `utf8`.
    huge: pad the reply to so many bytes. reasoning: `field` (reasoning_content), `vllm`
    (reasoning), `think` (inside the text); Anthropic's is a thinking block, Responses' an item.
    refusal: decline. tools: False answers with text although tools are offered.
    framing: `chunked`, or `close` (neither length nor chunks). crlf: CR LF between event lines.
    split: write the reply in pieces of so many bytes.
    """

    delay: float = 0.0
    interval: float = 0.0
    words: int = 40
    chunk_words: int = 1
    text: str = ""
    status: int = 0
    retry_after: float = 1.0
    hang: bool = False
    die: int = -1
    garbage: str = ""
    huge: int = 0
    reasoning: str = ""
    refusal: bool = False
    tools: bool = True
    framing: str = "chunked"
    crlf: bool = False
    split: int = 0

    def with_(self, settings: Mapping[str, str]) -> Behaviour:
        """The same with `settings` (strings) applied; unknown names are ignored."""
        known = {k: v for k, v in settings.items() if k in self.__struct_fields__}
        if not known:
            return self
        return msgspec.convert(msgspec.structs.asdict(self) | known, Behaviour, strict=False)


def asked(model: str, headers: Mapping[str, str]) -> dict[str, str]:
    """The settings in a model name after `@` and in `x-lab-*` headers."""
    settings: dict[str, str] = {}
    for pair in model.partition("@")[2].split(","):
        name, equals, value = pair.partition("=")
        if equals:
            settings[name.strip()] = value.strip()
    for name, value in headers.items():
        if name.startswith("x-lab-"):
            settings[name[6:].replace("-", "_")] = value
    return settings


class Plan(msgspec.Struct):
    """One reply before a dialect words it. `pieces` are tokens; `tool` is (name, arguments)."""

    id: str
    model: str
    pieces: list[str]
    thoughts: list[str]
    tool: tuple[str, str] | None
    refusal: bool
    limited: bool
    tokens_in: int
    logprobs: int | None

    @property
    def text(self) -> str:
        """The whole reply."""
        return "".join(self.pieces)

    @property
    def thought(self) -> str:
        """The whole reasoning."""
        return "".join(self.thoughts)

    @property
    def tokens_out(self) -> int:
        """Tokens: a word is one."""
        said = 8 if self.tool else len(self.pieces)
        return said + len(self.thoughts)

    def likely(self, token: str) -> tuple[float, list[tuple[str, float]]]:
        """A made-up log-probability of `token`, and the alternatives asked for."""
        rng = random.Random(f"{self.id} {token}")
        first = -rng.random()
        others = [
            (f" {rng.choice(WORDS)}", first - 1 - rng.random() * 9)
            for _ in range(max(0, (self.logprobs or 0) - 1))
        ]
        ranked = [(token, first), *sorted(others, key=lambda pair: -pair[1])]
        return first, ranked[: self.logprobs or 0]


def plan(body: Mapping[str, Any], behaviour: Behaviour, seed: int) -> Plan:
    """The reply to `body`: deterministic in (body without `stream`, behaviour, seed)."""
    stable = {k: v for k, v in body.items() if k not in ("stream", "stream_options", "model")}
    digest = hashlib.sha256(msgspec.json.encode(stable, order="sorted")).digest()
    rng = random.Random(int.from_bytes(digest[:8], "big") ^ seed)
    limit = _first_int(body, "max_completion_tokens", "max_tokens", "max_output_tokens")
    pieces = _tokens(behaviour.text) if behaviour.text else _speak(rng, behaviour.words)
    if behaviour.refusal:
        pieces = _tokens("I am sorry, but I cannot help with that.")
    limited = limit is not None and len(pieces) > limit
    thinking = behaviour.reasoning or _thinks(body)
    return Plan(
        id=digest[:12].hex(),
        model=str(body.get("model", "lab")).partition("@")[0] or "lab",
        pieces=pieces[:limit] if limit is not None else pieces,
        thoughts=_speak(rng, 12) if thinking else [],
        tool=_tool(body, rng) if behaviour.tools else None,
        refusal=behaviour.refusal,
        limited=limited,
        tokens_in=max(1, len(msgspec.json.encode(stable)) // 4),
        logprobs=_logprobs(body),
    )


def grouped(pieces: list[str], size: int) -> list[str]:
    """Pieces joined by `size`."""
    size = max(1, size)
    return ["".join(pieces[i : i + size]) for i in range(0, len(pieces), size)]


def _speak(rng: random.Random, words: int) -> list[str]:
    return [
        (" " if i else "") + rng.choice(WORDS) + ("." if i % 12 == 11 else "")
        for i in range(words)
    ]


def _tokens(text: str) -> list[str]:
    parts = text.split(" ")
    return [parts[0], *(" " + p for p in parts[1:])]


def _first_int(body: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        if type(body.get(name)) is int:
            return int(body[name])
    return None


def _thinks(body: Mapping[str, Any]) -> bool:
    thinking = body.get("thinking")
    if type(thinking) is dict and thinking.get("type") in ("enabled", "adaptive"):
        return True
    return type(body.get("reasoning")) is dict or "reasoning_effort" in body


def _logprobs(body: Mapping[str, Any]) -> int | None:
    wanted = body.get("logprobs")
    if wanted is True:
        top = body.get("top_logprobs")
        return top if type(top) is int else 0
    if type(wanted) is int:
        return wanted
    include = body.get("include")
    if type(include) is list and "message.output_text.logprobs" in include:
        return int(body.get("top_logprobs") or 0)
    return None


def _tool(body: Mapping[str, Any], rng: random.Random) -> tuple[str, str] | None:
    tools = body.get("tools")
    if type(tools) is not list or not tools or body.get("tool_choice") == "none":
        return None
    tool = tools[0] if type(tools[0]) is dict else {}
    inner = tool.get("function")
    spec = inner if type(inner) is dict else tool
    schema = spec.get("parameters") or spec.get("input_schema") or {}
    names = list(schema.get("properties", {})) if type(schema) is dict else []
    arguments = {name: rng.choice(WORDS) for name in names[:4]}
    return str(spec.get("name", "tool")), msgspec.json.encode(arguments).decode()
