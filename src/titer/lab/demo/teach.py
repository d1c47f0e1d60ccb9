"""Part 1: an honest crowd, read as facts in the way of `titer feed`, and calibrated on."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec

from titer.access.secret import load_or_create
from titer.console.story import Story
from titer.core.errors import TiterError
from titer.core.ids import Pseudonyms
from titer.core.nouns import Exchange
from titer.core.sketch import Sketcher
from titer.detect import BUILTIN, calibration
from titer.gateway.assembly import keep_calibration
from titer.gateway.feeds.exchange import Maker
from titer.gateway.feeds.exchange_log import ExchangeLog
from titer.lab import scenario, writers

#: Honest accounts of the calibration: n subjects support at most log2(n + 1) bits.
ACCOUNTS = 3000

#: The crowd has another seed than everything that is played afterwards.
OTHER_SEED = 1000

#: Detectors of rhythm. The play squeezes a day into seconds, and in it everybody is regular and
#: everybody is at a limit: they stay uncalibrated here, and so are worth 0 bits.
BY_THE_CLOCK = frozenset({"cadence", "limits", "release"})

#: Of several salts, one under which the split of the honest crowd is not a lucky one for anybody.
SALT = 3
#: Lines of the log that are turned into facts at a time.
BATCH = 4096


def teach(story: Story, data: Path, *, seed: int) -> None:
    """Calibrate on a made-up honest crowd; writes `calibration.json` into `data`."""
    story.act("An honest crowd shows what normal looks like")
    _known_secret(data, seed)
    crowd = scenario.make("honest", seed=seed + OTHER_SEED, accounts=ACCOUNTS)
    with story.console.status("weighing the honest crowd ..."):
        facts = exchanges_of(crowd, data)
        found = calibration.fit(
            [d for d in BUILTIN if d.card.name not in BY_THE_CLOCK], facts, seed=seed
        )
    keep_calibration(data, found)
    subjects, most = found.combination.everyone.n, found.combination.most
    story.say(
        f"{len(facts):,} exchanges of {len(crowd.members):,} honest accounts of every kind: "
        "people in many languages, teams with shared templates, batch jobs, evaluation runs, "
        "agents, a class, resellers. They set the null: the worst honest caller, not the "
        f"average one. {subjects:,} of their organisations support at most {most:.1f} bits; "
        "whatever a caller does, its detectors cannot earn more here. Rhythm is left out: a day "
        "played in seconds has none."
    )


def _known_secret(data: Path, seed: int) -> None:
    """A secret that follows from the seed: it decides which subjects fit and which score, and
    the same seed should show the same story. A demo's data protects nobody.
    """
    path = data / "secret"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(hashlib.sha256(f"titer demo {SALT} {seed}".encode()).hexdigest())


def exchanges_of(world: scenario.Scenario, data: Path) -> list[Exchange]:
    """A scenario as facts, by the same reader as `titer feed`, under the keys of `data`."""
    pseudonyms = Pseudonyms(load_or_create(data))
    maker = Maker(
        ExchangeLog(pseudonyms), sketcher=Sketcher(pseudonyms.key("sketch")), pseudonyms=pseudonyms
    )
    facts: list[Exchange] = []
    lines: list[bytes] = []
    for event in world.events():
        lines.append(msgspec.json.encode(writers.line(event, replies=False)))
        if len(lines) == BATCH:
            facts += _made(maker, lines)
            lines = []
    return facts + _made(maker, lines)


def _made(maker: Maker, lines: list[bytes]) -> list[Exchange]:
    made, bad = maker.many(lines)
    if bad:
        raise TiterError(f"the lab wrote a line that the feed refuses: {bad[0][1]}")
    return made
