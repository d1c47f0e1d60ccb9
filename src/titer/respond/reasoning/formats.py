"""How models write their reasoning into text: known formats, and formats that were learnt.

A model without a format of its own gets all known ones together, never none. Sources: the chat
templates and reasoning parsers of the models named, as their makers publish them.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from pathlib import Path

import msgspec

from titer.core.errors import ConfigError

#: Bytes of a format file, and models in it: nobody serves more aliases by hand.
MAX_FILE = 256 * 1024
MAX_MODELS = 512
#: Characters of a tag: the longest known one has 32.
MAX_TAG = 64


class Tag(msgspec.Struct, frozen=True):
    """A pair that encloses reasoning. `start` ones are only believed where a text begins."""

    open: str
    close: tuple[str, ...]
    start: bool = False


class Format(msgspec.Struct, frozen=True):
    """How one model writes. `inside`: its text begins with reasoning and only the end is marked
    (the opening tag is part of the prompt's template).
    """

    tags: tuple[Tag, ...]
    inside: bool = False


def pair(name: str) -> Tag:
    """The tag `<name> ... </name>`."""
    return Tag(f"<{name}>", (f"</{name}>",))


_NAMES = (
    "think", "thinking", "thought", "thoughts", "reasoning", "reason", "reflection", "scratchpad",
    "antthinking", "ant_thinking", "inner_thoughts", "inner_monologue", "chain_of_thought", "cot",
    "longcat_think", "seed:think", "seed:cot_budget_reflect", "mm:think", "internal_reasoning",
)  # fmt: skip

#: gpt-oss: the final channel, or the end of the message, ends the analysis.
_HARMONY = ("<|channel|>final<|message|>", "<|end|>", "<|return|>", "<|call|>")

#: Known formats by what they are called here; models choose theirs by `BY_MODEL`.
KNOWN: dict[str, tuple[Tag, ...]] = {
    "xml": tuple(pair(name) for name in _NAMES),
    "mistral": (Tag("[THINK]", ("[/THINK]",)),),
    "harmony": (
        Tag("<|channel|>analysis<|message|>", _HARMONY),
        Tag("<|start|>assistant<|channel|>analysis<|message|>", _HARMONY),
        Tag("<|channel|>analysis", _HARMONY),
        Tag("<|channel|>commentary<|message|>", _HARMONY),
    ),
    "harmony-bare": (Tag("analysis", ("assistantfinal", "assistantcommentary"), start=True),),
    "openthinker": (Tag("<|begin_of_thought|>", ("<|end_of_thought|>",)),),
    "cohere": (Tag("<|START_THINKING|>", ("<|END_THINKING|>",)),),
    "kimi": (Tag("◁think▷", ("◁/think▷",)),),
    "gemma": (Tag("<|channel>thought", ("<channel|>",)),),
    "medgemma": (Tag("<unused94>", ("<unused95>",)),),
    "apertus": (Tag("<|inner_prefix|>", ("<|inner_suffix|>",)),),
    "pipes": (Tag("<|thinking|>", ("<|/thinking|>",)), Tag("<|think|>", ("<|/think|>",))),
    "granite": (
        Tag("Here is my thought process:", ("Here is my response:",), start=True),
        Tag("Here's my thought process:", ("Here's my response:",), start=True),
    ),
}

#: Models whose prompt template already opens the reasoning.
_INSIDE = ("*deepseek-r1*", "*deepseek-reasoner*", "*qwq*", "*qwen3*thinking*", "*r1-distill*")

UNION = tuple(tag for tags in KNOWN.values() for tag in tags)


class FormatFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What `titer check --learn-format` writes: formats by model name (`*` and `?` match)."""

    version: int = 1
    models: dict[str, Format] = {}


class Formats:
    """Which format a model has: a learnt one, else all that are known."""

    def __init__(self, learnt: FormatFile | None = None) -> None:
        self._learnt = dict(learnt.models) if learnt is not None else {}
        self._found: dict[str, Format] = {}

    def of(self, model: str) -> Format:
        """The format of a model alias. What was learnt is added to what is known, so that a model
        that changes its ways is not served raw.
        """
        found = self._found.get(model)
        if found is None:
            found = self._choose(model)
            if len(self._found) < MAX_MODELS:  # aliases are made up by callers
                self._found[model] = found
        return found

    def learnt(self, model: str) -> bool:
        """Whether the operator's file describes a model: what it says is no guess."""
        low = model.lower()
        return any(fnmatch.fnmatchcase(low, pattern.lower()) for pattern in self._learnt)

    def _choose(self, model: str) -> Format:
        low = model.lower()
        for pattern, learnt in self._learnt.items():
            if fnmatch.fnmatchcase(low, pattern.lower()):
                return Format(_together(learnt.tags, UNION), learnt.inside)
        inside = any(fnmatch.fnmatchcase(low, pattern) for pattern in _INSIDE)
        return Format(UNION, inside)


def _together(first: Iterable[Tag], rest: Iterable[Tag]) -> tuple[Tag, ...]:
    return tuple(dict.fromkeys((*first, *rest)))


def read_formats(path: Path) -> FormatFile:
    """A format file. Raises `ConfigError` saying what is wrong with it."""
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_FILE + 1)
        if len(raw) > MAX_FILE:
            raise ConfigError(f"{path}: larger than {MAX_FILE} bytes; this is no format file")
        found = msgspec.json.decode(raw, type=FormatFile)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except msgspec.DecodeError as error:
        raise ConfigError(f"{path}: {error}; `titer check --learn-format` writes one") from None
    if len(found.models) > MAX_MODELS:
        raise ConfigError(f"{path}: more than {MAX_MODELS} models; use patterns with *")
    for model, one in found.models.items():
        for tag in one.tags:
            words = (tag.open, *tag.close)
            if not tag.close or not all(1 < len(w) <= MAX_TAG for w in words):
                raise ConfigError(
                    f"{path}: {model}: a tag needs an opening and a closing text of 2 to"
                    f" {MAX_TAG} characters"
                )
    return found
