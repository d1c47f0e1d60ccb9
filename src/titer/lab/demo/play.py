"""Parts 2 and 3, and the whole: set the stage, play the world, tell what happened."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

from rich.console import Console
from rich.padding import Padding

from titer.console.live import View, render
from titer.console.standings import read_view
from titer.console.story import WIDTH, Story
from titer.core.errors import InputError
from titer.lab import scenario, small_model
from titer.lab.demo.cast import cast_of, worst_of
from titer.lab.demo.judge import Judge
from titer.lab.demo.outcome import Outcome, read_facts
from titer.lab.demo.proof import prove
from titer.lab.demo.teach import teach
from titer.lab.demo.watch import Watch
from titer.lab.player import Played, Player
from titer.lab.stage import Stage
from titer.lab.upstream import FakeUpstream
from titer.lab.upstream_plan import Behaviour

#: Seconds for which the scenario's day is played, between two hunts, and for the last replies.
PLAY_SECONDS = 30.0
HUNT_EVERY = 4.0
GRACE = 2.0

#: On a machine that has much else to do: seconds more that honest callers may take, who are all to
#: be answered; the analysis, to catch up with the last reply; and a hunt, which runs less when it
#: takes long, to find somebody. Elsewhere none of it is waited for.
PATIENCE = 120.0
CATCH_UP = 60.0
HUNT_WITHIN = 60.0

#: With a small real model: how long its requests are spread, how much longer it may take on a busy
#: machine, and the longest reply (tokens).
MODEL_SECONDS = 60.0
MODEL_GRACE = 240.0
MODEL_TOKENS = 64


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
        attackers = "an attacker" if self._model else "three attackers"
        story.title(
            "titer, end to end",
            f"A model server, an honest crowd, {attackers}. Everything runs on this machine; "
            "every request goes through the real gateway; every figure is of this run.",
        )
        with self._stage:
            world = scenario.make("small" if self._model else "mixed", seed=self._seed)
            teach(story, self._stage.data, seed=self._seed)
            played = asyncio.run(self._serve_and_play(world))
            facts = read_facts(self._stage.data)
            judge = Judge(story, self._stage, self._outcome, model=self._model)
            judge.judge(world.accounts, played, facts)
            prove(story, self._stage, self._outcome, org=worst_of(world.accounts).org)
        self._next_steps()
        self._outcome.seconds = time.monotonic() - began
        self._end()
        return self._outcome

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
                    reply_timeout=MODEL_GRACE,
                )
            watch = Watch(stage.data, player)
            with View(self._console, watch.snapshot) as view:
                grace, patience = (MODEL_GRACE, 0.0) if self._model else (GRACE, PATIENCE)
                playing = player.play(world.events(), grace=grace, patience=patience)
                task = asyncio.create_task(playing)
                while not task.done():
                    await asyncio.sleep(0.1)
                    view.tick()
                played = await task
                await self._catch_up(played, view, watch)
            self._console.print(Padding(render(watch.snapshot()), (0, 0, 0, 3), expand=False))
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

    async def _catch_up(self, played: Played, view: View, watch: Watch) -> None:
        """Wait until the analysis has weighed what was played, and one hunt has run after it, or
        found somebody where there is somebody to be found.
        """
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
        began = time.monotonic()
        within = HUNT_WITHIN if played.role("hydra") else 0.0
        while (waited := time.monotonic() - began) < HUNT_EVERY + 1.0 or (
            waited < within and not watch.snapshot().campaigns
        ):
            await asyncio.sleep(0.1)
            view.tick()

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


def play_demo(
    *, seed: int, seconds: float, model: bool, accepted: bool, keep: str | None, as_json: bool
) -> int:
    """`titer demo`: 0 when every statement held, else 1.

    With `as_json` the story goes to standard error, and the last line of standard output is the
    outcome.
    """
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
