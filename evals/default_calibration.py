"""Makes the calibration that titer ships, from honest worlds of the lab; the same every time.

    python -m evals default            # writes src/titer/detect/default_calibration.json
    python -m evals default --quick    # small, for a look; writes nothing

Run it again whenever a detector's version or the crowd changes: a test says so. It is marked as a
default, and so gives attention and never bits (`titer.detect.default`): the lab's honest callers
are nobody's. Several worlds, so that no one world's templates and clients decide.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import titer.detect
from titer.core.ids import Pseudonyms
from titer.core.nouns import Exchange
from titer.core.sketch import Sketcher
from titer.detect import BUILTIN
from titer.detect.calibration import fit
from titer.detect.default import NAME
from titer.gateway.feeds.exchange import Maker
from titer.gateway.feeds.exchange_log import ExchangeLog
from titer.lab.world.make import Made
from titer.lab.world.plan import World

SEED = 20261122
WORLDS = 3
#: Of one world. A client with a twentieth of all traffic is in each.
HONEST, DAYS, PACE, WHALE = 1200, 14.0, 0.2, 0.05
BATCH = 4096


def exchanges(*, honest: int) -> Iterator[Exchange]:
    """All worlds, one after another, read as `titer calibrate` reads a log."""
    for number in range(WORLDS):
        secret = f"titer default calibration {SEED} {number}".encode()
        pseudonyms = Pseudonyms(secret)
        maker = Maker(
            ExchangeLog(pseudonyms),
            sketcher=Sketcher(pseudonyms.key("sketch")),
            pseudonyms=pseudonyms,
        )
        world = Made(
            World(
                name="default", seed=SEED + number, honest=honest, days=DAYS, pace=PACE,
                whale=WHALE,
            )
        )  # fmt: skip
        for day in world.span:
            lines: list[bytes] = []
            for line in world.lines(day):
                lines.append(line.encode())
                if len(lines) == BATCH:
                    yield from _made(maker, lines)
                    lines = []
            yield from _made(maker, lines)


def _made(maker: Maker, lines: list[bytes]) -> list[Exchange]:
    made, bad = maker.many(lines)
    if bad:
        sys.exit(f"the lab wrote a line that the feed refuses: {bad[0][1]}")
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    quick = parser.parse_args().quick
    honest = 150 if quick else HONEST
    # Made once for both passes: half a gigabyte, and half of the time.
    log = list(exchanges(honest=honest))
    found = fit(BUILTIN, log, seed=SEED).named(default=True)
    print(
        f"{found.id}: {found.exchanges} exchanges, {found.combination.fitted} subjects fitted, "
        f"{found.combination.everyone.n} scored, alpha {found.smallest_alpha:.2g} at least"
    )
    for name, null in found.detectors.items():
        levels = " ".join(f"{level:.3g}" for level in null.levels)
        print(f"  {name}@{null.version}: {null.everyone.n} scored, levels {levels}")
    if not quick:
        path = Path(titer.detect.__file__).with_name(NAME)
        path.write_text(found.dump() + "\n", encoding="utf-8")
        print(f"wrote {path.name}, {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
