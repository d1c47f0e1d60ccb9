"""Asks an OpenAI-compatible server: chat completions, or completions with echo.

Outbound HTTP of a verb that a person runs; nothing listens here. Everything that comes back is
hostile: bounded, decoded into fixed forms, never followed elsewhere. The credential goes into one
header and into nothing else.
"""

from __future__ import annotations

import contextlib
import http.client
import math
import socket
import ssl
import threading
from typing import Any
from urllib.parse import urlsplit

import msgspec

from titer.audit.plan import Target
from titer.audit.target import Answer, Later, NotAnswered, Place
from titer.audit.texts import Text

#: Bytes of one answer: 100,000 tokens with 20 alternatives each.
MAX_ANSWER = 64 << 20
#: Seconds without a byte before a request counts as lost.
TIMEOUT = 120.0
#: Seconds for a whole answer: a server that drips bytes would hold the collection for ever.
DEADLINE = 900.0
#: Alternatives that are read at a place, whatever the server sends.
MAX_TOP = 256
#: Seconds that a server may ask us to wait; more is cut to this.
MAX_AFTER = 3600.0
#: Characters of a server's own words that are kept (model, fingerprint, finish).
MAX_WORD = 200

_BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529})


class Endpoint:
    """One server and model. Safe for threads: each call has a connection of its own."""

    def __init__(
        self, target: Target, credential: str = "", *, timeout: float = TIMEOUT,
        deadline: float = DEADLINE,
    ) -> None:  # fmt: skip
        parts = urlsplit(target.url)
        if not parts.hostname or parts.username or parts.query or parts.fragment:
            raise NotAnswered(
                f"{target.name}: the url must be http(s)://HOST[:PORT]/v1, without credentials"
            )
        self._target, self._credential, self._timeout = target, credential, timeout
        self._deadline = deadline
        self._host, self._port = parts.hostname, parts.port
        self._base = parts.path.rstrip("/")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None

    def generate(
        self, prompt: Text, *, max_tokens: int, temperature: float, logprobs: int, seed: int
    ) -> Answer:
        """One reply to a prompt, with alternatives along it when `logprobs` is not 0."""
        body: dict[str, Any] = {
            "model": self._target.model, "max_tokens": max_tokens, "temperature": temperature,
            "seed": seed,
        }  # fmt: skip
        if self._target.api == "chat":
            turns = [{"role": "user", "content": prompt.text}]
            if prompt.system:
                turns.insert(0, {"role": "system", "content": prompt.system})
            body["messages"] = turns
            if logprobs:
                body |= {"logprobs": True, "top_logprobs": logprobs}
            return _chat(self._post("/chat/completions", body))
        body["prompt"] = f"{prompt.system}\n{prompt.text}" if prompt.system else prompt.text
        if logprobs:
            body["logprobs"] = logprobs
        return _completion(self._post("/completions", body), "")

    def read(self, text: str, *, logprobs: int) -> Answer:
        """Alternatives along a given text: a completion of nothing that echoes its prompt."""
        if self._target.api != "completions":
            raise NotAnswered(
                f"{self._target.name}: a chat server cannot be made to read; use "
                'api = "completions", weights (api = "callable"), or the topk statistic'
            )
        body = {
            "model": self._target.model, "prompt": text, "max_tokens": 1, "temperature": 0.0,
            "echo": True, "logprobs": logprobs,
        }  # fmt: skip
        found = _completion(self._post("/completions", body), text)
        if not found.places:
            raise NotAnswered(
                f"{self._target.name}: the server gives no log-probabilities along its prompt "
                "(echo with logprobs); argmax and soft cannot be tested on it"
            )
        return msgspec.structs.replace(found, text="")

    def _post(self, path: str, body: dict[str, Any]) -> bytes:
        """The body of a 200. Raises `Later` and `NotAnswered`."""
        headers = {"content-type": "application/json", "accept": "application/json"}
        if self._credential:
            headers["authorization"] = f"Bearer {self._credential}"
        connection = self._connect()
        late = threading.Event()
        held: list[socket.socket] = []
        guard = threading.Timer(self._deadline, _cut, (held, late))
        guard.daemon = True
        try:
            connection.connect()
            held.append(connection.sock)  # a connection forgets it once the head has come
            guard.start()
            connection.request("POST", self._base + path, msgspec.json.encode(body), headers)
            with connection.getresponse() as reply:
                data = reply.read(MAX_ANSWER + 1)
                status, after = reply.status, reply.headers.get("retry-after", "")
        except (OSError, http.client.HTTPException) as error:
            if not late.is_set():  # else it is the cut that it met
                raise Later(f"no answer ({type(error).__name__})") from None
        finally:
            guard.cancel()
            connection.close()
        if late.is_set():
            raise Later(f"no whole answer in {self._deadline:.0f} s")
        if status in _BUSY:
            raise Later(f"status {status}", after=_seconds(after), throttled=status in (429, 503))
        if status != 200:
            raise NotAnswered(
                f"{self._target.name}: the server answers {status}; check url, model, credential, "
                "and whether it takes these parameters",
                general=status in (401, 402, 403, 404, 405) or 300 <= status < 400,
            )
        if len(data) > MAX_ANSWER:
            raise NotAnswered(f"{self._target.name}: an answer has more than {MAX_ANSWER} bytes")
        return data

    def _connect(self) -> http.client.HTTPConnection:
        if self._tls is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout)
        return http.client.HTTPSConnection(
            self._host, self._port, timeout=self._timeout, context=self._tls
        )


def _cut(held: list[socket.socket], late: threading.Event) -> None:
    """End a request whose time is up, wherever it waits."""
    late.set()
    for one in held:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)


class _Usage(msgspec.Struct):
    completion_tokens: int = -1


class _Top(msgspec.Struct):
    token: str
    logprob: float


class _Said(msgspec.Struct):
    token: str
    logprob: float | None = None
    top_logprobs: list[_Top] = []


class _Content(msgspec.Struct):
    content: list[_Said] | None = None


class _Message(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    message: _Message = msgspec.field(default_factory=_Message)
    logprobs: _Content | None = None
    finish_reason: str | None = ""


class _Chat(msgspec.Struct):
    choices: list[_Choice]
    model: str = ""
    system_fingerprint: str | None = ""
    usage: _Usage | None = None


class _Lists(msgspec.Struct):
    tokens: list[str] = []
    token_logprobs: list[float | None] = []
    top_logprobs: list[dict[str, float] | None] | None = None


class _Written(msgspec.Struct):
    text: str = ""
    logprobs: _Lists | None = None
    finish_reason: str | None = ""


class _Completion(msgspec.Struct):
    choices: list[_Written]
    model: str = ""
    system_fingerprint: str | None = ""
    usage: _Usage | None = None


_chat_form = msgspec.json.Decoder(_Chat)
_completion_form = msgspec.json.Decoder(_Completion)


def _chat(data: bytes) -> Answer:
    form = _decoded(_chat_form, data)
    choice = form.choices[0]
    places = []
    said = choice.logprobs.content if choice.logprobs is not None else None
    for one in said or ():
        top = ((t.token, t.logprob) for t in one.top_logprobs[:MAX_TOP])
        places.append(Place(one.token, one.logprob, _ranked(top)))
    return _answer(choice.message.content or "", choice.finish_reason, form, places)


def _completion(data: bytes, read: str) -> Answer:
    """The answer; along `read`, if that is given, and nothing beyond it."""
    form = _decoded(_completion_form, data)
    choice = form.choices[0]
    lists = choice.logprobs or _Lists()
    places, offset = [], 0
    for i, token in enumerate(lists.tokens):
        if read and offset >= len(read):
            break
        given = lists.top_logprobs[i] if lists.top_logprobs and i < len(lists.top_logprobs) else {}
        logprob = lists.token_logprobs[i] if i < len(lists.token_logprobs) else None
        top = list((given or {}).items())[:MAX_TOP]
        places.append(Place(token, logprob, _ranked(top)))
        offset += len(token)
    if read and "".join(lists.tokens)[: len(read)] != read:
        places = []
    return _answer(choice.text, choice.finish_reason, form, places)


def _answer(
    text: str, finish: str | None, form: _Chat | _Completion, places: list[Place]
) -> Answer:
    return Answer(
        text=text,
        finish=(finish or "")[:MAX_WORD],
        model=form.model[:MAX_WORD],
        fingerprint=(form.system_fingerprint or "")[:MAX_WORD],
        tokens_out=form.usage.completion_tokens if form.usage is not None else -1,
        places=tuple(places),
    )


def _ranked(top: Any) -> tuple[tuple[str, float], ...]:
    """Most likely first; what is no number counts as impossible, not as an error."""
    read = [(t, float(p)) for t, p in top if not math.isnan(float(p))]
    return tuple(sorted(read, key=lambda pair: -pair[1]))


def _decoded(form: msgspec.json.Decoder[Any], data: bytes) -> Any:
    """A body in its form. What cannot be read counts as a breakdown: it may work again."""
    try:
        found = form.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ValueError):
        raise Later("the answer cannot be read") from None
    if not found.choices:
        raise Later("the answer holds no choice")
    return found


def _seconds(header: str) -> float:
    """`retry-after` in seconds; dates and nonsense count as not said."""
    with contextlib.suppress(ValueError):
        seconds = float(header)
        if seconds >= 0:
            return min(seconds, MAX_AFTER)
    return 0.0
