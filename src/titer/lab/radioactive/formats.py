"""Replies as vLLM and SGLang write them: chat, completions and `/generate`, whole or as a stream,
with token ids for who asks. What the lab's `Server` speaks.

    vLLM      members for ids are null when they were not asked for; a stream's ids come with
              their chunks, the prompt's with the first (vLLM 0.33, `entrypoints/openai`)
    SGLang    such members are left out; ids of a chat come in `sglext`, of a stream in a chunk
              of their own before the usage; `/generate` gives them always, and its stream repeats
              what was written so far (SGLang 0.5.23, `srt/entrypoints/openai`,
              `srt/managers/tokenizer_manager.py`)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

Engine = Literal["vllm", "sglang"]
Json = dict[str, Any]

#: What a prompt's ids are said to be: the lab's prompts are words, and nobody reads these.
PROMPT_IDS = [1, 2, 3]


class Written(msgspec.Struct, frozen=True):
    """A reply: its tokens as spelt and their ids, of one length, and why it ended."""

    pieces: list[str]
    ids: list[int]
    finish: str = "length"

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def usage(self) -> Json:
        n = len(self.ids)
        return {"prompt_tokens": 1, "completion_tokens": n, "total_tokens": 1 + n}


def add_ids(engine: Engine, body: Mapping[str, Any], made: Json, ids: list[int]) -> None:
    """Put ids into a whole reply of chat or completions, if `body` asks for them."""
    choice = made["choices"][0]
    if engine == "sglang" and "message" in choice:
        if body.get("return_output_ids_in_sglext"):
            made["sglext"] = {"output_ids": [ids]}
        return
    if body.get("return_token_ids"):
        choice["token_ids"] = ids
        (made if "message" in choice else choice)["prompt_token_ids"] = PROMPT_IDS
    elif engine == "vllm":
        choice["token_ids"] = None
        (made if "message" in choice else choice)["prompt_token_ids"] = None


def generated(said: Written, *, upto: int | None = None) -> Json:
    """SGLang's `/generate`: the first `upto` tokens, as a stream repeats them, or all."""
    ids = said.ids[:upto]
    done = len(ids) == len(said.ids)
    meta = {
        "id": "lab", "finish_reason": {"type": said.finish} if done else None,
        "prompt_tokens": 1, "completion_tokens": len(ids), "cached_tokens": 0,
    }  # fmt: skip
    return {"text": "".join(said.pieces[:upto]), "output_ids": ids, "meta_info": meta}


def events(engine: Engine, path: str, body: Mapping[str, Any], said: Written) -> Iterator[bytes]:
    """The events of a stream, `[DONE]` last."""
    if path.endswith("/generate"):
        for n in range(len(said.ids)):
            yield _event(generated(said, upto=n + 1))
    elif path.endswith("/chat/completions"):
        yield from _chat(engine, body, said)
    else:
        yield from _completion(engine, body, said)
    yield b"data: [DONE]\n\n"


def _chat(engine: Engine, body: Mapping[str, Any], said: Written) -> Iterator[bytes]:
    asked = bool(body.get("return_token_ids"))
    head: Json = {"id": "lab", "object": "chat.completion.chunk", "created": 0, "model": "lab"}

    def chunk(delta: Json, finish: str | None, ids: list[int], **more: Any) -> bytes:
        choice: Json = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        if engine == "vllm":
            choice["token_ids"] = ids if asked else None
        return _event(head | {"choices": [choice]} | more)

    first = {"prompt_token_ids": PROMPT_IDS if asked else None} if engine == "vllm" else {}
    yield chunk({"role": "assistant", "content": ""}, None, [], **first)
    for piece, number in zip(said.pieces, said.ids, strict=True):
        yield chunk({"content": piece}, None, [number])
    yield chunk({}, said.finish, [])
    if engine == "sglang" and body.get("return_output_ids_in_sglext"):
        yield _event(head | {"choices": [], "usage": None, "sglext": {"output_ids": [said.ids]}})
    yield from _usage(head, body, said)


def _completion(engine: Engine, body: Mapping[str, Any], said: Written) -> Iterator[bytes]:
    asked = bool(body.get("return_token_ids"))
    head: Json = {"id": "lab", "object": "text_completion", "created": 0, "model": "lab"}
    for place, (piece, number) in enumerate(zip(said.pieces, said.ids, strict=True)):
        last = place == len(said.ids) - 1
        choice: Json = {
            "index": 0, "text": piece, "logprobs": None,
            "finish_reason": said.finish if last else None,
        }  # fmt: skip
        if asked:
            choice["token_ids"] = [number]
            if place == 0 or engine == "vllm":
                choice["prompt_token_ids"] = PROMPT_IDS if place == 0 else None
        elif engine == "vllm":
            choice |= {"token_ids": None, "prompt_token_ids": None}
        yield _event(head | {"choices": [choice]})
    yield from _usage(head, body, said)


def _usage(head: Json, body: Mapping[str, Any], said: Written) -> Iterator[bytes]:
    if (body.get("stream_options") or {}).get("include_usage"):
        yield _event(head | {"choices": [], "usage": said.usage})


def _event(data: Json) -> bytes:
    return b"data: " + msgspec.json.encode(data) + b"\n\n"
