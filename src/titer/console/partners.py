"""What partners said: taken in, looked up for subjects, and how far the last pull came."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

import msgspec

from titer.console.explain import open_view
from titer.core.errors import InputError
from titer.core.nouns import Exchange
from titer.evidence import files
from titer.evidence.share import partners
from titer.evidence.share.attention import Held, Partner, hold, listed
from titer.evidence.share.reading import MAX_INDICATORS, Read
from titer.gateway.assembly import enter
from titer.gateway.attention import load

#: Seconds that are waited for the process that holds the log; the entry is kept in any case.
ENTER_S = 2.0
#: Subjects listed with attention, the heaviest first.
MAX_LISTED = 10_000


class Touched(msgspec.Struct):
    """One subject at which partners' indicators were seen. `weight` is the heaviest of them: two
    partners may repeat one source, so weights are not added.
    """

    subject: str
    weight: float
    indicators: list[dict[str, object]]
    exchanges: int = 0


def receive(
    data: Path, name: str, read: Read, *, weight: float, days: int, merge: bool = True,
    posted: bool = False,
) -> int:  # fmt: skip
    """Hold what a partner said, and log that it was taken in. Returns how many are held.

    `merge` adds to what the partner said before, else it is replaced. What it `posted` to its
    inbox and what was asked of it are held apart: neither replaces the other. Raises `InputError`.
    """
    now = time.time_ns() // 1000
    partners.check_name(name)
    for one in read.told:
        if 0 < one.until <= now:
            read.skip("expired at its source")
    text = msgspec.json.encode([msgspec.to_builtins(one) for one in read.told])
    digest = hashlib.sha256(text).hexdigest()
    made = hold(
        read.told, name=name, weight=weight, now=now, days=days, sha256=digest, posted=posted
    )
    old = _partner(data, name)
    both = {
        (held.indicator, held.posted): held
        for held in (old.held if old else ())
        if held.until > now
        and (held.posted != posted or (merge and held.indicator not in read.revoked))
    }
    both.update(((held.indicator, posted), held) for held in made.held)
    if len(both) > MAX_INDICATORS:
        raise InputError(f"more than {MAX_INDICATORS} indicators of {name}")
    made = msgspec.structs.replace(made, held=tuple(both[key] for key in sorted(both)))
    partners.put(data, made)
    body = {
        "at": now, "action": "import", "partner": name, "weight": weight, "sha256": digest,
        "taken": len(read.told), "held": len(made.held), "skipped": read.skipped,
    }  # fmt: skip
    enter(data, "import", msgspec.json.encode(body), timeout=ENTER_S)
    return len(made.held)


def retract(data: Path, name: str, indicators: set[str]) -> int:
    """Hold what a partner had posted and took back no longer, and log that. Returns how many were
    held. What was asked of it besides stays.
    """
    old = _partner(data, name)
    held = old.held if old else ()
    left = tuple(one for one in held if not one.posted or one.indicator not in indicators)
    if old is not None and len(left) < len(held):
        partners.put(data, msgspec.structs.replace(old, held=left))
    body = {
        "at": time.time_ns() // 1000, "action": "retract", "partner": name,
        "retracted": len(held) - len(left), "held": len(left),
    }  # fmt: skip
    enter(data, "import", msgspec.json.encode(body), timeout=ENTER_S)
    return len(held) - len(left)


def _partner(data: Path, name: str) -> Partner | None:
    return next((p for p in partners.load(data) if p.name == name), None)


def forget(data: Path, name: str) -> bool:
    """Forget a partner's indicators, and log that. False when there are none."""
    gone = partners.remove(data, name)
    if gone:
        body = {"at": time.time_ns() // 1000, "action": "forget", "partner": name}
        enter(data, "import", msgspec.json.encode(body))
    return gone


def attention(data: Path) -> list[Touched]:
    """The subjects of the log that partners' indicators touch, the heaviest first."""
    known, now = load(data), time.time_ns() // 1000
    if not known.size:
        return []
    found: dict[str, dict[tuple[str, str], Held]] = {}
    counts: dict[str, int] = {}
    decode = msgspec.json.Decoder(Exchange).decode
    for stored in open_view(data).scan():
        if stored.kind != "exchange" or stored.body is None:
            continue
        fact = decode(stored.body)
        for source, held in known.match(fact.origin, now):
            subject = fact.principal.subject
            counts[subject] = counts.get(subject, 0) + 1
            found.setdefault(subject, {})[source, held.indicator] = held
    rows = [
        Touched(
            subject,
            max(held.weight for held in of.values()),
            list(listed((s, h) for (s, _), h in of.items())),
            counts[subject],
        )
        for subject, of in found.items()
    ]
    rows.sort(key=lambda row: (-row.weight, row.subject))
    return rows[:MAX_LISTED]


class Place:
    """How far the last pull of a partner came: `added_after` for the next."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self) -> str:
        try:
            return self._path.read_text(encoding="ascii")[:64].strip()
        except (OSError, UnicodeDecodeError):
            return ""

    def put(self, mark: str) -> None:
        if mark.isascii() and mark.isprintable():
            files.replace(self._path, mark.encode(), mode=0o600)


def resume(data: Path, name: str) -> Place:
    """Where the last pull of a partner ended."""
    folder = partners.folder(data)
    folder.mkdir(parents=True, exist_ok=True)
    return Place(folder / f"{partners.check_name(name)}.pulled")
