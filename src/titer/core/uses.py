"""What a request uses of a service besides text: kinds of exposure that tokens do not count.

A rung of the ladder may be for callers alone that use something (`titer.respond.ladder`): whoever
never asked for log-probabilities loses nothing by a dose that strips them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal, get_args

from titer.core.nouns import RequestFacts

#: `logprobs`: asks for log-probabilities, by any engine's name; `logit_bias`: sends one;
#: `embeddings`: has something embedded.
Use = Literal["logprobs", "logit_bias", "embeddings"]
USES: tuple[str, ...] = get_args(Use)

#: Parameters that bring log-probabilities: of OpenAI, vLLM, SGLang, llama.cpp and TGI.
LOGPROBS = frozenset(
    {
        "logprobs", "top_logprobs", "prompt_logprobs", "return_logprob", "top_logprobs_num",
        "token_ids_logprob", "logprob_token_ids", "n_probs", "top_n_tokens", "details",
        "decoder_input_details",
    }
)  # fmt: skip

#: Of these, those where 0 asks as well: for the token's own value, without alternatives.
_ZERO_ASKS = frozenset({"logprobs", "prompt_logprobs"})

#: The member of the responses dialect that asks for them, and what its facts say then.
INCLUDE, INCLUDED, INCLUDES_LOGPROBS = (
    "include", "message.output_text.logprobs", "<array, logprobs>",
)  # fmt: skip

_NAMES = LOGPROBS | {INCLUDE}


def uses(endpoint: str, request: RequestFacts) -> tuple[str, ...]:
    """What one request uses, of `USES`, in that order. 0.5 us, 1 us for who does."""
    params = request.params
    found: tuple[str, ...] = ()
    for name in _NAMES.intersection(params):
        if _asks(name, params[name]):
            found = ("logprobs",)
            break
    if request.biased:
        found = (*found, "logit_bias")
    if endpoint.endswith("/embeddings"):
        found = (*found, "embeddings")
    return found


def joined(known: tuple[str, ...], more: Iterable[str]) -> tuple[str, ...]:
    """Both together, in the order of `USES`."""
    both = {*known, *more}
    return known if len(both) == len(known) else tuple(use for use in USES if use in both)


def _asks(name: str, value: Any) -> bool:
    if name == INCLUDE:
        return bool(value == INCLUDES_LOGPROBS)
    if value is None or value is False:
        return False
    return bool(value) or name in _ZERO_ASKS
