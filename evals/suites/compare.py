"""What two runs of a suite say: outcomes test by test, bytes exchange by exchange."""

from __future__ import annotations

import bisect
import json
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from evals.suites.relay import Exchange, Fields
from titer.gateway.dialects import find
from titer.gateway.request_side import DROPPED

#: Fields of a reply that belong to one connection, and those that titer adds (reference/limits).
CONNECTION = frozenset((b"connection", b"keep-alive", b"transfer-encoding", b"titer-id"))


#: Fewer than any that the parameter policy leaves to a key with grants.
DECIMALS = 3
#: Parts of a path that are identifiers: those with a digit, an underscore or a colon in them.
ID = re.compile(r"(?<=/)(?!v1/|count_tokens)[^/]*[_:0-9][^/]*")


@dataclass
class Hop:
    """One exchange as the client saw it, and the one that titer made of it, if it made one."""

    near: Exchange
    far: Exchange | None = None


@dataclass
class Test:
    """One test of a suite."""

    outcome: str
    why: str
    began: float
    ended: float
    hops: list[Hop] = field(default_factory=list)


class Run:
    """A run: tests by name, of so many that the suite has."""

    def __init__(self, collected: int, tests: dict[str, Test]) -> None:
        self.collected = collected
        self.tests = tests

    @classmethod
    def read(cls, record: Path) -> Run:
        head, *rows = [json.loads(line) for line in record.read_text().splitlines()]
        tests = {r["test"]: Test(r["outcome"], r["why"], r["began"], r["ended"]) for r in rows}
        return cls(head["collected"], tests)

    def attach(self, near: list[Exchange], far: list[Exchange] | None = None) -> None:
        """Give every test its exchanges by the clock: tests run one after another."""
        tests = sorted(self.tests.values(), key=lambda t: t.began)
        begins = [t.began for t in tests]
        near = sorted(near, key=lambda e: e.began)
        hops = [Hop(one) for one in near]
        starts = [one.began for one in near]
        for one in far or ():
            place = bisect.bisect(starts, one.began) - 1
            while place >= 0 and hops[place].far is not None:  # two at once: the next that fits
                place -= 1
            if place >= 0:
                hops[place].far = one
        for hop in hops:
            place = bisect.bisect(begins, hop.near.began) - 1
            if place >= 0 and hop.near.began <= tests[place].ended:
                tests[place].hops.append(hop)

    def outcomes(self) -> dict[str, int]:
        return dict(Counter(t.outcome for t in self.tests.values()))


def touched(run: Run) -> list[str]:
    """The tests that made an exchange."""
    return [name for name, test in run.tests.items() if test.hops]


def asking(run: Run) -> list[str]:
    """The tests that asked for a served route."""
    return [n for n, test in run.tests.items() if any(route(hop.near) for hop in test.hops)]


def route(exchange: Exchange) -> str | None:
    """The served route that an exchange asks for, by its dialect's name, else None."""
    path = exchange.target.decode("latin-1").partition("?")[0]
    found = find(exchange.method.decode(), path)
    return found[0].name if found else None


def counted(methods: list[list[str]], base: str) -> dict[str, int]:
    """How many methods of an SDK ask for a route that titer serves, and how many do not."""
    served = 0
    for verb, path in methods:
        short = path.partition("?")[0]
        full = short if short.startswith("/v1/") else base + short
        served += find(verb.upper(), re.sub(r"\{[^}]*\}", "x", full)) is not None
    return {"served": served, "not_served": len(methods) - served}


def passed_on(fields: Fields) -> Fields:
    """The headers of a request that titer passes on, sorted by name."""
    return sorted(f for f in fields if f[0] not in DROPPED and f[0] != b"host")


def unlike(hop: Hop) -> list[str]:
    """What differs between the two sides of titer."""
    near, far = hop.near, hop.far
    if far is None:
        return ["answered by titer itself"]
    out = []
    if near.body != far.body:
        out.append("request body")
    if (near.method, near.target) != (far.method, far.target):
        out.append("request line")
    if passed_on(near.sent) != passed_on(far.sent):
        out.append("request headers")
    if near.status != far.status:
        out.append("status")
    if near.whole and near.reply != far.reply:
        out.append("reply body")
    elif not near.whole and not far.reply.startswith(near.reply):
        out.append("reply body, cut short")
    kept = [sorted(f for f in side.got if f[0] not in CONNECTION) for side in (near, far)]
    if kept[0] != kept[1]:
        out.append("reply headers")
    return out


def reason(hop: Hop) -> str:
    """What titer said about a difference: its own answer, or what it denied."""
    if hop.far is None:
        try:
            return str(json.loads(hop.near.reply)["error"]["message"])
        except (ValueError, KeyError, TypeError):
            return f"status {hop.near.status}"
    denied = [value.decode("latin-1") for name, value in hop.near.got if name == b"titer-denied"]
    if denied:
        return f"titer-denied: {denied[0]}"
    if hop.near.reply != hop.far.reply and rounded(hop.near.reply) == rounded(hop.far.reply):
        return "log-probabilities are rounded, and nothing else"
    return ""


def rounded(reply: bytes) -> list[Any]:
    """What a reply says, event by event, its fractions with three decimals."""

    def fraction(text: str) -> float:
        return round(float(text), DECIMALS) + 0.0

    out: list[Any] = []
    for line in reply.splitlines():
        head, _, text = line.rpartition(b"data: ")
        try:
            out.append((head, json.loads(text, parse_float=fraction)))
        except ValueError:
            out.append(line)
    return out


def detail(hop: Hop) -> dict[str, Any]:
    """Where the two sides part, for people."""
    near, far = hop.near, hop.far or Exchange(0.0)

    def parting(one: bytes, two: bytes) -> list[str]:
        at = next((i for i, (a, b) in enumerate(zip(one, two, strict=False)) if a != b), 0)
        return [side[max(0, at - 80) : at + 200].decode("latin-1") for side in (one, two)]

    def only(one: Fields, two: Fields) -> str:
        return str(sorted(set(one) - set(two)))

    return {
        "target": near.target.decode("latin-1"), "status": [near.status, far.status],
        "sizes": [len(near.reply), len(far.reply)], "whole": [near.whole, far.whole],
        "request": parting(near.body, far.body), "reply": parting(near.reply, far.reply),
        "sent": [only(near.sent, far.sent), only(far.sent, near.sent)],
        "got": [only(near.got, far.got), only(far.got, near.got)],
    }  # fmt: skip


def served(run: Run, say: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Exchanges of each served route: how many, identical ones, and what differs and why."""
    rows: dict[str, Any] = {}
    for name, test in run.tests.items():
        for hop in test.hops:
            dialect = route(hop.near)
            if dialect is None:
                continue
            row = rows.setdefault(dialect, {"exchanges": 0, "identical": 0, "cut_short": 0,
                                            "differing": Counter()})  # fmt: skip
            row["exchanges"] += 1
            found = unlike(hop)
            row["identical"] += not found
            row["cut_short"] += not found and not hop.near.whole
            if found:
                row["differing"][f"{', '.join(found)}: {reason(hop)}"] += 1
                say({"test": name, "differs": found, **detail(hop)})
    return rows


def differences(
    direct: Run, through: Run, say: Callable[[dict[str, Any]], None]
) -> dict[str, Any]:
    """The comparison as JSON; `say` is told every difference on a served route in full."""
    absent: Counter[str] = Counter()
    changed: dict[tuple[str, ...], Counter[str]] = {}
    same = 0
    for name, test in through.tests.items():
        before = direct.tests[name].outcome
        others = {shape(hop.near) for hop in test.hops if route(hop.near) is None}
        if before == test.outcome:
            same += 1
        elif others:
            absent[min(others)] += 1
        else:
            dialects = ", ".join(sorted({str(route(hop.near)) for hop in test.hops}))
            key = (
                dialects,
                before,
                test.outcome,
                test.why.splitlines()[0][:200] if test.why else "",
            )
            changed.setdefault(key, Counter())[name.split("[")[0]] += 1
            say({"test": name, "outcome": [before, test.outcome], "why": test.why})
    return {
        "tests": len(through.tests), "outcomes": through.outcomes(), "same_outcome": same,
        "served": served(through, say), "not_served": dict(sorted(absent.items())),
        "changed_on_served_routes": [
            {"dialects": key[0], "direct": key[1], "through": key[2], "why": key[3],
             "tests": sum(names.values()), "for_example": min(names)}
            for key, names in changed.items()
        ],
    }  # fmt: skip


def shape(exchange: Exchange) -> str:
    """Method and path, with identifiers left out."""
    path = exchange.target.decode("latin-1").partition("?")[0]
    return f"{exchange.method.decode()} {ID.sub('*', path)}"
