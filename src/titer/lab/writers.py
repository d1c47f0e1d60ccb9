"""Writes a scenario down: the exchange log of the design, its labels, and a note about both.

OUT/log.jsonl(.zst)   one exchange a line: what an operator would have
OUT/labels.jsonl      {"principal", "campaign", "team"}: read by evaluation only
OUT/about.json        scenario, seed, sizes, where the words came from
"""

from __future__ import annotations

import contextlib
import random
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import msgspec
import zstandard

from titer.lab.events import Account, Event
from titer.lab.generators.chat import answer
from titer.lab.scenario import Scenario

_ENCODE = msgspec.json.Encoder().encode


class Written(msgspec.Struct, frozen=True):
    """What was written."""

    log: str
    labels: str
    exchanges: int
    accounts: int


def timestamp(at: int) -> str:
    """Microseconds as ISO 8601 with milliseconds and `Z`."""
    moment = datetime.fromtimestamp(at // 1_000_000, UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{at // 1000 % 1000:03d}Z"


def line(event: Event, *, replies: bool) -> dict[str, Any]:
    """One exchange as the log writes it; without `replies` the reply's text is left out."""
    account = event.account
    said: dict[str, Any] = {"finish": event.finish}
    if replies:
        said["text"] = answer(random.Random(event.at), tokens=event.tokens_out)
    head = {
        "at": timestamp(event.at),
        "principal": account.name,
        "org": account.org,
        "tier": account.tier,
        "created": timestamp(account.created)[:10],
        "origin": msgspec.to_builtins(account.origin),
        "endpoint": event.endpoint,
        "request": event.body,
        "reply": said,
        "usage": {"in": tokens_in(event), "out": event.tokens_out},
        "status": 200,
    }
    if account.grants:
        head["grants"] = list(account.grants)
    return head


def tokens_in(event: Event) -> int:
    """Tokens of the request, at 4 characters a token over the encoded body."""
    return max(1, len(_ENCODE(event.body)) // 4)


def label(account: Account) -> dict[str, str | None]:
    """What evaluation may know about one account."""
    return {
        "principal": account.name,
        "campaign": account.campaign or None,
        "team": account.team or None,
    }


def write(
    scenario: Scenario,
    folder: Path,
    *,
    replies: bool = True,
    compress: bool = False,
    seen: Callable[[int], None] | None = None,
) -> Written:
    """Write `scenario` into `folder` (made if absent). `seen` hears the count now and then."""
    folder.mkdir(parents=True, exist_ok=True)
    labels = folder / "labels.jsonl"
    labels.write_bytes(b"".join(_ENCODE(label(a)) + b"\n" for a in scenario.accounts))
    log = folder / ("log.jsonl.zst" if compress else "log.jsonl")
    count = 0
    with _sink(log, compress=compress) as sink:
        for event in scenario.events():
            sink.write(_ENCODE(line(event, replies=replies)) + b"\n")
            count += 1
            if seen is not None and count % 1000 == 0:
                seen(count)
    about = {
        "scenario": scenario.name,
        "seed": scenario.seed,
        "days": scenario.days,
        "prompts": scenario.prompts,
        "exchanges": count,
        "roles": dict(Counter(account.role for account in scenario.accounts)),
    }
    (folder / "about.json").write_bytes(_ENCODE(about) + b"\n")
    return Written(str(log), str(labels), count, len(scenario.members))


@contextlib.contextmanager
def _sink(path: Path, *, compress: bool) -> Iterator[BinaryIO]:
    with path.open("wb") as raw:
        if not compress:
            yield raw
            return
        with zstandard.ZstdCompressor(level=3).stream_writer(raw, closefd=False) as packed:
            yield packed
