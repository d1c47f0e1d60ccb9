"""What came of a demo: the outcome that is printed, and the facts that the log holds."""

from __future__ import annotations

from pathlib import Path

import msgspec

from titer.core.nouns import Campaign, Decision
from titer.evidence.log import View


class Outcome(msgspec.Struct):
    """What happened. `failed` names every part of the story that did not hold."""

    verified: bool = False
    refused_when_broken: bool = False
    honest: int = 0
    honest_dosed: int = 0
    attackers: int = 0
    attackers_dosed: int = 0
    campaigns: int = 0
    members_found: int = 0
    members_wrong: int = 0
    seconds: float = 0.0
    failed: list[str] = []

    def line(self) -> str:
        """The last line of `titer demo --json`."""
        told = {
            "verified": self.verified and self.refused_when_broken,
            "honest_dosed": self.honest_dosed,
            "attackers_dosed": self.attackers_dosed,
            "seconds": round(self.seconds, 1),
        }
        return msgspec.json.encode(told).decode()

    def must(self, held: bool, otherwise: str) -> bool:
        """Note `otherwise` among the failures unless `held`; returns `held`."""
        if not held:
            self.failed.append(otherwise)
        return held


class Facts(msgspec.Struct, frozen=True):
    """What the evidence log says after the play, by pseudonym."""

    exchanges: int
    decisions: dict[str, Decision]
    dosed: frozenset[str]
    campaigns: tuple[Campaign, ...]
    size: int


def read_facts(data: Path) -> Facts:
    """One pass over the evidence log."""
    log = View.open(data / "log")
    decisions: dict[str, Decision] = {}
    campaigns: dict[str, Campaign] = {}
    dosed: set[str] = set()
    exchanges = 0
    for stored in log.scan():
        if stored.body is None:
            continue
        if stored.kind == "exchange":
            exchanges += 1
        elif stored.kind == "decision":
            decision = msgspec.json.decode(stored.body, type=Decision)
            decisions[decision.subject] = decision
            if decision.given:
                dosed.add(decision.subject)
        elif stored.kind == "campaign":
            campaign = msgspec.json.decode(stored.body, type=Campaign)
            campaigns[campaign.id] = campaign
    return Facts(exchanges, decisions, frozenset(dosed), tuple(campaigns.values()), log.size)
