"""How long characters of an honest stream wait, in milliseconds, and what a caller's memory costs.

Streams: honest answers cut into tokens as byte-pair tokenizers cut them (a word with its space,
long words in pieces of up to six letters), 30 to 100 tokens a second with gaps that vary as those
of a busy server do (lognormal, sigma 0.5). A character waits from its token's coming to the token
with which it leaves, or to the stream's end. The guard's own CPU time is added.
"""

from __future__ import annotations

import random
import re
import time

from evals.leaks.honest import honest
from titer.core.interval import clopper_pearson
from titer.respond.leak_guard.index import Index
from titer.respond.leak_guard.memory import Memory
from titer.respond.leak_guard.scan import Scan, limits
from titer.respond.leak_guard.work import COLLECTED

_TOKEN = re.compile(r" ?[^\W\d_]{1,6}|\d{1,3}| ?[^\w\s]{1,3}|\s+|.", re.DOTALL)
SIGMA = 0.5


def waits(texts: list[str], leak: int, seed: int, every: int, *, encoded: bool) -> dict:
    """Milliseconds that characters of every `every`th honest answer wait: of files that are
    printed `encoded`, whose runs wait for their end, or of all others.
    """
    draw = random.Random(seed)
    indexes = [Index([t]) for t in texts]
    found: list[float] = []
    by_stream: list[float] = []
    streams = tokens = characters = suspected = 0
    for n, (source, text) in enumerate(honest(random.Random(seed))):
        if n % every or len(text) < 20 or source.startswith("encoded") != encoded:
            continue
        scan = Scan(draw.choice(indexes), limits(leak))
        rate = draw.uniform(30, 100)
        at = worst = 0.0
        came: list[tuple[float, int]] = []  # when characters came that are still held
        for token in _TOKEN.findall(text[:4000]):
            at += draw.lognormvariate(-SIGMA * SIGMA / 2, SIGMA) / rate * 1000
            began = time.thread_time()
            scan.push(token)
            spent = (time.thread_time() - began) * 1000
            came.append((at, len(token)))
            held = scan.holding
            characters += len(token)
            tokens += 1
            while came and held < sum(size for _, size in came):
                since, size = came[0]
                free = min(size, sum(s for _, s in came) - held)
                wait = at - since + spent
                if wait > spent:
                    found.extend([wait] * free)
                worst = max(worst, wait)
                came[0] = (since, size - free)
                if came[0][1] == 0:
                    came.pop(0)
        for since, size in came:
            found.extend([at - since] * size)
            worst = max(worst, at - since)
        streams += 1
        suspected += worst > 1
        by_stream.append(worst)
    found.sort()
    by_stream.sort()

    def quantile(share: float) -> float:
        """Of all characters: those that did not wait for a later token count as 0."""
        place = int(share * characters) - (characters - len(found))
        return round(found[place], 2) if 0 <= place < len(found) else 0.0

    return {
        "streams": streams, "tokens": tokens, "characters": characters,
        "tokens_a_second": [30, 100],
        "characters_that_waited": len(found),
        "characters_ms": {str(q): quantile(q) for q in (0.5, 0.99, 0.999, 0.9999)},
        "worst_of_a_stream_ms": {
            str(q): round(by_stream[min(int(q * streams), streams - 1)], 3)
            for q in (0.5, 0.99, 0.999)
        },
        "longest_ms": round(by_stream[-1], 1), "streams_with_a_wait": suspected,
        "interval": clopper_pearson(suspected, streams),
    }  # fmt: skip


def sessions(texts: list[str], leak: int, seed: int, answers: int) -> dict:
    """Callers with `answers` honest answers each under one protected text: does memory bite?"""
    draw = random.Random(seed)
    every = [text for _, text in honest(random.Random(seed))]
    draw.shuffle(every)
    memory = Memory(b"evaluation")
    callers = collecting = removed = pieces = 0
    highest = 0
    for first in range(0, len(every) - answers, answers):
        caller, index = str(callers), Index([draw.choice(texts)])
        for text in every[first : first + answers]:
            strict = memory.count(caller, b"t") >= COLLECTED * leak
            found: list[str] = []
            scan = Scan(
                index, limits(leak, collecting=strict), None, found.append,
                lambda grams, caller=caller: memory.take(caller, b"t", grams),
            )  # fmt: skip
            scan.push(text)
            removed += bool(found)
            pieces += 1
        grown = memory.count(caller, b"t")
        highest = max(highest, grown)
        collecting += grown >= COLLECTED * leak
        callers += 1
    return {
        "callers": callers, "answers_each": answers, "collecting": collecting,
        "interval": clopper_pearson(collecting, callers), "answers": pieces, "removed": removed,
        "removed_interval": clopper_pearson(removed, pieces), "most_grams_had": highest,
        "grams_that_make_collecting": COLLECTED * leak,
    }  # fmt: skip


def given_away(texts: list[str], leak: int) -> dict:
    """Letters of a text that leave in pieces of a size over many answers, until none is left."""
    out = {}
    for size in (47, 36, 26, 19):
        shares, stopped = [], 0
        for n, text in enumerate(texts):
            memory, index, left, some = Memory(b"evaluation"), Index([text]), 0, False
            words, piece, total = text.split(), "", 0
            for word in [*words, ""]:
                total += sum(map(str.isalpha, word))
                if word and sum(map(str.isalpha, f"{piece}{word}")) <= size:
                    piece = f"{piece} {word}".strip()
                    continue
                strict = memory.count(str(n), b"t") >= COLLECTED * leak
                found: list[str] = []
                scan = Scan(
                    index, limits(leak, collecting=strict), None, found.append,
                    lambda grams, n=n, memory=memory: memory.take(str(n), b"t", grams),
                )  # fmt: skip
                said = scan.push(piece) + scan.close()
                left += sum(map(str.isalpha, said.replace("[removed]", "")))
                some |= bool(found)
                piece = word
            stopped += some
            shares.append(left / max(1, total))
        shares.sort()
        out[str(size)] = {
            "texts": len(texts), "noticed": stopped,
            "interval": clopper_pearson(stopped, len(texts)),
            "median_share_left": round(shares[len(shares) // 2], 3),
        }  # fmt: skip
    return out
