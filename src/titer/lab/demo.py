"""The demo: a small world is attacked, and everything that is shown is what happened.

    1  an honest crowd teaches titer what normal looks like        (calibration)
    2  a model server, titer in front of it, a key for every caller
    3  honest callers and three attackers, over the real network path
    4  who stands where; why; what the attackers got; what the honest ones noticed
    5  a dossier is made, verified, broken by one bit, and refused
    6  what to try next

Nothing is hard-coded: `Outcome` is computed from the gateway's log and from what the callers
themselves received, and the exit status says whether the story held.
"""

from __future__ import annotations

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path

import msgspec
from rich.console import Console

from titer.access.secret import load_or_create
from titer.console.live import Row, Snapshot, View, summary
from titer.console.names import Names
from titer.console.standings import read_view
from titer.console.story import WIDTH, Story
from titer.core.errors import InputError, TiterError
from titer.core.ids import Pseudonyms
from titer.core.nouns import Campaign, Decision, Exchange
from titer.core.sketch import Sketcher
from titer.detect import BUILTIN, calibration
from titer.evidence.log import View as LogView
from titer.gateway.feeds.exchange import Maker
from titer.gateway.feeds.exchange_log import ExchangeLog
from titer.lab import scenario, small_model, writers
from titer.lab.events import Account
from titer.lab.player import Played, Player, Seen
from titer.lab.stage import Stage
from titer.lab.upstream import FakeUpstream
from titer.lab.upstream_plan import Behaviour

#: Honest accounts of the calibration: n subjects support at most log2(n + 1) bits.
CALIBRATION_ACCOUNTS = 2000

#: Seconds for which the scenario's day is played, and between two hunts.
PLAY_SECONDS = 30.0
MODEL_SECONDS = 150.0
HUNT_EVERY = 4.0

#: Seconds that the analysis may need to catch up with the last reply.
CATCH_UP = 10.0

#: Lines of the log that are turned into facts at a time.
BATCH = 4096

#: Share of an account's replies, at the end, by which "slowed" is judged.
SLOW_SHARE = 0.25

#: Longest reply of the small model: enough to be a lesson, few enough for two cores.
MODEL_TOKENS = 80


class Outcome(msgspec.Struct):
    """What happened. `failed` names every part of the story that did not hold."""

    verified: bool = False
    refused_when_broken: bool = False
    honest: int = 0
    honest_dosed: int = 0
    attackers: int = 0
    attackers_dosed: int = 0
    campaigns: int = 0
    members_found: int = 0
    members_wrong: int = 0
    seconds: float = 0.0
    failed: list[str] = []

    def line(self) -> str:
        """The last line of `titer demo --json`."""
        told = {
            "verified": self.verified and self.refused_when_broken,
            "honest_dosed": self.honest_dosed,
            "attackers_dosed": self.attackers_dosed,
            "seconds": round(self.seconds, 1),
        }
        return msgspec.json.encode(told).decode()


class Facts(msgspec.Struct, frozen=True):
    """What the evidence log says after the play, by pseudonym."""

    exchanges: int
    decisions: dict[str, Decision]
    dosed: frozenset[str]
    campaigns: tuple[Campaign, ...]
    size: int


class Demo:
    """One run of the demo in `folder`, told on `console`."""

    def __init__(
        self, console: Console, folder: Path, *, seed: int, seconds: float, model: bool = False
    ) -> None:
        self._console = console
        self._story = Story(console)
        self._stage = Stage(folder)
        self._seed = seed
        self._model = model
        self._seconds = seconds or (MODEL_SECONDS if model else PLAY_SECONDS)
        self._outcome = Outcome()

    def run(self) -> Outcome:
        """Tell the whole story. Raises `TiterError` when it cannot even be set up."""
        began = time.monotonic()
        story = self._story
        story.title(
            "titer, end to end",
            "A model server, an honest crowd, three attackers. Everything runs on this machine; "
            "every request goes through the real gateway; every figure is of this run.",
        )
        with self._stage:
            self._calibrate()
            world = scenario.make("small" if self._model else "mixed", seed=self._seed)
            played = asyncio.run(self._serve_and_play(world))
            facts = read_facts(self._stage.data)
            self._judge(world, played, facts)
            self._prove(world)
        self._next_steps()
        self._outcome.seconds = time.monotonic() - began
        self._end()
        return self._outcome

    # 1

    def _calibrate(self) -> None:
        story, data = self._story, self._stage.data
        story.act("An honest crowd shows what normal looks like")
        crowd = scenario.make("honest", seed=self._seed + 1000, accounts=CALIBRATION_ACCOUNTS)
        with self._console.status("weighing the honest crowd ..."):
            facts = exchanges_of(crowd, data)
            found = calibration.fit(BUILTIN, facts, seed=self._seed)
        (data / "calibration.json").write_text(found.dump(), encoding="utf-8")
        subjects = max(null.everyone.n for null in found.detectors.values())
        most = max(null.most for null in found.detectors.values())
        story.say(
            f"{len(facts):,} exchanges of {len(crowd.members):,} honest accounts of every kind: "
            "people in many languages, teams with shared templates, batch jobs, evaluation runs, "
            "agents, a class, resellers. They set the null: the worst honest caller, not the "
            f"average one. {subjects:,} of their organisations support at most {most:.1f} bits "
            "per detector; nothing can earn more here."
        )

    # 2 and 3

    async def _serve_and_play(self, world: scenario.Scenario) -> Played:
        story, stage = self._story, self._stage
        async with self._upstream() as upstream:
            story.act("A model server, and titer in front of it")
            keys = stage.keys(world.accounts)
            await asyncio.to_thread(stage.serve, upstream, hunt_every=HUNT_EVERY)
            if self._model:
                story.say(f"The model server is a real one. {small_model.TERMS}", dim=True)
            story.say(
                f"titer serve --port {stage.port} --upstream {upstream} --data DIR. "
                f"{len(keys)} callers have a key each: {cast_of(world.accounts)}. "
                "titer is told none of this."
            )
            story.act(f"{self._day(world)} of traffic in {self._seconds:.0f} seconds")
            player = Player(port=stage.port, keys=keys, seconds=self._seconds)
            if self._model:
                player = Player(
                    port=stage.port,
                    keys=keys,
                    seconds=self._seconds,
                    cap=MODEL_TOKENS,
                    attackers_lanes=1,
                    reply_timeout=self._seconds,
                )
            watch = Watch(stage.data, player)
            with View(self._console, watch.snapshot) as view:
                task = asyncio.create_task(player.play(world.events()))
                while not task.done():
                    await asyncio.sleep(0.1)
                    view.tick()
                played = await task
                await self._catch_up(played, view)
            self._console.print(f"   {summary(watch.snapshot())}", highlight=False)
            status = await asyncio.to_thread(stage.stop)
        if status != 0:
            self._outcome.failed.append(f"the gateway stopped with status {status}")
        return played

    @contextlib.asynccontextmanager
    async def _upstream(self) -> AsyncIterator[str]:
        """The URL of the model server: the lab's own, or a real small one."""
        if self._model:
            with contextlib.ExitStack() as stack:
                serving = small_model.serving(self._stage.folder)
                yield await asyncio.to_thread(stack.enter_context, serving)
            return
        async with FakeUpstream(Behaviour(delay=0.01, chunk_words=12)) as upstream:
            yield upstream.url

    @staticmethod
    def _day(world: scenario.Scenario) -> str:
        return "One day" if world.days == 1 else f"{world.days * 24:.0f} hours"

    async def _catch_up(self, played: Played, view: View) -> None:
        """Wait until the analysis has weighed what was played, and one hunt has run after it."""
        replies = sum(seen.answered for seen in played.seen.values())
        deadline = time.monotonic() + CATCH_UP
        while time.monotonic() < deadline:
            try:
                if read_view(self._stage.data).status.get("exchanges", 0) >= replies:
                    break
            except InputError:
                pass
            await asyncio.sleep(0.1)
            view.tick()
        until = time.monotonic() + HUNT_EVERY + 1.0
        while time.monotonic() < until:
            await asyncio.sleep(0.1)
            view.tick()

    # 4

    def _judge(self, world: scenario.Scenario, played: Played, facts: Facts) -> None:
        story, outcome = self._story, self._outcome
        pseudonym = Pseudonyms(load_or_create(self._stage.data))
        subject = {a.name: pseudonym.of("org", a.org) for a in world.accounts}
        honest = [a for a in world.accounts if not a.campaign]
        attackers = [a for a in world.accounts if a.campaign]
        outcome.honest, outcome.attackers = len(honest), len(attackers)
        outcome.honest_dosed = sum(subject[a.name] in facts.dosed for a in honest)
        outcome.attackers_dosed = sum(subject[a.name] in facts.dosed for a in attackers)
        story.act("Who stands where, and what they got")
        self._show_roles(world, played, subject, facts)
        self._explain(world, "distiller")
        self._enforcement(played)
        self._campaigns(facts, attackers, subject)
        story.check(
            f"{outcome.honest_dosed} of {outcome.honest} honest callers were ever given a dose",
            good=self._must(outcome.honest_dosed == 0, "an honest caller was given a dose"),
        )

    def _show_roles(
        self,
        world: scenario.Scenario,
        played: Played,
        subject: dict[str, str],
        facts: Facts,
    ) -> None:
        bits = {
            row.standing.subject: row.standing.bits for row in read_view(self._stage.data).rows
        }
        rows = []
        for label, accounts in roles(world.accounts):
            seen = [played.seen[a.name] for a in accounts if a.name in played.seen]
            rows.append(
                (
                    label,
                    str(len(accounts)),
                    f"{sum(s.sent for s in seen):,}",
                    f"{sum(s.tokens for s in seen):,}",
                    f"{max((bits.get(subject[a.name], 0.0) for a in accounts), default=0.0):.1f}",
                    str(sum(subject[a.name] in facts.dosed for a in accounts)),
                )
            )
        self._story.table(
            ("who (known to the lab only)", "callers", "requests", "tokens", "most bits", "dosed"),
            rows,
        )

    def _explain(self, world: scenario.Scenario, role: str) -> None:
        org = next(a.org for a in world.accounts if a.role == role)
        told = self._stage.verb("explain", org, "--data", str(self._stage.data))
        self._must(told.returncode in {0, 1}, f"titer explain failed: {told.stderr.strip()}")
        self._story.quote(f"titer explain {org} --data DIR", told.stdout.splitlines())

    def _enforcement(self, played: Played) -> None:
        """What the two loud attackers noticed, from their own side of the wire."""
        story, outcome = self._story, self._outcome
        story.say("")
        thief = played.role("distiller")[0]
        before, after = halves(thief)
        slowed = after > 5 * before + 0.2 or sum(thief.refused.values()) > 0
        turned = f", {sum(thief.refused.values())} refused" if thief.refused else ""
        story.check(
            f"the distiller was slowed: a reply took {before:.2f} s at first and {after:.1f} s at "
            f"the end; {thief.answered} of {thief.planned} prompts were answered{turned} (its day "
            "is squeezed, the delay is not: read the seconds, not the share)",
            good=self._must(slowed, "the distiller was not slowed"),
        )
        reader = played.role("logits")[0]
        refused = sum(reader.refused.values())
        story.check(
            f"the logit extractor asked {reader.sent} times for log-probabilities under a bias: "
            f"{reader.answered} plain answers, {refused} refused, {reader.logprobs} with "
            "log-probabilities",
            good=self._must(reader.logprobs == 0, "log-probabilities were served with a bias"),
        )
        quiet = [s for s in played.seen.values() if not s.account.campaign]
        broken = sum(s.broken for s in quiet)
        away = sum(sum(s.refused.values()) for s in quiet)
        story.check(
            f"honest callers: {sum(s.answered for s in quiet):,} requests answered, {away} "
            f"refused, {broken} broken; median reply after {median(quiet) * 1000:.0f} ms",
            good=self._must(
                away + broken == 0 and all(s.answered for s in quiet),
                "an honest request was refused or broken",
            ),
        )
        self._must(outcome.attackers_dosed > 0, "no attacker was given a dose")

    def _campaigns(
        self, facts: Facts, attackers: Sequence[Account], subject: dict[str, str]
    ) -> None:
        story, outcome = self._story, self._outcome
        hydra = {subject[a.name] for a in attackers if a.role == "hydra"}
        found = {member for campaign in facts.campaigns for member in campaign.members}
        outcome.campaigns = len(facts.campaigns)
        outcome.members_found = len(found & hydra)
        outcome.members_wrong = len(found - {subject[a.name] for a in attackers})
        if not hydra:
            story.say(
                "(The thirty light accounts are too much for this little model: run the "
                "demo without --model to see them.)",
                dim=True,
            )
            return
        if facts.campaigns:
            best = max(facts.campaigns, key=lambda campaign: campaign.bits)
            held = "goes to a person" if best.review else "counts as evidence"
            story.check(
                f"the hunt tied {outcome.members_found} of the 30 light accounts together, and "
                f"{outcome.members_wrong} others: formed by {', '.join(best.formed)}, tested on "
                f"{', '.join(best.tested)}, {best.bits:.1f} bits; a group of this size {held}",
                good=self._must(outcome.members_wrong == 0, "the hunt accused honest callers"),
            )
        else:
            story.check("the hunt found no campaign among these callers", good=False)
            outcome.failed.append("the hunt did not find the 30 accounts")

    # 5

    def _prove(self, world: scenario.Scenario) -> None:
        story, outcome, stage = self._story, self._outcome, self._stage
        story.act("Proof that needs neither us nor this machine")
        org = next(a.org for a in world.accounts if a.role == "distiller")
        dossier = stage.folder / "dossier.json"
        data = str(stage.data)
        made = stage.verb("prove", org, "--data", data, "-o", str(dossier))
        if made.returncode != 0 or not dossier.exists():
            story.check(f"titer prove failed: {made.stderr.strip()}", good=False)
            outcome.failed.append("no dossier was made")
            return
        story.quote(f"titer prove {org} --data DIR -o dossier.json", made.stdout.splitlines())
        key = (stage.data / "log" / "log.pub").read_text("utf-8").strip()
        checked = stage.verb("verify", str(dossier), "--key", key)
        outcome.verified = self._must(checked.returncode == 0, "the dossier did not verify")
        said = (checked.stdout + checked.stderr).splitlines()
        story.quote("titer verify dossier.json --key KEY", said, most=8)
        place = break_one_bit(dossier, stage.folder / "broken.json")
        broken = stage.verb("verify", str(stage.folder / "broken.json"), "--key", key)
        outcome.refused_when_broken = self._must(
            broken.returncode == 2, "a dossier with a changed bit was accepted"
        )
        story.say(f"Now one bit of it is changed (in byte {place:,}):", dim=True)
        said = (broken.stdout + broken.stderr).splitlines()
        story.quote("titer verify broken.json --key KEY", said, most=8)
        held = outcome.verified and outcome.refused_when_broken
        story.check("verified as made, refused after one changed bit", good=held)

    # 6

    def _next_steps(self) -> None:
        story = self._story
        story.act("What to try next")
        for command, why in (
            ("titer serve --upstream URL --data DIR", "in front of your own model server"),
            ("titer keys create --data DIR --org ORG", "a key for one of its callers"),
            ("titer feed calls.jsonl --data DIR", "weigh the logs that you have"),
            ("titer lab write hydra --out W && titer hunt W/log.jsonl", "look for the thirty"),
        ):
            self._console.print(f"   {command:<58}{why}")

    def _end(self) -> None:
        outcome = self._outcome
        self._console.print()
        text = f"{outcome.seconds:.0f} seconds, all on 127.0.0.1, seed {self._seed}."
        if outcome.failed:
            self._story.check(f"{text} The story did not hold:", good=False)
            for reason in outcome.failed:
                self._story.say(f"- {reason}")
        else:
            self._story.check(f"{text} Every statement above was checked.", good=True)

    def _must(self, held: bool, otherwise: str) -> bool:
        """Note `otherwise` among the failures unless `held`; returns `held`."""
        if not held:
            self._outcome.failed.append(otherwise)
        return held


class Watch:
    """Makes snapshots for the live view from the standings on disk and the player's own count."""

    def __init__(self, data: Path, player: Player) -> None:
        self._data = data
        self._player = player
        self._names = Names(data)

    def snapshot(self) -> Snapshot:
        seen = self._player.seen.values()
        requests = sum(one.sent for one in seen)
        refused = sum(sum(one.refused.values()) for one in seen)
        try:
            view = read_view(self._data)
        except InputError:
            return Snapshot(requests=requests, refused=refused, callers=len(self._player.seen))
        rows = []
        for row in view.rows:
            standing, decision = row.standing, row.decision
            doses = tuple(dose.mitigation for dose in decision.doses) if decision else ()
            rows.append(
                Row(
                    subject=standing.subject,
                    name=self._names.of(standing.subject),
                    requests=standing.exchanges,
                    exposure=standing.exposure,
                    bits=standing.bits,
                    rung=decision.rung if decision and decision.rung != "ground" else "",
                    doses=doses,
                    shadow=bool(decision and decision.shadow),
                )
            )
        return Snapshot(
            rows=tuple(rows),
            callers=view.subjects,
            requests=requests,
            refused=refused,
            log_size=view.status.get("log_size", 0),
        )


def exchanges_of(world: scenario.Scenario, data: Path) -> list[Exchange]:
    """A scenario as facts, by the same reader as `titer feed`, under the keys of `data`."""
    pseudonyms = Pseudonyms(load_or_create(data))
    maker = Maker(
        ExchangeLog(pseudonyms), sketcher=Sketcher(pseudonyms.key("sketch")), pseudonyms=pseudonyms
    )
    facts: list[Exchange] = []
    lines: list[bytes] = []
    for event in world.events():
        lines.append(msgspec.json.encode(writers.line(event, replies=False)))
        if len(lines) == BATCH:
            facts += _made(maker, lines)
            lines = []
    return facts + _made(maker, lines)


def _made(maker: Maker, lines: list[bytes]) -> list[Exchange]:
    made, bad = maker.many(lines)
    if bad:
        raise TiterError(f"the lab wrote a line that the feed refuses: {bad[0][1]}")
    return made


def read_facts(data: Path) -> Facts:
    """One pass over the evidence log."""
    log = LogView.open(data / "log")
    decisions: dict[str, Decision] = {}
    campaigns: dict[str, Campaign] = {}
    dosed: set[str] = set()
    exchanges = 0
    for stored in log.scan():
        if stored.body is None:
            continue
        if stored.kind == "exchange":
            exchanges += 1
        elif stored.kind == "decision":
            decision = msgspec.json.decode(stored.body, type=Decision)
            decisions[decision.subject] = decision
            if decision.doses and not decision.shadow:
                dosed.add(decision.subject)
        elif stored.kind == "campaign":
            campaign = msgspec.json.decode(stored.body, type=Campaign)
            campaigns[campaign.id] = campaign
    return Facts(exchanges, decisions, frozenset(dosed), tuple(campaigns.values()), log.size)


def roles(accounts: Iterable[Account]) -> list[tuple[str, list[Account]]]:
    """The accounts in four groups, for people."""
    tests: tuple[tuple[str, Callable[[Account], bool]], ...] = (
        ("honest crowd", lambda a: not a.campaign),
        ("distiller", lambda a: a.role == "distiller"),
        ("logit extractor", lambda a: a.role == "logits"),
        ("hydra", lambda a: a.role == "hydra"),
    )
    every = list(accounts)
    groups = [(label, [a for a in every if test(a)]) for label, test in tests]
    return [(label, group) for label, group in groups if group]


def cast_of(accounts: Iterable[Account]) -> str:
    """Who takes part, in words."""
    counts = Counter(account.role if account.campaign else "honest" for account in accounts)
    parts = [f"{counts['honest']} honest ones"]
    if counts["distiller"]:
        parts.append("one that distils with a pipeline's templates")
    if counts["logits"]:
        parts.append("one that reads out logits with a bias on 5 vocabulary ids at a time")
    if counts["hydra"]:
        parts.append(
            f"{counts['hydra']} light accounts that share one work-list and hide in small talk"
        )
    return "; ".join(parts)


def halves(seen: Seen) -> tuple[float, float]:
    """Median seconds to a reply in the first tenth and in the last quarter of an account's day."""
    if not seen.waited:
        return 0.0, 0.0
    first = seen.waited[: max(1, len(seen.waited) // 10)]
    last = seen.waited[-max(1, int(len(seen.waited) * SLOW_SHARE)) :]
    return statistics.median(first), statistics.median(last)


def median(seen: Iterable[Seen]) -> float:
    """Median seconds to a reply over several accounts; 0 without any."""
    waited = [seconds for one in seen for seconds in one.waited]
    return statistics.median(waited) if waited else 0.0


def break_one_bit(source: Path, target: Path) -> int:
    """Copy `source` with one bit changed near its middle; returns which byte.

    The lowest bit of a letter or digit is flipped, so that the file stays readable text and is
    refused for what it says, not for how it is written.
    """
    raw = bytearray(source.read_bytes())
    place = next(
        index
        for index in range(len(raw) // 2, len(raw))
        if chr(raw[index]).isalnum() and chr(raw[index] ^ 1).isalnum()
    )
    raw[place] ^= 1
    target.write_bytes(raw)
    return place


def play_demo(
    *, seed: int, seconds: float, model: bool, accepted: bool, keep: str | None, as_json: bool
) -> int:
    """`titer demo`: 0 when every statement held, else 1. With `as_json` the story goes to
    standard error and the last line of standard output is the outcome."""
    if model:
        small_model.require(accepted=accepted)
    console = Console(stderr=as_json, highlight=False)
    if not console.is_terminal:
        console = Console(stderr=as_json, highlight=False, width=WIDTH)
    with contextlib.ExitStack() as stack:
        if keep is not None:
            folder = Path(keep)
            folder.mkdir(parents=True, exist_ok=True)
            if any(folder.iterdir()):
                raise InputError(f"{folder} is not empty: choose a new folder for --keep")
        else:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="titer-demo-")))
        outcome = Demo(console, folder, seed=seed, seconds=seconds, model=model).run()
    if as_json:
        print(outcome.line(), flush=True)  # noqa: T201 - this is what --json is for
    return 1 if outcome.failed else 0
