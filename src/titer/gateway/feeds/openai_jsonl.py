"""OpenAI-style request and response lines: batch input, batch output, or both in one object.

    {"custom_id", "method", "url", "body"}                          a batch's input
    {"id", "custom_id", "response": {"status_code", "body"}, ...}   a batch's output
    {"request": {...}, "response": {...}, "timestamp"?, "user"?}    pairs, as many tools write them

These lines rarely say who called or when. The caller is the body's `user` or
`safety_identifier`, else the name given with `--principal`, else the file's; the time is the
reply's `created`, else the line's own, else the file's. The report counts both substitutions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from titer.core.ids import Pseudonyms
from titer.core.nouns import Principal, ReplyFacts, Usage
from titer.gateway.feeds.litellm import openai_reply
from titer.gateway.feeds.parts import Bad, Parts, count, moment, status, table, word

_any = msgspec.json.Decoder()
_TIMES = ("timestamp", "created_at", "created", "at", "time")


class OpenAILines:
    """Reads request and response lines; `fallback` names the caller and `at` the time (us) of
    lines that name none.
    """

    name = "openai"

    def __init__(self, pseudonyms: Pseudonyms, *, fallback: str, at: int) -> None:
        self._pseudonyms = pseudonyms
        self._fallback = fallback
        self._at = at
        self.names: dict[str, str] = {}
        self.unknown: Counter[str] = Counter()
        self.missing: Counter[str] = Counter()

    def parts(self, line: bytes) -> Parts:
        """The parts of one line. Raises `Bad`, or msgspec's errors when it is not JSON."""
        top = _any.decode(line)
        if not isinstance(top, dict):
            raise Bad("not an object")
        body = top.get("body", top.get("request"))
        answer = table(top.get("response"))
        reply = table(answer.get("body")) or answer
        if not isinstance(body, dict):
            if not reply:
                raise Bad("missing: body")
            body = None
            self.missing["request"] += 1
        return Parts(
            at=self._when(top, reply),
            principal=self._caller(top, table(body)),
            endpoint=_endpoint(top, table(body), reply),
            body=body,
            bytes_in=len(msgspec.json.encode(body)) if body is not None else 0,
            usage=self._used(table(reply.get("usage"))),
            reply=self._replied(reply),
            status=status(answer.get("status_code"), 500 if top.get("error") else 200),
            id=word(answer.get("request_id")),
        )

    def _when(self, top: Mapping[str, Any], reply: Mapping[str, Any]) -> int:
        for given in (reply.get("created"), reply.get("created_at"), *map(top.get, _TIMES)):
            if given is not None:
                return moment(given)
        self.missing["at"] += 1
        return self._at

    def _caller(self, top: Mapping[str, Any], body: Mapping[str, Any]) -> Principal:
        called = (
            word(top.get("principal"))
            or word(top.get("user"))
            or word(body.get("safety_identifier"))
            or word(body.get("user"))
        )
        if not called:
            self.missing["principal"] += 1
            called = self._fallback
        caller = Principal(id=self._pseudonyms.of("principal", called))
        self.names[caller.id] = called
        return caller

    def _used(self, usage: Mapping[str, Any]) -> Usage | None:
        tokens_in = count(usage.get("prompt_tokens", usage.get("input_tokens")))
        tokens_out = count(usage.get("completion_tokens", usage.get("output_tokens", 0)))
        if tokens_in is None or tokens_out is None:
            self.missing["usage"] += 1
            return None
        return Usage(tokens_in, tokens_out)

    def _replied(self, reply: Mapping[str, Any]) -> ReplyFacts | None:
        facts = openai_reply(reply) if reply else None
        if facts is None:
            self.missing["reply"] += 1
        return facts


def owns(line: Mapping[str, Any]) -> bool:
    """Whether an object looks like a line of this format."""
    return "custom_id" in line or (
        isinstance(line.get("body", line.get("request")), dict)
        and ("url" in line or "response" in line)
    )


def _endpoint(top: Mapping[str, Any], body: Mapping[str, Any], reply: Mapping[str, Any]) -> str:
    """The route: as named, else by the shape of what is there."""
    named = word(top.get("url")) or word(top.get("endpoint"))
    if named:
        return (
            "/" + named.partition("?")[0].split("://", 1)[-1].partition("/")[2].lstrip("/")
            if "://" in named
            else named.partition("?")[0]
        )
    kind = word(reply.get("object"))
    if "messages" in body or kind.startswith("chat.completion"):
        return "/v1/chat/completions"
    if "prompt" in body or kind == "text_completion":
        return "/v1/completions"
    if kind == "response" or isinstance(body.get("input"), list | str):
        return "/v1/embeddings" if kind == "list" else "/v1/responses"
    return "/v1/embeddings" if kind == "list" else "/v1/chat/completions"
