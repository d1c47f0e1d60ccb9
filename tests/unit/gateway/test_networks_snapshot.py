"""Snapshots are refused unless every byte is as it was signed."""

import ipaddress
import random

import msgspec
import pytest

from titer.core.errors import EvidenceError, InputError
from titer.core.ids import Pseudonyms
from titer.evidence import note
from titer.gateway.networks import Networks, Places, Store, load, snapshot, used
from titer.gateway.networks.places import oldest
from titer.gateway.networks.snapshot import Manifest, Snapshot
from titer.gateway.networks.store import Watch
from titer.gateway.networks.table import Row, build

DAY = 86_400_000_000


def manifest(name="vpn", kind="vpn", dated="2026-11-01"):
    return Manifest(name=name, kind=kind, source="made up", licence="CC0-1.0", dated=dated,
                    imported=1, ranges4=0, ranges6=0, owners=0, bytes=0, sha256="")  # fmt: skip


def n(text):
    return int(ipaddress.ip_address(text))


TABLE = build([Row(4, n("192.0.2.0"), n("192.0.2.255"), 64500, "Acme"),
               Row(6, n("2001:db8::"), n("2001:db8::ff"), 64500, "Acme")])  # fmt: skip


@pytest.fixture(scope="module")
def signer():
    return note.Signer.generate("titer.local/test")


@pytest.fixture
def data(tmp_path, signer):
    (tmp_path / "log").mkdir()
    (tmp_path / "log" / "log.pub").write_text(f"{signer.verifier}\n")
    return tmp_path


def test_a_snapshot_comes_back_as_it_was_sealed(signer):
    sealed = snapshot.seal(manifest(), TABLE, signer)
    got = snapshot.verify(sealed, [signer.verifier], deep=True)
    assert got.table.dump() == TABLE.dump()
    assert (got.manifest.ranges4, got.manifest.ranges6, got.manifest.owners) == (1, 1, 1)
    assert got.manifest.licence == "CC0-1.0"


def test_every_changed_byte_is_refused(signer):
    sealed = snapshot.seal(manifest(), TABLE, signer)
    rng = random.Random(1)
    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1 << rng.randrange(8)
        with pytest.raises(EvidenceError):
            snapshot.verify(bytes(changed), [signer.verifier])


def test_bytes_added_or_taken_away_are_refused(signer):
    sealed = snapshot.seal(manifest(), TABLE, signer)
    for changed in (b"", sealed[:-1], sealed + b"\0", b"\n" + sealed, sealed[: len(sealed) // 2],
                    sealed.replace(b"titer networks 1 ", b"titer networks 1 0")):  # fmt: skip
        with pytest.raises(EvidenceError):
            snapshot.verify(changed, [signer.verifier])


def test_another_key_a_second_signature_and_another_note_are_refused(signer):
    other = note.Signer.generate("titer.local/test")
    sealed = snapshot.seal(manifest(), TABLE, signer)
    with pytest.raises(EvidenceError, match="no signature by a known key"):
        snapshot.verify(sealed, [other.verifier])
    _, signed, end = snapshot.read_manifest(sealed, [signer.verifier])
    twice = note.sign(signed.rpartition("\n\n")[0] + "\n", signer, other).encode()
    with pytest.raises(EvidenceError, match="more than one signature"):
        snapshot.verify(b"titer networks 1 %d\n%b%b" % (len(twice), twice, sealed[end:]),
                        [signer.verifier])  # fmt: skip
    head = note.sign("titer.local/test\n1\nAAAA\n", signer).encode()
    with pytest.raises(EvidenceError, match="no manifest of network data"):
        snapshot.verify(b"titer networks 1 %d\n%b" % (len(head), head), [signer.verifier])


@pytest.mark.parametrize(
    "change", [{"kind": "moon"}, {"name": "../x"}, {"dated": "20261101"}, {"dated": "soon"}]
)
def test_a_signed_manifest_that_titer_would_not_write_is_refused(signer, change):
    sealed = snapshot.seal(msgspec.structs.replace(manifest(), **change), TABLE, signer)
    with pytest.raises(EvidenceError, match="manifest"):
        snapshot.verify(sealed, [signer.verifier])


def test_a_store_keeps_and_reads(data, signer):
    store = Store(data)
    assert store.load() == []
    assert not load(data)
    made = store.put(manifest(), TABLE, signer)
    assert [s.manifest for s in store.load(deep=True)] == [made] == store.manifests()
    assert [u.sha256 for u in used(data)] == [made.sha256]
    assert oldest(used(data)) == made.day
    path = data / "networks" / "vpn.networks"
    path.rename(data / "networks" / "tor.networks")
    with pytest.raises(EvidenceError, match=r"tor.networks: signed as 'vpn'; remove the file"):
        store.load()
    assert store.manifests() == [made]


def test_a_store_without_its_key_refuses(data, signer):
    store = Store(data)
    store.put(manifest(), TABLE, signer)
    (data / "log" / "log.pub").unlink()
    with pytest.raises(EvidenceError, match="log.pub"):
        store.load()
    with pytest.raises(EvidenceError):
        store.manifests()


def test_a_publishers_snapshot_is_checked_and_kept_under_our_name(tmp_path, data, signer):
    publisher = note.Signer.generate("lists.example")
    path = tmp_path / "theirs"
    path.write_bytes(snapshot.seal(manifest(), TABLE, publisher))
    store = Store(data)
    made = store.adopt(path, signer, publisher=f"{publisher.verifier}\n", name="theirs", now=7)
    assert (made.name, made.imported, made.licence) == ("theirs", 7, "CC0-1.0")
    assert note.read(made.published.encode(), [publisher.verifier])
    assert store.load()[0].table.dump() == TABLE.dump()
    with pytest.raises(EvidenceError, match="ask its publisher"):
        store.adopt(path, signer, publisher=str(signer.verifier), name="", now=7)
    backwards = build([Row(4, 1, 5, 0, "")])
    backwards.first4[0] = 9
    path.write_bytes(snapshot.seal(manifest(), backwards, publisher))
    with pytest.raises(EvidenceError, match="not in order"):
        store.adopt(path, signer, publisher=str(publisher.verifier), name="", now=7)


def test_too_many_snapshots_are_refused(data, signer, monkeypatch):
    store = Store(data)
    store.put(manifest(), TABLE, signer)
    monkeypatch.setattr("titer.gateway.networks.store.MAX_SNAPSHOTS", 0)
    with pytest.raises(InputError, match="more than 0"):
        store.load()


def test_a_change_is_noticed_once(data, signer):
    store, now = Store(data), [0.0]
    watch = Watch(data, store.stamp(), lambda: now[0])
    store.put(manifest(), TABLE, signer)
    assert not watch.changed()  # too early to look
    now[0] = 60.0
    assert watch.changed()
    now[0] = 120.0
    assert not watch.changed()


def test_age_and_staleness():
    made = manifest(dated="2026-11-01")
    assert made.age(made.day + 5 * DAY) == 5
    assert not made.stale(made.day + 90 * DAY)
    assert made.stale(made.day + 91 * DAY)
    assert made.age(0) == 0
    (said,) = Networks([Snapshot(made, TABLE)]).stale(made.day + 100 * DAY)
    assert "100 days old" in said


def networks(*kinds, ranges=("192.0.2.0/24",)):
    out = []
    for place, kind in enumerate(kinds):
        nets = [ipaddress.ip_network(r) for r in ranges]
        rows = [Row(x.version, int(x[0]), int(x[-1]), 64500 if kind == "asn" else 0, kind)
                for x in nets]  # fmt: skip
        if kind == "bad-asn":
            rows = [Row(0, 0, 0, 64500, "Acme")]
        out.append(Snapshot(manifest(f"x{place}", kind), build(rows)))
    return Networks(out)


@pytest.mark.parametrize(
    ("kinds", "expected"),
    [
        ((), (0, "")),
        (("asn",), (64500, "")),
        (("hosting", "vpn", "asn"), (64500, "vpn")),
        (("hosting", "vpn", "tor"), (0, "tor")),
        (("cloud",), (0, "hosting")),
        (("bad-asn",), (0, "")),
        (("asn", "bad-asn"), (64500, "hosting")),
        (("asn", "bad-asn", "proxy"), (64500, "proxy")),
        (("residential", "disposable"), (0, "residential")),
    ],
)
def test_the_most_telling_kind_holds(kinds, expected):
    found = networks(*kinds)
    assert found.find(ipaddress.ip_address("192.0.2.7")) == expected
    assert found.find(ipaddress.ip_address("::ffff:192.0.2.7")) == expected
    assert found.find(ipaddress.ip_address("192.0.3.7")) == (0, "")
    assert found.find(ipaddress.ip_address("2001:db8::1")) == (0, "")


def test_the_newest_numbers_hold():
    address = n("192.0.2.1")
    old = Snapshot(manifest("a", "asn", "2025-01-01"), build([Row(4, address, address, 1, "")]))
    new = Snapshot(manifest("b", "asn", "2026-01-01"), build([Row(4, address, address, 2, "")]))
    assert Networks([old, new]).find(ipaddress.ip_address("192.0.2.1"))[0] == 2


def test_places_are_tokens_and_networks():
    places = Places(Pseudonyms(b"s" * 32), networks("asn", "vpn"))
    place = places.of("192.0.2.7")
    assert (place.asn, place.kind) == (64500, "vpn")
    assert "192" not in place.ip + place.net
    assert places.of("192.0.2.7%eth0") == place
    assert places.of("junk") == places.of("") == Places(None).of("192.0.2.7")
    places.use(Networks())
    assert places.of("192.0.2.7") == place._replace(asn=0, kind="")


def test_the_memory_of_places_is_bounded(monkeypatch):
    monkeypatch.setattr("titer.gateway.networks.places.REMEMBERED", 4)
    places = Places(Pseudonyms(b"s" * 32))
    for number in range(50):
        places.of(f"192.0.2.{number}")
        assert len(places._known) <= 4
