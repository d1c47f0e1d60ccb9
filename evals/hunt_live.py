"""How soon live traffic shows a campaign: `LiveHunt` fed in order of time, hunted now and then.

    python -m evals.hunt_live [--seeds 21] [--cells hydra-50,hydra-20] [--days 4] [--every 12]
                              [--honest 3000] [--scale 0.3] [--out evals/hunt_live.json]

The world is read by the product's own feed; every `--every` hours of log time the hunt runs on
what it remembers (as in `titer serve`, but less often: an alarm can only be later here). The
campaign counts as alarmed when a campaign that is not under review holds half of the accounts that
have been active by then. What was harvested by then is told as a share of what its accounts would
send in 45 days at the rate of the whole log. `release_hours` is when the new model comes out
(accounts of `pivot` move to it within a day).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from evals.hunt_worlds import planned
from titer.core.ids import Pseudonyms
from titer.core.sketch import Sketcher
from titer.gateway.feeds import Feed
from titer.hunt import LiveHunt
from titer.lab.scenario import START
from titer.lab.score import read_labels
from titer.lab.world.make import Made
from titer.lab.world.writer import write

HOUR = 3_600_000_000
SECRET = b"titer evaluation, not a secret.."
CAMPAIGN_DAYS = 45.0


def live(name: str, *, seed: int, given: argparse.Namespace) -> dict[str, Any]:
    """One world, lived through."""
    plan = msgspec.structs.replace(
        planned(name, seed=seed, honest=given.honest, scale=given.scale), days=given.days
    )
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        written = write(plan, Path(folder))
        labels = read_labels(Path(written.labels))
        pseudonyms = Pseudonyms(SECRET)
        feed = Feed(sketcher=Sketcher(pseudonyms.key("sketch")), pseudonyms=pseudonyms)
        hunt = LiveHunt(permutations=999)
        began, due, active = 0, 0, set[str]()
        sent, at_alarm = 0, None
        for batch in feed.batches(list(written.logs)):
            for exchange in batch:
                began = began or exchange.at
                due = due or began + given.every * HOUR
                if exchange.at >= due:
                    runs.append(looked(hunt, active, (due - began) / HOUR))
                    due += given.every * HOUR
                    print(runs[-1], flush=True)
                    if at_alarm is None and alarmed(runs[-1]):
                        at_alarm = sent
                if labels[feed.names[exchange.principal.id]].campaign:
                    active.add(exchange.principal.subject)
                    sent += 1
                hunt.add((exchange,))
    alarm = next((r["hours"] for r in runs if alarmed(r)), None)
    release = Made(plan).place.release - START
    return {
        "world": name, "seed": seed, "honest": given.honest, "every_hours": given.every,
        "runs": runs, "alarm_hours": alarm, "release_hours": round(release / HOUR, 1),
        "share_of_45_days": None if at_alarm is None
        else at_alarm / (sent / given.days * CAMPAIGN_DAYS),
        "most_honest_accused": max((r["honest_accused"] for r in runs), default=0),
    }  # fmt: skip


def alarmed(run: dict[str, Any]) -> bool:
    """Whether half of the accounts that have been active are in a campaign."""
    return bool(run["active"] and run["found"] >= 0.5 * run["active"])


def looked(hunt: LiveHunt, active: set[str], hours: float) -> dict[str, Any]:
    """One hunt: attackers among the members of campaigns that are not under review, and others."""
    began = time.process_time()
    campaigns = hunt.run()
    found = {m for c in campaigns if not c.review for m in c.members}
    return {
        "hours": hours,
        "active": len(active),
        "found": len(found & active),
        "honest_accused": len(found - active),
        "cpu_s": round(time.process_time() - began, 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seeds", default="21")
    parser.add_argument("--cells", default="hydra-50,hydra-20")
    parser.add_argument("--days", type=float, default=4.0)
    parser.add_argument("--every", type=int, default=12, help="hours between hunts")
    parser.add_argument("--honest", type=int, default=3000)
    parser.add_argument("--scale", type=float, default=0.3)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rows = []
    for seed in given.seeds.split(","):
        for name in given.cells.split(","):
            rows.append(live(name, seed=int(seed), given=given))
            print(json.dumps({k: v for k, v in rows[-1].items() if k != "runs"}), flush=True)
            if given.out:
                given.out.write_text(json.dumps({"rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
