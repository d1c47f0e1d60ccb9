"""Spark gives the answers that the contract asks for, on a real cluster of two workers."""

import numpy as np
import pytest

from titer.core.errors import ConfigError, InputError
from titer.hunt import facts
from titer.hunt.source import VALUES
from titer.testing import check_source, make_facts

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("facts")
    make_facts(made, seed=11, rows=900)
    return made


@pytest.fixture(scope="module")
def source(cluster, folder):
    from titer.hunt.spark import SparkSource

    with SparkSource(folder, cluster.master, settings=cluster.settings()) as spark:
        yield spark
    assert {p.suffix for p in folder.iterdir()} == {".parquet", ".json"}  # nothing is left


def test_every_answer_is_right(cluster, source, folder):
    check_source(source, folder)
    assert cluster.executors() == 2  # the work was offered to both workers


def test_a_log_of_nothing(cluster, source, tmp_path):
    from titer.hunt.spark import SparkSource

    facts.FactsWriter(tmp_path / "none").close()
    facts.seal(tmp_path / "none")
    with SparkSource(tmp_path / "none", cluster.master) as spark:
        assert spark.totals().begin == 0
        assert spark.clock().shape == (0, 32)
        assert all(len(spark.values(name).unit) == 0 for name in VALUES[:2])
        nothing = np.empty(0, np.int64)
        found = spark.tokens(least=2, most=5, active=np.empty(0, np.bool_), without=nothing)
        assert found.start.tolist() == [0]
        assert spark.sample(nothing, most=3).frames.shape == (0, 8)
    assert source.totals().rows.sum() == 900  # the second left the session of the first alone


def test_an_interrupted_hunt_counts_nothing_twice(cluster, source, folder, tmp_path):
    from titer.hunt.spark import SparkSource

    with SparkSource(folder, cluster.master, work=tmp_path) as first:
        before = first.clock()
    with SparkSource(folder, cluster.master, work=tmp_path) as second:
        second._tables.ask = None  # whoever asks the cluster now fails
        np.testing.assert_array_equal(second.clock(), before)
        with pytest.raises(TypeError):
            second.values("network")


def test_what_is_wrong_is_said(cluster, source, folder, tmp_path):
    from titer.hunt.spark import SparkSource

    with pytest.raises(ValueError, match="no values of at"):
        source.values("at")
    with pytest.raises(InputError, match=r"no about\.json"):
        SparkSource(tmp_path, cluster.master)
    facts.FactsWriter(tmp_path / "none").close()
    facts.seal(tmp_path / "none")
    with pytest.raises(ConfigError, match="another Spark session"):
        SparkSource(tmp_path / "none", "spark://127.0.0.1:1")
