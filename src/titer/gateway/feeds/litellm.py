"""LiteLLM's standard logging payload: one JSON object a call, as its loggers write it.

Read from the field list that the LiteLLM project documents ("StandardLoggingPayload
Specification"): `call_type`, `startTime` (seconds), `model`, `model_parameters`, `messages`,
`response`, `prompt_tokens`, `completion_tokens`, `metadata.user_api_key_*`,
`requester_ip_address`, `request_tags`, `status`, `error_information`. A line may hold the payload
itself or carry it under `standard_logging_object`.

The caller is the virtual key's hash, or the user behind it; the organisation is the key's
organisation, else its team. When message logging was turned off, the messages are a placeholder:
then there is no text to weigh, and the report counts it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from titer.core.ids import Pseudonyms
from titer.core.nouns import Origin, Principal, ReplyFacts, Usage
from titer.gateway.feeds import origins
from titer.gateway.feeds.parts import (
    Bad,
    Parts,
    count,
    moment,
    name,
    reply_facts,
    status,
    table,
    word,
)
from titer.gateway.networks.places import NOWHERE, Networks, Places

#: Which route of titer a call type went through; a leading `a` (async) is taken off first.
ENDPOINTS = {
    "completion": "/v1/chat/completions",
    "text_completion": "/v1/completions",
    "embedding": "/v1/embeddings",
    "responses": "/v1/responses",
    "anthropic_messages": "/v1/messages",
}
#: What stands in for a text that LiteLLM was told not to log.
REDACTED = "redacted-by-litellm"
_AGENT_TAG = "User-Agent: "
_any = msgspec.json.Decoder()


class LiteLLM:
    """Reads the payload, one a line."""

    name = "litellm"

    def __init__(self, pseudonyms: Pseudonyms, networks: Networks = NOWHERE) -> None:
        self._pseudonyms = pseudonyms
        self._places = Places(pseudonyms, networks)
        self._origins: dict[tuple[str, str], Origin] = {}
        self.names: dict[str, str] = {}
        self.unknown: Counter[str] = Counter()
        self.missing: Counter[str] = Counter()

    def parts(self, line: bytes) -> Parts:
        """The parts of one line. Raises `Bad`, or msgspec's errors when it is not JSON."""
        top = _any.decode(line)
        if not isinstance(top, dict):
            raise Bad("not an object")
        call = table(top.get("standard_logging_object")) or top
        started = call.get("startTime")
        if started is None:
            raise Bad("missing: startTime")
        endpoint = _endpoint(name(call.get("call_type"), "call_type"))
        body = self._body(call, endpoint)
        response = table(call.get("response"))
        return Parts(
            at=moment(started),
            principal=self._caller(call),
            endpoint=endpoint,
            body=body,
            bytes_in=len(msgspec.json.encode(body)) if body is not None else 0,
            origin=self._origin(call),
            usage=self._used(call),
            reply=self._replied(response),
            status=_outcome(call),
            id=word(call.get("id")),
        )

    def _body(self, call: Mapping[str, Any], endpoint: str) -> dict[str, Any] | None:
        """The request as the client sent it, put together again."""
        messages = call.get("messages")
        if messages is None or REDACTED in str(messages)[:200]:
            self.missing["request"] += 1
            return None
        body = dict(table(call.get("model_parameters")))
        body["model"] = word(call.get("model_group")) or word(call.get("model"))
        if endpoint in {"/v1/completions", "/v1/embeddings", "/v1/responses"}:
            body["prompt" if endpoint == "/v1/completions" else "input"] = _plain(messages)
        elif isinstance(messages, str):
            body["messages"] = [{"role": "user", "content": messages}]
        else:
            body["messages"] = messages
        return body

    def _caller(self, call: Mapping[str, Any]) -> Principal:
        meta = table(call.get("metadata"))
        who = (
            word(meta.get("user_api_key_hash"))
            or word(meta.get("user_api_key_user_id"))
            or word(call.get("end_user"))
        )
        called = name(who, "metadata.user_api_key_hash")
        org = word(meta.get("user_api_key_org_id")) or word(meta.get("user_api_key_team_id"))
        caller = Principal(
            id=self._pseudonyms.of("principal", called), org=self._pseudonyms.of("org", org)
        )
        self.names[caller.id] = called
        return caller

    def _origin(self, call: Mapping[str, Any]) -> Origin:
        meta = table(call.get("metadata"))
        ip = word(call.get("requester_ip_address")) or word(meta.get("requester_ip_address"))
        tags = call.get("request_tags")
        agents = [
            tag.removeprefix(_AGENT_TAG)
            for tag in (tags if isinstance(tags, list) else ())
            if isinstance(tag, str) and tag.startswith(_AGENT_TAG)
        ]
        agent = max(agents, key=len) if agents else ""
        if not ip and not agent:
            self.missing["origin"] += 1
            return Origin()
        known = self._origins.get((ip, agent))
        if known is None:
            known = origins.of_log(self._pseudonyms, self._places, ip=ip, user_agent=agent)
            if len(self._origins) >= 200_000:
                self._origins.clear()
            self._origins[ip, agent] = known
        return known

    def _used(self, call: Mapping[str, Any]) -> Usage | None:
        tokens_in, tokens_out = (
            count(call.get("prompt_tokens")),
            count(call.get("completion_tokens")),
        )
        if tokens_in is None or tokens_out is None:
            self.missing["usage"] += 1
            return None
        return Usage(tokens_in, tokens_out)

    def _replied(self, response: Mapping[str, Any]) -> ReplyFacts | None:
        reply = openai_reply(response)
        if reply is None:
            self.missing["reply"] += 1
        return reply


def openai_reply(response: Mapping[str, Any]) -> ReplyFacts | None:
    """What a whole (unstreamed) reply in OpenAI's or Anthropic's shape was like."""
    choices = response.get("choices")
    if isinstance(choices, list) and choices:
        first = table(choices[0])
        message = table(first.get("message"))
        return reply_facts(
            text=message.get("content") if message else first.get("text"),
            reasoning=message.get("reasoning_content") or message.get("reasoning"),
            finish=first.get("finish_reason"),
        )
    blocks = response.get("content")
    if isinstance(blocks, list):
        texts = [word_of(b, "text") for b in blocks]
        thoughts = [word_of(b, "thinking") for b in blocks]
        return reply_facts(
            text="".join(texts), reasoning="".join(thoughts), finish=response.get("stop_reason")
        )
    items = response.get("output")
    if isinstance(items, list):
        parts = [p for item in items for p in _list(table(item).get("content"))]
        return reply_facts(
            text="".join(word_of(p, "text") for p in parts),
            reasoning=None,
            finish=response.get("status"),
        )
    return None


def word_of(block: Any, key: str) -> str:
    """A text inside a content block, of any length; empty when there is none."""
    value = table(block).get(key)
    return value if isinstance(value, str) else ""


def owns(line: Mapping[str, Any]) -> bool:
    """Whether an object looks like a line of this format."""
    call = table(line.get("standard_logging_object")) or line
    return "call_type" in call and ("startTime" in call or "metadata" in call)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _endpoint(call_type: str) -> str:
    known = ENDPOINTS.get(call_type) or ENDPOINTS.get(call_type.removeprefix("a"))
    return known or f"/litellm/{call_type[:64]}"


def _plain(messages: Any) -> Any:
    """Prompts are logged as chat messages too; take them out again."""
    if isinstance(messages, list):
        texts = [table(m).get("content") for m in messages]
        if texts and all(isinstance(text, str) for text in texts):
            return texts[0] if len(texts) == 1 else texts
    return messages


def _outcome(call: Mapping[str, Any]) -> int:
    if call.get("status") == "failure":
        return status(table(call.get("error_information")).get("error_code"), 500)
    return 200
