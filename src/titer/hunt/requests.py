"""Membership by whole requests: what a caller said in one piece, and what else it said.

The mixture (`mixture`) counts tokens, as if each spoke for itself. Two things it cannot see:

* A request in a template has many of the stock's tokens at once, rare ones among them. A long
  conversation that happens to contain one of its phrases has one or two, and common ones. So every
  request is held against requests of callers outside: how often do *theirs*, if they have any of
  these tokens at all, have so many and so rare ones? That is the honest null, and it is counted in
  the log itself: callers who say such phrases all day long are no surprise to it.
* Users of one public template that members use as well (an agents' framework) support each other:
  they are taken for members by that template, and it for the stock's own by them. So nobody
  vouches for a text by that text: its users count as members only by other texts of theirs,
  without it and without the tokens that go with it (a cavity, in the language of belief
  propagation; Mézard and Montanari 2009, chapter 14).

A text is what several requests of one caller have in common: a framework's prompt is one, however
many conversations it stands in and whichever of its tokens each of them shows. What a caller says
in one text is evidence once, in the mixture as well. Where members have too few texts to tell them
apart, each request is one.

The work is two sorts of the pairs of tokens that stand in one request, at most 28 a request.
"""

from __future__ import annotations

import msgspec
import numpy as np

from titer.hunt.asked import Asked
from titer.hunt.groups import components
from titer.hunt.mixture import HALF, ODDS, USERS, Pairs, Weighed, probability, weigh
from titer.hunt.modalities import Bools, Floats, Ints

#: Fits, each without the texts that nobody vouched for in the one before.
FITS = 4
#: Rounds of weighing requests under one fit.
ROUNDS = 8
#: Nats of one request from which it speaks for its caller; and own tokens from which it does so if
#: nobody outside sends such requests (where nobody outside says anything of the kind, nats are 0).
SPEAKS = 2.0
WHOLE = 3
#: Requests for which one caller counts at most in what is usual: the unit is the caller. And
#: requests for which the honest null counts before any was seen.
MOST = 8.0
SEEN = 100.0
#: Shares of a member's requests with own tokens that may be cover, all as likely beforehand.
COVERS = (0.02, 0.1, 0.3)
#: Share of the requests with either of two tokens that have both, from which they are one text.
TOGETHER = 0.5
#: Texts that the median member has, at least, for a caller's requests to be put together: where
#: all that a member says hangs together, as a few templates or one prompt before every question
#: do, nobody would vouch for anything.
SEVERAL = 3
#: Share of the members of a fit without some texts, who may not have been members with them: more
#: are another crowd, which the fit found because the first one's texts were gone.
NEW = 0.1
#: How much of the mixture's evidence counts where it is a question of being sure: it takes tokens
#: for independent, and what it says of honest agents is too much; what their requests say is not.
TRUST = 0.25
#: Classes of how common a token is: powers of two of its users.
COMMON = 32
#: Odd numbers by which numbers of callers, and of tokens, are spread over 64 bits.
MIXED = np.int64(0x5851F42D4C957F2D)
SPREAD = np.int64(0x1E3779B97F4A7C15)


class Requests(msgspec.Struct, frozen=True):
    """Requests with own tokens, alike ones of one caller once: the `unit` of each, its own tokens
    (n, bands), -1 where there is none, and its `kind`: how many they are, and how common the
    second rarest of them is. `text` numbers the texts, each of one caller.
    """

    unit: Ints
    tokens: Ints
    kind: Ints
    text: Ints

    @classmethod
    def of(cls, asked: Asked, fit: Weighed, pairs: Pairs) -> Requests:
        """Of the rows that were looked at, by the tokens that are own in a fit."""
        own, users = fit.own, pairs.users
        there = asked.rows >= 0
        there[there] = own[asked.rows[there]]
        some = there.any(axis=1)
        tokens, unit = np.where(there, asked.rows, -1)[some], asked.unit[some]
        text = _bound(asked.rows[some], unit, len(own))
        # A conversation says again with every turn what was said before.
        odd = np.arange(1, 2 * tokens.shape[1], 2) * SPREAD
        same = ((tokens + 1) * odd).sum(axis=1) ^ (unit * MIXED)
        _, first = np.unique(same, return_index=True)
        tokens, unit = tokens[first], unit[first]
        _, text = np.unique(text[first], return_inverse=True)
        many = (tokens >= 0).sum(axis=1)
        common = np.where(tokens >= 0, users[np.maximum(tokens, 0)], np.iinfo(np.int64).max)
        common.sort(axis=1)
        second = common[np.arange(len(many)), np.minimum(1, many - 1)]
        rare = np.minimum(np.log2(np.maximum(second, 1)).astype(np.int64), COMMON - 1)
        return cls(unit, tokens, many * COMMON + rare, text)

    def apart(self) -> Requests:
        """Each request as a text of its own."""
        return msgspec.structs.replace(self, text=np.arange(len(self.unit)))

    def of_caller(self) -> Ints:
        """The caller of each text."""
        caller = np.empty(int(self.text.max(initial=-1)) + 1, np.int64)
        caller[self.text] = self.unit
        return caller


def _bound(rows: Ints, unit: Ints, size: int) -> Ints:
    """The text of each row: rows of one caller that have two tokens in common are of one."""
    keys, ends = [], []
    for one in range(rows.shape[1]):
        for other in range(one + 1, rows.shape[1]):
            row = np.flatnonzero((rows[:, one] >= 0) & (rows[:, other] >= 0))
            both = (rows[row, one] * size + rows[row, other]) * SPREAD
            keys.append(both ^ (unit[row] * MIXED))
            ends.append(row)
    key, row = np.concatenate(keys), np.concatenate(ends)
    order = np.argsort(key, kind="stable")
    return components(key[order], row[order], len(rows))


def settled(pairs: Pairs, likely: Bools, asked: Asked, fit: Weighed) -> Weighed:
    """The callers of a fit by `likely` tokens weighed by whole requests; fitted again without the
    texts that nobody vouched for, until there are none.
    """
    for left in reversed(range(FITS)):
        if not fit.own.any():
            break
        requests = Requests.of(asked, fit, pairs)
        nats, sober, speaks = weighed(requests, fit.nats)
        if _texts_each(requests, speaks, nats) < SEVERAL:
            requests = requests.apart()
            nats, sober, speaks = weighed(requests, fit.nats)
        alone = unvouched(requests, speaks, nats, fit.own, pairs)
        found = Weighed(nats, fit.own & ~alone, sober)
        if not left or not alone.any():
            return found
        likely = likely & ~alone
        fit = weigh(pairs, likely, asked.rows)
        members = fit.nats >= 0.0
        if (members & (nats < 0.0)).sum() > NEW * members.sum():
            return found
    return fit


def _texts_each(requests: Requests, speaks: Bools, nats: Floats) -> float:
    """How many texts that speak for it the median member has."""
    caller = requests.of_caller()
    each = np.bincount(caller[np.unique(requests.text[speaks])], minlength=len(nats))
    members = nats >= 0.0
    return float(np.median(each[members])) if members.any() else 0.0


def weighed(requests: Requests, nats: Floats) -> tuple[Floats, Floats, Bools]:
    """(nats of every caller, the same with little trust in the mixture, which requests speak for
    theirs): a caller's are those that it has from the mixture, and its texts'.

    A request's are the log-likelihood ratio of its kind among members' requests and among others',
    both of those with own tokens, less the request itself; a text's the mean of its requests'.
    Some of a member's texts are cover, which is others' kind; how many differs among members.
    """
    unit = requests.unit
    kinds, kind = np.unique(requests.kind, return_inverse=True)
    weight = np.minimum(1.0, MOST / np.maximum(np.bincount(unit, minlength=len(nats)), 1))[unit]
    # Before any was seen, half of others' requests with a phrase have one token, a quarter two ...
    usual = 0.5 ** (kinds // COMMON)
    usual *= SEEN / max(float(usual.sum()), 1e-9)
    every = np.bincount(kind, weights=weight, minlength=len(kinds))
    caller, of_text = requests.of_caller(), np.bincount(requests.text)
    prior, nats = _as_texts(requests, caller, nats)
    after, each, outside = nats, np.zeros(len(unit)), every
    for _ in range(ROUNDS):
        member = probability(after)[unit]
        mine = weight * member
        inside = np.bincount(kind, weights=mine, minlength=len(kinds))
        outside = every - inside
        some = HALF * len(kinds)
        each = np.log((np.maximum(inside[kind] - mine, 0.0) + HALF) / (inside.sum() + some))
        each -= np.log(
            (np.maximum(outside[kind] - (weight - mine), 0.0) + usual[kind])
            / (outside.sum() + SEEN)
        )
        by_text = np.bincount(requests.text, weights=each) / of_text
        after = nats + _of_callers(by_text, caller, len(nats))
    nobody = (outside < HALF) & (kinds >= WHOLE * COMMON)
    doubted = np.where(np.isfinite(nats), (1.0 - TRUST) * (nats - prior), 0.0)
    return after, after - doubted, (each >= SPEAKS) | nobody[kind]


def _as_texts(requests: Requests, caller: Ints, nats: Floats) -> tuple[float, Floats]:
    """(what everybody has beforehand, the mixture's nats of every caller as if each of its texts
    counted once).

    The mixture takes so many tokens for a text as a request has; callers whose own tokens stand in
    fewer texts than that have so much less evidence, beyond what everybody has beforehand.
    """
    count = len(nats)
    there = requests.tokens >= 0
    row, _ = np.nonzero(there)
    size = int(requests.tokens.max(initial=0)) + 1
    own = np.unique(requests.unit[row] * size + requests.tokens[there]) // size
    texts = np.bincount(caller, minlength=count) * there.sum(axis=1).mean()
    share = np.minimum(1.0, texts / np.maximum(np.bincount(own, minlength=count), 1))
    some = np.isfinite(nats)
    total = float(probability(nats).sum())
    prior = float(np.log((total + HALF) / (count - total + HALF)))
    found = nats.copy()
    found[some] = prior + share[some] * (nats[some] - prior)
    return prior, found


def _of_callers(each: Floats, unit: Ints, count: int) -> Floats:
    """What its texts say of every caller: the mean over `COVERS` of their likelihood ratio."""
    ratio = np.exp(each)
    by_cover = np.stack(
        [np.bincount(unit, weights=np.log((1.0 - c) * ratio + c), minlength=count) for c in COVERS]
    )
    most = by_cover.max(axis=0)
    found: Floats = most + np.log(np.exp(by_cover - most).mean(axis=0))
    return found


def unvouched(requests: Requests, speaks: Bools, nats: Floats, own: Bools, pairs: Pairs) -> Bools:
    """Which own tokens members do not use `ODDS` times as often as others, once nobody is a member
    by requests that contain the token or those that go with it. Who said too little to tell counts
    for neither, and a token that fewer than `USERS` can tell of is left alone.
    """
    size = len(own)
    same = _texts(requests.tokens, size)
    # A caller's texts that speak for it, and those of them that have the token or one beside it.
    text, caller = requests.text[speaks], requests.of_caller()
    often = np.bincount(requests.unit[speaks], minlength=pairs.count)
    said = np.bincount(caller[np.unique(text)], minlength=pairs.count)
    tokens = requests.tokens[speaks]
    row, _ = np.nonzero(tokens >= 0)
    held = np.unique(text[row] * size + same[tokens[tokens >= 0]])
    by_text, times = np.unique(caller[held // size] * size + held % size, return_counts=True)
    on = own[pairs.token]
    token, unit = pairs.token[on], pairs.unit[on]
    key = unit * size + same[token]
    place = np.minimum(np.searchsorted(by_text, key), max(0, len(by_text) - 1))
    with_it = np.where(by_text[place] == key, times[place], 0) if len(by_text) else 0 * key
    member = probability(nats)[unit]
    other = said[unit] > with_it
    unknown = ~other & (often[unit] < 2)
    inside = np.bincount(token, weights=member * other, minlength=size)
    outside = np.bincount(
        token, weights=np.where(other | unknown, 1.0 - member, 1.0), minlength=size
    )
    total = float(probability(nats).sum())
    everyone = int((np.bincount(pairs.unit) > 0).sum())
    odds = (inside + HALF) * (everyone - total + 1) / ((outside + HALF) * (total + 1))
    found: Bools = own & (inside + outside >= USERS) & (odds <= ODDS)
    return found


def _texts(tokens: Ints, size: int) -> Ints:
    """Which tokens go together, by the smallest of them: those mostly in the same requests."""
    count = np.bincount(tokens[tokens >= 0], minlength=size)
    codes = []
    for one in range(tokens.shape[1]):
        for other in range(one + 1, tokens.shape[1]):
            both = (tokens[:, one] >= 0) & (tokens[:, other] >= 0)
            ends = np.sort(tokens[both][:, (one, other)], axis=1)
            codes.append(ends[:, 0] * size + ends[:, 1])
    code, times = np.unique(np.concatenate(codes), return_counts=True)
    first, second = code // size, code % size
    same = times >= TOGETHER * (count[first] + count[second] - times)
    ends = np.stack((first[same], second[same]), axis=1)
    return components(np.repeat(np.arange(len(ends)), 2), ends.ravel(), size)
