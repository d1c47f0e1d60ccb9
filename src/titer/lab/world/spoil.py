"""Bad input: what real logs do to those who read them, added to a world's lines.

skew           a part of the accounts reports times that are hours off, some with a zone
duplicates     lines come twice, at once or some hundred lines later
disorder       days are written in another order, and lines change places within a day
no-origin      lines lack their origin, or parts of it
crowd-of-one   many principals that are seen once: an account per request
flood          one caller's lines carry names of organisations, agents and cards never seen before
stuffing       one caller sends long texts made of everybody's words
broken         lines that are cut, not JSON, of wrong types, or not UTF-8
"""

from __future__ import annotations

import json
import random
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from titer.lab.world.plan import World

#: Shares of lines (or accounts, for skew) that a fault touches.
SKEWED, DOUBLED, BARE, SINGLE, FLOODED, STUFFED, BROKEN = 0.05, 0.01, 0.2, 0.05, 0.01, 0.005, 0.005
#: How far a second copy, or a line out of place, may lie from where it belongs.
DELAY = 400
#: Words of a stuffed text.
STUFFING = 1500

_AT = re.compile(r'"at":"([^"]*)"')
_ORIGIN = re.compile(r'"origin":\{[^}]*\},')
_NAME = re.compile(r'"principal":"([^"]*)"')
_WRONG = (
    '{"at":"yesterday","principal":"acct-0","endpoint":"/v1/chat/completions"}\n',
    '{"at":1e400,"principal":"acct-0","endpoint":"/v1/chat/completions","request":{}}\n',
    '{"principal":"acct-0","endpoint":"/v1/chat/completions","request":{}}\n',
    '["not","an","object"]\n',
    '{"at":"2026-05-01T00:00:00Z","principal":7,"endpoint":[],"request":"x","origin":[]}\n',
    "\ufeff\n",
    "not json at all\n",
    "[" * 2000 + "\n",
    '{"at":"2026-05-01T00:00:00Z","principal":"\udcff\udcfe","endpoint":"/v1/x"}\n',
)


class Spoiler:
    """Adds a plan's faults. `extra` lists accounts that only faults brought about."""

    def __init__(self, plan: World) -> None:
        self._plan = plan
        self._faults = frozenset(plan.faults)
        self._named: set[str] = set()
        self.extra: list[str] = []

    def order(self, days: Sequence[int]) -> list[int]:
        """The order in which days are written."""
        days = list(days)
        if "disorder" in self._faults:
            random.Random(f"{self._plan.seed}/order").shuffle(days)
        return days

    def lines(self, number: int, lines: Iterable[str]) -> Iterator[str]:
        """`lines` of one day with the faults."""
        if not self._faults:
            yield from lines
            return
        rng = random.Random(f"{self._plan.seed}/faults/{number}")
        late: deque[tuple[int, str]] = deque()
        for count, line in enumerate(lines):
            while late and late[0][0] <= count:
                yield late.popleft()[1]
            for spoiled in self._spoil(rng, number, count, line):
                if "disorder" in self._faults and rng.random() < 0.05:
                    late.append((count + DELAY, spoiled))
                else:
                    yield spoiled
            if "duplicates" in self._faults and rng.random() < DOUBLED:
                if rng.random() < 0.5:
                    yield line
                else:
                    late.append((count + DELAY, line))
        for _, line in late:
            yield line

    def _spoil(self, rng: random.Random, number: int, count: int, line: str) -> Iterator[str]:
        faults = self._faults
        if "skew" in faults:
            line = _skewed(line)
        if "no-origin" in faults and rng.random() < BARE:
            line = _ORIGIN.sub('"origin":{"ip":""},' if rng.random() < 0.3 else "", line, count=1)
        yield line
        if "crowd-of-one" in faults and rng.random() < SINGLE:
            name = f"once-{number}-{count}"
            self.extra.append(name)
            yield _NAME.sub(f'"principal":"{name}"', line, count=1)
        if "flood" in faults and rng.random() < FLOODED:
            yield self._flooded(rng, number, line)
        if "stuffing" in faults and rng.random() < STUFFED:
            yield self._stuffed(rng, number, line)
        if "broken" in faults and rng.random() < BROKEN:
            draw = rng.random()
            if draw < 0.3:
                yield line[: int(len(line) * rng.random())].rstrip("\n") + "\n"
            else:
                yield _WRONG[int(rng.random() * len(_WRONG))]

    def _flooded(self, rng: random.Random, number: int, line: str) -> str:
        name = self._once(f"flood-{number % 3}")
        mark = f"{rng.getrandbits(64):016x}"
        at = _AT.search(line)
        when = at.group(1) if at else ""
        said = " ".join(f"{rng.getrandbits(48):012x}" for _ in range(60))
        return (
            f'{{"at":"{when}","principal":"{name}","org":"org-{mark}","origin":{{'
            f'"ip":"10.{rng.getrandbits(8)}.{rng.getrandbits(8)}.{rng.getrandbits(8)}",'
            f'"asn":{4_200_009_000 + rng.getrandbits(20)},"user_agent":"agent/{mark}",'
            f'"ja4":"{mark}","payment":"card-{mark}"}},"endpoint":"/v1/chat/completions",'
            f'"request":{{"model":"{mark}","messages":[{{"role":"user","content":"{said}"}}],'
            f'"{mark}":1}},"usage":{{"in":300,"out":9}},"status":200}}\n'
        )

    def _stuffed(self, rng: random.Random, number: int, line: str) -> str:
        name = self._once(f"stuff-{number % 3}")
        words = re.findall(r"[^\W\d_]{3,}", line)[-300:] or ["word"]
        text = json.dumps(" ".join(rng.choices(words, k=STUFFING)), ensure_ascii=False)
        at = _AT.search(line)
        return (
            f'{{"at":"{at.group(1) if at else ""}","principal":"{name}","origin":{{}},'
            '"endpoint":"/v1/chat/completions","request":{"model":"m","messages":[{"role":"user",'
            f'"content":{text}}}]}},"usage":{{"in":{STUFFING},"out":1}},"status":200}}\n'
        )

    def _once(self, name: str) -> str:
        if name not in self._named:
            self._named.add(name)
            self.extra.append(name)
        return name


def _skewed(line: str) -> str:
    """The line with its account's clock error: the same for all of an account's lines."""
    found = _NAME.search(line)
    at = _AT.search(line)
    error = zlib.crc32(found.group(1).encode()) % 1000 if found else 1000
    if at is None or error >= 1000 * SKEWED:
        return line
    stamp = at.group(1)
    if error % 3 == 0:  # a clock that is years behind
        return line.replace(stamp, f"2019{stamp[4:]}", 1)
    return line.replace(stamp, f"{stamp[:-1]}{'+-'[error % 2]}0{1 + error % 8}:00", 1)
