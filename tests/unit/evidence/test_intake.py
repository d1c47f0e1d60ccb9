"""The intake: an entry gets into the log once, whoever holds it, or is refused in words."""

from __future__ import annotations

import json
import os
import threading
import time

import pytest

from titer.core.errors import InputError
from titer.evidence import intake, private_folder
from titer.evidence.intake import Intake, enter
from titer.evidence.log import Log, View

ORIGIN = "titer.test/intake"
BODY = b'{"id":"c1","text":"looked into"}'


@pytest.fixture
def held(tmp_path):
    """A data directory whose log somebody holds."""
    with Log.open(tmp_path / "log", origin=ORIGIN) as log:
        log.append([("start", b"{}")])
        yield tmp_path, log


def holder(log, folder, stop, pause=0.01):
    while not stop.is_set():
        folder.take(log)
        time.sleep(pause)


def test_a_verb_appends_itself_when_nobody_holds_the_log(tmp_path):
    done = enter(tmp_path, "case", BODY, origin=ORIGIN)
    assert (done.how, done.index) == ("appended", 0)
    stored = View.open(tmp_path / "log").read(0)
    assert (stored.kind, stored.body) == ("case", BODY)
    assert "entry 0" in done.line()


def test_the_holder_appends_what_is_handed_over_and_answers_with_the_index(held):
    data, log = held
    stop = threading.Event()
    thread = threading.Thread(target=holder, args=(log, Intake(data), stop))
    thread.start()
    try:
        done = [enter(data, "case", b'{"id":"c%d"}' % i, origin=ORIGIN) for i in range(5)]
    finally:
        stop.set()
        thread.join()
    assert [d.index for d in done] == [1, 2, 3, 4, 5]
    assert {d.how for d in done} == {"handed over"}
    assert [log.kept(i).body for i in range(1, 6)] == [b'{"id":"c%d"}' % i for i in range(5)]
    assert list((data / "intake").iterdir()) == []


@pytest.mark.parametrize("kind", ["case", "rotation"])
def test_whoever_has_the_answer_finds_the_entry_in_whatever_it_reads_next(held, kind):
    data, log = held
    folder = Intake(data)
    name = folder.hand_over(kind, b'{"overlap":1000000}')
    assert View.open(data / "log").size == 0  # the holder has published nothing yet
    folder.take(log)
    assert View.open(data / "log").read(folder.answer(name).index).kind == kind


@pytest.mark.parametrize("kind", ["case", "rotation"])
def test_what_an_entry_asks_for_is_done_before_it_is_answered(held, kind):
    data, log = held
    folder = Intake(data)
    name = folder.hand_over(kind, b'{"overlap":1000000}')
    acted = []

    def act(taken):
        assert View.open(data / "log").read(taken.index).kind == kind
        assert folder.answer(name) is None
        acted.append(taken)
        if len(acted) == 1 and kind == "case":  # what cannot be redone is refused when asked again
            raise OSError(5, "the holder fails")

    if kind == "case":
        with pytest.raises(OSError, match="fails"):
            folder.take(log, act)
        assert folder.answer(name) is None
    assert folder.take(log, act) == acted[-1:]
    assert folder.answer(name).index == acted[-1].index == 1


def test_an_entry_is_taken_when_the_disk_has_no_room_for_a_head(held, monkeypatch):
    data, log = held
    folder = Intake(data)
    name = folder.hand_over("case", BODY)

    def full():
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(log, "checkpoint", full)
    folder.take(log)
    monkeypatch.undo()
    assert folder.answer(name).index == 1
    log.checkpoint()
    assert View.open(data / "log").read(1).body == BODY


def test_what_the_holder_does_not_take_in_time_is_kept_for_the_next(held):
    data, log = held
    done = enter(data, "case", BODY, origin=ORIGIN, timeout=0.05)
    assert (done.how, done.index) == ("waiting", None)
    assert done.id in done.line()
    log.close()
    after = enter(data, "note", BODY, origin=ORIGIN)
    assert (after.how, after.index) == ("appended", 2)
    assert View.open(data / "log").read(1).kind == "case"


def test_a_verb_that_waits_takes_over_when_the_holder_goes_away(held):
    data, log = held
    threading.Timer(0.15, log.close).start()
    done = enter(data, "case", BODY, origin=ORIGIN)
    assert (done.how, done.index) == ("handed over", 1)


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        ("exchange", BODY, "cannot be handed in"),
        ("finding", BODY, "cannot be handed in"),
        ("start", BODY, "cannot be handed in"),
        ("decision", b'{"id":"d"}', "who decided"),
        ("decision", b'{"id":"d","by":"policy"}', "who decided"),
        ("case", b"[]", "one JSON object"),
        ("case", b"{", "one JSON object"),
        ("case", b'{"a":"' + b"x" * intake.MAX_BODY + b'"}', "at most"),
    ],
)
def test_what_may_not_come_in_is_refused_by_the_verb_and_by_the_holder(held, kind, body, words):
    data, log = held
    with pytest.raises(InputError, match=words):
        enter(data, kind, body, origin=ORIGIN)
    folder = Intake(data)
    folder.hand_over("case", BODY)  # makes the folder
    folder.take(log)
    forged = data / "intake" / "1-forged.entry"
    forged.touch(mode=0o600)
    forged.write_text(json.dumps({"kind": kind, "body": body.decode()}))
    size = log.size
    assert folder.take(log) == []
    assert log.size == size
    assert not forged.exists()
    answer = folder.answer("1-forged")
    assert answer is not None
    assert words in answer.refused


def test_links_foreign_files_and_pipes_are_removed_and_not_followed(held):
    data, log = held
    folder = Intake(data)
    folder.hand_over("case", BODY)
    folder.take(log)
    where = data / "intake"
    outside = data / "outside"
    outside.touch(mode=0o600)
    outside.write_text(json.dumps({"kind": "case", "body": "{}"}))
    (where / "1-link.entry").symlink_to(outside)
    (where / "2-hard.entry").hardlink_to(outside)
    os.mkfifo(where / "3-pipe.entry", 0o600)
    (where / "4-open.entry").write_bytes(outside.read_bytes())
    (where / "4-open.entry").chmod(0o644)
    (where / "5-big.entry").touch(mode=0o600)
    os.truncate(where / "5-big.entry", 10 * intake.MAX_BODY)
    (where / "6-junk.entry").touch(mode=0o600)
    size = log.size
    assert folder.take(log) == []
    assert log.size == size
    assert outside.exists()
    assert [p.name for p in where.iterdir() if p.name.endswith(".entry")] == []


def test_a_folder_that_others_may_write_to_is_refused(held):
    data, log = held
    folder = Intake(data)
    folder.hand_over("case", BODY)
    (data / "intake").chmod(0o777)
    for act in (lambda: folder.take(log), lambda: folder.hand_over("case", BODY)):
        with pytest.raises(InputError, match="other users"):
            act()
    (data / "intake").chmod(0o700)
    (data / "elsewhere").mkdir()
    (data / "intake").rename(data / "old")
    (data / "intake").symlink_to(data / "elsewhere")
    with pytest.raises(InputError, match="no folder"):
        folder.take(log)


def test_more_than_may_wait_is_refused(held, monkeypatch):
    data, log = held
    monkeypatch.setattr(intake, "MAX_WAITING", 3)
    folder = Intake(data)
    for _ in range(3):
        folder.hand_over("case", BODY)
    with pytest.raises(InputError, match="wait in"):
        folder.hand_over("case", BODY)
    assert len(folder.take(log)) == 3
    folder.hand_over("case", BODY)


def test_a_disk_that_is_full_loses_nothing(held, monkeypatch):
    data, log = held
    folder = Intake(data)
    name = folder.hand_over("case", BODY)

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(log.journal, "append", full)
        with pytest.raises(OSError, match="space"):
            folder.take(log)
    assert folder.answer(name) is None
    (taken,) = folder.take(log)
    assert (taken.index, taken.kind, taken.body) == (1, "case", BODY)
    assert folder.answer(name).index == 1


def test_a_crash_at_any_step_appends_once(tmp_path, monkeypatch):
    """The holder stops at its n-th call to the disk, and another takes over."""
    steps = 0
    for stop in range(1, 40):
        data = tmp_path / str(stop)
        calls = 0

        class Stopped(BaseException):
            pass

        def counted(real, stop=stop, error=Stopped):
            def call(*args, **kwargs):
                nonlocal calls
                calls += 1
                if calls == stop:
                    raise error
                return real(*args, **kwargs)

            return call

        log = Log.open(data / "log", origin=ORIGIN)
        folder = Intake(data)
        names = [folder.hand_over("case", b'{"id":"c%d"}' % i) for i in range(3)]
        with monkeypatch.context() as broken:
            for name in ("put", "drop", "get"):
                broken.setattr(private_folder, name, counted(getattr(private_folder, name)))
            broken.setattr(log.journal, "append", counted(log.journal.append))
            try:
                folder.take(log)
            except Stopped:
                steps += 1
        Intake(data).take(log)
        assert sorted(log.kept(i).body for i in range(log.size)) == [
            b'{"id":"c%d"}' % i for i in range(3)
        ]
        assert sorted(folder.answer(name).index for name in names) == [0, 1, 2]
        log.close()
    assert steps > 10
