"""The honest explanations that a hunt goes through, and what came of each, for whoever must judge.

Every entry is one rule of `verdict` with its number; what no rule looks at is named as not tested.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from titer.core.nouns import Considered

#: Explanations that the hunt has no means to test.
UNTESTED = (
    "one customer's own users, whom a reseller or an app serves through many accounts",
    "research or red teaming that was permitted elsewhere than by a grant",
    "tests of the operator's own staff",
)

#: What a spread of loads is told as where it is not known: a factor that nobody has.
MOST_SPREAD = 99.0


def considered(
    *,
    e_value: float,
    draws: int,
    fdr: float,
    same_questions: float,
    same_limit: float,
    size: int,
    team: int,
    strangers: bool,
    declared: float,
    ties: Collection[str],
    hard: Collection[str],
    owned: Collection[str],
    one_hand: bool,
    program: bool,
    spread: float,
    even: float,
    known: Mapping[str, bool],
) -> tuple[Considered, ...]:
    """What was considered about a group that passed.

    `ties` are the modalities that bind it; of these `hard` ones no program explains and `owned`
    ones stay with their owner. `one_hand`: its texts alone tell one hand. `known`: which
    modalities the log has. `strangers`: its members share neither network nor card though both are
    known. `program`: they carry even loads (`spread` up to `even`), alike, with no night.
    """
    bound = set(ties)
    elsewhere = len(bound - {"network"}) + one_hand
    harder = len(bound & set(hard)) + one_hand
    wave = len(bound & set(owned)) + one_hand
    return (
        Considered(
            "chance", "ruled out",
            (
                f"e-value beside {draws} groups of the same make-up drawn at random; "
                f"at most a share of {fdr:g} of such campaigns is false"
            ),
            min(e_value, 1e15), 1 / fdr,
        ),
        Considered(
            "a class, a course or a public benchmark", _out(same_questions < same_limit),
            "chance that another member asked the same", same_questions, same_limit,
        ),
        Considered(
            "people who use one program or framework", _out(harder > 0),
            "ties that no program explains: network, payment, sign-up date, texts of one hand",
            float(harder), 1.0,
        ),
        Considered(
            "a team that never declared itself", _out(size >= team or strangers),
            "members, and whether they share neither network nor card, or one program's loads",
            float(size), float(team),
        ),
        Considered(
            "people of one office, course or platform, each with matters of his own",
            _out(program or one_hand),
            "spread of the logarithm of members' loads, or texts of one hand",
            min(spread, MOST_SPREAD), even,
        ),
        Considered(
            "declared organisations", _out(declared <= 0.5),
            "share of members that are declared organisations", declared, 0.5,
        ),
        Considered(
            "a wave of sign-ups (a launch, a promotion, a course)", _out(wave > 0),
            "ties besides the sign-up date: network, payment, texts of one hand", float(wave), 1.0,
        ),
        Considered(
            "a shared network (a campus, an office, a carrier)",
            _out(elsewhere > 0) if known.get("network", False) else "not tested",
            "ties besides the network", float(elsewhere), 1.0,
        ),
        Considered(
            "permitted distillation", "ruled out", "members with a grant to distil", 0.0, 1.0
        ),
        *(Considered(reason, "not tested") for reason in UNTESTED),
    )  # fmt: skip


def _out(ruled: bool) -> str:
    return "ruled out" if ruled else "not ruled out"
