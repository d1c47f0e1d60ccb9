"""A line that a log repeats counts once; lines that only look alike count each."""

import shutil

import numpy as np
import pytest

from titer.core.nouns import Principal
from titer.hunt import facts
from titer.hunt.repeats import remove_repeats

KEY = ("at", "account", "exact", "draw")


def write(folder, number, rows):
    """Rows given as (at, account, exact, draw, tokens_out)."""
    columns = {c: np.zeros(len(rows), np.int64) for c in facts.COLUMNS}
    for place, name in enumerate((*KEY, "tokens_out")):
        columns[name] = np.array([r[place] for r in rows], np.int64)
    facts.write_rows(folder / f"rows-{number:06d}-0000.parquet", columns)


def read(folder):
    import pyarrow.parquet as pq

    columns = [*KEY, "tokens_out"]
    return [
        tuple(row[c] for c in columns)
        for path in facts.rows_files(folder)
        for row in pq.read_table(path, columns=columns).to_pylist()
    ]


@pytest.mark.parametrize("most", [1_000_000, 50])
def test_the_first_of_equal_rows_stays(tmp_path, most):
    rng = np.random.default_rng(3)
    rows = [(*map(int, rng.integers(0, 4, 4)), i) for i in range(400)]
    for number in range(4):
        write(tmp_path, number, rows[number * 100 : number * 100 + 100])
    wanted = list({row[:4]: row for row in reversed(rows)}.values())[::-1]
    wanted.sort(key=lambda row: row[4])
    assert remove_repeats(tmp_path, most=most) == 400 - len(wanted)
    assert read(tmp_path) == wanted
    assert remove_repeats(tmp_path, most=most) == 0


def test_a_log_without_repetitions_is_left_alone(tmp_path):
    write(tmp_path, 0, [(1, 2, 3, 4, 0), (1, 2, 3, 5, 0), (2, 1, 3, 4, 0)])
    (path,) = facts.rows_files(tmp_path)
    before = path.stat().st_mtime_ns
    assert remove_repeats(tmp_path) == 0
    assert path.stat().st_mtime_ns == before
    assert remove_repeats(tmp_path / "nothing") == 0


def test_a_file_given_twice_counts_once(tmp_path):
    write(tmp_path, 0, [(i, 7, i % 3, i, i) for i in range(50)])
    shutil.copy(tmp_path / "rows-000000-0000.parquet", tmp_path / "rows-000001-0000.parquet")
    facts.write_accounts(tmp_path / "accounts-000000-0000.parquet", [Principal("a")])
    assert remove_repeats(tmp_path) == 50
    about = facts.seal(tmp_path, read=100)
    assert (about.rows, about.repeated) == (50, 50)
