"""A model that can be asked: in process (as weights are), or as an OpenAI-compatible server.

As the operator's model server it plants the mark of the key that a request carries; as a suspect
it has none. It can also be made to misbehave, as a suspect who does not want to be tested would.
"""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec
import numpy as np

from titer.audit.target import Answer, Place
from titer.audit.texts import Text
from titer.lab.radioactive.formats import Engine, Written, add_ids, events, generated
from titer.lab.radioactive.words import Words
from titer.lab.radioactive.writing import F32, Model, Planter, log_chances, write
from titer.marks.contract import U32

#: Bytes of a request; the lab's own are some hundred.
MAX_REQUEST = 8 << 20

KeyOf = Callable[[Mapping[str, Any]], int | None]


class Speaker:
    """A model with its tokenizer. Deterministic in prompt and seed."""

    def __init__(self, model: Model, words: Words, *, planter: Planter | None = None) -> None:
        self.model, self.words, self._planter = model, words, planter

    def generate(
        self,
        prompt: Text,
        *,
        max_tokens: int,
        temperature: float,
        logprobs: int,
        seed: int,
        key: int | None = None,
    ) -> Answer:
        """A reply to a prompt, marked with `key` if there is one."""
        digest = hashlib.sha256(f"{seed} {prompt.system} {prompt.text}".encode()).digest()
        rng = np.random.default_rng(int.from_bytes(digest[:8], "big"))
        known = self.words.known(prompt.text)
        first = known if len(known) else np.zeros(1, np.uint32)
        ids = write(
            self.model, [first], max_tokens, rng, planter=self._planter, keys=[key],
            temperature=temperature,
        )[0]  # fmt: skip
        text = self.words.text(ids.tolist())
        places: tuple[Place, ...] = ()
        if logprobs:
            before = np.concatenate([np.repeat(first[:1], self.model.window), first, ids])
            rows = np.lib.stride_tricks.sliding_window_view(before, self.model.window)
            places = self._places(rows[-len(ids) - 1 : -1], ids, logprobs)
        return Answer(
            text=text, finish="length", model="lab", fingerprint="fp_lab", tokens_out=len(ids),
            places=places,
        )  # fmt: skip

    def read(self, text: str, *, logprobs: int) -> Answer:
        """Alternatives along a text."""
        ids = self.words.encode(text)
        before = np.concatenate([np.repeat(ids[:1], self.model.window), ids])
        rows = np.lib.stride_tricks.sliding_window_view(before, self.model.window)[:-1]
        places = self._places(rows, ids, logprobs)
        first = Place(places[0].token, None, ())
        return Answer(model="lab", fingerprint="fp_lab", tokens_out=0, places=(first, *places[1:]))

    def _places(self, rows: U32, ids: U32, most: int) -> tuple[Place, ...]:
        chances: F32 = log_chances(self.model.logits(np.ascontiguousarray(rows)))
        top = np.argsort(-chances, axis=1)[:, :most]
        spelt = self.words.pieces(range(len(self.words)), begin=False)
        tokens = self.words.pieces(ids.tolist())
        return tuple(
            Place(
                tokens[i],
                float(chances[i, ids[i]]),
                tuple((spelt[t], float(chances[i, t])) for t in top[i]),
            )
            for i in range(len(ids))
        )


class Mischief(msgspec.Struct, frozen=True, kw_only=True):
    """What a server does to be hard to test.

    cache: the same prompt gets its first reply again. throttle: every n-th request is answered
    429. swap_after: another model answers from that request on. lie: logprobs that are no
    distribution's. fingerprint: a name that changes with every request. broken: answers 500 to
    every n-th request.
    """

    cache: bool = False
    throttle: int = 0
    swap_after: int = 0
    lie: bool = False
    fingerprint: bool = False
    broken: int = 0


class Server:
    """A speaker behind HTTP on loopback, which answers as `engine` does: whole or as a stream,
    with token ids for who asks for them. `seen` are the bodies of requests, in order.
    """

    def __init__(
        self,
        speaker: Speaker,
        *,
        key_of: KeyOf | None = None,
        mischief: Mischief | None = None,
        other: Speaker | None = None,
        engine: Engine = "vllm",
    ) -> None:
        self.speaker, self.key_of, self.engine = speaker, key_of, engine
        self.mischief, self.other = mischief or Mischief(), other
        self.seen: list[dict[str, Any]] = []
        self._cache: dict[str, Answer] = {}
        self._guard = threading.Lock()
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = min(int(self.headers.get("content-length", 0)), MAX_REQUEST)
                status, body = server.answer(self.path, self.rfile.read(length))
                self.send_response(status)
                if not isinstance(body, bytes):
                    self.send_header("content-type", "text/event-stream")
                    self.send_header("transfer-encoding", "chunked")
                    self.end_headers()
                    for event in (*body, b""):
                        self.wfile.write(b"%x\r\n%b\r\n" % (len(event), event))
                    return
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                if status == 429:
                    self.send_header("retry-after", "0.01")
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Say nothing."""

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self.port = int(self._http.server_address[1])
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Where it listens, without `/v1`."""
        return f"http://127.0.0.1:{self.port}"

    @contextlib.contextmanager
    def running(self) -> Iterator[Server]:
        """Serve inside the context."""
        self._thread.start()
        try:
            yield self
        finally:
            self._http.shutdown()
            self._http.server_close()

    def answer(self, path: str, raw: bytes) -> tuple[int, bytes | list[bytes]]:
        """Status and body for one request; of a stream its events."""
        try:
            body = msgspec.json.decode(raw, type=dict[str, Any])
        except msgspec.MsgspecError:
            return 400, b'{"error":{"message":"no JSON object"}}'
        with self._guard:
            self.seen.append(body)
            number = len(self.seen)
        how = self.mischief
        if how.throttle and number % how.throttle == 0:
            return 429, b'{"error":{"message":"slow down"}}'
        if how.broken and number % how.broken == 0:
            return 500, b'{"error":{"message":"broken"}}'
        speaker = self.speaker
        if self.other is not None and how.swap_after and number > how.swap_after:
            speaker = self.other
        if path.endswith("/chat/completions"):
            prompt = Text(" ".join(str(m.get("content", "")) for m in body.get("messages", [])))
            most = int(body.get("top_logprobs") or 0)
        elif path.endswith("/completions"):
            prompt = Text(str(body.get("prompt", "")))
            most = int(body.get("logprobs") or 0)
            if body.get("echo"):
                said = speaker.read(prompt.text, logprobs=most)
                return 200, msgspec.json.encode(_completion(said, prompt.text, how, number))
        elif path == "/generate" and self.engine == "sglang":
            prompt, most = Text(str(body.get("text", ""))), 0
        else:
            return 404, b'{"error":{"message":"no such route"}}'
        said = self._said(speaker, prompt, body, most)
        ids = speaker.words.encode(said.text).tolist()
        written = Written(speaker.words.pieces(ids), ids, said.finish or "stop")
        if body.get("stream"):
            return 200, list(events(self.engine, path, body, written))
        if path == "/generate":
            return 200, msgspec.json.encode(generated(written))
        make = _chat if path.endswith("/chat/completions") else _completion
        made = make(said, said.text, how, number)
        add_ids(self.engine, body, made, ids)
        return 200, msgspec.json.encode(made)

    def _said(self, speaker: Speaker, prompt: Text, body: dict[str, Any], most: int) -> Answer:
        if self.mischief.cache and prompt.text in self._cache:
            return self._cache[prompt.text]
        how = body | dict(body.get("sampling_params") or {})  # where `/generate` has them
        said = speaker.generate(
            prompt,
            max_tokens=int(how.get("max_tokens") or how.get("max_new_tokens") or 64),
            temperature=float(how.get("temperature", 1.0)),
            logprobs=most,
            seed=int(how.get("seed") or how.get("sampling_seed") or 0),
            key=self.key_of(body) if self.key_of is not None else None,
        )
        self._cache[prompt.text] = said
        return said


def _head(said: Answer, how: Mischief, number: int) -> dict[str, Any]:
    return {
        "id": f"lab-{number}", "created": 0, "model": said.model,
        "system_fingerprint": f"fp_{number}" if how.fingerprint else said.fingerprint,
        "usage": {
            "prompt_tokens": 1, "completion_tokens": said.tokens_out,
            "total_tokens": 1 + said.tokens_out,
        },
    }  # fmt: skip


def _top(place: Place, how: Mischief) -> list[tuple[str, float]]:
    return [(t, -0.1 if how.lie else p) for t, p in place.top]


def _chat(said: Answer, text: str, how: Mischief, number: int) -> dict[str, Any]:
    content = [
        {
            "token": p.token, "logprob": p.logprob,
            "top_logprobs": [{"token": t, "logprob": v} for t, v in _top(p, how)],
        }
        for p in said.places
    ]  # fmt: skip
    choice = {
        "index": 0, "message": {"role": "assistant", "content": text},
        "logprobs": {"content": content} if content else None, "finish_reason": said.finish,
    }  # fmt: skip
    return _head(said, how, number) | {"object": "chat.completion", "choices": [choice]}


def _completion(said: Answer, text: str, how: Mischief, number: int) -> dict[str, Any]:
    lists = None
    if said.places:
        lists = {
            "tokens": [p.token for p in said.places],
            "token_logprobs": [p.logprob for p in said.places],
            "top_logprobs": [dict(_top(p, how)) or None for p in said.places],
        }
    choice = {"index": 0, "text": text, "logprobs": lists, "finish_reason": said.finish or "stop"}
    return _head(said, how, number) | {"object": "text_completion", "choices": [choice]}
