"""An honest crowd of facts, made to order: heterogeneous, seeded, without a word of text.

Half the organisations chat; the rest are what is mistaken for attackers: applications with one
system prompt, batch jobs, evaluation runs, content at scale. Volumes are Zipf-like, and what
an organisation does, how long its replies are, how often it repeats itself, are its own. One
in six has documents embedded.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

from titer.core.nouns import Exchange, Principal, ReplyFacts, RequestFacts, Sketch, Usage

#: What honest organisations do, and how often one does it.
KINDS = {"chat": 50, "application": 25, "batch": 10, "evaluation": 8, "writer": 7}
#: Microseconds that a crowd lives (two weeks).
SPAN = 14 * 86_400_000_000
#: Exchanges of one organisation at most: the checks must end in seconds.
MOST = 120
BANDS, CELLS = 8, 4
#: One organisation in so many indexes its documents: it has them embedded.
INDEXERS = 6


def honest(seed: int, subjects: int = 300) -> list[Exchange]:
    """The exchanges of `subjects` honest organisations in order of time."""
    found = [
        exchange
        for number in range(subjects)
        for exchange in (_indexer if number % INDEXERS == 0 else _organisation)(
            f"honest-{seed}-{number}"
        )
    ]
    return sorted(found, key=lambda exchange: (exchange.at, exchange.id))


def harvester(seed: int, exchanges: int = 200, mix: float = 1.0) -> list[Exchange]:
    """One key that fills one frame with ever new content and takes long replies.

    A share 1 - `mix` of its requests is chat.
    """
    rng = random.Random(f"harvester-{seed}")  # noqa: S311 - a seeded crowd
    name = f"harvester-{seed}"
    frame, family = _tokens(rng, BANDS, 62), _tokens(rng, CELLS, 8)
    found = []
    for number in range(exchanges):
        covered = rng.random() >= mix
        found.append(
            _exchange(
                f"{name}-{number}",
                name,
                SPAN * number // exchanges,
                rng,
                frame=None if covered else frame,
                family=None if covered else family,
                kept=0.7,
                out=rng.lognormvariate(5.2 if covered else 7.2, 0.5),
                talk=covered,
            )
        )
    return found


def extractor(seed: int, exchanges: int = 120) -> list[Exchange]:
    """One key that biases ever new vocabulary ids and asks for what is most likely."""
    rng = random.Random(f"extractor-{seed}")  # noqa: S311 - a seeded crowd
    name = f"extractor-{seed}"
    frame, family = _tokens(rng, BANDS, 62), _tokens(rng, CELLS, 8)
    found = []
    for number in range(exchanges):
        base = _exchange(
            f"{name}-{number}", name, SPAN * number // exchanges, rng,
            frame=frame, family=family, kept=1.0, out=1, talk=False,
        )  # fmt: skip
        facts = RequestFacts(
            roles=("user",),
            turns=1,
            params={"max_tokens": 1, "temperature": 0, "logprobs": True, "top_logprobs": 5},
            biased=tuple(range(5 * number, 5 * number + 5)),
        )
        found.append(_replaced(base, facts))
    return found


def _replaced(exchange: Exchange, facts: RequestFacts) -> Exchange:
    return Exchange(
        exchange.id, exchange.at, exchange.principal, exchange.endpoint, exchange.model,
        request=facts, sketch=exchange.sketch, usage=exchange.usage, reply=exchange.reply,
    )  # fmt: skip


def _organisation(name: str) -> Iterator[Exchange]:
    rng = random.Random(name)  # noqa: S311 - a seeded crowd
    kind = rng.choices(list(KINDS), list(KINDS.values()))[0]
    volume = min(MOST, int(3 + 8 * rng.paretovariate(1.1)))
    frame, family = _tokens(rng, BANDS, 62), _tokens(rng, CELLS, 8)
    length = {
        "chat": 5.0, "application": rng.uniform(2, 6), "batch": rng.uniform(0, 5),
        "evaluation": rng.choice((1.0, 5.5)), "writer": 5.5,
    }[kind]  # fmt: skip
    repeats = rng.betavariate(1, 4) if kind == "application" else 0.02
    biased = tuple(sorted(rng.sample(range(50_000), 6))) if rng.random() < 0.03 else ()
    start = rng.random() * 0.7
    for number in range(volume):
        at = int(SPAN * (start + (1 - start) * (number + rng.random()) / volume))
        exchange = _exchange(
            f"{name}-{number}", name, at, rng,
            frame=None if kind == "chat" else frame,
            family=None if kind == "chat" and rng.random() < 0.6 else family,
            kept=0.75, out=rng.lognormvariate(length, 0.6),
            talk=kind == "chat" and rng.random() < 0.7,
            content=rng.randrange(5) if rng.random() < repeats else None,
        )  # fmt: skip
        if biased:
            exchange = _replaced(exchange, RequestFacts(turns=1, roles=("user",), biased=biased))
        yield exchange


def _indexer(name: str) -> Iterator[Exchange]:
    """A corpus that is embedded, mostly about a few subjects, and again after some days."""
    rng = random.Random(name)  # noqa: S311 - a seeded crowd
    subjects = _tokens(rng, rng.randint(2, 40), 8)
    weights = [rng.paretovariate(0.8) for _ in subjects]
    volume = min(MOST, int(20 + 20 * rng.paretovariate(1.1)))
    documents = max(1, int(volume * rng.uniform(0.3, 1.0)))
    for number in range(volume):
        text = random.Random(f"{name}-{number % documents}")  # noqa: S311 - a seeded crowd
        cells = tuple(text.choices(subjects, weights, k=CELLS))
        yield Exchange(
            f"{name}-{number}", int(SPAN * (number + rng.random()) / volume),
            Principal(name, tier="standard"), "/v1/embeddings", "embedder",
            request=RequestFacts(roles=("user",), turns=1),
            sketch=Sketch(frames=_tokens(text, BANDS, 62), cells=cells,
                          exact=text.getrandbits(62), chars=text.randint(200, 3000)),
            usage=Usage(tokens_in=rng.randint(50, 800)),
        )  # fmt: skip


def _tokens(rng: random.Random, count: int, bits: int) -> tuple[int, ...]:
    return tuple(rng.getrandbits(bits) for _ in range(count))


def _exchange(
    name: str,
    owner: str,
    at: int,
    rng: random.Random,
    *,
    frame: tuple[int, ...] | None,
    family: tuple[int, ...] | None,
    kept: float,
    out: float,
    talk: bool,
    content: int | None = None,
) -> Exchange:
    """One exchange; tokens of its frame and family survive with probability `kept`."""
    fresh, cells = _tokens(rng, BANDS, 62), _tokens(rng, CELLS, 8)
    if frame is not None:
        fresh = tuple(a if rng.random() < kept else b for a, b in zip(frame, fresh, strict=True))
    if family is not None:
        cells = tuple(a if rng.random() < kept else b for a, b in zip(family, cells, strict=True))
    exact = rng.getrandbits(62) if content is None else content
    if content is not None and family is not None:
        cells = family
    roles = ("user", "assistant", "user") if talk else ("user",)
    return Exchange(
        name, at, Principal(owner, tier="standard"), "/v1/chat/completions", "model",
        request=RequestFacts(roles=roles, turns=len(roles), params={"temperature": 0.7}),
        sketch=Sketch(frames=fresh, cells=cells, exact=exact, chars=400, lang="latn"),
        usage=Usage(tokens_in=rng.randint(20, 400), tokens_out=int(out) + 1),
        reply=ReplyFacts(finish="stop", chars=4 * int(out)),
    )  # fmt: skip
