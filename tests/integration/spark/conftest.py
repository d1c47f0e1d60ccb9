"""A real Spark cluster on this machine: one master, two workers of one core each."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest

#: Seconds that master and workers may take to find each other on a busy machine.
PATIENCE = 60
#: For Javas that live a minute: a quick compiler and no helper threads halve what a test costs.
BRIEF = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xshare:auto"

#: Runs a program until its input ends: with this process it ends too, whatever ended that.
WHILE_WATCHED = '"$@" & read -r _; kill -KILL 0'


def spark_home():
    """The package's folder, or the test is skipped, visibly."""
    pyspark = pytest.importorskip("pyspark", reason="pyspark is not installed: titer[spark]")
    if shutil.which("java") is None and not os.environ.get("JAVA_HOME"):
        pytest.skip("Java is not installed: Spark needs 17 or later")
    return Path(pyspark.__file__).parent


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Cluster:
    def __init__(self, home, folder, workers):
        self.folder = folder
        self.processes = []
        self.env = {
            **os.environ, "SPARK_HOME": str(home), "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_DAEMON_MEMORY": "256m", "SPARK_LOCAL_DIRS": str(folder / "scratch"),
            "SPARK_DAEMON_JAVA_OPTS": BRIEF,
        }  # fmt: skip
        self.run = [str(home / "bin" / "spark-class")]
        self.port = free_port()
        self.master = f"spark://127.0.0.1:{self.port}"
        self.start(
            "master", "org.apache.spark.deploy.master.Master",
            "--host", "127.0.0.1", "--port", str(self.port), "--webui-port", "0",
        )  # fmt: skip
        self.wait("master", "I have been elected leader", 1)
        for number in range(workers):
            self.start(
                f"worker{number}", "org.apache.spark.deploy.worker.Worker",
                "--host", "127.0.0.1", "--webui-port", "0", "-c", "1", "-m", "1g",
                "-d", str(folder / f"worker{number}"), self.master,
            )  # fmt: skip
        self.wait("master", "Registering worker", workers)

    def settings(self):
        """Of sessions on this cluster."""
        from titer.hunt.spark_session import Settings

        options = ("spark.driver.defaultJavaOptions", "spark.executor.defaultJavaOptions")
        return Settings(driver_memory="1g", more=dict.fromkeys(options, BRIEF))

    def executors(self):
        """How many were started for the first application."""
        log = (self.folder / "master.log").read_text(errors="replace")
        return log.count("Launching executor app-") if log else 0

    def start(self, name, *words):
        with (self.folder / f"{name}.log").open("wb") as log:
            self.processes.append(
                subprocess.Popen(
                    ["sh", "-c", WHILE_WATCHED, name, *self.run, *words], env=self.env,
                    stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            )  # fmt: skip

    def wait(self, name, words, times):
        log = self.folder / f"{name}.log"
        end = time.monotonic() + PATIENCE
        while log.read_text(errors="replace").count(words) < times:
            if time.monotonic() > end or any(p.poll() is not None for p in self.processes):
                text = log.read_text(errors="replace")[-2000:]
                self.stop()
                pytest.fail(f"the {name} did not come up:\n{text}")
            time.sleep(0.1)

    def stop(self):
        """Workers first, so that they end their executors; then everything of each group."""
        for process in reversed(self.processes):
            self.signal(process, signal.SIGTERM)
        end = time.monotonic() + 10
        for process in self.processes:
            while self.signal(process, 0) and time.monotonic() < end:
                time.sleep(0.05)
            self.signal(process, signal.SIGKILL)
            process.stdin.close()
            process.wait()

    def signal(self, process, number):
        """Whether there was anyone left in the process's group to have it."""
        process.poll()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
            return True
        return False


@pytest.fixture(scope="session")
def cluster(tmp_path_factory):
    running = Cluster(spark_home(), tmp_path_factory.mktemp("cluster"), workers=2)
    yield running
    running.stop()
