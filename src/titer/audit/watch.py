"""What a suspect's server does to be hard to test, seen in its answers.

None of it can make a p-value small: the randomness is our key's, which the server does not know.
It can make a test blind (caching, throttling, refusing, lying about usage), or make it a test of
several models (a change midway), and the report must say so. Log-probabilities that cannot be
those of a distribution void the statistics that use them.
"""

from __future__ import annotations

import random
import zlib
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import msgspec
import numpy as np

from titer.audit.answers import Pace
from titer.audit.collect import Task
from titer.audit.plan import Plan
from titer.audit.target import Answer
from titer.marks.contract import F64
from titer.marks.tokens import Tokenizer

#: Rounds of the permutation test for drift; its p-value cannot be smaller than 1 / (ROUNDS + 1).
ROUNDS = 1999
#: A drift is told at this p-value or below.
DRIFT = 0.001
#: Replies from the beginning, and from the end, that are compared.
EARLY_LATE = 1000
#: Lists of alternatives of one answer that are counted: a constant one is the commonest.
MOST_LISTS = 4
#: Buckets that words are counted in.
BUCKETS = 512
#: Two replies of at least so many characters that are equal were not sampled twice.
LONG = 80
#: Shares of answers from which on an oddity is told.
SHARE = 0.1
#: Probabilities at one place may add up to this much more than 1 (rounding of 16-bit floats).
SLACK = 0.01


class Oddity(msgspec.Struct, frozen=True):
    """One thing that the server did. `voids` are needs (`plan.NEEDS`) that cannot be tested."""

    kind: str
    note: str
    n: int
    of: int
    voids: tuple[str, ...] = ()


class _Seen(msgspec.Struct, frozen=True):
    """What is looked at of one answer, without its alternatives.

    places, off: places with alternatives, and those that are no distribution's. most: how often
    each list of alternatives stood in it, by hash.
    """

    task: Task
    text: str
    model: str
    fingerprint: str
    stated: int
    received: int
    places: int
    off: int
    lists: dict[int, int]


def watch(
    plan: Plan,
    tasks: Sequence[Task],
    answers: Mapping[int, Answer],
    pace: Pace,
    tokenizer: Tokenizer,
) -> list[Oddity]:
    """Everything odd about these answers, in the order of asking."""
    ordered = [_seen(t, answers[t.n], tokenizer) for t in tasks if t.n in answers]
    checks = (
        _models(plan, ordered), _cached(plan, ordered), _usage(ordered), _empty(ordered),
        _incoherent(ordered), _drift(plan, ordered), _pace(pace, len(ordered)),
    )  # fmt: skip
    return [oddity for found in checks for oddity in found]


def _seen(task: Task, answer: Answer, tokenizer: Tokenizer) -> _Seen:
    off = places = 0
    lists: Counter[int] = Counter()
    for place in answer.places:
        if place.top:
            places += 1
            mass = float(np.exp([min(p, 50.0) for _, p in place.top]).sum())
            tokens = [t for t, _ in place.top]
            off += mass > 1 + SLACK or len(set(tokens)) < len(tokens)
            lists[hash(place.top)] += 1
    common = dict(lists.most_common(MOST_LISTS))
    received = len(tokenizer.encode(answer.text)) if answer.text else 0
    return _Seen(
        task, answer.text, answer.model, answer.fingerprint, answer.tokens_out, received, places,
        off, common,
    )  # fmt: skip


_Ordered = Sequence[_Seen]


def _models(plan: Plan, ordered: _Ordered) -> list[Oddity]:
    out = []
    models = Counter(one.model for one in ordered if one.model)
    if len(models) > 1:
        most = models.most_common(1)[0][1]
        out.append(
            Oddity(
                "model-changed",
                f"{len(models)} names of models in the answers",
                sum(models.values()) - most,
                sum(models.values()),
            )
        )
    elif models and plan.suspect.model and plan.suspect.model not in models:
        out.append(
            Oddity("other-model", "the answers name another model than was asked for",
                   sum(models.values()), len(ordered))
        )  # fmt: skip
    prints = Counter(one.fingerprint for one in ordered if one.fingerprint)
    if len(prints) > 1:
        most = prints.most_common(1)[0][1]
        out.append(
            Oddity(
                "fingerprint-changed",
                f"system_fingerprint took {len(prints)} values: several backends, or a change",
                sum(prints.values()) - most,
                sum(prints.values()),
            )
        )
    return out


def _cached(plan: Plan, ordered: _Ordered) -> list[Oddity]:
    replies = defaultdict(list)
    for one in ordered:
        if one.task.kind == "write" and len(one.text) >= LONG:
            replies[one.task.text].append(one.text)
    again = sum(len(texts) - 1 for texts in replies.values())
    same = sum(len(texts) - len(set(texts)) for texts in replies.values())
    if not again or same / again < SHARE:
        return []
    why = (
        "repeated prompts get the reply that they got before: cached, or not sampled"
        if plan.temperature > 0
        else "repeated prompts get the same reply, as they should at temperature 0"
    )
    return [Oddity("same-replies", f"{why}; they count once", same, again)]


def _usage(ordered: _Ordered) -> list[Oddity]:
    stated = [
        (one.stated, one.received)
        for one in ordered
        if one.task.kind == "write" and one.stated >= 0 and one.text
    ]
    off = sum(1 for said, seen in stated if max(said, seen) > 3 * min(said, seen) + 10)
    if not stated or off / len(stated) < SHARE:
        return []
    note = "usage states more than three times, or less than a third of, the tokens that came"
    return [Oddity("usage", note, off, len(stated))]


def _empty(ordered: _Ordered) -> list[Oddity]:
    written = [one.text for one in ordered if one.task.kind == "write"]
    empty = sum(1 for text in written if not text.strip())
    if not written or empty / len(written) < SHARE:
        return []
    return [Oddity("empty", "replies without text: refused, filtered or cut", empty, len(written))]


def _incoherent(ordered: _Ordered) -> list[Oddity]:
    places = sum(one.places for one in ordered)
    off = sum(one.off for one in ordered)
    lists: Counter[int] = Counter()
    for one in ordered:
        lists.update(one.lists)
    out = []
    voids = ("chances", "reading")
    if places and off / places > 0.001:
        note = "probabilities at one place that add up to more than 1, or a token listed twice"
        out.append(Oddity("impossible-logprobs", note, off, places, voids))
    if places >= 20 and (most := lists.most_common(1)[0][1]) > places / 2:
        note = "the same alternatives with the same probabilities at most places: not a model's"
        out.append(Oddity("constant-logprobs", note, most, places, voids))
    return out


def _drift(plan: Plan, ordered: _Ordered) -> list[Oddity]:
    """Early against late replies: exchangeable if nothing changed, since the order is random."""
    texts = [
        one.text for one in ordered if one.task.kind == "write" and one.task.copy < plan.copies
    ]
    if len(texts) < 20:
        return []
    texts = texts[:EARLY_LATE] + texts[max(EARLY_LATE, len(texts) - EARLY_LATE) :]
    rows = np.array([_words(text) for text in texts])
    half = len(rows) // 2
    seen = _apart(rows, np.arange(len(rows)) < half)
    rng = random.Random(plan.seed + 1)  # noqa: S311 - a test that everybody can repeat
    order = list(range(len(rows)))
    beaten = 0
    for _ in range(ROUNDS):
        rng.shuffle(order)
        early = np.zeros(len(rows), np.bool_)
        early[order[:half]] = True
        beaten += _apart(rows, early) >= seen
    p = (1 + beaten) / (ROUNDS + 1)
    if p > DRIFT:
        return []
    note = f"early and late replies differ in words or length (permutation p = {p:.4f})"
    return [Oddity("drift", f"{note}: the model changed midway, or was swapped", half, len(rows))]


def _words(text: str) -> F64:
    """Shares of hashed words, and the length in powers of two, of one reply."""
    found = np.zeros(BUCKETS + 1)
    words = text.split()
    for word in words:
        found[zlib.crc32(word.encode("utf-8", "replace")) % BUCKETS] += 1
    if words:
        found[:BUCKETS] /= len(words)
    found[BUCKETS] = np.log2(1 + len(text)) / 16
    return found


def _apart(rows: F64, early: np.typing.NDArray[np.bool_]) -> float:
    return float(np.abs(rows[early].mean(axis=0) - rows[~early].mean(axis=0)).sum())


def _pace(pace: Pace, answers: int) -> list[Oddity]:
    if pace.throttled <= max(10, SHARE * answers):
        return []
    note = f"the server limited us {pace.throttled} times; {pace.waited:.0f} s were waited"
    return [Oddity("throttled", note, pace.throttled, answers)]
