"""`titer lab world` and `titer lab check`: worlds for evaluation, and whether they are hard."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import msgspec

from titer.cli.common import show
from titer.core.errors import InputError

if TYPE_CHECKING:
    from titer.lab.world.plan import World

#: Knobs of a campaign that the command line sets for all campaigns of a world.
_KNOBS = ("mix", "per_day", "paraphrase", "timing", "origin", "payment", "lifecycle", "start")


def world_arguments(action: argparse.ArgumentParser) -> None:
    """The options of `titer lab world`."""
    from titer.lab.world import plan

    add = action.add_argument
    add("world", metavar="WORLD", nargs="?", help="a name from `titer lab world --list`")
    add("--list", action="store_true", help="name the worlds")
    add("--out", type=Path, help="folder to write into")
    add("--seed", type=int, default=1, help="same seed, same bytes (default 1)")
    add("--honest", type=int, help="honest accounts")
    add("--accounts", type=int, help="accounts of all campaigns together")
    add("--days", type=float, help="length of the log")
    add("--history-days", type=float, help="days of history before it")
    add("--whale", type=float, help="one client's share of honest traffic")
    add("--pace", type=float, help="scale of honest traffic")
    add("--poison", type=float, help="share of a campaign that already sends in the history")
    add("--campaign", action="append", default=[], metavar="KEY=VALUE,...", help="one campaign")
    add("--faults", help="faults of the log, by commas, or `all`")
    add("--mix", type=float, help="share of a campaign's own exchanges")
    add("--per-day", type=float, help="exchanges a day of a campaign's account")
    for name in _KNOBS[2:]:
        values = get_args(getattr(plan, name.capitalize()))
        add(f"--{name}", choices=values, help=f"knob of every campaign: {', '.join(values)}")
    add("--knows", action="store_true", help="campaigns know how they are looked for")
    add("--pool", type=int, help="templates of a campaign")
    add("--prompts", default="built-in", help="`built-in`, `published`, or a folder")
    add("--split", choices=("all", "tune", "test"), default="all", help="half of published sets")
    add("--replies", action="store_true", help="write the replies' text")
    add("--zst", action="store_true", help="compress the log")
    add("--jobs", type=int, default=1, help="processes, each writes a file of its own")


def check_arguments(action: argparse.ArgumentParser) -> None:
    """The options of `titer lab check`."""
    action.add_argument("world", metavar="WORLD", type=Path, help="folder of a written world")
    action.add_argument("--against", metavar="WORLD2", type=Path, help="world to train on")


def run_world(arguments: argparse.Namespace) -> int:
    """Write one world; returns the exit status."""
    from titer.lab.world.presets import PRESETS
    from titer.lab.world.writer import write

    if arguments.list or arguments.world is None:
        if arguments.json:
            rows = {name: {"about": p.about, "plan": msgspec.to_builtins(p.plan)}
                    for name, p in PRESETS.items()}  # fmt: skip
            show(rows)
        else:
            for name, preset in PRESETS.items():
                print(f"{name:<22}{preset.about}")
        if not arguments.list:
            raise InputError("name a world, and a folder with --out")
        return 0
    if arguments.out is None:
        raise InputError("say where to write the world: --out DIR")
    watching = sys.stderr.isatty()

    def seen(count: int) -> None:
        if watching and count % 20_000 == 0:
            print(f"\r{count:,} exchanges", end="", file=sys.stderr, flush=True)

    try:
        written = write(
            planned(arguments),
            arguments.out,
            compress=arguments.zst,
            replies=arguments.replies,
            jobs=min(max(1, arguments.jobs), 4 * (os.cpu_count() or 1)),
            seen=seen,
        )
    except (ValueError, FileNotFoundError) as error:
        raise InputError(str(error)) from None
    if watching:
        print("\r", end="", file=sys.stderr)
    if arguments.json:
        show(written)
        return 0
    print(f"{written.exchanges:,} exchanges of {written.accounts:,} accounts")
    print("log     " + " ".join(written.logs))
    if written.history:
        print(f"history {written.history} ({written.history_exchanges:,} exchanges)")
    print(f"labels  {written.labels}")
    for name, share in written.mix.items():
        print(f"  {name:<18}{100 * share:.1f} % of its exchanges are its own")
    return 0


def planned(arguments: argparse.Namespace) -> World:
    """The preset's plan with what the command line changes. Raises ValueError."""
    from titer.lab.prompts import find_data
    from titer.lab.world.plan import FAULTS, Campaign
    from titer.lab.world.presets import find, resized

    plan = find(arguments.world).plan
    changes: dict[str, Any] = {"seed": arguments.seed, "split": arguments.split}
    for name in ("honest", "days", "history_days", "whale", "pace", "poison"):
        value = getattr(arguments, name)
        if value is not None:
            changes[name] = value
    if arguments.faults is not None:
        named = arguments.faults.split(",") if arguments.faults else []
        changes["faults"] = FAULTS if named == ["all"] else tuple(named)
    if arguments.prompts != "built-in":
        named = arguments.prompts
        folder = find_data("" if named == "published" else named)
        if folder is None:
            raise ValueError("no published prompts near here: name their folder, --prompts DIR")
        changes["prompts"] = str(folder)
    campaigns = plan.campaigns
    if arguments.campaign:
        campaigns = tuple(_campaign(text) for text in arguments.campaign)
    if arguments.accounts is not None:
        campaigns = resized(campaigns or (Campaign(),), arguments.accounts)
    knobs = {name: getattr(arguments, name) for name in (*_KNOBS, "pool")}
    knobs = {name: value for name, value in knobs.items() if value is not None}
    if arguments.knows:
        knobs["knows"] = True
    changes["campaigns"] = tuple(msgspec.structs.replace(c, **knobs) for c in campaigns)
    # through the decoder, so that a wrong name or type is refused with its place
    fields = {**msgspec.to_builtins(plan), **changes}
    return msgspec.convert(msgspec.to_builtins(fields), type(plan))


def _campaign(text: str) -> Any:
    """One campaign of `KEY=VALUE,...`; keys as in the plan, dashes allowed."""
    from titer.lab.world.plan import Campaign

    fields: dict[str, str] = {}
    for part in text.split(","):
        key, mark, value = part.partition("=")
        if not mark:
            raise ValueError(f"a campaign is KEY=VALUE,..., and {part!r} has no value")
        fields[key.strip().replace("-", "_")] = value.strip()
    return msgspec.convert(fields, Campaign, strict=False)


def run_check(arguments: argparse.Namespace) -> int:
    """Judge naive rules on a written world; 0 when none of them solves it."""
    from titer.lab.baselines import check

    try:
        result = check.check(arguments.world, against=arguments.against)
    except OSError as error:
        raise InputError(f"cannot read the world: {error}") from None
    if arguments.json:
        show(result)
    else:
        print("\n".join(check.lines(result)))
    return 1 if result.solved else 0
