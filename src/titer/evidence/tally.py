"""What exchanges of a subject, or of all members of a campaign, add up to: exposure and days."""

from __future__ import annotations

from collections import Counter

import msgspec

from titer.core.errors import EvidenceError
from titer.core.nouns import Principal, ReplyFacts, Usage
from titer.evidence import contents
from titer.evidence.entry import Stored


class Fact(msgspec.Struct):
    """What is counted of an exchange."""

    id: str = ""
    at: int = 0
    principal: Principal = Principal("")
    model: str = ""
    usage: Usage = Usage()
    reply: ReplyFacts = ReplyFacts()
    status: int = 200


class Tally:
    """Exposure and timeline of a subject, or of all members together."""

    def __init__(self) -> None:
        self.exchanges = 0
        self._sums: Counter[str] = Counter()
        self._models: dict[str, list[int]] = {}
        self._days: dict[int, list[int]] = {}
        self._begun: set[str] = set()

    def add(self, fact: Fact) -> None:
        """Count one exchange, in the order of the log."""
        served = fact.status < 400
        out = max(0, fact.usage.tokens_out) if served else 0
        self.exchanges += 1
        self._sums["refused"] += not served
        self._sums["in"] += max(0, fact.usage.tokens_in) if served else 0
        self._sums["out"] += out
        self._sums["reasoning"] += max(0, fact.reply.reasoning_tokens) if served else 0
        self._sums["estimated"] += fact.usage.estimated
        new = fact.principal.subject not in self._begun
        self._begun.add(fact.principal.subject)
        model = self._models.setdefault(fact.model, [0, 0])
        day = self._days.setdefault(max(0, contents.day_of(fact.at)), [0, 0, 0])
        for row in (model, day):
            row[0] += 1
            row[1] += out
        day[2] += new

    def exposure(self) -> contents.Exposure:
        """Everything that was taken; models beyond `MAX_ROWS` are added to the last one."""
        ranked = sorted(self._models.items(), key=lambda m: (-m[1][1], -m[1][0], m[0]))
        rows = [contents.Use(name, *row) for name, row in ranked[: contents.MAX_ROWS - 1]]
        rest = [row for _, row in ranked[contents.MAX_ROWS - 1 :]]
        if rest:
            rows.append(contents.Use("others", sum(r[0] for r in rest), sum(r[1] for r in rest)))
        sums = self._sums
        return contents.Exposure(
            exchanges=self.exchanges, refused=sums["refused"], tokens_in=sums["in"],
            tokens_out=sums["out"], reasoning_tokens=sums["reasoning"],
            estimated=sums["estimated"], models=tuple(rows),
        )  # fmt: skip

    def days(self) -> tuple[contents.Day, ...]:
        """A row a day, the oldest first; days before the last `MAX_DAYS` count to the first."""
        days = sorted(self._days.items())
        old, kept = days[: -contents.MAX_DAYS], days[-contents.MAX_DAYS :]
        rows = [contents.Day(at, *row) for at, row in kept]
        if old:
            first, sums = rows[0], [sum(row[i] for _, row in old) for i in range(3)]
            rows[0] = contents.Day(
                first.at, first.exchanges + sums[0], first.tokens_out + sums[1],
                first.began + sums[2],
            )  # fmt: skip
        return tuple(rows)


_FACT = msgspec.json.Decoder(Fact)


def fact_of(stored: Stored) -> Fact:
    """What is counted of an exchange. Raises EvidenceError."""
    try:
        return _FACT.decode(stored.body or b"")
    except msgspec.MsgspecError:
        raise EvidenceError(f"log: entry {stored.index} is no exchange") from None
