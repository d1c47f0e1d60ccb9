"""What the tables of a cluster are called and how its failures are told."""

import numpy as np
import pytest

from titer.hunt.source import BANDS
from titer.hunt.spark_sql import PAIRS, SAMPLED, SEVERAL
from titer.hunt.spark_tables import MAX_REASON, _reason, integers


def test_only_integers_of_two_widths_are_stored():
    columns = {"at": np.dtype(np.int64), "unit": np.dtype(np.int32)}
    assert integers(columns) == "`at` BIGINT, `unit` INT"
    with pytest.raises(KeyError):
        integers({"small": np.dtype(np.int16)})


def test_of_a_java_trace_the_cause_is_told():
    trace = (
        "An error occurred while calling o1.x.\n: org.apache.spark.SparkException: Job aborted\n"
        "\tat java.base/x\nCaused by: java.io.FileNotFoundException: rows-1.parquet\n\tat y\n"
        "\t... 9 more"
    )
    assert _reason(trace) == "Caused by: java.io.FileNotFoundException: rows-1.parquet"
    assert _reason("[CODE] short\n\tat z") == "[CODE] short"
    assert _reason("") == "no reason given"
    assert len(_reason("x" * 9_000)) == MAX_REASON


def test_every_band_is_counted_and_sampled():
    for band in range(BANDS):
        assert f"r.f{band}" in PAIRS
        assert f"f{band}" in SAMPLED
    made = PAIRS.format(facts="f", units="u", begin=-5, since=-9, until=9, shared=SEVERAL.strip())
    assert "(r.at - -5)" in made  # and not a comment
    assert "{" not in made
