"""Why a group stands where it stands, told from the log alone, in plain words."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from titer.console.attribution import campaigns_in
from titer.console.explain import open_view
from titer.console.names import Names
from titer.core.errors import InputError
from titer.core.nouns import Campaign, Considered

#: How the hunt names a campaign (`titer.hunt.campaigns`): with the number of a newer version once
#: it has grown (`titer.hunt.live`), and of those who came back between hunts
#: (`titer.hunt.again`).
NAME = re.compile(r"c-[0-9a-f]{16}(\.[0-9]+)?(\+[0-9]+)?")
#: Members that are told by name; all of them are in the JSON.
TOLD = 10


class CampaignExplanation(msgspec.Struct, frozen=True):
    """The newest that the log says about one campaign; `names` are of members that have a name
    here, by pseudonym.
    """

    campaign: Campaign
    names: dict[str, str]

    @property
    def bits(self) -> float:
        """Of the group; members have them too, unless people are to look at it first."""
        return self.campaign.bits

    def lines(self) -> Iterator[str]:
        """The explanation as sentences."""
        one = self.campaign
        yield (
            f"{one.id}: {len(one.members)} callers act as one, from {_day(one.first_seen)} to "
            f"{_day(one.last_seen)}. They made {one.exchanges} requests and were given "
            f"{one.tokens_out} tokens of output."
        )
        yield (
            f"The evidence is {one.bits:.1f} bits: groups of honest callers reach that with "
            f"probability at most {2**-one.bits:.2g} (beside {one.null or 'no null'})."
        )
        if one.review:
            yield "It is for people to look at: its members got no bits and no dose by it."
        yield (
            f"Formed by {', '.join(one.formed)}; tested on {', '.join(one.tested) or 'nothing'}, "
            f"which had no part in forming it [{one.technique}]."
        )
        if one.note:
            yield f"{one.note}."
        yield from (f"Honest explanation: {_considered(c)}" for c in one.considered)
        yield f"Members: {self._some(one.members)}."
        if one.doubtful:
            yield f"Least certain, worst first: {self._some(one.doubtful)}."
        if one.uncertain:
            yield f"May belong to it, and are not accused: {self._some(one.uncertain)}."
        yield f"`titer prove {one.id}` puts it in a dossier; `titer case open` begins a case."

    def _some(self, members: tuple[str, ...]) -> str:
        told = [f"{self.names[m]} ({m})" if m in self.names else m for m in members[:TOLD]]
        more = len(members) - len(told)
        return ", ".join(told) + (f" and {more} more (--json names all)" if more else "")


def explain_campaign(data: Path, name: str) -> CampaignExplanation:
    """The campaign of a log. Raises `InputError` when the log has none of that name."""
    found = campaigns_in(open_view(data)).get(name)
    if found is None:
        raise no_campaign(name)
    names = Names(data)
    known = {m: names.of(m) for m in (*found.members, *found.uncertain) if names.of(m)}
    return CampaignExplanation(found, known)


def no_campaign(name: str) -> InputError:
    """What to say, and to do, where a log has no campaign of that name."""
    return InputError(
        f"the log has no campaign {name!r}; `titer share list` lists those that it has. `titer "
        "hunt` keeps nothing: `titer feed FILES --hunt` with the same --data puts what it finds "
        "into the log"
    )


def _considered(one: Considered) -> str:
    if one.result == "not tested":
        return f"{one.reason}: not tested."
    return f"{one.reason}: {one.result} ({one.measure}: {one.value:.4g}, limit {one.limit:g})."


def _day(at: int) -> str:
    return f"{dt.datetime.fromtimestamp(at // 1_000_000, dt.UTC):%Y-%m-%d}"
