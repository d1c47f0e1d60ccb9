"""Logged contexts: keyed, only what was reached, merged, and refused when they do not fit."""

from __future__ import annotations

import numpy as np
import pytest

from titer.core.errors import InputError
from titer.marks import context_log
from titer.marks.context_log import ContextLog
from titer.marks.contexts import as_tokens, hashes

SECRET = bytes(range(32))


def text(*ids):
    return as_tokens(np.array(ids))


def test_only_contexts_that_our_replies_reached_are_kept():
    log = ContextLog(SECRET, 2)
    log.add([text(1, 2, 3, 4), text(9, 9)])
    suspect = text(7, 1, 2, 8, 2, 3, 5, 3, 4, 6)
    places = np.arange(2, len(suspect))
    assert log.among(suspect, places).tolist() == [3, 6]  # (1, 2) and (2, 3); (3, 4) ended a text
    assert len(log) == 2
    assert ContextLog(SECRET, 2).among(suspect, places).tolist() == []


def test_what_is_kept_depends_on_the_secret():
    logs = [ContextLog(SECRET, 2), ContextLog(bytes(32), 2)]
    for log in logs:
        log.add([text(1, 2, 3, 4)])
    assert logs[0].dump() != logs[1].dump()
    assert b"\x01\x00\x00\x00\x02" not in logs[0].dump()


def test_files_are_merged_and_come_back_the_same():
    one, two = ContextLog(SECRET, 1), ContextLog(SECRET, 1)
    one.add([text(*range(100))])
    two.add([text(*range(50, 150))])
    two.load(one.dump())
    assert len(two) == 149
    again = ContextLog(SECRET, 1)
    again.load(two.dump())
    assert again.dump() == two.dump()


def test_a_file_of_the_first_version_is_read():
    log = ContextLog(SECRET, 2)
    log.add([text(1, 2, 3, 4, 5)])
    wide = np.frombuffer(log.kept, "<u4").astype("<u8") | np.uint64(7 << 32)
    head, _, _ = log.dump().partition(b"\n")
    old = ContextLog(SECRET, 2)
    old.load(head.replace(b'"v":2', b'"v":1') + b"\n" + wide.tobytes())
    assert old.dump() == log.dump()


def test_contexts_are_recognised_by_their_hashes_and_by_their_place():
    log, other = ContextLog(SECRET, 2), ContextLog(SECRET, 2)
    log.add([text(1, 2, 3, 4)])
    other.merge([log.kept])
    suspect = text(7, 1, 2, 8, 2, 3, 5)
    places = np.arange(2, len(suspect))
    contexts, _ = hashes(suspect, places, 2)
    assert other.holds(contexts).tolist() == [False, True, False, False, True]
    assert other.among(suspect, places).tolist() == [3, 6]
    with pytest.raises(InputError, match="damaged"):
        other.merge([b"123"])


def test_files_that_do_not_fit_are_refused(monkeypatch):
    log = ContextLog(SECRET, 2)
    log.add([text(1, 2, 3)])
    data = log.dump()
    for bad in (b"", b"{}\n", data[:-1], data.replace(b'"v":2', b'"v":3')):
        with pytest.raises(InputError, match="logged contexts"):
            ContextLog(SECRET, 2).load(bad)
    with pytest.raises(InputError, match="another width"):
        ContextLog(SECRET, 4).load(data)
    with pytest.raises(InputError, match="1 to 64"):
        ContextLog(SECRET, 0)
    monkeypatch.setattr(context_log, "MAX_CONTEXTS", 10)
    with pytest.raises(InputError, match="another file"):
        log.add([text(*range(40))])
