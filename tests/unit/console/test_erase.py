"""Erasing: what is left in files, and what is said of an account inside an organisation."""

from __future__ import annotations

import os

import msgspec
import pytest

from titer.access.keys import KeyBook
from titer.access.secret import load_or_create
from titer.console import erase as erasing
from titer.console.erase import erase
from titer.core.errors import InputError
from titer.core.ids import Pseudonyms
from titer.core.nouns import Exchange, Principal
from titer.evidence.log import View
from titer.gateway.assembly import feed_sink, open_log
from titer.gateway.snapshots import Snapshots
from titer.respond.ladder import default_ladder


@pytest.fixture
def data(tmp_path):
    of = Pseudonyms(load_or_create(tmp_path)).of
    with open_log(tmp_path) as log:
        for who, org in (("alone", ""), ("ann", "acme"), ("bo", "acme")):
            principal = Principal(of("principal", who), of("org", org) if org else "")
            log.append(
                [("exchange", msgspec.json.encode(Exchange(f"x-{who}", 5, principal, "/v1")))]
            )
    return tmp_path


def exchanges(data):
    return [s.body is not None for s in View.open(data / "log").scan() if s.kind == "exchange"]


def test_an_account_inside_an_organisation_is_refused_with_the_reason(data):
    for name in ("ann", Pseudonyms(load_or_create(data)).of("principal", "bo")):
        with pytest.raises(InputError, match="is an account of the organisation") as caught:
            erase(data, name, reason="asked")
        said = str(caught.value)
        assert "nobody could replay them" in said
        assert Pseudonyms(load_or_create(data)).of("org", "acme") in said
    assert exchanges(data) == [True, True, True]
    with pytest.raises(InputError, match="nothing about"):
        erase(data, "nobody", reason="asked")
    erase(data, "alone", reason="asked")
    erase(data, "acme", reason="asked")
    assert exchanges(data) == [False, False, False]
    with pytest.raises(InputError, match="nothing about"):  # the log has no account left in it
        erase(data, "ann", reason="asked")


def test_an_account_with_a_key_is_known_without_reading_the_log(data, monkeypatch):
    with KeyBook(data) as book:
        book.create(org="acme")
        (record,) = book.list()
    monkeypatch.setattr(erasing, "_organisation", lambda *_: pytest.fail("the log was read"))
    with pytest.raises(InputError, match="is an account of the organisation acme"):
        erase(data, record.principal, reason="asked")
    with pytest.raises(InputError, match=r"is a key; .* \(acme\) as a whole"):
        erase(data, record.account, reason="asked")
    assert exchanges(data) == [True, True, True]


def test_what_a_killed_process_left_half_written_goes_with_an_erasure(data):
    state = data / "state"
    state.mkdir()
    old = state / ".weigher.msgpack.4711"
    view = state / ".standings.json.4712"
    other = state / ".received.json.4713"
    for path in (old, view, other):
        path.write_bytes(b"alone")
    erase(data, "alone", reason="asked")
    assert not old.exists()
    assert not view.exists()
    assert other.exists()
    old.write_bytes(b"x")
    with feed_sink(data, default_ladder()):
        assert not old.exists()


def test_a_full_disk_leaves_no_half_of_a_snapshot(data, monkeypatch):
    kept = Snapshots(data / "state")
    before = os.listdir(data / "state")

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(OSError, match="space"):
        kept._write("weigher.msgpack", b"x")
    assert os.listdir(data / "state") == before
