"""`python -m bench [NAME...]`: every figure of the speed table, as ratios inside one run.

    gateway     CPU per request and per chunk beside nginx and whichever peers are there
    enforce     the same with a held-back window and one event in ten rewritten
    streams     1,500 concurrent streams on one core: errors, chunks/s, memory
    disconnect  from the caller's leaving to the upstream's connection closing
    workers     requests/s with two workers over one (on two cores a lower bound: see below)
    growth      resident memory over a long run, after warm-up
    log         durable appends to the evidence log
    proofs      proofs up to 10^9 entries, an erasure among 10^6 subjects, the hot path's share
    dossier     verifying as the log grows; a campaign of 25,000 proved and rendered
    feed        exchanges/s of `titer feed`
    keys        a million known callers against a thousand
    sketch      microseconds a sketch
    weigh       microseconds an exchange and bytes an account, by detector
    mitigations microseconds a request and a chunk, by mitigation
    hello       a TLS handshake whose ClientHello is noted, beside one that is not
    share       export of a campaign of 25,000 accounts, and private matching of 4,096 indicators
    marks       planting, recognising and tracing marks, beside transformers where it is there
    spark       the same hunt on a local Spark cluster, beside the embedded engine
    batch       the batch hunt over made facts, and how its cost grows (--rows 10M,30M,200M)

Peers are looked for on PATH and in ENVOY, LITELLM, UNMIMIC, VLLM_ROUTER (paths of their binaries;
docs/how-to/measure-it-yourself.md says how to install them); one that is missing is left out. The
figure to trust is CPU time over the whole process tree; absolute times mean little. The C programs
of `bench/kit` need a compiler. Two cores are needed, and nothing else should run.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "kit"))

import kit  # noqa: E402

TITER = [sys.executable, "-m", "titer"]


def data_directory(tmp: Path) -> tuple[Path, str]:
    """A fresh data directory and a key in it."""
    data = Path(tempfile.mkdtemp(prefix="data-", dir=tmp))
    made = subprocess.run(
        [*TITER, "keys", "create", "--data", str(data), "--org", "bench", "--json"],
        capture_output=True, check=True,
    )  # fmt: skip
    return data, json.loads(made.stdout)["key"]


def serve(data: Path, *more: str) -> str:
    return " ".join(
        [*TITER, "serve", "--port", "{port}", "--upstream", "http://127.0.0.1:{upstream}",
         "--data", str(data), *more]
    )  # fmt: skip


def peers() -> list[str]:
    found = ["nginx"]
    for name, variable in (
        ("envoy", "ENVOY"),
        ("litellm-fast", "LITELLM"),
        ("unmimic", "UNMIMIC"),
    ):
        if os.environ.get(variable):
            found.append(name)
    router = os.environ.get("VLLM_ROUTER")
    if router:
        found.append(
            f"cmd:vllm-router={router} --host 127.0.0.1 --port {{port}} "
            "--worker-urls http://127.0.0.1:{upstream} --policy round_robin"
        )
    return found


def run_kit(script: str, key: str, *words: str) -> int:
    command = [sys.executable, str(HERE / "kit" / script), *words]
    return subprocess.run(command, env={**os.environ, "KEY": key}, check=False).returncode


def gateway(tmp: Path, reps: int) -> int:
    data, key = data_directory(tmp)
    return run_kit(
        "bench.py", key, "-r", str(reps), "-m", "json,big,lat,sse_lo,sse_hi", *peers(),
        f"cmd:titer={serve(data)}",
    )  # fmt: skip


def enforce(tmp: Path, reps: int) -> int:
    data, key = data_directory(tmp)
    command = (
        f"{sys.executable} -m bench.enforce_gateway --port {{port}} "
        f"--upstream http://127.0.0.1:{{upstream}} --data {data}"
    )
    return run_kit(
        "bench.py", key, "-r", str(reps), "-m", "sse_hi", "nginx", f"cmd:enforce={command}"
    )


def streams(tmp: Path, reps: int) -> int:
    data, key = data_directory(tmp)
    return run_kit(
        "bench.py", key, "-r", str(reps), "-m", "many", "nginx", f"cmd:titer={serve(data)}"
    )


def disconnect(tmp: Path, reps: int) -> int:
    data, key = data_directory(tmp)
    return run_kit("disconnect.py", key, "-r", str(reps), "nginx", f"cmd:titer={serve(data)}")


class Running:
    """titer under load from the kit's client, not pinned to one core unless asked."""

    def __init__(self, tmp: Path, *flags: str, core: int | None = None) -> None:
        self.tmp = tmp
        kit.raise_open_files()
        if not (tmp / "load").exists():
            kit.build(tmp)
        self.data, self.key = data_directory(tmp)
        self.port, self.upstream = kit.free_port(), kit.free_port()
        self.model = kit.start([tmp / "upstream", "-p", self.upstream, "-n", 100])
        kit.wait_for_port(self.upstream)
        words = serve(self.data, *flags).replace("{port}", str(self.port))
        words = words.replace("{upstream}", str(self.upstream))
        self.server = kit.start(words.split(), core=core)
        kit.wait_for_port(self.port, 30)

    def load(self, *options: object) -> dict:
        common = ["-p", self.port, "-u", "/v1/chat/completions", "-k", self.key, "-f", "chat"]
        return kit.load(self.tmp, [*common, *options])

    def stop(self) -> None:
        kit.stop(self.server)
        kit.stop(self.model)


def workers(tmp: Path, reps: int) -> int:
    """Client and mock share the cores with the workers, so this is a lower bound."""
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(reps):
        for count, found in rates.items():
            one = Running(tmp, "--workers", str(count))
            one.load("-c", 16, "-d", 1)
            found.append(one.load("-c", 64, "-d", 3)["rps"])
            one.stop()
    best = {count: max(found) for count, found in rates.items()}
    ratio = best[2] / best[1]
    print(f"workers: 1 -> {best[1]:.0f} requests/s, 2 -> {best[2]:.0f}, ratio {ratio:.2f}")
    print(json.dumps({"bench": "workers", "one": best[1], "two": best[2], "ratio": ratio}))
    return 0


def growth(tmp: Path, reps: int) -> int:
    """RSS of each process over `reps` x 330,000 requests, once the live hunt's memory is full.

    Compared are the medians of the samples in the first third of the requests and in the last, and
    the highest: while it runs, a hunt needs some 100 MB that it gives back.
    """
    from titer.hunt.live import ROWS

    one = Running(tmp)
    samples: list[tuple[int, dict[int, float]]] = []
    try:
        tree = kit.descendants(one.server.pid)
        fresh = {pid: rss(pid) for pid in tree}
        filled = 0
        while filled < 1.1 * ROWS:
            filled += one.load("-c", 32, "-d", 5)["ok"]
        asked = 0
        while asked < reps * 330_000:
            asked += one.load("-c", 32, "-d", 5)["ok"]
            samples.append((asked, {pid: rss(pid) for pid in tree}))
    finally:
        one.stop()
    first = [held for done, held in samples if done <= asked / 3] or [samples[0][1]]
    last = [held for done, held in samples if done > asked * 2 / 3]
    rows = [
        {"pid": pid, "fresh_mb": round(fresh[pid], 1)}
        | {
            f"{name}_{what}_mb": round(of(held[pid] for held in part), 1)
            for name, part in (("first", first), ("last", last))
            for what, of in (("median", statistics.median), ("highest", max))
        }
        for pid in sorted(tree)
    ]
    grown = [
        of(sum(held.values()) for held in last) / of(sum(held.values()) for held in first) - 1
        for of in (statistics.median, max)
    ]
    print(
        f"growth: {asked:,} requests after {filled:,} to fill, resident memory "
        f"{grown[0]:+.1%} (medians), {grown[1]:+.1%} (highest)"
    )
    found = {"bench": "growth", "filled": filled, "requests": asked,
             "growth": round(grown[0], 4), "growth_highest": round(grown[1], 4)}  # fmt: skip
    series = [(done, round(sum(held.values()), 1)) for done, held in samples]
    print(json.dumps({**found, "rows": rows, "samples": series[:: max(1, len(series) // 20)]}))
    return 0


def rss(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return 0.0


def script(name: str, *words: str) -> Callable[[Path, int], int]:
    def run(tmp: Path, reps: int) -> int:
        del tmp, reps
        command = [sys.executable, "-m", f"bench.{name}", *words, *MORE]
        return subprocess.run(command, check=False).returncode

    return run


#: Options of one script, passed on.
MORE: list[str] = []
BENCHES: dict[str, Callable[[Path, int], int]] = {
    "gateway": gateway,
    "enforce": enforce,
    "streams": streams,
    "disconnect": disconnect,
    "workers": workers,
    "growth": growth,
    "log": script("log_append"),
    "proofs": script("log_costs"),
    "dossier": script("dossier"),
    "share": script("share"),
    "hello": script("client_hello"),
    "feed": script("feed"),
    "keys": script("known_callers"),
    "sketch": script("sketch"),
    "weigh": script("weigh"),
    "mitigations": script("mitigations"),
    "marks": script("marks"),
    "batch": script("batch_hunt"),
    "spark": script("spark_hunt"),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHES))
    parser.add_argument("-r", "--reps", type=int, default=3, help="repetitions (medians)")
    parser.add_argument("--rows", help="of `batch` and `spark`: sizes of the logs")
    options = parser.parse_args()
    if options.rows:
        if options.names not in (["batch"], ["spark"]):
            parser.error("--rows is an option of `batch` or `spark`, one at a time")
        MORE.extend(["--rows", options.rows])
    unknown = set(options.names) - set(BENCHES)
    if unknown:
        parser.error(f"no bench {', '.join(sorted(unknown))}; there are {', '.join(BENCHES)}")
    if shutil.which("gcc") is None and shutil.which(os.environ.get("CC", "gcc")) is None:
        parser.error("a C compiler is needed for the mock and the load client: install gcc")
    worst = 0
    with tempfile.TemporaryDirectory(prefix="titer-bench-") as name:
        for bench in options.names or BENCHES:
            print(f"\n== {bench}", flush=True)
            worst = max(worst, BENCHES[bench](Path(name), options.reps))
    return worst


if __name__ == "__main__":
    sys.exit(main())
