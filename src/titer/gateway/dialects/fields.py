"""Checks and facts of a request's fields that every dialect shares.

Types are checked strictly where policy relies on a field: engines coerce (`"stream": "yes"`,
`"logprobs": 1`), and a control that reads a field otherwise than the engine is no control.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NoReturn
from zlib import crc32

import msgspec

from titer.core.errors import Refused
from titer.core.uses import INCLUDE, INCLUDED, INCLUDES_LOGPROBS, LOGPROBS
from titer.core.wire import Problem

#: Names of top-level parameters kept in the facts; real requests have at most about 40. Those that
#: doses depend on are kept beyond it: nobody gets by them behind a heap of others.
MAX_PARAMS = 64
_ALWAYS = LOGPROBS | {INCLUDE}
#: Characters of a parameter's name or value that are kept: longer ones are not enums.
MAX_SHORT = 48
#: Roles kept of one conversation; the count of turns goes on.
MAX_ROLES = 300
#: Vocabulary ids kept of one logit_bias; OpenAI accepts at most 300 itself.
MAX_BIASED = 300
#: Characters of a model name: it becomes a label in metrics and logs.
MAX_MODEL = 256

#: Parameters that carry text, turns or identity: their values never enter the facts.
TEXTUAL = frozenset(
    {
        "messages", "prompt", "input", "system", "instructions", "suffix", "tools", "functions",
        "model", "documents", "query", "text", "text_1", "text_2", "prefill",
    }
)  # fmt: skip
_IDENTIFYING = frozenset(
    {"user", "safety_identifier", "prompt_cache_key", "metadata", "user_profile_id",
     "workspace_id", "stop", "cache_salt"}
)  # fmt: skip

ROLES = frozenset({"system", "developer", "user", "assistant", "tool", "function"})


class Rule(msgspec.Struct, frozen=True):
    """What a parameter may be (null is always allowed: it means absent)."""

    kinds: frozenset[type]
    words: str
    least: int | None = None


BOOL = Rule(frozenset({bool, type(None)}), "a boolean")
COUNT = Rule(frozenset({int, type(None)}), "a whole number of at least 0", 0)
POSITIVE = Rule(frozenset({int, type(None)}), "a whole number of at least 1", 1)
INTEGER = Rule(frozenset({int, type(None)}), "a whole number")
NUMBER = Rule(frozenset({int, float, type(None)}), "a number")
STRING = Rule(frozenset({str, type(None)}), "a string")
LIST = Rule(frozenset({list, type(None)}), "an array")
OBJECT = Rule(frozenset({dict, type(None)}), "an object")
STRING_OR_LIST = Rule(frozenset({str, list, type(None)}), "a string or an array")

#: What chat and completions have in common.
SAMPLING: dict[str, Rule] = {
    "model": STRING,
    "stream": BOOL,
    "stream_options": OBJECT,
    "n": POSITIVE,
    "max_tokens": COUNT,
    "temperature": NUMBER,
    "top_p": NUMBER,
    "presence_penalty": NUMBER,
    "frequency_penalty": NUMBER,
    "seed": INTEGER,
    "stop": STRING_OR_LIST,
    "logit_bias": OBJECT,
    "user": STRING,
}


def check(body: Mapping[str, Any], rules: Mapping[str, Rule]) -> None:
    """Refuse the first parameter of the wrong type, naming it."""
    for name, value in body.items():
        rule = rules.get(name)
        if rule is None:
            continue
        if type(value) not in rule.kinds or (
            rule.least is not None and value is not None and value < rule.least
        ):
            bad(name, f"{name} must be {rule.words}")
    model = body.get("model")
    if model is not None and len(model) > MAX_MODEL:
        bad("model", f"model must have at most {MAX_MODEL} characters")


def check_messages(messages: Any, param: str = "messages") -> None:
    """An array of objects, each with a role and string, array or null content."""
    if type(messages) is not list or not messages:
        bad(param, f"{param} must be a non-empty array of messages")
    for message in messages:
        if type(message) is not dict:
            bad(param, f"every entry of {param} must be an object")
        if type(message.get("role")) is not str:
            bad(param, f"every entry of {param} needs a string role")
        content = message.get("content")
        if type(content) is list:
            for part in content:
                if type(part) is not dict:
                    bad(param, f"every content part in {param} must be an object")
        elif type(content) is not str and content is not None:
            bad(param, f"content in {param} must be a string, an array of parts or null")


def bad(param: str, message: str) -> NoReturn:
    """Raise the refusal of one parameter; `param` is one of our own words, never the caller's."""
    raise Refused(
        Problem(kind="invalid_request", message=message, code="invalid_parameter", param=param)
    )


def params(body: Mapping[str, Any]) -> dict[str, Any]:
    """Every parameter's name with its scalar value, or the kind of value it has in brackets.

    `logit_bias` is told by a checksum: whoever bisects a bias sends ever new values.
    `include` says whether log-probabilities are in it.
    """
    kept: dict[str, Any] = {}
    for name, value in body.items():
        if name == "logit_bias" and type(value) is dict:
            kept[name] = f"<object {crc32(msgspec.json.encode(value)):08x}>"
            continue
        if name in TEXTUAL:
            continue
        if len(kept) >= MAX_PARAMS and name not in _ALWAYS:
            continue
        kind = type(value)
        fact = value
        if kind is str and (name in _IDENTIFYING or not _short(value)):
            fact = "<string>"
        elif kind is list or kind is dict:
            fact = "<array>" if kind is list else "<object>"
            if name == INCLUDE and kind is list and INCLUDED in value:
                fact = INCLUDES_LOGPROBS
        # A caller's text must not become a fact by being the name of a parameter.
        kept[name if _short(name) else "<name>"] = fact
    return kept


def _short(word: str) -> bool:
    return len(word) <= MAX_SHORT and word.isascii() and " " not in word and word.isprintable()


def biased(body: Mapping[str, Any]) -> tuple[int, ...]:
    """The vocabulary ids of `logit_bias`, as far as they are ids, at most MAX_BIASED."""
    bias = body.get("logit_bias")
    if not bias:
        return ()
    ids = [int(k) for k in bias if len(k) <= 10 and k.isascii() and k.isdigit()]
    return tuple(ids[:MAX_BIASED])


def role(word: Any) -> str:
    """A known role, or `other`: a role's name is text of the caller."""
    return word if type(word) is str and word in ROLES else "other"


def roles(messages: Iterable[Mapping[str, Any]]) -> tuple[str, ...]:
    """The roles in order, at most MAX_ROLES."""
    kept = [role(m.get("role")) for m in messages]
    return tuple(kept[:MAX_ROLES])


def count_tools(body: Mapping[str, Any]) -> int:
    """How many tools the caller offers, by the current and the old name."""
    total = 0
    for name in ("tools", "functions"):
        offered = body.get(name)
        if type(offered) is list:
            total += len(offered)
    return total


def tool_texts(tools: Any) -> list[str]:
    """The descriptions of offered tools: prose that the model reads and a caller can fill."""
    if type(tools) is not list:
        return []
    found = []
    for tool in tools:
        if type(tool) is not dict:
            continue
        inner = tool.get("function")
        described = (inner if type(inner) is dict else tool).get("description")
        if type(described) is str and described:
            found.append(described)
    return found


def check_prompt(prompt: Any, param: str) -> None:
    """A string, an array of strings, an array of token ids or an array of such arrays."""
    kinds = {type(p) for p in prompt} if type(prompt) is list else {str}
    if prompt is None or (type(prompt) is list and not prompt) or len(kinds) != 1:
        bad(param, f"{param} must be a string, an array of strings or arrays of token ids")
    kind = kinds.pop()
    if kind is list and not all(type(i) is int for ids in prompt for i in ids):
        bad(param, f"the arrays in {param} must hold token ids (whole numbers)")
    if kind not in (str, int, list, dict):
        bad(param, f"{param} must be a string, an array of strings or arrays of token ids")


def prompt_shape(prompt: Any) -> tuple[int, int]:
    """(prompts of text, prompts of token ids)."""
    if type(prompt) is not list:
        return (1, 0) if type(prompt) is str else (0, 0)
    if prompt and type(prompt[0]) is int:
        return 0, 1
    tokens = sum(1 for p in prompt if type(p) is list)
    return len(prompt) - tokens, tokens


def prompt_texts(prompt: Any) -> list[str]:
    """The strings of a prompt or an input; token ids have no text."""
    if type(prompt) is str:
        return [prompt]
    if type(prompt) is not list:
        return []
    found = []
    for part in prompt:
        if type(part) is str:
            found.append(part)
        elif type(part) is dict:
            found.extend(v for k in ("text", "content") if type(v := part.get(k)) is str)
    return found


def messages(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The messages that are objects: bodies from other people's logs were never checked."""
    found = body.get("messages")
    return [m for m in found if type(m) is dict] if type(found) is list else []


def strings(value: Any) -> list[str]:
    """Every string inside a JSON value, in order; names of members are left out."""
    found: list[str] = []
    stack = [value]
    while stack:
        node = stack.pop()
        if type(node) is str:
            found.append(node)
        elif type(node) is dict:
            stack.extend(reversed(node.values()))
        elif type(node) is list:
            stack.extend(reversed(node))
    return found
