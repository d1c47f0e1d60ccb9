"""The log: what is kept, what is published, and what opening refuses or repairs."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys

import pytest

from titer.core.errors import EvidenceError
from titer.evidence import checkpoint, merkle, restore
from titer.evidence import log as module
from titer.evidence.log import Log, View

ORIGIN = "titer.test/unit"


def reopen(log):
    log.close()
    return Log.open(log.directory, origin=ORIGIN)


def abandon(log):
    """What a killed process leaves: no last checkpoint, and the lock is gone."""
    log.journal.close()
    os.close(log._lock)
    log._lock = -1


def test_what_was_appended_is_read_back(opened, bodies):
    assert opened.append(bodies(0, 3), at=1) == 0
    assert opened.append([]) == 3
    assert opened.append(bodies(3, 2, "finding"), at=2) == 3
    assert opened.size == 5
    found = list(opened.scan())
    assert [(s.index, s.kind, s.at, s.body) for s in found] == [
        *((i, "exchange", 1, b'{"id":"x%d"}' % i) for i in range(3)),
        *((i, "finding", 2, b'{"id":"x%d"}' % i) for i in range(3, 5)),
    ]
    assert [s.index for s in opened.scan(3)] == [3, 4]
    assert [s.index for s in opened.scan(1, 3)] == [1, 2]
    assert opened.read(4) == found[4]
    assert len({s.salt for s in found}) == 5
    for index in (-1, 5):
        with pytest.raises(IndexError, match="5 entries"):
            opened.read(index)


def test_a_head_covers_everything_and_is_signed_once(opened, bodies):
    empty = opened.checkpoint()
    assert opened.head.size == 0
    opened.append(bodies(0, 300))
    signed = opened.checkpoint()
    assert signed != empty
    assert opened.checkpoint() == signed == opened.publish()
    assert (opened.directory / "checkpoint").read_text() == signed
    assert checkpoint.read(signed.encode(), [opened.verifier]) == opened.head
    stored = opened.read(123)
    merkle.verify_inclusion(
        stored.leaf, opened.inclusion(123), index=123, size=300, root=opened.head.root
    )
    opened.check()


def test_time_is_the_clock_unless_given_and_may_go_back(opened, monkeypatch):
    monkeypatch.setattr(module.time, "time_ns", lambda: 1_700_000_000_000_001_999)
    opened.append([("gap", b"{}")])
    opened.append([("gap", b"{}")], at=3)
    assert [s.at for s in opened.scan()] == [1_700_000_000_000_001, 3]
    opened.checkpoint()
    again = reopen(opened)
    assert [s.at for s in again.scan()] == [1_700_000_000_000_001, 3]
    again.close()


def test_a_bad_entry_keeps_nothing_of_its_batch(opened):
    with pytest.raises(ValueError, match="a kind is"):
        opened.append([("gap", b"{}"), ("no kind", b"{}")])
    assert opened.size == 0


def test_the_log_goes_on_where_it_ended(opened, bodies):
    opened.append(bodies(0, 700))
    key = opened.verifier
    again = reopen(opened)
    assert (again.size, again.torn, again.verifier) == (700, 0, key)
    assert again.head.size == 700
    old = again.head
    again.append(bodies(700, 100))
    again.checkpoint()
    merkle.verify_consistency(
        again.consistency(700),
        old=700,
        new=800,
        old_root=old.root,
        new_root=again.head.root,
    )
    again.close()
    again.close()
    for act in (again.checkpoint, lambda: again.append([("gap", b"")])):
        with pytest.raises(ValueError, match="closed"):
            act()


def test_unpublished_entries_outlive_a_kill(opened, bodies):
    opened.append(bodies(0, 300))
    opened.checkpoint()
    opened.append(bodies(300, 300))
    abandon(opened)
    with Log.open(opened.directory, origin=ORIGIN) as again:
        assert again.size == 600
        again.checkpoint()
        again.check()


def test_many_unpublished_entries_are_shown_in_steps(opened, bodies, monkeypatch):
    monkeypatch.setattr(restore, "MAX_WAITING", 1)
    monkeypatch.setattr(restore, "_BATCH", 256)
    opened.append(bodies(0, 1500))
    abandon(opened)
    shutil.rmtree(opened.directory / "tile", ignore_errors=True)
    with Log.open(opened.directory, origin=ORIGIN) as again:
        again.checkpoint()
        again.check()
    shutil.rmtree(opened.directory / "tile")
    with Log.open(opened.directory, origin=ORIGIN) as again:
        assert again.head.size == 1500


def test_one_writer_at_a_time(opened):
    with pytest.raises(BlockingIOError, match="another process writes"):
        Log.open(opened.directory, origin=ORIGIN)
    code = (
        "import sys, pathlib\nfrom titer.evidence.log import Log\n"
        "try: Log.open(pathlib.Path(sys.argv[1]), origin='titer.test/unit')\n"
        "except BlockingIOError: sys.exit(7)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(opened.directory)], check=False)
    assert done.returncode == 7
    opened.close()
    Log.open(opened.directory, origin=ORIGIN).close()


def test_a_failed_open_lets_go_of_the_lock(opened):
    opened.close()
    for _ in range(2):
        with pytest.raises(EvidenceError, match="is named titer.test/unit"):
            Log.open(opened.directory, origin="titer.test/else")
    Log.open(opened.directory, origin=ORIGIN).close()


def test_the_key_is_private_and_stays(opened):
    directory = opened.directory
    assert stat.S_IMODE((directory / "log.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((directory / "bodies/000000000000").stat().st_mode) == 0o600
    assert (directory / "log.pub").read_text() == f"{opened.verifier}\n"
    assert opened.signer().verifier == View.open(directory).signer().verifier
    opened.close()
    (directory / "log.pub").unlink()  # killed between the two files
    Log.open(directory, origin=ORIGIN).close()
    assert (directory / "log.pub").read_text() == f"{opened.verifier}\n"
    (directory / "log.key").unlink()
    with pytest.raises(EvidenceError, match=r"log\.key is gone"):
        Log.open(directory, origin=ORIGIN)
    other = Log.open(directory / "other", origin=ORIGIN)
    other.close()
    shutil.copy(directory / "other/log.key", directory / "log.key")
    with pytest.raises(EvidenceError, match="do not belong together"):
        Log.open(directory, origin=ORIGIN)


def test_a_new_log_needs_a_name(tmp_path):
    with pytest.raises(ValueError, match="key name"):
        Log.open(tmp_path / "log")


def test_an_old_log_needs_none(opened):
    opened.close()
    with Log.open(opened.directory) as again:
        assert again.verifier.name == ORIGIN


def test_a_view_reads_what_is_published_beside_the_writer(opened, bodies):
    opened.append(bodies(0, 10))
    view = View.open(opened.directory)
    assert (view.size, list(view.scan())) == (0, [])
    with pytest.raises(LookupError, match="not published"):
        view.publish()
    with pytest.raises(EvidenceError, match="published head"):
        view.check()
    signed = opened.checkpoint()
    opened.append(bodies(10, 10))
    assert view.publish() == signed
    assert view.size == 10
    assert view.read(9).body == b'{"id":"x9"}'
    with pytest.raises(IndexError):
        view.read(10)
    view.check()
    merkle.verify_inclusion(
        view.read(4).leaf, view.inclusion(4), index=4, size=10, root=view.head.root
    )


def test_there_is_no_view_of_no_log(tmp_path):
    with pytest.raises(FileNotFoundError):
        View.open(tmp_path)


@pytest.fixture
def closed(opened, bodies):
    """A closed log of 700 entries whose last head covers all; (directory, its head)."""
    opened.append(bodies(0, 400))
    opened.checkpoint()
    opened.append(bodies(400, 300))
    opened.close()
    return opened.directory, opened.head


@pytest.mark.parametrize(
    "name",
    [
        *("tile/0/000", "tile/0/001", "tile/entries/001", "tile/0/002.p/188"),
        *("tile/entries/002.p/188", "tile/1/000.p/2"),
    ],
)
@pytest.mark.parametrize("damage", ["gone", "empty", "half"])
def test_lost_tiles_are_made_again(closed, name, damage):
    directory, head = closed
    path = directory / name
    whole = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(whole[: len(whole) // 2 if damage == "half" else 0])
    with Log.open(directory, origin=ORIGIN) as log:
        assert log.head == head
        if path.suffix != ".p" and ".p/" not in name:
            assert path.read_bytes() == whole
        log.append([("gap", b"{}")])
        log.checkpoint()
        log.check()
        assert merkle.root_hash(700, log.tiles.nodes(700)) == head.root


def test_all_tiles_lost(closed):
    directory, head = closed
    shutil.rmtree(directory / "tile")
    with Log.open(directory, origin=ORIGIN) as log:
        assert log.head == head
        assert (directory / "tile/0/001").exists()
        log.check()


def test_a_changed_leaf_tile_of_the_edge_is_made_again(closed):
    directory, head = closed
    path = directory / "tile/0/002.p/188"
    path.write_bytes(bytes(32) + path.read_bytes()[32:])
    with Log.open(directory, origin=ORIGIN) as log:
        assert merkle.root_hash(700, log.tiles.nodes(700)) == head.root


def cut(directory, entries):
    """Take entries off the journal's end."""
    path = directory / "bodies/000000000000"
    raw = path.read_bytes()
    for _ in range(entries):
        raw = raw[: raw.rindex(b"TJ1\n")]
    path.write_bytes(raw)


def test_a_shorter_journal_is_refused_and_left_alone(closed):
    directory, _ = closed
    cut(directory, 1)
    before = (directory / "bodies/000000000000").read_bytes()
    for _ in range(2):
        with pytest.raises(EvidenceError, match="the head covers 700 entries"):
            Log.open(directory, origin=ORIGIN)
    assert (directory / "bodies/000000000000").read_bytes() == before


def test_a_shorter_journal_without_a_head_is_seen_by_its_tiles(closed):
    directory, _ = closed
    (directory / "checkpoint").unlink()
    cut(directory, 1)
    with pytest.raises(EvidenceError, match="tiles show entries"):
        Log.open(directory, origin=ORIGIN)


def test_other_entries_under_an_old_head_are_refused(closed, tmp_path, bodies):
    directory, _ = closed
    with Log.open(tmp_path / "other", origin=ORIGIN) as other:
        other.append(bodies(0, 700))
    shutil.copy(tmp_path / "other/bodies/000000000000", directory / "bodies/000000000000")
    with pytest.raises(EvidenceError, match="does not lead to the published head"):
        Log.open(directory, origin=ORIGIN)


def test_other_entries_than_the_tiles_show_are_refused(closed, tmp_path, bodies):
    directory, _ = closed
    (directory / "checkpoint").unlink()
    with Log.open(tmp_path / "other", origin=ORIGIN) as other:
        other.append(bodies(0, 700))
    shutil.copy(tmp_path / "other/bodies/000000000000", directory / "bodies/000000000000")
    with pytest.raises(EvidenceError, match="differs from the journal"):
        Log.open(directory, origin=ORIGIN)


def test_a_head_of_another_log_is_refused(closed, tmp_path):
    directory, _ = closed
    with Log.open(tmp_path / "other", origin=ORIGIN) as other:
        other.checkpoint()
    shutil.copy(tmp_path / "other/checkpoint", directory / "checkpoint")
    with pytest.raises(EvidenceError, match="no signature by a known key"):
        Log.open(directory, origin=ORIGIN)


def test_check_finds_a_changed_body(closed):
    directory, _ = closed
    view = View.open(directory)
    real = view.journal.scan
    from msgspec.structs import replace

    def swapped(start, stop):
        for stored in real(start, stop):
            yield replace(stored, body=b"else") if stored.index == 5 else stored

    view.journal.scan = swapped
    with pytest.raises(EvidenceError, match="entry 5 is not what was committed to"):
        view.check()
    view.journal.scan = lambda start, stop: (
        replace(s, body=None, salt=None) for s in real(start, stop)
    )
    view.check()  # erased bodies leave every proof valid


def test_no_head_is_signed_over_tiles_that_do_not_lead_to_it(opened, bodies):
    opened.append(bodies(0, 300))
    opened.checkpoint()
    head = opened.head
    opened.append(bodies(300, 300))
    real = opened._tree.write

    def spoilt():
        real()
        (opened.directory / "tile/0/002.p/88").write_bytes(bytes(88 * 32))

    opened._tree.write = spoilt
    with pytest.raises(EvidenceError, match="do not lead to the new head"):
        opened.checkpoint()
    assert View.open(opened.directory).head == opened.head == head
    abandon(opened)


def test_no_head_is_signed_that_does_not_extend_the_last(opened, bodies):
    opened.append(bodies(0, 300))
    opened.checkpoint()
    seen = (opened.directory / "checkpoint").read_text()
    opened.head = checkpoint.Checkpoint(origin=ORIGIN, size=300, root=bytes(32))
    opened.append(bodies(300, 300))
    with pytest.raises(EvidenceError, match="another old root"):
        opened.checkpoint()
    assert (opened.directory / "checkpoint").read_text() == seen
    abandon(opened)
