"""The embedded engine counts right whatever fits into memory, and counts nothing twice."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from titer.hunt import facts, reading
from titer.hunt.embedded import EmbeddedSource
from titer.hunt.tally import count_users, pairs_of, uses_of
from titer.testing import check_source, make_facts


@pytest.mark.parametrize(
    ("rows", "accounts", "files", "memory"),
    [
        (0, 3, 0, 1),
        (1, 1, 1, 1),
        (900, 40, 3, 3_000),
        (2500, 3, 5, 20_000),
        (400, 300, 1, 1 << 30),
    ],
)
def test_every_answer_is_right(tmp_path, rows, accounts, files, memory):
    make_facts(tmp_path, seed=rows, rows=rows, accounts=accounts, files=files)
    with EmbeddedSource(tmp_path, memory=memory) as source:
        check_source(source, tmp_path)


def test_an_empty_folder_has_no_callers(tmp_path):
    facts.seal(tmp_path)
    with EmbeddedSource(tmp_path) as source:
        check_source(source, tmp_path)
        assert source.callers().subjects == []


def test_threads_change_nothing(tmp_path):
    make_facts(tmp_path, seed=2, rows=2_000, files=6)
    for threads in (1, 3):
        with EmbeddedSource(tmp_path, threads=threads, memory=10_000) as source:
            check_source(source, tmp_path)


def test_what_was_counted_is_not_counted_again(tmp_path, monkeypatch):
    folder, work = tmp_path / "facts", tmp_path / "work"
    make_facts(folder, seed=3)
    asked = {"least": 2, "most": 9, "without": np.empty(0, np.int64)}
    told = []
    with EmbeddedSource(folder, work=work, watch=lambda what, share: told.append(share)) as source:
        everybody = np.ones(len(source.callers().subjects), np.bool_)
        before = source.tokens(active=everybody, **asked)
        totals, values = source.totals(), source.values("network")
    assert told
    assert all(0 < share <= 1 for share in told)

    def fail(*_):
        raise AssertionError("read again")

    monkeypatch.setattr(reading, "read", fail)
    with EmbeddedSource(folder, work=work) as source:
        again = source.tokens(active=everybody, **asked)
        assert np.array_equal(again.unit, before.unit)
        assert np.array_equal(source.totals().rows, totals.rows)
        assert np.array_equal(source.values("network").value, values.value)
        with pytest.raises(AssertionError, match="read again"):  # another question
            source.tokens(active=~everybody, **asked)


def test_other_facts_are_counted_anew(tmp_path):
    folder, work = tmp_path / "facts", tmp_path / "work"
    for seed in (1, 2):
        make_facts(folder, seed=seed)
        with EmbeddedSource(folder, work=work) as source:
            check_source(source, folder)


def test_an_interrupted_stage_is_made_again(tmp_path, monkeypatch):
    folder, work = tmp_path / "facts", tmp_path / "work"
    make_facts(folder, seed=4)
    read, calls = reading.read, []

    def interrupted(piece, columns):
        calls.append(piece)
        if len(calls) > 5:
            raise KeyboardInterrupt
        return read(piece, columns)

    monkeypatch.setattr(reading, "read", interrupted)
    with EmbeddedSource(folder, work=work) as source, pytest.raises(KeyboardInterrupt):
        check_source(source, folder)
    monkeypatch.undo()
    with EmbeddedSource(folder, work=work) as source:
        check_source(source, folder)


def test_nothing_temporary_stays(tmp_path, monkeypatch):
    folder, place = tmp_path / "facts", tmp_path / "tmp"
    place.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(place))
    make_facts(folder, seed=5)
    with EmbeddedSource(folder) as source:
        source.totals()
        assert list(place.iterdir())
    assert not list(place.iterdir())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    cells=st.lists(
        st.tuples(st.integers(-3, 3), st.integers(0, 5), st.integers(0, 4)), max_size=60
    ),
    least=st.integers(1, 4),
    most=st.integers(1, 6),
)
def test_words_too_wide_for_64_bits_are_counted_alike(cells, least, most):
    key = np.array([c[0] for c in cells], np.int64)
    unit = np.array([c[1] for c in cells], np.int32)
    hour = np.array([c[2] for c in cells], np.int32)
    asked = {"least": least, "most": most, "without": np.array([-2, 2], np.int64)}
    narrow = pairs_of(key, unit, hour, unit_bits=3, hour_bits=3, **asked)
    wide = pairs_of(key, unit, hour, unit_bits=31, hour_bits=32, **asked)
    for name in narrow.__struct_fields__:
        assert np.array_equal(getattr(narrow, name), getattr(wide, name)), name
    bits = (1 << hour).astype(np.uint8)
    for count in (
        lambda n: uses_of(key, unit, bits, least=least, spans=5, unit_bits=n),
        lambda n: count_users(key, unit, bits, np.array([-2, 0, 3]), spans=5, unit_bits=n),
    ):
        for one, other in zip(count(3), count(60), strict=True):
            assert np.array_equal(one, other)


def test_a_question_has_so_many_spans_of_time(tmp_path):
    make_facts(tmp_path, seed=6)
    with EmbeddedSource(tmp_path) as source, pytest.raises(ValueError, match="9 spans of time"):
        source.uses([(i, 0) for i in range(9)], least=2)


def test_one_token_may_fill_the_log(tmp_path):
    """An account with most of the traffic, an account per request, and a token in every row."""
    rows, n = 1_500, 1_000
    rng = np.random.default_rng(1)
    from titer.core.nouns import Principal
    from titer.hunt import hashing

    ids = [f"a{i:05d}" for i in range(n)]
    facts.write_accounts(tmp_path / "accounts-000000-0000.parquet", map(Principal, ids))
    hashes = np.array([hashing.of_text(i) for i in ids])
    columns = {c: rng.integers(1, 5, rows) for c in facts.COLUMNS}
    columns |= {f"f{i}": rng.integers(-(1 << 62), 1 << 62, rows) for i in range(1, 8)}
    columns["f0"] = np.full(rows, 7)
    columns["account"] = np.where(np.arange(rows) < n, hashes[np.arange(rows) % n], hashes[0])
    facts.write_rows(tmp_path / "rows-000000-0000.parquet", columns)
    facts.seal(tmp_path)
    with EmbeddedSource(tmp_path, memory=1_000) as source:
        check_source(source, tmp_path)
        found = source.tokens(
            least=2, most=n, active=np.ones(n, np.bool_), without=np.empty(0, np.int64)
        )
    assert found.value.tolist() == [7]
    assert len(found.unit) == n


def test_nothing_that_serves_loads_what_only_batches_need():
    import subprocess
    import sys

    code = (
        "import sys, titer.gateway.analysis, titer.gateway.worker, titer.hunt.live; "
        "sys.exit(any(m in sys.modules for m in ('numba', 'pyarrow', 'duckdb')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
