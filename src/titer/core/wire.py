"""A request and its reply while they are in memory: what mitigations and policies work on.

Nothing here is stored. `Request` and `Reply` carry text; the facts that are kept are in
`titer.core.nouns`. A codec in `titer.gateway.dialects` makes these from bytes and turns
them back; everything between works on them without knowing the dialect's bytes.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, Protocol

import msgspec

#: What went wrong, in no dialect's words. A dialect maps each kind to its own status and type.
ProblemKind = Literal[
    "invalid_request",  # 400: the body or a parameter is wrong
    "authentication",  # 401: no key, or not one of ours
    "permission",  # 403: the key may not do this
    "not_found",  # 404: no such route
    "method",  # 405
    "timeout",  # 408: the caller was too slow
    "too_large",  # 413: body over the limit
    "headers_too_large",  # 431
    "rate_limit",  # 429: a budget is spent; retry_after says when
    "overloaded",  # 503: titer is full or draining
    "upstream",  # 502: the model server refused, died or sent garbage
    "upstream_timeout",  # 504
    "internal",  # 500
]


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """A refusal before it is worded by a dialect.

    `message` says what to do next and never repeats text or keys of the caller. `code` is a
    stable slug, `param` the parameter at fault, `retry_after` seconds. `wait` asks the gateway to
    answer only after so many seconds (the caller leaving ends the wait).
    """

    kind: ProblemKind
    message: str
    code: str = ""
    param: str | None = None
    retry_after: float | None = None
    headers: tuple[tuple[str, str], ...] = ()
    wait: float = 0.0


class Ended(msgspec.Struct, frozen=True):
    """What an exchange came to: its tokens, and the status that the caller got."""

    tokens_in: int
    tokens_out: int
    reasoning_tokens: int
    status: int


#: Told once when an exchange has ended; None when it was never sent on.
Settle = Callable[[Ended | None], None]


class Written:
    """What the engine wrote of one reply, noted while it passes: token ids, choice by choice, at
    most `most` of them; `cut` counts the others. `keep_text` says that the text is wanted where no
    ids came.
    """

    __slots__ = ("_ids", "_most", "cut", "keep_text", "text")

    def __init__(self, most: int, *, keep_text: bool = False) -> None:
        self._most = most
        self.keep_text = keep_text
        self.clear()

    def clear(self) -> None:
        """Forget everything: the reply does not leave, and another one takes its place."""
        self._ids: dict[int, array[int]] = {}
        self.cut = 0
        self.text = ""

    @property
    def ids(self) -> tuple[bytes, ...]:
        """The ids of each choice that has any, as 32-bit numbers in this machine's order."""
        return tuple(self._ids[choice].tobytes() for choice in sorted(self._ids))

    def add(self, choice: int, ids: list[int]) -> None:
        """Note the next ids of a choice. Raises what `array` does for values that are no ids."""
        room = max(0, self._most - sum(map(len, self._ids.values())))
        fresh = array("I", ids[:room])
        self.cut += len(ids) - len(fresh)
        if fresh:
            self._ids.setdefault(choice, array("I")).extend(fresh)

    def put(self, choice: int, ids: list[int]) -> None:
        """Note all ids of a choice so far, in place of what was noted of it before."""
        self._ids.pop(choice, None)
        self.cut = 0
        self.add(choice, ids)

    def says(self, text: str) -> None:
        """The text of the reply; kept if it is wanted and no ids have come."""
        if self.keep_text and not self._ids:
            self.text = text


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One request after its dialect has read it.

    `body` is the decoded JSON object and must be treated as read-only: change a request with
    `edit`. `raw` are the bytes as received; they are forwarded verbatim while `edited` is
    False. `endpoint` is the route as the caller named it, without query (`/v1/messages`);
    `dialect` the codec's name (`openai.chat`). `delay` asks the gateway to wait that many
    seconds before forwarding (the caller leaving ends the wait). `id` is the exchange's. `settle`
    are told when the exchange has ended, `transforms` what the reply must pass because of an
    edit, `varied` what a coin chose, `mark` the id of the key that the reply will be marked with,
    `written` what is noted of a marked reply.
    """

    dialect: str
    endpoint: str
    body: Mapping[str, Any]
    raw: bytes
    model: str = ""
    stream: bool = False
    edited: bool = False
    delay: float = 0.0
    id: str = ""
    settle: tuple[Settle, ...] = ()
    transforms: tuple[Transform, ...] = ()
    varied: tuple[str, ...] = ()
    mark: str = ""
    written: Written | None = None

    def edit(self, *, drop: Iterable[str] = (), put: Mapping[str, Any] | None = None) -> Request:
        """The same request without the top-level keys `drop` and with those of `put`."""
        dropped = set(drop)
        body = {k: v for k, v in self.body.items() if k not in dropped}
        if put:
            body.update(put)
        return msgspec.structs.replace(self, body=body, edited=True)

    def encode(self) -> bytes:
        """The bytes to forward: as received unless something was edited."""
        return msgspec.json.encode(self.body) if self.edited else self.raw


class Reply(msgspec.Struct, kw_only=True):
    """One unit of a reply: a server-sent event, or the whole body when not streamed.

    `raw` are the bytes to send (an event with its blank line). `data` is the decoded JSON
    payload, or None when the unit carries none (`[DONE]`, a comment). `text` and `reasoning`
    are what it newly says, `final` marks the unit after which the reply is complete. A
    transform that changes `data` sets `edited`; the codec then writes `raw` again. `hidden` is
    what a transform has taken out of it, for the transforms after it; it is never written.
    """

    raw: bytes
    data: Any = None
    event: str = ""
    text: str = ""
    reasoning: str = ""
    hidden: str = ""
    final: bool = False
    edited: bool = False


class Transform(Protocol):
    """A mitigation at work on one reply: units in, units out, no I/O and no clock.

    `feed` takes the next unit and returns those that may leave now (possibly none: held
    back; possibly several: released). `flush` is called when the hold-back window's time is
    up and when the reply ends: it returns everything still held. What was returned has left
    and cannot be recalled. `held` counts the units being held back, for the cap.

    One that needs an answer from elsewhere (a summary) has `wants`, a text that is not empty while
    it waits, and `told(answer or None)`, which returns the units that may leave then.
    """

    @property
    def held(self) -> int: ...

    def feed(self, unit: Reply) -> Iterable[Reply]: ...

    def flush(self) -> Iterable[Reply]: ...
