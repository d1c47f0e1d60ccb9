"""Who belongs to a group that was found: each member by its own evidence, not by company."""

from __future__ import annotations

from collections.abc import Collection

import msgspec
import numpy as np

from titer.hunt.groups import MIN_SHARE, Candidate, Places, Shared, components
from titer.hunt.modalities import (
    OWNED,
    Floats,
    Modality,
    Units,
    excess_values,
    main_values,
    of_members,
    on_values,
)
from titer.hunt.tokens import cells_on

#: Smoothing of a member's likelihood ratio: what a value nobody else has can weigh at most.
SMOOTH = 0.02
#: How fast a member's text speaks for or against it, between an outsider's share of cells and
#: the group's median, and the most that it can say (nats).
TEXT_WEIGHT = 6.0
TEXT_MOST = 3.0
#: Share of the members who pay with one card, from which one payer stands for all.
ONE_PAYER = 0.8
#: Times that a group's members are gone over, each time against the values of those left.
ROUNDS = 5


class Members(msgspec.Struct, frozen=True):
    """Units of a group and the nats that each has for belonging, against not belonging."""

    units: Places
    nats: Floats

    def without(self, others: Collection[int]) -> Members:
        """Without some units."""
        stay = ~np.isin(self.units, list(others))
        return Members(self.units[stay], self.nats[stay])


def certain(
    candidate: Candidate,
    binding: list[str],
    units: Units,
    shared: Shared,
    known: dict[str, Modality],
) -> Members:
    """Members whose own evidence is for the group: what binds it, and how much of their text.

    Gone over a few times, each time against those left, until nobody falls away.
    """
    members = candidate.units
    chosen = np.zeros(len(shared.tokens.value), np.bool_)
    chosen[candidate.tokens] = True
    share, _ = cells_on(shared.tokens, shared.of_pair, chosen, units)
    nats = np.zeros(len(members))
    for _ in range(ROUNDS):
        usual = max(float(np.median(share[members])), 2 * MIN_SHARE)
        middle, width = (usual + MIN_SHARE) / 2, usual - MIN_SHARE
        text = np.clip(TEXT_WEIGHT * (share[members] - middle) / width, -TEXT_MOST, TEXT_MOST)
        nats = _ratio(members, binding, known) + text
        belong = nats > 0
        if belong.sum() < 2 or belong.all():
            break
        members = members[belong]
        nats = nats[belong]
    return Members(members, nats)


def _ratio(members: Places, binding: list[str], known: dict[str, Modality]) -> Floats:
    """Log-likelihood ratio of each unit: as the group, against as the units outside it."""
    ratio = np.zeros(len(members))
    for name in binding:
        modality = known[name]
        values = excess_values(modality, members)
        on = on_values(modality, values, members)
        has = modality.known[members]
        inside = float(on[has].mean()) if has.any() else 0.0
        everyone = max(1, int(modality.known.sum()))
        n = int(has.sum())
        outside = max(0.0, (modality.mass[values].sum() * everyone - on[has].sum()))
        outside /= max(1, everyone - n)
        there = np.log((inside + SMOOTH) / (outside + SMOOTH))
        not_there = np.log((1 - inside + SMOOTH) / (1 - outside + SMOOTH))
        ratio += np.where(has, on * there + (1 - on) * not_there, 0.0)
    return ratio


def together(members: Places, known: dict[str, Modality]) -> int:
    """How many members stand for one hand by networks and cards, whatever their texts say.

    Members that share a value which binds the group are one part, and so are parts with a member
    in common. A campaign's exits are dealt out among all of it: one part. Offices of several firms
    that use one template fall apart into theirs: no more are together then than in the largest,
    or than there are firms.
    """
    value, place = np.empty(0, np.int64), np.empty(0, np.int64)
    for name in sorted(OWNED):
        modality = known[name]
        own, who = of_members(modality, members)
        binds = np.isin(own, excess_values(modality, members))
        offset = int(value.max()) + 1 if len(value) else 0
        value = np.concatenate((value, own[binds] + offset))
        place = np.concatenate((place, who[binds]))
    order = np.argsort(value, kind="stable")
    label = components(value[order], place[order], len(members))
    _, sizes = np.unique(label, return_counts=True)
    return max(int(sizes.max()), len(sizes)) if len(sizes) else 0


def one_payer(members: Places, known: dict[str, Modality]) -> bool:
    """Whether nearly all members pay with one and the same card, as a platform does for the
    accounts that it opens for its customers.
    """
    payment = known["payment"]
    main, share = main_values(payment, excess_values(payment, members), members)
    if not (share > 0).any():
        return False
    _, counts = np.unique(main[share > 0], return_counts=True)
    return bool(counts.max() >= ONE_PAYER * len(members))
