"""`titer check --learn-format`: how a model writes its reasoning, from it or from a log."""

from __future__ import annotations

import io
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from titer.core.errors import InputError
from titer.evidence.files import replace
from titer.gateway.feeds.lines import MAX_WINDOW
from titer.respond.reasoning.formats import Format, FormatFile, read_formats
from titer.respond.reasoning.learn import ENOUGH, Learnt

#: Asked of a model: short to answer, and worth a thought.
QUESTIONS = (
    "A bat and a ball cost 1.10 together; the bat costs 1 more. What does the ball cost?",
    "Which is larger, 9.11 or 9.9? Answer in one line.",
    "If all bloops are razzies and some razzies are lazzies, are some bloops lazzies?",
    "Say hello.",
)
MAX_TOKENS = 2048
TIMEOUT_S = 120.0
#: Bytes of one answer, of a line of a log, and lines that are read of a log.
MAX_ANSWER = 8 * 1024 * 1024
MAX_LINE = 8 * 1024 * 1024
MAX_LINES = 200_000


def learn(url: str | None, log: Path | None, model: str, credential: str) -> dict[str, Learnt]:
    """What was seen, by model. Raises `InputError`."""
    if log is not None:
        return _from_log(log)
    if url is None or not model:
        raise InputError("give --learn-format URL with --model NAME, or --from LOG")
    seen = Learnt()
    for question in QUESTIONS:
        message = _ask(url, model, question, credential)
        text = message.get("content")
        seen.take(text if isinstance(text, str) else "", message)
    return {model: seen}


def write(found: dict[str, Learnt], out: Path) -> FormatFile:
    """Add to a format file, or begin one. Raises `ConfigError` for a file that is none."""
    models: dict[str, Format] = dict(read_formats(out).models) if out.exists() else {}
    models.update({model: seen.format() for model, seen in found.items()})
    made = FormatFile(models=models)
    replace(out, msgspec.json.format(msgspec.json.encode(made)) + b"\n")
    return made


class _Stay(urllib.request.HTTPRedirectHandler):
    """Goes nowhere else: the credential is for the server that was named."""

    def redirect_request(self, *_: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_Stay)


def _ask(url: str, model: str, question: str, credential: str) -> dict[str, Any]:
    body = {
        "model": model, "max_tokens": MAX_TOKENS,
        "messages": [{"role": "user", "content": question}],
    }  # fmt: skip
    where = url.rstrip("/") + "/v1/chat/completions"
    if not where.startswith(("http://", "https://")):
        raise InputError("--learn-format takes an http or https URL")
    headers = {"content-type": "application/json"}
    if credential:
        headers["authorization"] = f"Bearer {credential}"
    request = urllib.request.Request(where, json.dumps(body).encode(), headers)  # noqa: S310
    try:
        with _OPENER.open(request, timeout=TIMEOUT_S) as answer:
            raw = answer.read(MAX_ANSWER)
        message = json.loads(raw)["choices"][0]["message"]
    except (urllib.error.URLError, OSError) as error:
        raise InputError(f"{where}: {getattr(error, 'reason', error)}") from None
    except (ValueError, LookupError, TypeError, RecursionError):
        raise InputError(f"{where}: this is no chat completion") from None
    if not isinstance(message, dict):
        raise InputError(f"{where}: this is no chat completion")
    return message


def _from_log(path: Path) -> dict[str, Learnt]:
    """From an exchange log, plain or .zst: replies that were kept with their text."""
    found: dict[str, Learnt] = {}
    for line in _lines(path):
        try:
            row = json.loads(line)
            reply, model = row.get("reply"), (row.get("request") or {}).get("model")
        except (ValueError, AttributeError, RecursionError):
            continue
        if not isinstance(reply, dict) or not isinstance(model, str):
            continue
        seen = found.setdefault(model, Learnt())
        if seen.replies < ENOUGH and isinstance(reply.get("text"), str):
            seen.take(reply["text"], reply)
    found = {model: seen for model, seen in found.items() if seen.replies}
    if not found:
        raise InputError(f"{path}: no line has a request with a model and a reply with text")
    return found


def _lines(path: Path) -> Iterator[bytes]:
    """At most `MAX_LINES` lines of a log, up to one that is longer than `MAX_LINE`."""
    try:
        with path.open("rb") as file:
            stream: Any = file
            if file.read(4) == b"\x28\xb5\x2f\xfd":
                unpacker = zstandard.ZstdDecompressor(max_window_size=MAX_WINDOW)
                stream = io.BufferedReader(unpacker.stream_reader(file, closefd=False), 1 << 20)
            file.seek(0)
            for _ in range(MAX_LINES):
                line = stream.readline(MAX_LINE + 1)
                if not line or len(line) > MAX_LINE:
                    return
                yield line
    except (OSError, zstandard.ZstdError) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None


def tell_progress(found: dict[str, Learnt]) -> None:
    """What was seen, for people."""
    for model, seen in found.items():
        form = seen.format()
        words = ", ".join(tag.open for tag in form.tags) or "none"
        fields = ", ".join(seen.fields) or "none"
        inside = "; texts begin inside the reasoning" if form.inside else ""
        print(
            f"{model}: {seen.replies} replies; members with reasoning: {fields}; tags: {words}"
            f"{inside}",
            file=sys.stderr,
        )
