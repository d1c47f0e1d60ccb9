"""The routes that vLLM and SGLang add to OpenAI's API, refused unless the operator opens them.

One that is opened is weighed, dosed and held to the parameter policy like any other. Routes that
steer the engine itself (weights, adapters, caches, profilers) are in `CONTROL` and cannot be
opened: a model server's operator reaches them without a gateway. What the engines' parameters may
do is in `titer.detect.parameter_tables`.
Sources: vLLM, "OpenAI-compatible server"; SGLang, "Native APIs".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from titer.core.nouns import RequestFacts, Usage
from titer.core.wire import Request
from titer.gateway.dialects import fields
from titer.gateway.dialects.contract import Route
from titer.gateway.dialects.json_guard import read_object
from titer.gateway.dialects.openai_family import OpenAIFamily
from titer.gateway.dialects.tally import UNREADABLE, Tally
from titer.gateway.dialects.units import Slot

#: Routes that may be opened: they read text and answer.
OPENABLE = (
    *(
        Route("POST", path)
        for path in (
            "/generate", "/inference/v1/generate", "/invocations", "/vertex_generate",
            "/tokenize", "/detokenize", "/v1/tokenize", "/v1/detokenize", "/pooling", "/encode",
            "/classify", "/v1/classify", "/score", "/v1/score", "/rerank", "/v1/rerank",
            "/v2/rerank", "/v1/chat/completions/render", "/v1/completions/render",
            "/parse_function_call", "/separate_reasoning",
        )
    ),
    *(
        Route("GET", path, exchange=False)
        for path in (
            "/get_model_info", "/model_info", "/tokenizer_info", "/version", "/v1/version",
        )
    ),
)  # fmt: skip

#: Paths that steer the engine: the configuration refuses to open them.
CONTROL = frozenset(
    {
        "/get_server_info", "/server_info", "/get_load", "/load", "/flush_cache",
        "/reset_prefix_cache", "/reset_mm_cache", "/reset_encoder_cache", "/sleep", "/wake_up",
        "/is_sleeping", "/pause", "/resume", "/v1/load_lora_adapter", "/v1/unload_lora_adapter",
        "/load_lora_adapter", "/unload_lora_adapter", "/collective_rpc", "/scale_elastic_ep",
        "/start_profile", "/stop_profile", "/update_weights", "/update_weights_from_disk",
        "/update_weights_from_tensor", "/update_weights_from_distributed",
        "/init_weights_update_group", "/init_weight_transfer_engine", "/get_weights_by_name",
        "/get_world_size", "/release_memory_occupation", "/resume_memory_occupation",
        "/open_session", "/close_session", "/abort_request", "/configure_logging",
        "/set_internal_state", "/start_expert_distribution_record",
        "/stop_expert_distribution_record", "/dump_expert_distribution_record",
        "/slow_down", "/set_trace_level", "/clear_hicache_storage_backend",
    }
)  # fmt: skip

_RULES = {
    "model": fields.STRING,
    "stream": fields.BOOL,
    "logit_bias": fields.OBJECT,
    "n": fields.POSITIVE,
    "max_tokens": fields.COUNT,
    "sampling_params": fields.Rule(frozenset({dict, list, type(None)}), "an object"),
}

_PROSE = (
    "text", "prompt", "input", "query", "queries", "documents", "text_1", "text_2", "items",
    "inputs",
)  # fmt: skip


class EngineExtras(OpenAIFamily):
    """One codec for the engines' own routes. Bodies differ widely, so only text is read."""

    name = "engine.extras"
    routes: tuple[Route, ...] = OPENABLE

    def parse(self, endpoint: str, raw: bytes) -> Request:
        """The request in `raw`; an empty body is an empty object; raises `Refused`."""
        body = read_object(raw) if raw else {}
        fields.check(body, _RULES)
        return Request(
            dialect=self.name,
            endpoint=endpoint,
            body=body,
            raw=raw,
            model=body.get("model") or "",
            stream=body.get("stream") is True,
        )

    def facts(self, request: Request) -> RequestFacts:
        """The request without its text; a turn is one text."""
        texts = sum(1 for _ in self.texts(request.body))
        return RequestFacts(
            stream=request.stream,
            roles=("user",) * min(texts, fields.MAX_ROLES),
            turns=texts,
            params=fields.params(request.body),
            biased=fields.biased(request.body),
        )

    def texts(self, body: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """The strings of every member that is known to hold text, and of messages."""
        for name in _PROSE:
            for text in fields.prompt_texts(body.get(name)):
                yield "user", text
        messages = body.get("messages")
        for message in messages if type(messages) is list else ():
            if type(message) is dict:
                content = message.get("content")
                for text in fields.prompt_texts(content):
                    yield fields.role(message.get("role")), text

    def tap(self) -> EngineTap:
        return EngineTap()

    def slots(self, value: Any) -> Iterator[Slot]:
        return slots(value)


class Meta(msgspec.Struct, gc=False):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class Generated(msgspec.Struct, gc=False):
    """SGLang's `/generate`: `text` is all text so far."""

    text: Any = None
    meta_info: Meta | None = None


_generated = msgspec.json.Decoder(Generated).decode


class EngineTap(Tally):
    """Reads `/generate`; other routes answer with numbers, which are not text."""

    __slots__ = ("_length",)

    def __init__(self) -> None:
        super().__init__()
        self._length = 0

    def event(self, data: bytes) -> None:
        """One payload of the stream; only what is new of the growing text is taken."""
        if data == b"[DONE]":
            self.done = True
        else:
            self._take(data)

    def body(self, body: bytes) -> None:
        """A whole reply."""
        garbage = self.garbage
        self._take(body)
        self.done = self.garbage == garbage

    def _take(self, data: bytes) -> None:
        try:
            reply = _generated(data)
        except UNREADABLE:
            self.garbage += 1
            return
        if type(reply.text) is str and len(reply.text) > self._length:
            self._say(reply.text[self._length :])
            self._length = len(reply.text)
        if reply.meta_info is not None:
            self._usage = Usage(
                tokens_in=reply.meta_info.prompt_tokens or 0,
                tokens_out=reply.meta_info.completion_tokens or 0,
            )


def slots(value: Any) -> Iterator[Slot]:
    """`text` of SGLang's generate."""
    if type(value) is dict and "text" in value:
        yield Slot(value, ("text",))
