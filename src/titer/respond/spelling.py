"""Token probabilities and ids spell a text out: they leave only where they spell what leaves.

A reply whose reasoning was taken out still carries it in `logprobs`, token by token, and in
lists of token ids. `hush` keeps log-probabilities exactly as far as their tokens, joined, are the
text beside them (or its end), and drops token ids, which cannot be compared without a tokenizer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from titer.respond.places import places

#: Members of a payload with ids of the tokens written.
_IDS = ("token_ids", "output_ids", "completion_token_ids", "output_token_ids")

#: SGLang's lists about what was written, in `meta_info`.
_WRITTEN = (
    "output_token_logprobs", "output_top_logprobs", "output_token_ids_logprobs", "hidden_states",
)  # fmt: skip

_LEGACY = ("tokens", "token_logprobs", "top_logprobs", "text_offset")


def spelled(raw: bytes) -> bool:
    """Whether a unit may carry such members at all: a cheap look at its bytes."""
    return b"prob" in raw or b"_ids" in raw or b"hidden_states" in raw or b"\\u" in raw


def hush(data: Any) -> bool:
    """Drop what spells another text than the one that leaves; whether anything was dropped."""
    changed = False
    if type(data) is list:
        return sum(hush(one) for one in data) > 0
    if type(data) is not dict:
        return False
    choices = data.get("choices")
    if type(choices) is list:
        for choice in choices:
            if type(choice) is dict:
                changed |= _ids(choice) | _choice(choice)
    else:
        for place in places(data):
            holder = place.spells
            if holder is not None and type(holder.get("logprobs")) is list:
                kept = _tail(holder["logprobs"], place.holder[place.name])
                if kept != holder["logprobs"]:
                    holder["logprobs"] = kept
                    changed = True
        changed |= _engine(data)
    return changed | _ids(data)


def _choice(choice: dict[str, Any]) -> bool:
    probabilities = choice.get("logprobs")
    if not probabilities:
        return False
    if type(probabilities) is not dict:
        choice["logprobs"] = None
        return True
    said = choice.get("delta") or choice.get("message")
    said = said if type(said) is dict else {}
    content = choice.get("text") if type(choice.get("text")) is str else _content(said)
    changed = False
    if type(probabilities.get("tokens") or []) is not list:  # of no shape that spells anything
        choice["logprobs"] = None
        return True
    if probabilities.get("tokens"):
        tokens = probabilities["tokens"]
        count = _matching([t if type(t) is str else "\0" for t in tokens], content or "")
        if count < len(tokens):
            for name in _LEGACY:
                if type(probabilities.get(name)) is list:
                    probabilities[name] = probabilities[name][len(tokens) - count :]
            changed = True
    for name, value in list(probabilities.items()):
        if name in _LEGACY or not value:
            continue
        text = {"content": content, "refusal": said.get("refusal")}.get(name)
        kept = _tail(value, text)
        if kept != value:
            probabilities[name] = kept or None
            changed = True
    return changed


def _content(said: dict[str, Any]) -> str:
    content = said.get("content")
    if type(content) is list:
        parts = (p.get("text") for p in content if type(p) is dict)
        return "".join(p for p in parts if type(p) is str)
    return content if type(content) is str else ""


def _tail(entries: Any, text: Any) -> list[Any]:
    """The last entries whose tokens spell `text`; none when no number of them does."""
    if type(entries) is not list:
        return []
    tokens = [e.get("token") if type(e) is dict else None for e in entries]
    count = _matching([t if type(t) is str else "\0" for t in tokens], text)
    return entries[len(entries) - count :]


def _matching(tokens: list[str], text: Any) -> int:
    """How many of the last tokens spell `text` exactly; 0 when that is impossible."""
    if type(text) is not str or not text:
        return 0
    end = len(text)
    for count, token in enumerate(reversed(tokens), 1):
        if not token or not text.endswith(token, 0, end):
            return 0
        end -= len(token)
        if end == 0:
            return count
    return 0


def _engine(data: dict[str, Any]) -> bool:
    """SGLang's `meta_info` and llama.cpp's `completion_probabilities`."""
    changed = False
    meta = data.get("meta_info")
    if type(meta) is dict:
        rows = meta.get("output_token_logprobs")
        words = [r[2] if type(r) is list and len(r) > 2 else None for r in _list(rows)]
        tokens = [w if type(w) is str else "\0" for w in words]
        if not (tokens and "".join(tokens) == data.get("text")):
            changed |= _drop(meta, _WRITTEN)
        changed |= _drop(meta, ("hidden_states",))
    rows = data.get("completion_probabilities")
    if rows:
        words = [
            r.get("content", r.get("token")) if type(r) is dict else None for r in _list(rows)
        ]
        tokens = [w if type(w) is str else "\0" for w in words]
        if "".join(tokens) != data.get("content"):
            data["completion_probabilities"] = []
            changed = True
    return changed


def _ids(holder: dict[str, Any]) -> bool:
    return _drop(holder, _IDS)


def _drop(holder: dict[str, Any], names: Iterable[str]) -> bool:
    changed = False
    for name in names:
        if holder.get(name):
            holder[name] = None
            changed = True
    return changed


def _list(value: Any) -> list[Any]:
    return value if type(value) is list else []
