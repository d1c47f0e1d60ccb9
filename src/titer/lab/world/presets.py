"""Worlds by name: what each is for, and its plan at its usual size."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from titer.lab.world.plan import FAULTS, Campaign, World


class Preset(NamedTuple):
    """A plan, and a sentence about it."""

    about: str
    plan: World


def _split(total: int, base: Campaign, parts: tuple[float, ...]) -> tuple[Campaign, ...]:
    """One campaign for each share of `total`, at least three accounts each."""
    whole = sum(parts)
    return tuple(
        msgspec.structs.replace(base, accounts=max(3, round(total * part / whole)))
        for part in parts
    )


#: A large campaign and three ever smaller ones, as in the experiments this follows.
_HYDRA = (20_000, 3_000, 800, 200)

_MIXES = (1.0, 0.5, 0.25, 0.1, 0.05)
_WORDINGS = ("none", "jitter", "half", "most")


def _grid(total: int) -> tuple[Campaign, ...]:
    """Every mix with every wording; the other knobs take turns."""
    timings, origins = ("burst", "jitter", "copied"), ("shared", "residential", "unique")
    cards, lives = ("shared", "own", "unknown"), ("together", "trickled", "replaced")
    starts = ("first", "midway", "release")
    cells = [(mix, paraphrase) for mix in _MIXES for paraphrase in _WORDINGS]
    made = []
    for number, (mix, paraphrase) in enumerate(cells):
        fields = {
            "name": f"m{round(mix * 100)}-{paraphrase}",
            "accounts": max(3, total // len(cells)),
            "mix": mix,
            "paraphrase": paraphrase,
            "timing": timings[number % 3],
            "origin": origins[(number // 2) % 3],
            "payment": cards[(number // 3) % 3],
            "lifecycle": lives[(number + number // 5) % 3],
            "start": starts[(number // 4) % 3],
            "knows": number % 4 == 3,
        }
        made.append(msgspec.convert(fields, Campaign))
    return tuple(made)


_HALF = Campaign(accounts=3000, mix=0.5, payment="own", origin="residential", lifecycle="trickled")
_CAREFUL = msgspec.structs.replace(_HALF, timing="copied", origin="unique", knows=True)

PRESETS = {
    "hydra-50": Preset(
        "four campaigns, half of their traffic is cover",
        World(name="hydra-50", honest=8000, campaigns=_split(1000, _HALF, _HYDRA)),
    ),
    "hydra-20": Preset(
        "the same with four fifths cover",
        World(
            name="hydra-20",
            honest=8000,
            campaigns=_split(1000, msgspec.structs.replace(_HALF, mix=0.2), _HYDRA),
        ),
    ),
    "hydra-10-paraphrased": Preset(
        "nine tenths cover, half the frames worded anew, people's hours",
        World(
            name="hydra-10-paraphrased",
            honest=8000,
            campaigns=_split(
                1000,
                msgspec.structs.replace(_HALF, mix=0.1, paraphrase="half", timing="copied"),
                _HYDRA,
            ),
        ),
    ),
    "hydra-open": Preset(
        "careless: no cover, shared subnets, cards and hours",
        World(
            name="hydra-open",
            honest=8000,
            campaigns=_split(
                1000,
                Campaign(
                    mix=1.0,
                    origin="shared",
                    payment="shared",
                    lifecycle="together",
                    timing="burst",
                ),
                _HYDRA,
            ),
        ),
    ),
    "hydra-careful": Preset(
        "half cover, knows its detectors, one address each, people's hours",
        World(
            name="hydra-careful",
            honest=8000,
            campaigns=_split(1000, msgspec.structs.replace(_CAREFUL, paraphrase="jitter"), _HYDRA),
        ),
    ),
    "pivot": Preset(
        "two campaigns that move to a new model within a day of its release",
        World(
            name="pivot",
            campaigns=_split(1200, msgspec.structs.replace(_HALF, start="release"), (5, 1)),
        ),
    ),
    "replaced": Preset(
        "a campaign of which a third is banned half-way and replaced",
        World(
            name="replaced",
            campaigns=_split(1200, msgspec.structs.replace(_HALF, lifecycle="replaced"), (5, 1)),
        ),
    ),
    "small-50": Preset(
        "six campaigns of 50 accounts over two days",
        World(name="small-50", days=2.0, campaigns=_split(300, _HALF, (1,) * 6)),
    ),
    "small-midway": Preset(
        "four campaigns of 50 accounts that begin half-way",
        World(
            name="small-midway",
            days=4.0,
            campaigns=_split(200, msgspec.structs.replace(_HALF, start="midway"), (1,) * 4),
        ),
    ),
    "honest": Preset("no campaign at all", World(name="honest")),
    "lone": Preset(
        "single accounts: distillers at five mixes, reasoning, logits, prompt leaks",
        World(
            name="lone",
            campaigns=tuple(
                Campaign(
                    name=f"distiller-{round(mix * 100)}",
                    kind="distiller",
                    accounts=1,
                    per_day=200.0,
                    timing="jitter",
                    mix=mix,
                )
                for mix in (1.0, 0.5, 0.25, 0.1, 0.05)
            )
            + tuple(
                Campaign(
                    name=f"{kind}-{round(mix * 100)}",
                    kind=kind,
                    accounts=1,
                    per_day=200.0,
                    timing="jitter",
                    mix=mix,
                )
                for kind in ("reasoning", "logits", "leak")
                for mix in (1.0, 0.5, 0.25)
            ),
        ),
    ),
    "adaptive-grid": Preset(
        "twenty campaigns: every mix with every wording, the other knobs in turn",
        World(name="adaptive-grid", honest=8000, campaigns=_grid(4000)),
    ),
    "bad-input": Preset(
        "a half-covered campaign in a log with every fault, and a poisoned history",
        World(
            name="bad-input",
            history_days=3.0,
            poison=0.1,
            whale=0.4,
            faults=FAULTS,
            campaigns=_split(600, _HALF, (5, 1)),
        ),
    ),
}


def find(name: str) -> Preset:
    """The preset `name`. Raises ValueError for an unknown one."""
    preset = PRESETS.get(name)
    if preset is None:
        raise ValueError(f"no world {name!r}: choose one of {', '.join(PRESETS)}")
    return preset


def resized(campaigns: tuple[Campaign, ...], total: int) -> tuple[Campaign, ...]:
    """The campaigns with `total` accounts between them, in the proportions they had."""
    now = sum(campaign.accounts for campaign in campaigns)
    return tuple(
        msgspec.structs.replace(c, accounts=max(1, round(total * c.accounts / now)))
        for c in campaigns
    )
