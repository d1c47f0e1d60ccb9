"""What is said when Spark's parts are missing, and what a session is asked for."""

import sys
import types
from pathlib import Path

import pytest

from titer.core.errors import ConfigError
from titer.hunt import facts, spark_session
from titer.hunt.spark import SparkSource
from titer.hunt.spark_session import Settings


@pytest.fixture
def folder(tmp_path):
    facts.FactsWriter(tmp_path / "facts").close()
    facts.seal(tmp_path / "facts")
    return tmp_path / "facts"


def pretend(monkeypatch, version):
    """A PySpark of some version, without a session."""
    session = types.SimpleNamespace(getActiveSession=lambda: None)
    package = types.ModuleType("pyspark")
    package.__version__ = version
    inside = types.ModuleType("pyspark.sql")
    inside.SparkSession = session
    monkeypatch.setitem(sys.modules, "pyspark", package)
    monkeypatch.setitem(sys.modules, "pyspark.sql", inside)


def java(folder, version, code=0):
    path = folder / "bin" / "java"
    path.parent.mkdir(parents=True)
    path.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\" 2025' >&2\nexit {code}\n")
    path.chmod(0o755)
    return str(folder)


def test_without_pyspark_the_extra_is_named_and_nothing_is_left(monkeypatch, folder):
    monkeypatch.setitem(sys.modules, "pyspark", None)
    before = sorted(folder.iterdir())
    with pytest.raises(ConfigError, match=r"pip install 'titer\[spark\]'"):
        SparkSource(folder, "local[1]")
    assert sorted(folder.iterdir()) == before


def test_an_old_pyspark_is_refused(monkeypatch, folder):
    pretend(monkeypatch, "3.5.9")
    with pytest.raises(ConfigError, match=r"3\.5\.9 is too old"):
        SparkSource(folder, "local[1]")


def test_java_is_needed_and_named(monkeypatch, folder, tmp_path):
    pretend(monkeypatch, "4.3.0")
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="openjdk-17-jre-headless"):
        SparkSource(folder, "local[1]")
    for name, version, code in (
        ("eight", "1.8.0_402", 0),
        ("eleven", "11.0.2", 0),
        ("x", "17", 1),
    ):
        monkeypatch.setenv("JAVA_HOME", java(tmp_path / name, version, code))
        with pytest.raises(ConfigError, match="is another"):
            SparkSource(folder, "local[1]")
    monkeypatch.setenv("JAVA_HOME", java(tmp_path / "right", "21"))
    spark_session._java()


@pytest.mark.parametrize(
    ("master", "loopback"),
    [
        ("local[2]", True), ("spark://127.0.0.1:7077", True), ("spark://localhost:7077", True),
        ("spark://head.cluster:7077", False), ("yarn", False),
        ("spark://127.0.0.1.evil:7077", False),
    ],
)  # fmt: skip
def test_the_driver_listens_on_loopback_for_a_cluster_on_this_machine(master, loopback):
    made = spark_session._settings(master, Settings(), Path("/tmp/x"), Path("/tmp/x/log"))
    assert (made.get("spark.driver.bindAddress") == "127.0.0.1") is loopback
    assert made["spark.ui.enabled"] == "false"


def test_settings_of_the_operator_go_before_ours():
    mine = Settings(
        driver_memory="9g", more={"spark.driver.host": "10.0.0.1", "spark.ui.enabled": "true"}
    )
    made = spark_session._settings("local[2]", mine, Path("/tmp/x"), Path("/tmp/x/log"))
    assert made["spark.driver.memory"] == "9g"
    assert made["spark.driver.host"] == "10.0.0.1"
    assert made["spark.ui.enabled"] == "true"
