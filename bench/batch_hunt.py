"""The batch hunt over made facts: seconds, memory and how they grow with the log.

    python -m bench batch [--rows 10M,30M,200M] [--at DIR] [--keep]

Writes facts of so many rows (`bench.batch_facts`; about 108 bytes a row on disk), hunts in them
as `titer hunt FOLDER` does, in a process of its own, and removes them. For every question that
the hunt asks of the engine, and for the whole: CPU seconds of the process, wall seconds, peak
resident memory so far. Growth is log CPU ratio over log row ratio. Beside it, on the same files,
DuckDB answers in one statement which tokens of one band (of eight) several accounts use: `floor`;
`to_floor` is how many times as much CPU the whole hunt takes. The score is a check of the
plumbing: tokens are drawn, the campaign does nothing to hide.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import queue
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench import batch_facts

SEED = 1


def rows_of(text: str) -> int:
    for letter, factor in (("M", 1_000_000), ("k", 1_000)):
        if text.endswith(letter):
            return int(float(text[:-1]) * factor)
    return int(text)


def peak() -> float:
    """Peak resident memory of this process in GB."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024 / 1e9
    return 0.0


class Timed:
    """A source that notes what each answer cost."""

    def __init__(self, source: Any) -> None:
        self.source = source
        self.stages: list[dict[str, Any]] = []

    def __getattr__(self, name: str) -> Any:
        answer = getattr(self.source, name)

        def timed(*given: Any, **named: Any) -> Any:
            began, cpu = time.perf_counter(), time.process_time()
            found = answer(*given, **named)
            self.stages.append({
                "stage": f"{name} {given[0]}" if name == "values" else name,
                "cpu_s": round(time.process_time() - cpu, 2),
                "wall_s": round(time.perf_counter() - began, 2),
                "peak_gb": round(peak(), 2),
            })  # fmt: skip
            return found

        return timed


def warm(folder: Path) -> None:
    """Compile (or load) the kernels on a few rows, so that this is not counted."""
    from titer.hunt import find
    from titer.hunt.embedded import EmbeddedSource

    batch_facts.make(folder, 20_000, jobs=1)
    with EmbeddedSource(folder) as source:
        find(source, seed=SEED)


def hunt(folder: str, rows: int, members: list[int], results: Any) -> None:
    from titer.hunt import find
    from titer.hunt.embedded import EmbeddedSource

    with tempfile.TemporaryDirectory(prefix="titer-warm-", dir=Path(folder).parent) as small:
        warm(Path(small))
    began, cpu = time.perf_counter(), time.process_time()
    with EmbeddedSource(Path(folder)) as source:
        timed = Timed(source)
        report = find(timed, seed=SEED)
    wall, used = time.perf_counter() - began, time.process_time() - cpu
    theirs = {batch_facts.name(i) for i in range(*members)}
    named = {m for c in report.campaigns for m in c.members}
    results.put({
        "bench": "batch", "rows": rows, "accounts": report.principals,
        "cpu_s": round(used, 1), "wall_s": round(wall, 1), "peak_gb": round(peak(), 2),
        "campaigns": len(report.campaigns), "members": len(theirs),
        "found": len(theirs & named), "others": len(named - theirs),
        "seed": SEED, "stages": timed.stages,
    })  # fmt: skip


def floor(folder: str, results: Any) -> None:
    """DuckDB's GROUP BY of one band."""
    import duckdb

    files = [str(path) for path in Path(folder).glob("rows-*.parquet")]
    with tempfile.TemporaryDirectory(dir=Path(folder).parent) as spill, duckdb.connect() as base:
        for name, value in (
            ("threads", 2), ("memory_limit", "4GB"), ("temp_directory", spill),
            ("preserve_insertion_order", False),
        ):  # fmt: skip
            base.execute(f"SET {name} = $1", [value])
        cpu = time.process_time()
        (tokens,) = base.execute(
            "SELECT count(*) FROM (SELECT f0 FROM read_parquet($1) WHERE status < 400 "
            "AND chars > 0 GROUP BY f0 HAVING min(account) <> max(account))", [files],
        ).fetchone()  # fmt: skip
        used = time.process_time() - cpu
    results.put({"tokens": tokens, "cpu_s": round(used, 1), "peak_gb": round(peak(), 2)})


def _result(work: Callable[..., None], *given: Any) -> dict[str, Any]:
    """What `work` puts out in a process of its own. Raises SystemExit when it ends without."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=work, args=(*given, results))
    process.start()
    while True:
        try:
            found: dict[str, Any] = results.get(timeout=1)
        except queue.Empty:
            if process.exitcode is not None:
                raise SystemExit(f"{work.__name__} ended with {process.exitcode}") from None
        else:
            process.join()
            return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="3M,10M")
    parser.add_argument("--at", type=Path, help="where the facts are made (default: temporary)")
    parser.add_argument("--keep", action="store_true", help="keep the facts, or use those there")
    given = parser.parse_args()
    before: dict[str, Any] | None = None
    for rows in [rows_of(text) for text in given.rows.split(",")]:
        place = Path(tempfile.mkdtemp(prefix="titer-batch-", dir=given.at))
        folder = given.at / f"facts-{rows}" if given.keep and given.at else place / "facts"
        try:
            began = time.perf_counter()
            if not (folder / "about.json").is_file():
                batch_facts.make(folder, rows)
            made = time.perf_counter() - began
            world = batch_facts.World(rows)
            one = _result(hunt, str(folder), rows, [world.benign, world.accounts])
            one["floor"] = _result(floor, str(folder))
        finally:
            shutil.rmtree(place, ignore_errors=True)
        one["made_s"] = round(made, 1)
        one["to_floor"] = round(one["cpu_s"] / one["floor"]["cpu_s"], 1)
        if before is not None:
            ratio = math.log(rows / before["rows"])
            one["growth_cpu"] = round(math.log(one["cpu_s"] / before["cpu_s"]) / ratio, 2)
            one["growth_wall"] = round(math.log(one["wall_s"] / before["wall_s"]) / ratio, 2)
        before = one
        for stage in one["stages"]:
            print(
                "  {stage:20} {cpu_s:8.1f} CPU-s {wall_s:8.1f} s {peak_gb:6.2f} GB".format(**stage)
            )
        print(json.dumps(one), flush=True)


if __name__ == "__main__":
    main()
