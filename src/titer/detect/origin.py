"""Origin: a caller comes from where, or with what, honest callers of this service do not.

1. *Hosting* and *masked*: the kind of network that imported data name (`Origin.kind`). How much
   a kind is worth is learnt: where most honest programs run in hosting, it is worth nothing; a
   kind that one honest subject in 500 ever uses is worth a whole bet. How much the honest
   subjects who do use it use it is the null. Hosting has a side of its own, so that its many
   honest users do not hide an exit of Tor.
2. *Software*: the user agent against the order of the headers and the TLS fingerprint. A pair
   that some honest subjects show is fine. Both halves known, but never together, is a
   contradiction: Python's headers under a browser's name. What is not known is no bet, so that
   the next version of a library accuses nobody; only the name of a browser needs no introduction.
3. *Networks* and *addresses*: a request from a network (by its number; where that is unknown, by
   its /24 or /48) that was none of the last `RECENT`. Many addresses within one network are one.
"""

from __future__ import annotations

import math
import zlib
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Self

import msgspec

from titer.core.nouns import Card, Exchange, Finding
from titer.core.nouns import Origin as Facts
from titer.detect import slim
from titer.detect.glancing import DRAFT_HORIZON
from titer.detect.slim import FULL, Bets, Slim
from titer.detect.strata import Glance

HOSTING, MASKED, SOFTWARE, NETWORKS, ADDRESSES = range(5)
#: Kinds of network by place; another word counts as the first, unknown.
KINDS = ("", "hosting", "vpn", "proxy", "tor", "residential")
#: Quantile of honest subjects' means that is the null of each side. Who uses a VPN mostly always
#: does: against a lower null the few who do would be the most suspect of all, and hide the rest.
WORST = (1.0, 1.0, 0.99, 0.99, 0.99)
#: Draft worth of each kind, in sixteenths.
DRAFT_WORTH = (0, 0, 8, 12, 16, 12)
#: A kind that half of the honest subjects use is worth nothing, one that 1 in 2^9 uses a bet.
RAREST = 9.0
#: Honest subjects that must show a pair before it is known: one attacker among them is not enough.
SHOWN = 3
#: Pairs kept of one subject while learning, and known pairs kept of all.
PAIRS, MOST_PAIRS = 4, 1024
#: Networks that a caller may change between without notice: home, office, phone, a few more.
RECENT = 6
#: Days after which network data are called stale in notes.
STALE_DAYS = 90
#: What every browser calls itself first.
BROWSER = "mozilla"
#: Different software whose verdict is remembered; when full, the memory starts anew.
MEMORY = 4096

_DAY = 86_400_000_000
_FAMILY_BITS = 20
_FAMILY = (1 << _FAMILY_BITS) - 1
_RING = 65_521


class State(slim.State):
    """`recent` are the last networks, shortened. `kinds` (requests by kind) and `pairs` (known to
    be shown, with counts in turn) are kept while learning only.
    """

    recent: list[int] = msgspec.field(default_factory=list)
    kinds: list[int] = msgspec.field(default_factory=list)
    pairs: list[int] = msgspec.field(default_factory=list)


class Origin(Slim):
    """Bets on rare kinds of network, software that contradicts itself, and changing networks."""

    card = Card(
        name="origin",
        version="1",
        technique="AML.T0008.005",
        measures="the share of requests from kinds of network that few honest callers use, from "
        "software whose name and fingerprint do not belong together, and from a network that "
        "was not among the caller's last six",
        blind_to="residential proxies, of which no list is free; one steady address for each "
        "account; software that imitates another whole, or that no honest caller ever showed; "
        "kinds of network without imported data; addresses shared between callers (the hunt "
        "compares those)",
        benign_causes="privacy relays and company VPNs, staff who travel, large organisations "
        "behind many networks, programs that set a browser's user agent",
        cost="about 3 us and 80 bytes a subject, 150 while learning",
        lifecycle="draft",
    )
    sides = ("hosting", "masked", "software", "networks", "addresses")
    drafts = (0.5, 0.3, 0.05, 0.2, 0.5)
    shape = State

    def __init__(
        self,
        nulls: Sequence[float] | None = None,
        *,
        origin: int = 0,
        horizon: int = DRAFT_HORIZON,
        worth: Sequence[float] | None = None,
        known: Iterable[float] = (),
        dated: int = 0,
        listed: Collection[str] = (),
    ) -> None:
        super().__init__(nulls, origin=origin, horizon=horizon)
        self._learning = worth is None
        given = DRAFT_WORTH if worth is None else [min(max(int(w), 0), FULL) for w in worth]
        self._worth = dict(zip(KINDS, given, strict=True))
        self._known = frozenset(int(pair) for pair in known)
        self._families = {pair & _FAMILY for pair in self._known} | {_family(BROWSER)}
        self._prints = {pair >> _FAMILY_BITS for pair in self._known}
        self._seen: dict[tuple[str, str, str], int] = {}
        self.dated = dated
        self._listed = frozenset(listed)

    def informed(self, dated: int = 0, listed: Collection[str] = ()) -> Self:
        """The same detector where network data are as of `dated` (microseconds; 0 unknown).

        `listed` are the kinds that they can tell: of another kind that `learn` never sees it is
        not known how many honest subjects use it, and it is worth nothing.
        """
        given = {"worth": None if self._learning else [self._worth[k] for k in KINDS]}
        return type(self)(
            self.nulls, origin=self.origin, horizon=self.horizon, known=self._known, dated=dated,
            listed=listed, **given,
        )  # fmt: skip

    def judge(self, state: State, exchange: Exchange, seen: Glance) -> Bets:
        del seen
        came = exchange.origin
        bets: list[tuple[int, int]] = []
        if came.net or came.asn or came.kind:
            hosted = came.kind == "hosting"
            bets.append((MASKED, 0 if hosted else self._worth.get(came.kind, 0)))
            if self._worth["hosting"]:
                bets.append((HOSTING, self._worth["hosting"] if hosted else 0))
            self._change(state, came, bets)
        software = (came.agent, came.headers, came.ja4)
        said = self._seen.get(software)
        if said is None:
            if len(self._seen) >= MEMORY:
                self._seen.clear()
            said = self._seen[software] = self._contradicts(came)
        if said >= 0:
            bets.append((SOFTWARE, said))
        if self._learning:
            _remember(state, came)
        return bets

    def _change(self, state: State, came: Facts, bets: list[tuple[int, int]]) -> None:
        """Whether the network is another than the last ones; then it is the newest of them."""
        side = NETWORKS if came.asn else ADDRESSES
        place = came.asn % _RING if came.asn else zlib.crc32(came.net.encode()) % _RING
        recent = state.recent
        if recent and recent[-1] == place:
            bets.append((side, 0))
            return
        if place in recent:
            bets.append((side, 0))
            recent.remove(place)
        elif recent:
            bets.append((side, FULL))
            if len(recent) == RECENT:
                del recent[0]
        recent.append(place)

    def _contradicts(self, came: Facts) -> int:
        """Yield of the software: -1 when nothing is known of it, 0 when it fits, else `FULL`."""
        said = -1
        for pair in _pairs(came):
            if pair in self._known:
                said = max(said, 0)
            elif pair & _FAMILY in self._families and pair >> _FAMILY_BITS in self._prints:
                said = FULL
        return said

    def note(self, state: State) -> str:
        shares = [
            round(100 * gain / FULL / max(1, trial))
            for gain, trial in zip(state.gains, state.trials, strict=True)
        ]
        said = [f"of {state.seen} requests"]
        if state.gains[HOSTING]:
            said.append(f"hosting had {shares[HOSTING]} % of a full weight")
        if state.gains[MASKED]:
            said.append(f"masking networks had {shares[MASKED]} % of a full weight")
        if state.gains[SOFTWARE]:
            said.append(f"{shares[SOFTWARE]} % had a user agent that is not their software's")
        for side, what in ((NETWORKS, "network"), (ADDRESSES, "block of addresses")):
            if state.gains[side]:
                said.append(f"{shares[side]} % came from another {what} than the last {RECENT}")
        return ", ".join(said)

    def _finding(self, state: State, exchange: Exchange) -> Finding:
        found = super()._finding(state, exchange)
        age = (exchange.at - self.dated) // _DAY
        if not self.dated or age <= STALE_DAYS:
            return found
        note = f"{found.note} (the oldest network data in use were {age} days old)"
        return msgspec.structs.replace(found, note=note)

    def learn(self, states: Iterable[Any]) -> dict[str, list[float]]:
        """What kinds are worth, which software is known, and the nulls under both."""
        rows = [s if isinstance(s, State) else msgspec.convert(s, State) for s in states]
        users = [0] * len(KINDS)
        shown: Counter[int] = Counter()
        for row in rows:
            for place, count in enumerate(row.kinds):
                users[place] += count > 0
            shown.update(row.pairs[::2])
        worth = [0] + [
            _worth((used + 1) / (len(rows) + 1)) if used or kind in self._listed else 0
            for kind, used in zip(KINDS[1:], users[1:], strict=True)
        ]
        known = [p for p, n in shown.most_common(MOST_PAIRS) if n >= SHOWN]
        fitted = type(self)(worth=worth, known=known)
        sums = [fitted._sums(row) for row in rows]  # noqa: SLF001 - of this class
        nulls = [
            _worst(
                [gains[side] / trials[side] for gains, trials in sums
                 if trials[side] >= self.enough], draft, WORST[side],
            )
            for side, draft in enumerate(self.nulls)
        ]  # fmt: skip
        return {"nulls": nulls, "worth": list(map(float, worth)),
                "software": sorted(map(float, known))}  # fmt: skip

    def _sums(self, row: State) -> tuple[list[float], list[int]]:
        """A subject's yields and bets, had this detector and not the draft seen its requests."""
        gains = [gain / FULL for gain in row.gains]
        trials = list(row.trials)
        weights = [self._worth[kind] / FULL for kind in KINDS]
        known = sum(row.kinds)
        used = [w * n for w, n in zip(weights, row.kinds, strict=False)]
        gains[HOSTING], gains[MASKED] = sum(used[1:2]), sum(used[2:])
        trials[HOSTING] = trials[MASKED] = known
        gains[SOFTWARE], trials[SOFTWARE] = 0.0, 0
        for pair, count in zip(row.pairs[::2], row.pairs[1::2], strict=True):
            if pair & _FAMILY in self._families and pair >> _FAMILY_BITS in self._prints:
                trials[SOFTWARE] += count
                gains[SOFTWARE] += count * (pair not in self._known)
        return gains, trials

    def fitted(self, params: Mapping[str, Sequence[float]], *, origin: int, horizon: int) -> Self:
        """The same detector under what calibration learnt."""
        return type(self)(
            params["nulls"], origin=origin, horizon=horizon, worth=params["worth"],
            known=params["software"], dated=self.dated,
        )  # fmt: skip

    def _begin(self, old: State, epoch: int) -> State:
        state: State = super()._begin(old, epoch)
        state.kinds, state.pairs = old.kinds, old.pairs
        return state


def _remember(state: State, came: Facts) -> None:
    """What `learn` needs of a request."""
    if came.net or came.asn or came.kind:
        if not state.kinds:
            state.kinds = [0] * len(KINDS)
        state.kinds[KINDS.index(came.kind) if came.kind in KINDS else 0] += 1
    pairs = state.pairs
    for pair in _pairs(came):
        if pair in pairs[::2]:
            pairs[2 * pairs[::2].index(pair) + 1] += 1
        elif len(pairs) < 2 * PAIRS:
            pairs += (pair, 1)


def _pairs(came: Facts) -> Iterable[int]:
    """(fingerprint, family) in 52 bits, which a float holds exactly: by headers, by JA4."""
    if came.agent:
        family = _family(came.agent)
        for kind, digest in (("h", came.headers), ("j", came.ja4)):
            if digest:
                yield zlib.crc32(f"{kind}{digest}".encode()) << _FAMILY_BITS | family


def _family(agent: str) -> int:
    """The name of a user agent without its version: `curl/8.14.1` is curl, `OpenAI/Python` not."""
    name, _, version = agent.partition("/")
    if version and not version[0].isdigit():
        name = agent
    return zlib.crc32(name.lower().encode()) & _FAMILY


def _worst(means: list[float], draft: float, quantile: float) -> float:
    """The null of a side: a high quantile of honest subjects' means, `draft` if there are none."""
    if not means:
        return draft
    return sorted(means)[min(len(means) - 1, math.ceil(quantile * len(means)) - 1)]


def _worth(share: float) -> int:
    """Sixteenths for a kind that this share of honest subjects uses at all."""
    return min(FULL, max(0, round(FULL * (-math.log2(share) - 1.0) / (RAREST - 1.0))))
