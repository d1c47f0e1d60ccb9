"""Spark gives the answers that the contract asks for, and so the same campaigns, on a real cluster
of two workers. One file, so that tests run side by side start one cluster.
"""

import json
import random

import numpy as np
import pytest

from titer.core.errors import ConfigError, InputError
from titer.core.nouns import Exchange, Origin, Principal, RequestFacts, Sketch, Usage
from titer.hunt import facts, find
from titer.hunt.embedded import EmbeddedSource
from titer.hunt.source import VALUES
from titer.testing import check_source, make_facts

DAY = 86_400_000_000
START = 1_777_593_600_000_000

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


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
    lost = tmp_path / "lost"
    make_facts(lost, seed=1, rows=20)
    with SparkSource(lost, cluster.master) as spark:
        next(lost.glob("rows-*")).rename(lost / "elsewhere")
        with pytest.raises(ConfigError, match=f"does every worker see {lost}"):
            spark.clock()


def log(*, campaign, days=range(9)):
    """A crowd with texts of its own and popular ones, and 60 accounts that divide a work-list."""
    rng = random.Random(4)
    fresh = lambda: tuple(rng.getrandbits(62) for _ in range(8))
    popular = [fresh() for _ in range(20)]
    lists = [fresh() for _ in range(4)]
    crowd = [Principal(f"h{i}", created=START - rng.randrange(1, 400) * DAY) for i in range(150)]
    hydra = [Principal(f"x{i}", created=START - 9 * DAY + i) for i in range(60)]
    rows = []
    for number, who in enumerate((*crowd, *(hydra if campaign else ()))):
        ours = who.id[0] == "x"
        place = f"x{number % 4}" if ours else who.id
        where = Origin(ip=f"i{place}", net=f"n{place}", agent="sdk", payment=f"c{place}")
        for _ in range(rng.randint(12, 24)):
            text = fresh()
            if rng.random() < 0.4:
                text = rng.choice(lists if ours else popular)
                text = tuple(t if rng.random() < 0.7 else rng.getrandbits(62) for t in text)
            rows.append(
                Exchange(
                    f"e{rng.getrandbits(40)}", START + rng.choice(days) * DAY + rng.randrange(DAY),
                    who, "/v1/chat/completions", "m", where, RequestFacts(roles=("user",)),
                    Sketch(frames=text, cells=(1, 2, 3, 4), exact=rng.getrandbits(62), chars=90),
                    Usage(10, 100),
                )
            )  # fmt: skip
    return sorted(rows, key=lambda e: e.at)


def test_campaigns_are_the_same(cluster, source, tmp_path, capsys):
    from titer.cli import main
    from titer.hunt.spark import SparkSource

    for name, rows in (("past", log(campaign=False)), ("now", log(campaign=True))):
        writer = facts.FactsWriter(tmp_path / name)
        writer.add(rows)
        writer.close()
        facts.seal(tmp_path / name)
    with (
        EmbeddedSource(tmp_path / "past") as past, EmbeddedSource(tmp_path / "now") as now,
        SparkSource(tmp_path / "past", cluster.master) as spark_past,
        SparkSource(tmp_path / "now", cluster.master) as spark_now,
    ):  # fmt: skip
        known = find(now, history=past, seed=3, permutations=999)
        assert find(spark_now, history=spark_past, seed=3, permutations=999) == known
        assert find(spark_now, seed=3) == find(now, seed=3)
    assert {m for c in known.campaigns for m in c.members} == {f"x{i}" for i in range(60)}

    said = {}
    for engine in ("embedded", cluster.master):
        words = [str(tmp_path / "now"), "--history", str(tmp_path / "past"), "--seed", "3"]
        assert main(["hunt", *words, "--engine", engine, "--json"]) == 1
        said[engine] = capsys.readouterr().out
    assert said[cluster.master] == said["embedded"]
    assert len(json.loads(said["embedded"])["campaigns"][0]["members"]) == 60
