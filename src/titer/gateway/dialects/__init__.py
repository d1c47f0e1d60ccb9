"""The dialects that model servers speak, each a codec without a socket, and where to find them.

`BUILTIN` is served as it is; the engines' own routes (`engine_extras`) only when the operator
opens them by path; everything else is refused.
"""

from __future__ import annotations

from collections.abc import Container

from titer.gateway.dialects.anthropic_count_tokens import AnthropicCountTokens
from titer.gateway.dialects.anthropic_messages import AnthropicMessages
from titer.gateway.dialects.contract import Dialect, Route
from titer.gateway.dialects.engine_extras import EngineExtras
from titer.gateway.dialects.openai_chat import OpenAIChat
from titer.gateway.dialects.openai_completions import OpenAICompletions
from titer.gateway.dialects.openai_embeddings import OpenAIEmbeddings
from titer.gateway.dialects.openai_models import OpenAIModels
from titer.gateway.dialects.openai_responses import OpenAIResponses

BUILTIN: tuple[Dialect, ...] = (
    OpenAIChat(),
    OpenAICompletions(),
    OpenAIEmbeddings(),
    OpenAIResponses(),
    OpenAIModels(),
    AnthropicMessages(),
    AnthropicCountTokens(),
)

#: Known, and refused unless opened by path.
EXTRAS: Dialect = EngineExtras()

_Table = dict[tuple[str, str], tuple[Dialect, Route]]


def _table(dialects: tuple[Dialect, ...]) -> _Table:
    return {(r.method, r.path): (d, r) for d in dialects for r in d.routes}


_SERVED = _table(BUILTIN)
_EXTRA = _table((EXTRAS,))
_BY_NAME = {d.name: d for d in (*BUILTIN, EXTRAS)}


def find(method: str, path: str, opened: Container[str] = ()) -> tuple[Dialect, Route] | None:
    """The dialect and route of a request (path without query), or None: refuse it.

    `opened` holds the paths of engine extras that the operator has opened.
    """
    found = _SERVED.get((method, path))
    if found is not None:
        return found
    head, slash, tail = path.rpartition("/")
    if slash and tail:
        found = _SERVED.get((method, head + "/*"))
        if found is not None:
            return found
    return _EXTRA.get((method, path)) if path in opened else None


def methods(path: str, opened: Container[str] = ()) -> tuple[str, ...]:
    """The methods that `path` is served with: empty means 404, another method 405."""
    return tuple(m for m in ("GET", "POST") if find(m, path, opened) is not None)


def named(name: str) -> Dialect:
    """The dialect called `name`; raises KeyError."""
    return _BY_NAME[name]


def nearest(path: str) -> Dialect:
    """The dialect that words a refusal on a route that nobody serves."""
    return _BY_NAME["anthropic.messages" if path.startswith("/v1/messages") else "openai.chat"]
