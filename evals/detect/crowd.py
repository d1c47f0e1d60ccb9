"""Honest organisations of many kinds, made fast: 100,000 of them in minutes.

Half of them chat. The others are what is mistaken for extraction: applications with one system
prompt, support bots, agents, retrieval, batches over documents, benchmark runs, content from one
template, school classes, graders, resellers with many customers, classifiers that bias labels,
embedding of a corpus, and people who test their own prompt for leaks. Shares, volumes and reply
lengths are assumed; the texts are real (`evals/accounts.py`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

from evals.detect import clocks
from evals.detect.pools import Pools, Turn
from titer.core.nouns import Exchange, Principal, ReplyFacts, RequestFacts, Usage

#: Of 1,000 organisations, how many are of a kind.
KINDS = {
    "chat": 455, "application": 160, "support": 70, "agent": 70, "rag": 50, "batch": 40,
    "evaluation": 30, "writer": 30, "class": 25, "judge": 15, "embedder": 20, "classifier": 12,
    "reseller": 20, "redteam": 3,
}  # fmt: skip
#: Fewest and most exchanges of one organisation; volumes between are heavy-tailed.
FEWEST, MOST = 4, 600
#: Kinds that an operator puts into a tier of their own, by contract; of 100 such organisations,
#: how many it has missed. Everybody else, attackers too, is `SELF_SERVE`.
CONTRACT_KINDS = frozenset({
    "application", "support", "rag", "batch", "evaluation", "writer", "judge", "embedder",
    "classifier", "reseller",
})  # fmt: skip
SELF_SERVE, CONTRACT = "self-serve", "contract"
MISSED = 5
#: Of 100 honest callers, how many call from a kind of network; people use proxies too.
PLACES = {
    "person": {"": 88, "residential": 6, "vpn": 4, "proxy": 1, "hosting": 1},
    "program": {"": 45, "hosting": 50, "vpn": 2, "proxy": 2, "residential": 1},
}
CHAT, EMBED = "/v1/chat/completions", "/v1/embeddings"
STOPPED = ReplyFacts(finish="stop")
LIMITED = ReplyFacts()

#: One request: its turn, tokens of the reply, the caller's parameters.
Draw = Callable[[], tuple[Turn, int, dict[str, Any]]]
Maker = Callable[[Pools, random.Random], Draw]


def organisation(
    pools: Pools, name: str, seed: str, *, volume: int = 0, kind: str = ""
) -> tuple[str, Iterator[tuple[Exchange, Turn]]]:
    """What one honest organisation does, and its exchanges with the turn of each."""
    rng = random.Random(f"{seed}-{name}")
    kind = kind or _kind(rng)
    count = volume or _volume(kind, rng)
    draw = MAKERS[kind](pools, rng)
    tier = tier_of(kind, f"{seed}-{name}")
    return kind, exchanges(name, draw, _times(kind, count, rng), rng, kind=kind, tier=tier)


def kind_of(name: str, seed: str) -> str:
    """The kind that `organisation` gives to one of that name."""
    return _kind(random.Random(f"{seed}-{name}"))


def _kind(rng: random.Random) -> str:
    return rng.choices(_NAMES, _SHARES)[0]


def tier_of(kind: str, name: str) -> str:
    """The tier of an honest organisation: by its kind, but for those that were missed."""
    found = kind in CONTRACT_KINDS and random.Random(f"tier {name}").random() * 100 >= MISSED
    return CONTRACT if found else SELF_SERVE


def exchanges(
    name: str,
    draw: Draw,
    times: list[int],
    rng: random.Random,
    *,
    kind: str,
    places: dict[str, int] | None = None,
    eager: float = 0.08,
    tier: str = SELF_SERVE,
) -> Iterator[tuple[Exchange, Turn]]:
    """The exchanges of a caller in order of time."""
    program = kind != "chat"
    places = places or PLACES["program" if program else "person"]
    origins = clocks.origins(rng, program=program, kinds=places)
    choice = clocks.Choice(rng, eager=eager)
    # Few clients meet rate limits, ask for what does not exist, or send odd parameters.
    limited = rng.random() * 0.2 if kind in _BUSY and rng.random() < 0.2 else 0.0
    clumsy = 0.03 if rng.random() < 0.01 else 0.0
    denied = ("return_token_ids", "unknown") if rng.random() < 0.02 else ()
    endpoint = EMBED if kind == "embedder" else CHAT
    principal = Principal(name, tier=tier)
    for number, at in enumerate(times):
        turn, out, params = draw()
        biased = params.pop("logit_bias_ids", ()) if "logit_bias_ids" in params else ()
        odd = limited or clumsy
        status, where, reply = 200, endpoint, STOPPED
        if endpoint == EMBED:
            out = 0
        if odd and rng.random() < odd:
            status, reply, out = (429 if limited else 404), LIMITED, 0
            where = endpoint if limited else "unknown"
        yield (
            Exchange(
                f"{name}-{number}", at, principal, where, choice.at(at),
                origin=rng.choice(origins) if len(origins) > 1 else origins[0],
                request=RequestFacts(
                    roles=turn.roles, turns=len(turn.roles), tools=turn.tools, params=params,
                    denied=denied, biased=biased,
                ),
                sketch=turn.sketch, usage=Usage(turn.chars // 4 + 4, out), reply=reply,
                status=status,
            ),
            turn,
        )  # fmt: skip


def _volume(kind: str, rng: random.Random) -> int:
    if kind in _PROGRAMS:
        return max(FEWEST, min(MOST, int(rng.lognormvariate(3.1, 1.2))))
    return max(FEWEST, min(MOST, 3 + int(4 * rng.paretovariate(1.15))))


def _times(kind: str, count: int, rng: random.Random) -> list[int]:
    if kind in ("chat", "redteam", "class"):
        return clocks.people(rng, count)
    if kind in ("batch", "evaluation", "writer", "embedder", "judge"):
        return (clocks.cron if rng.random() < 0.25 else clocks.runs)(rng, count)
    return clocks.service(rng, count)


def chat(pools: Pools, rng: random.Random) -> Draw:
    settings = {"temperature": 1.0} if rng.random() < 0.3 else {}
    length, talk = rng.gauss(5.2, 0.5), iter(())

    def draw():
        nonlocal talk
        turn = next(talk, None)
        if turn is None:
            talk = iter(rng.choice(pools.talks))
            turn = next(talk)
        return turn, int(rng.lognormvariate(length, 0.9)), settings

    return draw


def agent(pools: Pools, rng: random.Random) -> Draw:
    length, talk = rng.uniform(3.2, 5.0), iter(())
    jobs = rng.sample(pools.agents, rng.randint(3, 60))

    def draw():
        nonlocal talk
        turn = next(talk, None)
        if turn is None:
            talk = iter(rng.choice(jobs))
            turn = next(talk)
        return turn, int(rng.lognormvariate(length, 0.7)), {"temperature": 0.0}

    return draw


def _deck(
    name: str,
    *,
    again: tuple[float, float],
    length: tuple[float, ...],
    settings: Callable[[random.Random], dict[str, Any]],
    in_order: bool = False,
) -> Maker:
    """Makers of organisations that draw single questions from one deck."""

    def make(pools: Pools, rng: random.Random) -> Draw:
        deck = list(rng.choice(getattr(pools, name)))
        rng.shuffle(deck)
        repeats, mean = rng.betavariate(*again), rng.choice(length) + rng.gauss(0, 0.4)
        spread, sent, state = rng.uniform(0.3, 0.8), settings(rng), iter(range(10**9))
        recent = deck[:2]

        def draw():
            if in_order:
                turn = deck[next(state) % len(deck)]
            elif rng.random() < repeats:
                turn = rng.choice(recent)
            else:
                turn = rng.choice(deck)
                recent.append(turn)
            return turn, int(rng.lognormvariate(mean, spread)) + 1, sent

        return draw

    return make


def _program(rng: random.Random) -> dict[str, Any]:
    limit = rng.choice((None, 256, 512, 1024, 2048, 4096))
    found: dict[str, Any] = {"temperature": rng.choice((0.0, 0.0, 0.2, 0.3, 0.7, 1.0))}
    return found | ({} if limit is None else {"max_tokens": limit})


def classifier(pools: Pools, rng: random.Random) -> Draw:
    deck, labels = rng.choice(pools.classifiers), rng.sample(range(100_000), rng.randint(2, 8))
    biased, asks = rng.random() < 0.5, rng.random() < 0.5

    def draw():
        sent: dict[str, Any] = {"max_tokens": 1, "temperature": 0.0}
        if asks:
            sent |= {"logprobs": True, "top_logprobs": 3}
        if biased:
            sent["logit_bias_ids"] = tuple(labels)
        return rng.choice(deck), 1, sent

    return draw


def reseller(pools: Pools, rng: random.Random) -> Draw:
    """Many customers behind one key: chats and applications mixed."""
    names = ("chat", "chat", "application", "application", "agent", "support", "writer", "rag")
    users = [MAKERS[rng.choice(names)](pools, rng) for _ in range(rng.randint(3, 25))]
    weights = [rng.paretovariate(1.0) for _ in users]

    def draw():
        return rng.choices(users, weights)[0]()

    return draw


def redteam(pools: Pools, rng: random.Random) -> Draw:
    """An application's owner who now and then tries whether its prompt leaks."""
    own, probes = chat(pools, rng), rng.choice(pools.probes)

    def draw():
        if rng.random() < 0.25:
            return rng.choice(probes), int(rng.lognormvariate(3.5, 0.6)), {}
        return own()

    return draw


_APP = (3.0, 4.0, 5.0, 5.5, 6.0, 6.5)
MAKERS: dict[str, Maker] = {
    "chat": chat, "agent": agent, "classifier": classifier, "reseller": reseller,
    "redteam": redteam,
    "application": _deck("apps", again=(1, 4), length=_APP, settings=_program),
    "support": _deck("support", again=(1, 2), length=(1.0, 4.8), settings=_program),
    "rag": _deck("rag", again=(1, 4), length=(4.0, 5.0, 5.8), settings=_program),
    "batch": _deck("batches", again=(1, 9), length=(0.7, 3.0, 5.0), settings=_program,
                   in_order=True),
    "evaluation": _deck("evaluations", again=(1, 9), length=(1.0, 1.5, 5.0, 6.0, 7.0),
                        settings=_program, in_order=True),
    "writer": _deck("writers", again=(1, 9), length=(4.5, 5.5, 6.3), settings=_program,
                    in_order=True),
    "class": _deck("sheets", again=(1, 4), length=(5.0, 5.8), settings=lambda _: {}),
    "judge": _deck("judges", again=(1, 9), length=(1.0, 3.5, 5.0), settings=_program,
                   in_order=True),
    "embedder": _deck("documents", again=(1, 9), length=(0.0,), settings=lambda _: {},
                      in_order=True),
}  # fmt: skip
_NAMES, _SHARES = list(KINDS), list(KINDS.values())
_PROGRAMS = frozenset(KINDS) - {"chat", "redteam"}
_BUSY = frozenset({"batch", "evaluation", "writer", "embedder", "reseller", "judge"})
