"""A Spark session for the hunt: quiet, bound to this machine where it can be, and given back.

PySpark (`pip install 'titer[spark]'`) and Java 17 or later are needed here and nowhere else.
The cluster runs SQL only, never Python, so its workers need Java alone.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

from titer.core.errors import ConfigError

#: The first that gives answers as Arrow without pandas. The plans were tried with 4.3.
MIN_SPARK = (4, 0)
#: Below this, Java cannot run Spark 4.
MIN_JAVA = 17
#: Addresses of a cluster on this machine: the driver then listens on loopback alone.
LOOPBACK = frozenset(("127.0.0.1", "localhost", "::1"))
#: Seconds that the driver's Java is given to end before it is killed.
ENDING = 20.0
#: Largest table sent whole to every executor: accounts to units, 12 bytes each (5M accounts).
BROADCAST = 64 << 20


class Settings(msgspec.Struct, frozen=True):
    """How much memory Spark may take, and anything else that a cluster needs.

    `driver_memory` (here) and `executor_memory` (of each executor), as in "2g"; empty for what
    `spark-defaults.conf` says, else Spark's 1g. The driver plans and passes answers on, and keeps
    none: 1g serves a million units. An executor reserves 300 MB and uses 60 % of the rest: below
    1g it works poorly, and what does not fit goes to its disk. `more` are `spark.*` settings, as
    Spark names them, that go before ours.
    """

    driver_memory: str = ""
    executor_memory: str = ""
    more: dict[str, str] = {}


def start(master: str, settings: Settings, scratch: Path) -> tuple[Any, bool]:
    """(session, whether it is ours to stop). One that this process has already is used as it is.

    Raises `ConfigError` when PySpark or Java is missing, or the cluster cannot be reached.
    """
    spark_session = _pyspark()
    running = spark_session.getActiveSession()
    if running is not None:
        if running.sparkContext.master != master:
            raise ConfigError(
                f"{master}: this process has another Spark session, at "
                f"{running.sparkContext.master}; use one master for all logs of a hunt"
            )
        return running, False
    _java()
    quiet = scratch / "log4j2.properties"
    quiet.write_text(_QUIET)
    builder = spark_session.builder.master(master).appName("titer hunt")
    for name, value in _settings(master, settings, scratch, quiet).items():
        builder = builder.config(name, value)
    try:
        return builder.getOrCreate(), True
    except Exception as error:
        stop(None)
        raise ConfigError(
            f"{master}: no Spark session could be started; is the master running, is its address "
            "written as the master shows it, and may this machine be reached from the workers?"
        ) from error


def stop(session: Any) -> None:
    """Stop a session and its Java process: PySpark alone would keep that until Python ends."""
    from pyspark import SparkContext  # noqa: PLC0415 - an extra

    context: Any = SparkContext
    if session is not None:
        session.stop()
    gateway = context._gateway  # noqa: SLF001 - no public way to end it
    if gateway is None:
        return
    gateway.shutdown()
    process = getattr(gateway, "proc", None)
    context._gateway = context._jvm = None  # noqa: SLF001 - so that a next session starts anew
    if process is None:
        return
    if process.stdin is not None:
        process.stdin.close()  # the launcher ends with its input
    try:
        process.wait(ENDING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _settings(master: str, settings: Settings, scratch: Path, quiet: Path) -> dict[str, str]:
    ours = {
        "spark.driver.extraJavaOptions": f"-Dlog4j2.configurationFile={quiet.as_uri()}",
        # Answers pass through the driver in pieces; their sum is no danger to it.
        "spark.driver.maxResultSize": "0",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        # Sums wrap as they do elsewhere, instead of ending the hunt.
        "spark.sql.ansi.enabled": "false",
        "spark.sql.session.timeZone": "UTC",
        # Shuffle parts are joined up to this: four times `spark_tables.PARTITION` would be 64m.
        "spark.sql.adaptive.advisoryPartitionSizeInBytes": "16m",
        "spark.sql.autoBroadcastJoinThreshold": str(BROADCAST),
        "spark.sql.adaptive.autoBroadcastJoinThreshold": str(BROADCAST),
    }
    local = master.startswith("local") or urlsplit(master).hostname in LOOPBACK
    if local:
        ours |= {
            "spark.driver.host": "127.0.0.1",
            "spark.driver.bindAddress": "127.0.0.1",
            "spark.local.dir": str(scratch / "shuffle"),
        }
    memory = {
        "spark.driver.memory": settings.driver_memory,
        "spark.executor.memory": settings.executor_memory,
    }
    ours |= {name: size for name, size in memory.items() if size}
    return ours | settings.more


def _pyspark() -> Any:
    try:
        import pyspark  # noqa: PLC0415 - an extra
        from pyspark.sql import SparkSession  # noqa: PLC0415
    except ImportError as error:
        raise ConfigError(
            "PySpark is not installed; pip install 'titer[spark]', or use --engine embedded"
        ) from error
    if tuple(int(part) for part in pyspark.__version__.split(".")[:2]) < MIN_SPARK:
        raise ConfigError(
            f"PySpark {pyspark.__version__} is too old; pip install --upgrade 'titer[spark]'"
        )
    return SparkSession


def _java() -> None:
    """Raises `ConfigError` unless a Java is at hand that runs Spark."""
    import os  # noqa: PLC0415 - only for JAVA_HOME

    home = os.environ.get("JAVA_HOME")
    java = str(Path(home) / "bin" / "java") if home else shutil.which("java")
    need = f"Spark needs Java {MIN_JAVA} or later"
    if java is None or not Path(java).exists():
        raise ConfigError(
            f"{need} and none was found (JAVA_HOME, PATH); on Debian: apt-get install "
            "openjdk-17-jre-headless; or use --engine embedded"
        )
    said = subprocess.run(  # noqa: S603 - the operator's own Java
        [java, "-version"], capture_output=True, text=True, check=False, timeout=60
    )
    version = said.stderr.partition('version "')[2].partition('"')[0].split(".")[0]
    number = "".join(c for c in version if c.isdigit())
    if said.returncode or not number or int(number) < MIN_JAVA:
        raise ConfigError(f"{need}; {java} is another; install one or set JAVA_HOME")


_QUIET = """\
rootLogger.level = error
rootLogger.appenderRef.console.ref = console
logger.python.name = org.apache.spark.api.python.PythonGatewayServer
logger.python.level = error
logger.waiting.name = org.apache.spark.scheduler.TaskSchedulerImpl
logger.waiting.level = warn
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = spark: %p %c{1}: %m%n
"""
