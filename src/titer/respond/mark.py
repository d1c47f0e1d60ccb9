"""Mark: have the engine plant an account's own mark in its replies.

    strength     profile       SGLang                         vLLM
    to 0.5       quiet         its Gumbel mark, width 4       its own mark, `watermarking: true`
    to 0.75      radioactive   its Gumbel mark, width 2       titer's KGW, width 2, delta 1
    to 1         radioactive   its Gumbel mark, width 1       titer's KGW, width 1, delta 2

The quiet profile changes no reply's distribution and is found in text that was copied. The
radioactive one is meant to be learnt by a student and costs quality: for subjects on a rung
only. The key is the account's own (`marks.keys`), except that vLLM's own mark has one key for the
whole engine. Whatever a caller sends to steer marks was dropped by parameter policy before.

Where the engine can say which token ids it wrote, it is asked for them, and they are noted and
taken out of the reply again (`respond.token_ids`): contexts that marked replies reached are
recorded from them.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from titer.core.nouns import Card, Standing
from titer.core.wire import Request
from titer.marks.keys import KeyRing
from titer.marks.plugins.arguments import DELTA, KEY, WIDTH
from titer.respond.token_ids import ask

Engine = Literal["", "sglang", "vllm"]

#: Strength up to which the profile is quiet, and up to which the radioactive one is mild.
QUIET, MILD = 0.5, 0.75

_DIALECTS: dict[str, frozenset[str]] = {
    "sglang": frozenset({"openai.chat", "openai.completions", "engine.extras"}),
    "vllm": frozenset({"openai.chat", "openai.completions", "openai.responses"}),
}


class Mark:
    """The mitigation. Without an engine or a key ring it leaves every request alone."""

    card = Card(
        name="mark",
        version="1",
        technique="AML.T0024.002",
        measures="has the engine plant a mark by the account's own key in what it samples",
        blind_to="greedy and low-entropy replies, code above all; whoever paraphrases; engines "
        "that take no key by request, and Anthropic's dialect",
        benign_causes="none is accused by it; the radioactive profile costs every marked account "
        "some quality",
        cost="6 us a request, 12 us an event where token ids are noted; in the engine 0.02 ms a "
        "token or less",
        lifecycle="draft",
        stage="request",
        apart=True,
    )

    def __init__(
        self, engine: Engine = "", ring: KeyRing | None = None, *, ids: bool = False,
        text: bool = False,
    ) -> None:  # fmt: skip
        """`ids`: note which token ids were written; `text`: the text, where no ids come."""
        self._engine = engine
        self._ring = ring
        self._ids, self._text = ids, text

    def request(self, request: Request, strength: float, standing: Standing) -> Request:
        """The request with the mark asked for, and `mark` set to the key's id."""
        if strength <= 0 or self._ring is None:
            return request
        if request.dialect not in _DIALECTS.get(self._engine, ()):
            return request
        key = self._ring.key(standing.subject)
        if self._engine == "sglang":
            width = 4 if strength <= QUIET else 2 if strength <= MILD else 1
            wanted = {"enabled": True, "key": f"{key.engine:016x}", "context_window": width}
            edited = request.edit(put={"watermark": wanted})
        elif strength <= QUIET:
            return request.edit(put={"watermarking": True})
        else:
            mild = strength <= MILD
            given = request.body.get("vllm_xargs")
            arguments: dict[str, Any] = dict(given) if type(given) is dict else {}
            arguments |= {
                KEY: f"{key.engine:016x}", WIDTH: 2 if mild else 1, DELTA: 1.0 if mild else 2.0
            }  # fmt: skip
            edited = request.edit(put={"vllm_xargs": arguments})
        if self._ids:
            edited = ask(edited, self._engine, text=self._text)
        return msgspec.structs.replace(edited, mark=key.id)

    def reply(self, strength: float, standing: Standing) -> None:
        """The engine has done it; token ids that were asked for are the request's `transforms`."""
        del strength, standing
