"""Anthropic's token count: POST /v1/messages/count_tokens.

The caller sends a whole conversation and gets one number, so its text is weighed like any
other; nothing is generated. Source: Anthropic API reference, "Count tokens in a message".
"""

from __future__ import annotations

from titer.gateway.dialects.anthropic_events import CountTap
from titer.gateway.dialects.anthropic_messages import AnthropicMessages
from titer.gateway.dialects.contract import Route, Tap


class AnthropicCountTokens(AnthropicMessages):
    """Reads the same requests as messages; replies are one number."""

    name = "anthropic.count_tokens"
    routes: tuple[Route, ...] = (Route("POST", "/v1/messages/count_tokens"),)

    def tap(self) -> Tap:
        return CountTap()
