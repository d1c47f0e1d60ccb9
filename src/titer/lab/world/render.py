"""From a day's plan to lines of the exchange log, as text that needs no further encoding."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence

from titer.lab.arrivals import DAY
from titer.lab.bodies import CHAT, MESSAGES
from titer.lab.world.campaign import Crew
from titer.lab.world.people import RUNS, Account, Place
from titer.lab.world.schedule import Day
from titer.lab.world.settle import date
from titer.lab.world.templates import Template

#: Rows of a day that are taken out of their arrays at once.
CHUNK = 50_000
#: Longest reply, in tokens.
MAX_REPLY = 4096
_CLOCK = [f"{h:02d}:{m:02d}:{s:02d}" for h in range(24) for m in range(60) for s in range(60)]
_MILLI = [f"{n:03d}" for n in range(1000)]
_ACK = ("Sure. ", "Here you go. ", "Of course. ", "", "", "Let me see. ")


class Renderer:
    """Writes the lines of one world, a day at a time."""

    def __init__(
        self,
        place: Place,
        accounts: Sequence[Account],
        crews: dict[str, Crew],
        *,
        seed: int,
        replies: bool,
    ) -> None:
        self._place = place
        self._accounts = accounts
        self._crews = crews
        self._seed = seed
        self._replies = replies
        spread = random.Random(f"{seed}/lengths")
        self._lengths = [2.718281828 ** spread.gauss(0.0, 0.8) for _ in range(4093)]
        self._open: dict[int, str] = {}

    def lines(self, number: int, day: Day) -> Iterator[str]:
        """The lines of day `number`, in order of time, each with its newline."""
        rng = random.Random(f"{self._seed}/day/{number}")
        self._open.clear()
        begin = self._place.start + number * DAY
        today = date(begin)
        served = dict.fromkeys(self._crews, 0)
        columns = itertools.chain.from_iterable(
            _rows(day.part(first, first + CHUNK), begin) for first in range(0, len(day.at), CHUNK)
        )
        fraction = 1.0 / DAY
        for second, milli, at, who, session, turn, turns, own in columns:
            account = self._accounts[who]
            model = account.models[at >= account.switch]
            if own:
                crew = self._crews[account.campaign]
                count = served[crew.name]
                served[crew.name] = count + 1
                body, reply = self._own(rng, account, crew, model, number * 1_000_003 + count)
            elif turns > 1:
                body, reply = self._turn(rng, account, model, session, last=turn + 1 == turns)
            elif account.shape == RUNS:
                body, reply = self._run(account, model, session, turn)
            else:
                now = number + (at - begin) * fraction
                body, reply = self._single(rng, account, model, now)
            draw = rng.random
            out = int(reply * account.wordy * self._lengths[int(draw() * 4093)]) + 1
            out = min(out, MAX_REPLY)
            places = account.places
            where = places[int(draw() * len(places))]
            pay = f",{account.pay}" if account.pay else ""
            text = f'"text":"{self._answer(rng, out)}",' if self._replies else ""
            yield (
                f'{{"at":"{today}T{_CLOCK[second]}.{_MILLI[milli]}Z",{account.head},'
                f'"origin":{{{where},{account.client}{pay}}},"endpoint":"{account.endpoint}",'
                f'"request":{body},"reply":{{{text}"finish":"stop"}},'
                f'"usage":{{"in":{len(body) // 4 + 1},"out":{out}}},"status":200}}\n'
            )

    def _answer(self, rng: random.Random, tokens: int) -> str:
        return self._place.source.stuff.document(rng, 1 + tokens // 18)

    def _single(
        self, rng: random.Random, account: Account, model: str, now: float
    ) -> tuple[str, float]:
        """One exchange that stands alone: a template of the account's, or a short question."""
        draw = rng.random()
        talk = account.talk
        if draw >= account.chatty or talk is None:
            share = rng.random()
            for until, jobs in account.jobs:
                if share >= until:
                    continue
                for _ in range(4):
                    template, since = jobs[int(rng.random() * len(jobs))]
                    if since <= now:
                        return self._templated(rng, account, model, template)
                break
        if talk is None:
            template = account.jobs[0][1][0][0]
            return self._templated(rng, account, model, template)
        said = f'{{"role":"user","content":"{talk.opening(rng)}"}}'
        return body_of(account, model, "", said, account.params), 180.0

    def _templated(
        self, rng: random.Random, account: Account, model: str, template: Template
    ) -> tuple[str, float]:
        system, user = template.said(template.item(rng))
        said = f'{{"role":"user","content":"{user}"}}'
        params = (
            (template.params or account.params) if account.endpoint == CHAT else account.params
        )
        return body_of(account, model, system, said, params), template.reply

    def _turn(
        self, rng: random.Random, account: Account, model: str, session: int, *, last: bool
    ) -> tuple[str, float]:
        """One turn of a conversation; what was said before is sent along."""
        if account.agent is not None:
            return self._step(rng, account, model, session, last=last)
        before = self._open.get(session, "")
        talk = account.talk
        if talk is None:
            raise ValueError(f"an account of role {account.role!r} cannot converse")
        text = talk.follow_up(rng) if before else talk.opening(rng)
        said = f'{before}{{"role":"user","content":"{text}"}}'
        if not last:
            stuff = self._place.source.stuff
            answer = f"{_ACK[int(rng.random() * 6)]}{stuff.document(rng, 2)}"
            self._open[session] = f'{said},{{"role":"assistant","content":"{answer}"}},'
        else:
            self._open.pop(session, None)
        return body_of(account, model, "", said, account.params), 180.0

    def _step(
        self, rng: random.Random, account: Account, model: str, session: int, *, last: bool
    ) -> tuple[str, float]:
        """One step of an agent: a goal, then tool results, under one system prompt."""
        agent = account.agent
        if agent is None:
            raise ValueError(f"an account of role {account.role!r} is no agent")
        before = self._open.get(session, "")
        stuff = self._place.source.stuff
        if not before:
            goal = f"{agent.head}{stuff.job(rng)}{agent.tail}" if not agent.system else ""
            goal = goal or stuff.job(rng)
            said = f'{{"role":"user","content":"{goal}"}}'
        else:
            note = (
                f'{{\\"note\\": \\"{stuff.sentence(rng)}\\", \\"id\\": {int(rng.random() * 1e5)}}}'
            )
            said = f'{before}{{"role":"tool","tool_call_id":"call_{session}","content":"{note}"}}'
        if not last:
            call = (
                f'{{"role":"assistant","content":null,"tool_calls":[{{"id":"call_{session}",'
                '"type":"function","function":{"name":"run","arguments":"{}"}}]},'
            )
            self._open[session] = f"{said},{call}"
        else:
            self._open.pop(session, None)
        return body_of(account, model, agent.system, said, account.tools), 40.0

    def _run(self, account: Account, model: str, session: int, turn: int) -> tuple[str, float]:
        """One item of a benchmark, in the benchmark's order."""
        chosen = account.run[session % len(account.run)]
        template, items = self._place.benchmarks[chosen]
        system, user = template.said(items[turn % len(items)])
        said = f'{{"role":"user","content":"{user}"}}'
        return body_of(account, model, system, said, template.params), template.reply

    def _own(
        self, rng: random.Random, account: Account, crew: Crew, model: str, number: int
    ) -> tuple[str, float]:
        """One exchange of a campaign's own."""
        plan = crew.plan
        if plan.kind == "logits":
            bias = ",".join(f'"{token}":100' for token in crew.biased(number))
            said = f'{{"role":"user","content":"{("The", "a", "x", "1")[number % 4]}"}}'
            params = (
                ',"max_tokens":1,"temperature":0,"logprobs":true,"top_logprobs":5,'
                f'"logit_bias":{{{bias}}}'
            )
            return body_of(account, model, "", said, params), 0.0
        if plan.kind == "leak":
            said = f'{{"role":"user","content":"{crew.leak(rng)}"}}'
            return body_of(account, model, "", said, ""), 120.0
        system, user, template = crew.text(rng, account, number)
        said = f'{{"role":"user","content":"{user}"}}'
        if plan.knows and account.talk is not None and rng.random() < 0.3:
            talk = self._place.source.stuff.document(rng, 1)
            first = account.talk.opening(rng)
            said = (
                f'{{"role":"user","content":"{first}"}},{{"role":"assistant","content":"{talk}"}},'
                f"{said}"
            )
        careless = plan.origin == "shared" or plan.timing == "burst"
        params = template.params if careless and account.endpoint == CHAT else account.params
        reply = 300.0 if plan.knows else template.reply
        return body_of(account, model, system, said, params), reply


def _rows(part: Day, begin: int) -> Iterator[tuple[int, int, int, int, int, int, int, bool]]:
    """(second, millisecond, at, who, session, turn, turns, own) of each exchange of a part."""
    elapsed = (part.at - begin) // 1000
    return zip(
        (elapsed // 1000).tolist(),
        (elapsed % 1000).tolist(),
        part.at.tolist(),
        part.who.tolist(),
        part.session.tolist(),
        part.turn.tolist(),
        part.turns.tolist(),
        part.own.tolist(),
        strict=True,
    )


def body_of(account: Account, model: str, system: str, said: str, params: str) -> str:
    """A request's body in the shape that the account's endpoint takes."""
    endpoint = account.endpoint
    stream = ',"stream":true' if account.stream else ""
    if endpoint == CHAT:
        head = f'{{"role":"system","content":"{system}"}},' if system else ""
        return f'{{"model":"{model}","messages":[{head}{said}]{params}{stream}}}'
    if endpoint == MESSAGES:
        head = f'"system":"{system}",' if system else ""
        return f'{{"model":"{model}","max_tokens":2048,{head}"messages":[{said}]{stream}}}'
    head = f'"instructions":"{system}",' if system else ""
    return f'{{"model":"{model}",{head}"input":[{said}]{stream}}}'
