"""Campaign, or an honest reason: what becomes of a group that was tested.

The e-value says how unlikely a group's ties are among callers picked at random. Honest groups are
not picked at random, so honest reasons are gone through one by one, each a rule with a number.
"""

from __future__ import annotations

import msgspec

from titer.hunt import nulls
from titer.hunt.conduct import ALIKE as MATTER
from titer.hunt.conduct import ALL_THE_SAME
from titer.hunt.groups import Candidate
from titer.hunt.likeness import Likeness
from titer.hunt.modalities import HARD
from titer.hunt.nulls import OTHERS, TIE, Tested

#: Share of false campaigns among those reported that is accepted.
FDR = 0.01
#: Chance that another member asked the same thing, from which a group is explained by shared
#: questions; and the share of its requests that anybody else in it asked, from which it is. Seen:
#: classes 0.9 to 1, campaigns that deal a list out once 0 to 0.25.
SAME_QUESTIONS = 0.2
ASKED_BY_ANY = 0.5
#: Likeness from which members are interchangeable in an aspect.
ALIKE = 0.8
#: Aspects in which members without any tie of origin must be interchangeable, content among them.
ALIKE_IN = 4
#: Share of requests asked before up to which a work-list is dealt out, and the requests that tell.
DEALT_AGAIN = 0.015
DEALT_ROWS = 200
#: The same where everything was asked equally often: each question by a tenth of the members.
DEALT_EVENLY = 0.1
#: Ways to form a group by its texts' past.
NEWS = ("novelty", "lifecycle")


class Judged(msgspec.Struct):
    """A candidate with what its tests and its own requests said."""

    candidate: Candidate
    tested: list[Tested]
    alike: Likeness


class Verdict(msgspec.Struct, frozen=True):
    """`e_value` for e-BH; `explained`: an honest reason, empty if none; `stands`: no reason holds.

    `hard`: the group is tied by something that neither a program nor a habit explains.
    """

    e_value: float
    strongest: float
    explained: str
    hard: bool

    @property
    def stands(self) -> bool:
        """Whether the group is a campaign if its e-value passes."""
        return not self.explained


def judge(one: Judged) -> Verdict:
    """What speaks for a group and what explains it."""
    formed = one.candidate.formed_by
    hard = formed in HARD or any(t.modality in HARD and t.e_value >= TIE for t in one.tested)
    alike = news_of_one_hand(one)
    # Timing speaks only beside something harder: all agents of one make keep the same hours.
    silent = () if hard or alike else ("timing",)
    strongest = nulls.average(one.tested)
    e_value = nulls.average(one.tested, silent=silent)
    why = ""
    if formed == "pool":
        if talk_alike(one):
            loose = one.candidate.loose  # one of many, and not worth a word
            kind = "" if loose else "callers of one kind, who talk alike"
            return Verdict(0.0, 0.0, kind, hard)
        text = [t.e_value for t in one.tested if t.modality == OTHERS]
        rest = [t for t in one.tested if t.modality != OTHERS]
        # Half of the weight is on what formed it, tested on other callers; fixed beforehand.
        e_value = (sum(text) + nulls.average(rest)) / 2
        return Verdict(e_value, e_value, "", hard)
    if same_questions(one.alike):
        why = (
            f"members ask the same questions (chance {one.alike.overlap:.2f}; "
            f"{one.alike.conduct.shared:.0%} of requests somebody else asked too): a class, a "
            "public benchmark"
        )
    elif not hard and not alike and strongest >= TIE:
        why = (
            "like texts and like hours, but no network, payment or creation date in common: "
            "people who use one program"
        )
    return Verdict(e_value, strongest, why, hard)


def interchangeable(alike: Likeness) -> bool:
    """Whether members cannot be told apart by what they ask, how, and when."""
    by = alike.by_aspect
    return by.get("content", 0.0) >= ALIKE and sum(v >= ALIKE for v in by.values()) >= ALIKE_IN


def dealt(alike: Likeness) -> bool:
    """Whether the texts are filled with a work-list: each time something that neither the same
    caller nor another one asked before; or everything several times over, equally often.

    Callers who merely talk alike (one language, one trade) repeat questions, their own and each
    other's. A program may also draw from a list: then its accounts are known by their conduct.
    """
    most = DEALT_EVENLY if alike.evenly else DEALT_AGAIN
    once = alike.overlap <= most and alike.repeats <= most
    return alike.rows >= DEALT_ROWS and (once or drawn(alike, most=SAME_QUESTIONS))


def talk_alike(one: Judged) -> bool:
    """Whether a pool's callers have no more in common than a language or a trade."""
    loose = one.candidate.loose and not one_program(one.alike)
    return one.candidate.formed_by == "pool" and (loose or not dealt(one.alike))


def one_program(alike: Likeness) -> bool:
    """Whether members carry even loads, of like content and length, with no night: a program's
    accounts. Offices, courses and platforms are people, of whom each asks as much as he cares to,
    about his own.
    """
    matter = min(alike.by_aspect.get("content", 0.0), alike.by_aspect.get("length", 0.0))
    return matter >= MATTER and alike.conduct.even and alike.conduct.sleepless


def drawn(alike: Likeness, *, most: float) -> bool:
    """Whether questions come up again because one program draws them from a list for all."""
    return alike.overlap < most and alike.conduct.drawn and one_program(alike)


def same_questions(alike: Likeness) -> bool:
    """Whether members have their questions from one place, each for himself: a worksheet, a public
    benchmark, a tutorial.
    """
    shared = alike.conduct.shared >= ASKED_BY_ANY and not alike.evenly
    same = alike.overlap >= SAME_QUESTIONS or shared
    return same and not drawn(alike, most=ALL_THE_SAME)


def a_class(one: Judged, verdict: Verdict) -> bool:
    """Whether a group that a hard tie holds together was explained by its questions: a given other
    member asked the same.
    """
    tied = one.candidate.formed_by in HARD and verdict.strongest >= TIE
    return tied and bool(verdict.explained) and one.alike.overlap >= SAME_QUESTIONS


def news_of_one_hand(one: Judged) -> bool:
    """Whether texts without any tie of origin are one hand's all the same.

    A closed set of templates and a work-list; or texts that are news (or banned callers' habits)
    used by interchangeable members. Without a history, users of one program who all ask of
    everything look the same.
    """
    if one.candidate.formed_by == "pool":
        return dealt(one.alike)
    return one.candidate.formed_by in NEWS and interchangeable(one.alike)
