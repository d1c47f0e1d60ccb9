"""Token ids of marked replies: asked of the engine, noted, and taken out before anybody sees them.

    engine, route              asked by                       where they come
    vLLM, chat, completions    `return_token_ids`             `token_ids` of each choice, in a
                                                              stream those of the chunk
    SGLang, completions        `return_token_ids`             the same
    SGLang, chat               `return_output_ids_in_sglext`  `sglext.output_ids`, a list a choice;
                                                              of a stream a last chunk of its own
    SGLang, /generate          nothing, they always come      `output_ids`; left where they are

What leaves is, byte for byte, what the engine would have sent unasked: the members are cut out of
the payload as it came (vLLM writes null in their place when it is not asked, SGLang nothing), and
a chunk that was sent for the ids alone does not leave. Where a payload is written in another way,
it is encoded anew without them. A caller that was granted `tokens` and asked for ids keeps them.
Where the prompt is echoed nothing is asked: vLLM would then leave its text out.
Sources: vLLM 0.32.0 and 0.33.0 (`entrypoints/openai`), SGLang 0.5.23 (`srt/entrypoints/openai`,
`srt/managers/tokenizer_manager.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from titer.core.wire import Reply, Request, Transform, Written

#: Token ids that are noted of one exchange: 64 KiB of a worker's ring. What follows is counted.
MAX_IDS = 16_384

_NULLED = re.compile(rb'((?<!\\)"(?:prompt_)?token_ids"\s*:\s*)\[[\d,\s]*\]')
_DROPPED = re.compile(rb',\s*"(?:prompt_)?token_ids"\s*:\s*\[[\d,\s]*\]')
_SGLEXT = re.compile(rb',\s*"sglext"\s*:\s*\{\s*"output_ids"\s*:\s*\[[\[\]\d,\s]*\]\s*\}')


class _Way(NamedTuple):
    """How one engine gives ids on one route: the parameter that asks for them, what notes them and
    takes them out of a decoded payload (returning how many members), and the same in bytes.
    """

    parameter: str
    take: Callable[[dict[str, Any], Written], int]
    members: re.Pattern[bytes]
    instead: bytes


def ask(request: Request, engine: str, *, text: bool) -> Request:
    """The request with token ids asked for, if `engine` gives them on this route, and with where
    they are noted. `text`: note the text where no ids come.
    """
    way = None if request.body.get("echo") else _WAYS.get((engine, request.dialect))
    written = Written(MAX_IDS, keep_text=text)
    if way is not None:
        taker: Transform = _Take(way, written, keep=bool(request.body.get(way.parameter)))
        request = request.edit(put={way.parameter: True})
    elif engine == "sglang" and request.endpoint == "/generate":
        taker = _Note(written)
    else:
        return msgspec.structs.replace(request, written=written) if text else request
    transforms = (*request.transforms, taker)
    return msgspec.structs.replace(request, transforms=transforms, written=written)


class _Take:
    """Holds nothing back: ids travel with the text that they spell."""

    held = 0

    def __init__(self, way: _Way, written: Written, *, keep: bool) -> None:
        self._way, self._written, self._keep = way, written, keep

    def feed(self, unit: Reply) -> Iterable[Reply]:
        data = unit.data
        # A unit without these bytes has no such member, unless a name were written in escapes.
        if type(data) is not dict or not (b"_ids" in unit.raw or b"\\u" in unit.raw):
            return (unit,)
        if self._keep:
            self._way.take(msgspec.json.decode(msgspec.json.encode(data)), self._written)
            return (unit,)
        taken = self._way.take(data, self._written)
        if not taken:
            return (unit,)
        if _said_nothing(data):
            return ()
        unit.raw, cut = self._way.members.subn(self._way.instead, unit.raw)
        if cut != taken:
            unit.edited = True
        return (unit,)

    def flush(self) -> Iterable[Reply]:
        return ()


class _Note:
    """Reads SGLang's own route, where ids are part of every reply and stay there."""

    held = 0

    def __init__(self, written: Written) -> None:
        self._written = written

    def feed(self, unit: Reply) -> Iterable[Reply]:
        replies = unit.data if type(unit.data) is list else [unit.data]
        for place, reply in enumerate(replies):
            ids = reply.get("output_ids") if type(reply) is dict else None
            if type(ids) is not list:
                continue
            index = reply.get("index", place)
            meta = reply.get("meta_info")
            total = meta.get("completion_tokens") if type(meta) is dict else None
            if total == len(ids):  # a stream repeats everything so far, unless told otherwise
                _note(self._written.put, index, ids)
            else:
                _note(self._written.add, index, ids)
        return (unit,)

    def flush(self) -> Iterable[Reply]:
        return ()


def _note(how: Callable[[int, list[int]], None], index: Any, ids: Any) -> None:
    """Note ids; values that are none are not."""
    if type(index) is int and type(ids) is list:
        try:
            how(index, ids)
        except (TypeError, ValueError, OverflowError):
            return


def _of_choices(instead: Callable[[dict[str, Any], str], None]) -> Callable[..., int]:
    """Takes `token_ids` out of every choice, and the prompt's with them."""

    def take(data: dict[str, Any], written: Written) -> int:
        taken = 0
        choices = data.get("choices")
        for choice in choices if type(choices) is list else ():
            if type(choice) is dict:
                _note(written.add, choice.get("index", 0), choice.get("token_ids"))
                taken += _out(choice, instead)
        return taken + _out(data, instead)

    return take


def _out(holder: dict[str, Any], instead: Callable[[dict[str, Any], str], None]) -> int:
    names = [n for n in ("token_ids", "prompt_token_ids") if type(holder.get(n)) is list]
    for name in names:
        instead(holder, name)
    return len(names)


def _of_sglext(data: dict[str, Any], written: Written) -> int:
    """Takes `output_ids` out of SGLang's extension, and the extension if nothing else is in it."""
    extension = data.get("sglext")
    if type(extension) is not dict or type(extension.get("output_ids")) is not list:
        return 0
    for index, ids in enumerate(extension.pop("output_ids")):
        _note(written.add, index, ids)
    if not extension:
        del data["sglext"]
    return 1


def _said_nothing(data: dict[str, Any]) -> bool:
    """Whether a chunk was sent for the ids alone."""
    choices = data.get("choices")
    if type(choices) is not list:
        return False
    if not choices:
        return not data.get("usage") and "sglext" not in data
    return all(
        type(choice) is dict and choice.get("delta") == {}
        and choice.get("finish_reason") is None and choice.get("logprobs") is None
        for choice in choices
    )  # fmt: skip


def _null(holder: dict[str, Any], name: str) -> None:
    holder[name] = None


def _without(holder: dict[str, Any], name: str) -> None:
    del holder[name]


_VLLM = _Way("return_token_ids", _of_choices(_null), _NULLED, rb"\1null")
_WAYS: dict[tuple[str, str], _Way] = {
    ("vllm", "openai.chat"): _VLLM,
    ("vllm", "openai.completions"): _VLLM,
    ("sglang", "openai.completions"): _Way(
        "return_token_ids", _of_choices(_without), _DROPPED, b""
    ),
    ("sglang", "openai.chat"): _Way("return_output_ids_in_sglext", _of_sglext, _SGLEXT, b""),
}
