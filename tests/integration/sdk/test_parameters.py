"""Every parameter that the installed SDKs can send is known to the parameter policy.

An unknown parameter is dropped, so that a caller who uses a new one of its SDK gets another answer
than without titer. A key with every grant loses nothing of what an SDK knows.
"""

from __future__ import annotations

import re
import typing

import pytest
from anthropic.types import (
    message_count_tokens_params as count,
)
from anthropic.types import (
    message_create_params as messages,
)
from anthropic.types.beta import (
    message_count_tokens_params as beta_count,
)
from anthropic.types.beta import (
    message_create_params as beta_messages,
)
from openai.types import completion_create_params as completions
from openai.types import embedding_create_params as embeddings
from openai.types.beta import response_create_params as beta_responses
from openai.types.chat import completion_create_params as chat
from openai.types.responses import response_create_params as responses

from titer.detect.parameter_tables import CHECKED, CLOSED, PLAIN

#: How the SDKs mark a parameter that is a header and no part of the body.
HEADER = re.compile("alias='(anthropic|openai)-")

PARAMS = [
    ("openai.chat", chat.CompletionCreateParamsStreaming),
    ("openai.completions", completions.CompletionCreateParamsStreaming),
    ("openai.embeddings", embeddings.EmbeddingCreateParams),
    ("openai.responses", responses.ResponseCreateParamsStreaming),
    ("openai.responses", beta_responses.ResponseCreateParamsStreaming),
    ("anthropic.messages", messages.MessageCreateParamsStreaming),
    ("anthropic.messages", beta_messages.MessageCreateParamsStreaming),
    ("anthropic.count_tokens", count.MessageCountTokensParams),
    ("anthropic.count_tokens", beta_count.MessageCountTokensParams),
]


@pytest.mark.parametrize(("dialect", "params"), PARAMS, ids=[f"{p.__module__}" for _, p in PARAMS])
def test_no_parameter_of_an_sdk_is_unknown(dialect, params):
    kinds = typing.get_type_hints(params, include_extras=True)
    sent = {n for n, kind in kinds.items() if not HEADER.search(str(kind))}
    assert len(sent) >= 5
    assert sent - PLAIN[dialect] - CHECKED[dialect] - CLOSED.keys() == set()
