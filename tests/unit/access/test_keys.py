"""The key book: who is let in, who is not, and that both cost the same."""

from __future__ import annotations

import hashlib
import hmac
import logging
from pathlib import Path

import pytest

from titer.access import KeyBook, Limits, Tier, keys
from titer.core.errors import InputError, Refused
from titer.core.ids import Pseudonyms

NOW = 1_800_000_000_000_000


def refused(book: KeyBook, presented: str, now: int = NOW) -> Refused:
    with pytest.raises(Refused) as caught:
        book.admit(presented, now)
    assert caught.value.problem.kind == "authentication"
    return caught.value


def test_a_key_is_admitted_as_pseudonyms(book: KeyBook, data: Path) -> None:
    record, key = book.create(org="acme", tier="gold", grants=["distillation", "a", "a"])
    caller = book.admit(key, NOW)
    names = Pseudonyms(bytes.fromhex((data / "secret").read_text()))
    assert caller.key_id == record.id == key[6:16]
    assert caller.principal.id == record.principal == names.of("principal", record.id)
    assert caller.principal.org == record.subject == names.of("org", "acme")
    assert caller.principal.tier == "gold"
    assert caller.principal.grants == ("a", "distillation")
    assert caller.principal.created == record.created > 0
    assert "acme" not in repr(caller)
    assert caller.budgets == ()
    assert book.admit(key, NOW) == caller


def test_a_key_without_an_organisation_stands_for_itself(book: KeyBook) -> None:
    record, key = book.create(org="")
    caller = book.admit(key, NOW)
    assert (caller.principal.org, caller.org_slot) == ("", 0)
    assert caller.principal.subject == record.subject == record.principal


def test_every_failure_is_the_same_refusal_and_one_count(book: KeyBook) -> None:
    _, key = book.create(org="acme")
    gone, gone_key = book.create(org="acme")
    book.revoke(gone.id)
    _, late = book.create(org="acme", expires=NOW)
    stranger = KeyBook(book._store.path.parent / "other")
    _, foreign = stranger.create(org="acme")
    stranger.close()
    wrong = key[:-1] + ("0" if key[-1] != "0" else "1")
    bad = [wrong, gone_key, late, foreign, "", "x", key + "x", key[:-1], key.upper(), " " + key]
    bad += ["titer_" + "a" * 58, "\ud800" * 64, "é" * 64, "\x00" * 64, "a" * 10**6, key * 3]
    problems = {refused(book, presented).problem for presented in bad}
    assert len(problems) == 1
    assert book.denied == len(bad)
    book.admit(key, NOW)
    assert book.denied == len(bad)


def test_an_unknown_id_costs_what_a_wrong_secret_costs(
    book: KeyBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, key = book.create(org="acme")
    work = []
    digest, compare = hmac.digest, hmac.compare_digest
    monkeypatch.setattr(
        keys.hmac, "digest", lambda k, m, d: work.append(("digest", len(m))) or digest(k, m, d)
    )
    monkeypatch.setattr(
        keys.hmac,
        "compare_digest",
        lambda a, b: work.append(("compare", len(a), len(b))) or compare(a, b),
    )
    per_case = []
    unknown = "titer_" + "0" * 10 + key[16:]
    for presented in (key[:-1] + "-", unknown, "titer_" + "-" * 58):
        work.clear()
        refused(book, presented)
        per_case.append(tuple(work))
    assert set(per_case) == {(("digest", 64), ("compare", 32, 32))}
    work.clear()
    refused(book, "a" * 10**6)
    assert work[0] == ("digest", 65)  # what is too long is cut, not hashed


def test_only_hmacs_are_stored(book: KeyBook, data: Path) -> None:
    _, key = book.create(org="acme")
    book.close()
    for path in data.iterdir():
        content = path.read_bytes()
        assert key.encode() not in content
        assert key[17:].encode() not in content
        assert hashlib.sha256(key.encode()).digest() not in content


def test_nothing_speaks_of_keys(
    book: KeyBook, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    record, key = book.create(org="acme")
    wrong = key[:-4] + "zzzz"
    error = refused(book, wrong)
    said = [str(error), repr(error), repr(error.problem), repr(book), repr(record)]
    with pytest.raises(InputError) as caught:
        book.revoke(key)  # a whole key where an id was asked for
    said += [str(caught.value), caplog.text, *capsys.readouterr()]
    assert not any(key[17:50] in text for text in said)


def test_expiry_is_exact(book: KeyBook) -> None:
    record, key = book.create(org="acme", expires=NOW)
    assert record.expires == NOW
    book.admit(key, NOW - 1)
    refused(book, key, NOW)
    book.admit(key, NOW - 1)


def test_revocation_reaches_another_book_by_refresh(book: KeyBook, data: Path) -> None:
    record, key = book.create(org="acme")
    with KeyBook(data) as worker:
        worker.admit(key, NOW)
        book.revoke(record.id)
        refused(book, key)
        assert worker.refresh() is True
        refused(worker, key)
        assert worker.refresh() is False
        again = book.revoke(record.id)
        assert again.revoked == book.revoke(record.id).revoked > 0


def test_a_new_key_reaches_another_book_by_refresh(book: KeyBook, data: Path) -> None:
    with KeyBook(data) as worker:
        _, key = book.create(org="acme")
        refused(worker, key)
        assert worker.refresh()
        assert worker.admit(key, NOW) == book.admit(key, NOW)


def test_rotation_keeps_the_account(book: KeyBook) -> None:
    limits = Limits(requests_per_day=7)
    first, old = book.create(
        org="acme", tier="gold", grants=["g"], limits=limits, expires=NOW + 10**12
    )
    before = book.admit(old, NOW)
    second, new = book.rotate(first.id)
    refused(book, old)
    after = book.admit(new, NOW)
    assert (after.principal.id, after.principal.org) == (before.principal.id, before.principal.org)
    assert (after.slot, after.org_slot, after.limits) == (before.slot, before.org_slot, limits)
    assert (second.tier, second.grants, second.expires) == ("gold", ("g",), first.expires)
    assert second.account == first.id
    third, newest = book.rotate(second.id)
    assert (third.account, book.admit(newest, NOW).slot) == (first.id, before.slot)


def test_rotation_with_an_overlap(book: KeyBook) -> None:
    record, old = book.create(org="acme")
    _, new = book.rotate(record.id, overlap_s=3600)
    (was,) = [r for r in book.list() if r.id == record.id]
    assert was.revoked == 0
    assert 0 <= was.expires - was.created - 3600 * 10**6 <= 2 * 10**6
    book.admit(old, was.expires - 1)
    book.admit(new, was.expires - 1)
    refused(book, old, was.expires)
    book.admit(new, was.expires)


def test_an_overlap_never_prolongs(book: KeyBook) -> None:
    import time

    soon = (int(time.time()) + 60) * 10**6
    record, old = book.create(org="acme", expires=soon)
    book.rotate(record.id, overlap_s=3600)
    book.admit(old, soon - 1)
    refused(book, old, soon)


def test_rotation_brings_nothing_back(book: KeyBook) -> None:
    revoked, _ = book.create(org="acme")
    book.revoke(revoked.id)
    expired, _ = book.create(org="acme", expires=10**6)
    for record in (revoked, expired):
        with pytest.raises(InputError, match="new one"):
            book.rotate(record.id)
    with pytest.raises(InputError, match="negative"):
        book.rotate(revoked.id, overlap_s=-1)
    with pytest.raises(InputError, match="no key of this id"):
        book.rotate("nobody")
    assert len(book.list()) == 2


def test_limits_come_from_the_key_then_from_the_tier(data: Path) -> None:
    tier = Tier(key=Limits(requests_per_minute=5), org=Limits(tokens_in_per_day=9))
    own = Limits(requests_per_minute=1)
    with KeyBook(data, tiers={"standard": tier}) as book:
        _, plain = book.create(org="acme")
        _, special = book.create(org="acme", limits=own)
        _, free = book.create(org="acme", tier="free")
        _, loner = book.create(org="", limits=Limits())
        assert book.admit(plain, NOW).limits == tier.key
        assert book.admit(special, NOW).limits == own
        assert book.admit(special, NOW).org_limits == tier.org
        assert book.admit(free, NOW).budgets == ()
        assert book.admit(loner, NOW).budgets == ()  # no organisation, and freed from the tier
        book.limit_org("acme", own)
        for key in (plain, special, free):
            assert book.admit(key, NOW).org_limits == own
        with KeyBook(data, tiers={"standard": tier}) as worker:
            assert worker.admit(plain, NOW).org_limits == own
            book.limit_org("acme", None)
            assert worker.refresh()
            assert worker.admit(plain, NOW).org_limits == tier.org
        assert book.admit(free, NOW).org_limits == Limits()


def test_slots_are_dense_and_stay(book: KeyBook, data: Path) -> None:
    made = [book.create(org=f"org-{i % 3}") for i in range(9)]
    callers = [book.admit(key, NOW) for _, key in made]
    slots = {c.slot for c in callers} | {c.org_slot for c in callers}
    assert slots == set(range(1, 13))
    with KeyBook(data) as again:
        assert [again.admit(key, NOW) for _, key in made] == callers


def test_the_list_is_complete_and_holds_no_key(book: KeyBook) -> None:
    first, key = book.create(org="acme", limits=Limits(requests_per_minute=3))
    second, _ = book.create(org="")
    book.revoke(second.id)
    listed = book.list()
    assert [r.id for r in listed] == [first.id, second.id]
    assert listed[0] == first
    assert listed[1].revoked >= listed[1].created
    assert key[17:50] not in repr(listed)
    assert len(book) == 1


@pytest.mark.parametrize("org", ["a" * 201, "a\nb", "\x1b[31m", "\u202e"])
def test_names_that_would_spoil_a_terminal_are_refused(book: KeyBook, org: str) -> None:
    with pytest.raises(InputError, match="printable"):
        book.create(org=org)


def test_other_nonsense_is_refused(book: KeyBook) -> None:
    for tier in ("", "\n"):
        with pytest.raises(InputError):
            book.create(org="acme", tier=tier)
    for expires in (0, -5, 2**33 * 10**6):
        with pytest.raises(InputError, match="2106"):
            book.create(org="acme", expires=expires)
    with pytest.raises(InputError, match="grants"):
        book.create(org="acme", grants=[f"g{i}" for i in range(33)])
    with pytest.raises(InputError):
        book.limit_org("", Limits())
    assert list(book.list()) == []
