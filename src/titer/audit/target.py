"""How a model is asked: the contract, and what an answer is.

Three things can be asked: to write (`generate`), to write and give probabilities (`generate` with
`logprobs`), and to read a text of ours and say at each place what might come next (`read`).
"""

from __future__ import annotations

from typing import Protocol

import msgspec

from titer.audit.texts import Text
from titer.core.errors import TiterError


class Place(msgspec.Struct, frozen=True, array_like=True):
    """One place of a text: the token that stands there, as spelt, and alternatives.

    `top` are (token, log-probability) pairs, most likely first, natural logs. `logprob` is that of
    the token itself, None where none was given.
    """

    token: str
    logprob: float | None
    top: tuple[tuple[str, float], ...]


class Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a model said to one request. `text` is its own words, empty when it only read.

    `tokens_out` is the usage that the server states, -1 when it states none; `fingerprint` its
    `system_fingerprint`; `places` are all of `text`, or of the text that was read.
    """

    text: str = ""
    finish: str = ""
    model: str = ""
    fingerprint: str = ""
    tokens_out: int = -1
    places: tuple[Place, ...] = ()


class Asked(Protocol):
    """A model that can be asked. Calls may come from several threads."""

    def generate(
        self, prompt: Text, *, max_tokens: int, temperature: float, logprobs: int, seed: int
    ) -> Answer:
        """Let it write. Raises `Later` or `NotAnswered`."""
        ...

    def read(self, text: str, *, logprobs: int) -> Answer:
        """Let it read. Raises `Later` or `NotAnswered`."""
        ...


class Later(Exception):  # noqa: N818 - it is an answer, not a fault
    """The server is busy, limits us or broke down: the same request may work later.

    `after` is how many seconds it asks us to wait, 0 when it does not say. `throttled` is whether
    it limits us on purpose.
    """

    def __init__(self, why: str, *, after: float = 0.0, throttled: bool = False) -> None:
        super().__init__(why)
        self.after, self.throttled = after, throttled


class NotAnswered(TiterError):  # noqa: N818 - it is an answer, not a fault
    """The server will not answer this as it was asked; the message says what to change.

    `general` is whether nothing else would be answered either (a credential, a route).
    """

    def __init__(self, why: str, *, general: bool = False) -> None:
        super().__init__(why)
        self.general = general
