"""The same hunt on one machine's engine and on a local Spark cluster of one and of two workers.

    python bench/spark_hunt.py [--rows 1000000] [--facts FOLDER] [--memory 1g]

Prints, for each, CPU seconds of the whole process tree (for Spark: master, workers, executors and
driver) and wall time, then the cost ratio, the speed-up from one worker to two, and whether the
reports are equal byte for byte. A worker has one core. The driver needs a core too, while it forms
and tests groups: on two cores the speed-up is a lower bound. PySpark and Java are needed.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import batch_facts

PATIENCE = 120


class Cluster:
    """A master and some workers of one core; `stop` ends all of them."""

    def __init__(self, folder: Path, workers: int, memory: str) -> None:
        import pyspark

        self.folder = folder
        folder.mkdir()
        home = Path(pyspark.__file__).parent
        self.spark = str(home / "bin" / "spark-class")
        self.env = {
            **os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_LOCAL_DIRS": str(folder / "scratch"), "SPARK_DAEMON_MEMORY": "512m",
        }  # fmt: skip
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.master = f"spark://127.0.0.1:{port}"
        self.processes: list[subprocess.Popen[bytes]] = []
        self._start(
            "master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"
        )
        self._wait("elected leader", 1)
        for number in range(workers):
            self._start(
                "worker.Worker", "--host", "127.0.0.1", "--webui-port", "0", "-c", "1",
                "-m", memory, "-d", str(folder / f"worker{number}"), self.master,
            )  # fmt: skip
        self._wait("Registering worker", workers)

    def _start(self, what: str, *words: str) -> None:
        with (self.folder / f"{len(self.processes)}.log").open("wb") as log:
            self.processes.append(
                subprocess.Popen(
                    [self.spark, f"org.apache.spark.deploy.{what}", *words], env=self.env,
                    stdout=log, stderr=log, stdin=subprocess.DEVNULL, start_new_session=True,
                )
            )  # fmt: skip

    def _wait(self, words: str, times: int) -> None:
        end = time.monotonic() + PATIENCE
        while (self.folder / "0.log").read_text(errors="replace").count(words) < times:
            if time.monotonic() > end:
                self.stop()
                sys.exit("the cluster did not come up")
            time.sleep(0.1)

    def stop(self) -> None:
        """Workers first; executors are waited for by their worker, and so counted."""
        for process in reversed(self.processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()


def hunt(facts: Path, engine: str, memory: str) -> tuple[bytes, float]:
    """The report, and wall seconds."""
    begin = time.monotonic()
    conf = facts.parent / "conf"
    conf.mkdir(exist_ok=True)
    (conf / "spark-defaults.conf").write_text(f"spark.executor.memory {memory}\n")
    done = subprocess.run(
        [sys.executable, "-m", "titer", "hunt", str(facts), "--engine", engine, "--seed", "1",
         "--json"],
        stdout=subprocess.PIPE, check=False, env={**os.environ, "SPARK_CONF_DIR": str(conf)},
    )  # fmt: skip
    if done.returncode not in (0, 1):
        sys.exit(f"titer hunt --engine {engine} ended with {done.returncode}")
    return done.stdout, time.monotonic() - begin


def cpu() -> float:
    """CPU seconds of all processes that have ended and been waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(facts: Path, tmp: Path, workers: int, memory: str) -> dict[str, object]:
    """One hunt: with 0 workers embedded, else on a cluster that is started for it and stopped."""
    before = cpu()
    if workers:
        cluster = Cluster(tmp / f"cluster{workers}-{facts.name}", workers, memory)
        try:
            report, wall = hunt(facts, cluster.master, memory)
        finally:
            cluster.stop()
    else:
        report, wall = hunt(facts, "embedded", memory)
    return {"report": report, "cpu": cpu() - before, "wall": wall}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=float, default=1e6)
    parser.add_argument("--facts", type=Path, help="facts made before, instead of new ones")
    # So that `timeout` leaves no cluster behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser.add_argument("--memory", default="1g", help="of each executor")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="titer-spark-") as name:
        tmp = Path(name)
        small = tmp / "small"
        batch_facts.make(small, 10_000)
        facts = options.facts or tmp / "facts"
        if options.facts is None:
            batch_facts.make(facts, int(options.rows))
        measure(small, tmp, 0, options.memory)  # compiles the kernels, which are kept
        cases = {workers: measure(facts, tmp, workers, options.memory) for workers in (0, 1, 2)}
        fixed = measure(small, tmp, 2, options.memory)
    one, two, alone = cases[1], cases[2], cases[0]
    names = {"embedded": alone, "1": one, "2": two}
    out = {
        "bench": "spark",
        "rows": json.loads(alone["report"])["read"]["exchanges"],
        "campaigns": len(json.loads(alone["report"])["campaigns"]),
        "equal": alone["report"] == one["report"] == two["report"],
        "cpu_s": {name: round(case["cpu"], 1) for name, case in names.items()},
        "wall_s": {name: round(case["wall"], 1) for name, case in names.items()},
        "cpu_s_of_a_small_log": round(fixed["cpu"], 1),
        "cost": round(two["cpu"] / alone["cpu"], 2),
        "speed_up": round(one["wall"] / two["wall"], 2),
    }
    print(
        f"spark: {out['rows']:,} rows; CPU seconds {out['cpu_s']}; wall {out['wall_s']}; "
        f"a small log {out['cpu_s_of_a_small_log']} CPU seconds; cost {out['cost']} x embedded; "
        f"1 -> 2 workers {out['speed_up']} x as fast; reports equal: {out['equal']}"
    )
    print(json.dumps(out))
    return 0 if out["equal"] else 1


if __name__ == "__main__":
    sys.exit(main())
