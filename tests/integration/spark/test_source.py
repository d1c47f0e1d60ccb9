"""Spark gives the very answers that columns in memory give, on a real cluster."""

import random

import numpy as np
import pytest

from titer.core.nouns import Exchange, Origin, Principal, RequestFacts, Sketch, Usage
from titer.hunt.facts import FactsWriter, seal
from titer.hunt.memory import MemorySource
from titer.hunt.source import VALUES
from titer.hunt.table import TableBuilder

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

START = 1_700_000_000_000_000
DAY = 86_400_000_000


def exchanges(seed, rows):
    """Few values, so that everything ties: equal counts, repeated tokens, absent origins."""
    draw = random.Random(seed)
    big = lambda: draw.randint(-(2**63), 2**63 - 1)
    popular = [big() for _ in range(30)]
    people = [
        Principal(
            f"p-{draw.getrandbits(40):x}\u00e9", f"o-{i % 4}" if i % 3 == 0 else "", created=i,
            grants=("distillation", "more") if i % 9 == 0 else (),
        )
        for i in range(40)
    ]  # fmt: skip
    made = []
    for number in range(rows):
        token = lambda: draw.choice(
            (0, popular[0], draw.choice(popular[:6]), draw.choice(popular), big())
        )
        made.append(
            Exchange(
                id=str(number if number % 50 else 0),
                at=START + draw.choice((draw.randrange(20 * DAY), draw.randrange(20) * DAY)),
                principal=people[min(int(draw.paretovariate(0.6)), 40) - 1],
                endpoint=draw.choice(("/a", "/b", "/c")),
                model=draw.choice(("", "m", "n")),
                origin=Origin(
                    ip=draw.choice(("", "i1", "i2")), net=f"n{draw.randrange(40)}",
                    asn=draw.choice((0, 7, 9, 4_200_000_000)), agent=draw.choice(("", "x", "y")),
                    payment=draw.choice(("", "q")),
                ),
                request=RequestFacts(params={"temperature": draw.randrange(30) / 10}),
                sketch=Sketch(
                    frames=tuple(token() for _ in range(8)), cells=(big(), 1, 0, -1),
                    exact=draw.choice((popular[0], big())), chars=draw.choice((0, 90, 2**40)),
                ),
                usage=Usage(5, draw.choice((0, 100, 2**39))),
                status=draw.choice((200, 200, 200, 429)),
            )
        )  # fmt: skip
    return made


def write(folder, made):
    step = -(-len(made) // 3) or 1
    for stretch in range(3):
        writer = FactsWriter(folder, stretch=stretch)
        writer.add(made[stretch * step : (stretch + 1) * step])
        writer.close()
    seal(folder)


@pytest.fixture(scope="module")
def sources(cluster, tmp_path_factory):
    from titer.hunt.spark import SparkSource

    folder = tmp_path_factory.mktemp("facts")
    made = exchanges(5, 1500)
    write(folder, made)
    table = TableBuilder()
    table.add(made)
    with SparkSource(folder, cluster.master, settings=cluster.settings()) as spark:
        yield MemorySource(table.build()), spark
    left = [p.name for p in folder.iterdir() if not p.name.endswith((".parquet", ".json"))]
    assert left == []


def same(one, other):
    """Equal in value, order, shape and type."""
    assert type(one) is type(other)
    for name in one.__struct_fields__:
        left, right = getattr(one, name), getattr(other, name)
        if isinstance(left, np.ndarray):
            assert left.dtype == right.dtype, name
            assert left.shape == right.shape, name
            np.testing.assert_array_equal(left, right, err_msg=name)
        else:
            assert left == right, name


def test_two_workers_take_part(sources):
    _, spark = sources
    assert spark._session.sparkContext.defaultParallelism == 2


def test_callers_and_totals(sources):
    memory, spark = sources
    same(memory.callers(), spark.callers())
    same(memory.totals(), spark.totals())
    assert memory.totals().texts.sum() > 300


def test_tokens(sources):
    memory, spark = sources
    count = len(memory.callers().subjects)
    active = np.arange(count) % 5 != 0
    everyone = {"active": np.ones(count, np.bool_), "without": np.empty(0, np.int64)}
    found = memory.tokens(least=2, most=12, **everyone)
    assert len(found.value) > 5
    assert found.common > 1
    same(found, spark.tokens(least=2, most=12, **everyone))
    fewer = {"active": active, "without": np.append(found.value[::2], 2**62)}
    fewer["without"].sort()
    same(memory.tokens(least=3, most=9, **fewer), spark.tokens(least=3, most=9, **fewer))
    nobody = {"active": np.zeros(count, np.bool_), "without": fewer["without"]}
    same(memory.tokens(least=2, most=9, **nobody), spark.tokens(least=2, most=9, **nobody))


def test_users(sources):
    memory, spark = sources
    count = len(memory.callers().subjects)
    known = memory.tokens(
        least=2, most=12, active=np.ones(count, np.bool_), without=np.empty(0, np.int64)
    ).value
    asked = np.unique(np.append(known, [3, -4]))
    for when in (
        {},
        {"until": START + 5 * DAY},
        {"since": START + 9 * DAY, "until": START + 12 * DAY},
    ):
        one, other = memory.users(asked, **when), spark.users(asked, **when)
        assert one.sum() > 0
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert len(spark.users(np.empty(0, np.int64))) == 0


@pytest.mark.parametrize("name", VALUES)
def test_values(sources, name):
    memory, spark = sources
    one = memory.values(name)
    same(one, spark.values(name))
    if name in ("network", "parameters"):
        assert np.bincount(one.unit).max() == 12


def test_clock(sources):
    memory, spark = sources
    np.testing.assert_array_equal(memory.clock(), spark.clock())


def test_samples(sources):
    memory, spark = sources
    some = np.arange(0, len(memory.callers().subjects), 2)
    one = memory.sample(some, most=7)
    assert np.bincount(one.unit).max() == 7
    same(one, spark.sample(some, most=7))


def test_nothing_to_count(cluster, sources, tmp_path):
    from titer.hunt.spark import SparkSource

    write(tmp_path / "none", [])
    with SparkSource(tmp_path / "none", cluster.master) as spark:
        memory = MemorySource(TableBuilder().build())
        same(memory.totals(), spark.totals())
        same(memory.values("network"), spark.values("network"))
        assert spark.clock().shape == (0, 32)
        nothing = np.empty(0, np.int64)
        call = {"least": 2, "most": 5, "active": np.empty(0, np.bool_), "without": nothing}
        same(memory.tokens(**call), spark.tokens(**call))
        same(memory.sample(nothing, most=3), spark.sample(nothing, most=3))
    _, other = sources
    assert other.clock().sum() > 0  # a second source leaves the session of the first alone


def test_columns_that_are_none(sources):
    _, spark = sources
    with pytest.raises(ValueError, match="no column of values"):
        spark.values("at")
    with pytest.raises(ValueError, match="least must be 2"):
        spark.tokens(least=1, most=2, active=np.ones(1, np.bool_), without=np.empty(0, np.int64))
