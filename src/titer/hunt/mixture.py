"""Who draws on a hidden stock of templates: a mixture of two kinds of callers, fitted by EM.

A large campaign deals out hundreds of templates, a few to each account. Two accounts have next to
nothing in common, and no pair of texts shares more than chance; what tells is all of it at once.
Callers are of two kinds. Of members, a share of what they say lies on the stock's own texts; of
others, hardly anything. Which texts are its own follows from who uses them, who is a member from
the texts used, and neither is known beforehand:

1. To begin with, members are the callers of many different texts that look like templates.
2. A text is own when a member uses it `ODDS` times as often as another caller.
3. A caller's nats: how much of its text is own, under the distribution of that share among members
   and among others (both estimated, on a grid of shares, so that heavy honest users are no
   surprise); and which own texts it uses: one that nobody outside knows says more. What a caller
   itself adds to a text's users is taken out before it is weighed by them.
4. Probabilities, not decisions, go into the next round: with decisions, each member that is missed
   makes its texts look like everybody's, and the next one is missed.

The work of a round is linear in the (caller, text) pairs; no pair of callers or texts is built.
"""

from __future__ import annotations

import msgspec
import numpy as np

from titer.hunt.modalities import Bools, Floats, Ints

#: Tokens (eight to a text) of templates from which a caller is a member to begin with.
BEGIN = 24
#: How many times more often a member uses a text than others, for it to be the stock's own.
ODDS = 6.0
#: Own tokens that a member has, at least: with fewer, thousands of callers of one request each,
#: sent for it, would open any set.
TOKENS = 3
#: Members that use it, at least.
USERS = 3
#: Share of all callers beyond which a text is everybody's.
COMMON = 0.4
#: Shares of what a caller says that may lie on own texts: the grid of both distributions.
SHARES = np.array(
    (0.001, 0.003, 0.006, 0.012, 0.025, 0.05, 0.1, 0.2, 0.3, 0.4, 0.55, 0.7, 0.85, 0.95)
)
#: The least of them that a member has: a twentieth of its requests, half of them reworded.
LEAST = 0.02
#: What a text's users are smoothed by: half a caller on each side.
HALF = 0.5
#: Rounds at most, and the share of the members' number by which they must still change.
ROUNDS = 12
SETTLED = 0.001
#: Rounds of fitting the distributions of shares.
FITS = 15
#: Callers that tell the distribution of others, and rows that tell how many tokens a text has.
TOLD = 20_000
TOLD_ROWS = 100_000
#: Nats that count as certain: e to the thirtieth.
CERTAIN = 30.0
#: Probability up to which a caller is left out of a distribution.
WEIGHT = 1e-3


class Pairs(msgspec.Struct, frozen=True):
    """Which caller uses which token, sorted by token; each token's `users`; how many callers there
    are.
    """

    token: Ints
    unit: Ints
    users: Ints
    count: int

    @classmethod
    def of(cls, token: Ints, unit: Ints, *, tokens: int, count: int) -> Pairs:
        """With each token's users."""
        return cls(token, unit, np.bincount(token, minlength=tokens), count)

    def counted(self, chosen: Bools) -> Ints:
        """How many of the chosen callers use each token."""
        return np.bincount(self.token[chosen[self.unit]], minlength=len(self.users))


class Weighed(msgspec.Struct, frozen=True):
    """`nats` per caller for being a member (log odds, prior included; minus infinity with fewer
    than `TOKENS` own tokens), and which tokens are `own`; `sober` are the nats that count where a
    caller must be sure to be one, none before requests were weighed whole.
    """

    nats: Floats
    own: Bools
    sober: Floats | None = None


def weigh(pairs: Pairs, likely: Bools, rows: Ints) -> Weighed:
    """Fit the mixture. `likely` tokens stand for templates.

    `rows` are some requests by their tokens, (n, bands), -1 where none is likely: they tell how
    many own tokens one own text has, which then speak as one.
    """
    token, unit, users, count = pairs.token, pairs.unit, pairs.users, pairs.count
    rich = np.bincount(unit, minlength=count)
    seen = rich > 0
    many = int(seen.sum())
    likely = likely & (users <= COMMON * count)
    member = (np.bincount(unit[likely[token]], minlength=count) >= BEGIN).astype(np.float64)
    nats = np.full(count, -np.inf)
    own = np.zeros(len(users), np.bool_)
    # Only likely tokens can be own.
    kept = likely[token]
    token, unit = token[kept], unit[kept]
    for _ in range(ROUNDS):
        total = float(member.sum())
        if total < 1 or total > many - 1:
            return Weighed(np.full(count, -np.inf), np.zeros(len(users), np.bool_))
        inside = np.bincount(token, weights=member[unit], minlength=len(users))
        outside = users - inside
        odds = (inside + HALF) * (many - total + 1) / ((outside + HALF) * (total + 1))
        own = likely & (inside >= USERS) & (odds > ODDS)
        if not own.any():
            return Weighed(np.full(count, -np.inf), own)
        on = own[token]
        at, who = token[on], unit[on]
        text = _of_one_text(rows, own)
        tokens = np.bincount(who, minlength=count)
        enough = tokens >= TOKENS
        hits: Floats = np.where(enough, tokens, 0) / text
        counted = _by_share(hits, np.maximum(rich / text, hits), member, seen)
        # Of a caller's own texts, without what it adds to them itself.
        with_it = np.maximum(inside[at] - member[who], 0.0) + HALF
        without = np.maximum(outside[at] - (1.0 - member[who]), 0.0) + HALF
        kinds = HALF * int(own.sum())
        which = np.log(with_it / (inside[own].sum() + kinds))
        which -= np.log(without / (outside[own].sum() + kinds))
        nats = counted + np.bincount(who, weights=which, minlength=count) / text
        nats = np.where(enough, nats + np.log(total / (many - total)), -np.inf)
        after = probability(nats)
        settled = float(np.abs(after - member).sum()) < SETTLED * total
        member = after
        if settled:
            break
    return Weighed(nats, own)


def probability(nats: Floats) -> Floats:
    """Of log odds; 0 where they are minus infinity."""
    odds = 1.0 / (1.0 + np.exp(-np.clip(nats, -CERTAIN, CERTAIN)))
    found: Floats = np.where(np.isfinite(nats), odds, 0.0)
    return found


def _of_one_text(rows: Ints, own: Bools) -> float:
    """How many own tokens a request that has any has."""
    rows = rows[:: 1 + len(rows) // TOLD_ROWS]
    each = (own[np.maximum(rows, 0)] & (rows >= 0)).sum(axis=1)
    each = each[each > 0]
    return float(each.mean()) if len(each) else 1.0


def _by_share(hits: Floats, said: Floats, member: Floats, seen: Bools) -> Floats:
    """Log-likelihood ratio of `hits` own texts among `said`, member against other."""
    likelihood = hits[:, None] * np.log(SHARES) + (said - hits)[:, None] * np.log1p(-SHARES)
    likelihood -= likelihood.max(axis=1, keepdims=True)
    np.exp(likelihood, out=likelihood)
    some = np.flatnonzero(seen)
    some = some[:: 1 + len(some) // TOLD]
    inside = _fit(likelihood, member) * member.sum()
    outside = _fit(likelihood[some], 1.0 - member[some]) * (seen.sum() - member.sum())
    inside[SHARES < LEAST] = 0.0
    both = inside + outside
    # More own text never speaks against membership.
    rising = _rising(inside / both, both)
    inside, outside = rising * both, (1.0 - rising) * both
    floor = 1e-9
    inside, outside = inside / inside.sum() + floor, outside / outside.sum() + floor
    ratio: Floats = np.log(likelihood @ inside) - np.log(likelihood @ outside)
    return ratio


def _fit(likelihood: Floats, weight: Floats) -> Floats:
    """The distribution over `SHARES` of callers so weighted (EM, nonparametric)."""
    there = weight > WEIGHT
    likelihood, weight = likelihood[there], weight[there]
    share = np.full(len(SHARES), 1.0 / len(SHARES))
    for _ in range(FITS):
        share = share * (likelihood.T @ (weight / (likelihood @ share))) + 1e-6 * weight.sum()
        share /= share.sum()
    return share


def _rising(value: Floats, weight: Floats) -> Floats:
    """The nearest values that never fall (pool adjacent violators)."""
    blocks: list[tuple[float, float, int]] = []
    for v, w in zip(value.tolist(), weight.tolist(), strict=True):
        blocks.append((v, w, 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, wa, na), (b, wb, nb) = blocks[-2:]
            blocks[-2:] = [((a * wa + b * wb) / (wa + wb), wa + wb, na + nb)]
    return np.concatenate([np.full(n, v) for v, _, n in blocks])
