"""`titer data` as a person runs it, and a feed that names networks by it."""

import json
import shutil
import time
from pathlib import Path

import pytest

from titer.cli import main
from titer.core.ids import Pseudonyms
from titer.core.sketch import Sketcher
from titer.evidence.log import View
from titer.gateway.feeds.exchange import Maker
from titer.gateway.feeds.exchange_log import ExchangeLog
from titer.gateway.networks import Store, load
from titer.gateway.origin import Origins

INFRA = Path(__file__).parents[4] / "shared/data/infra"
TODAY = time.strftime("%Y-%m-%d", time.gmtime())
LISTS = {
    "asn": "192.0.2.0,192.0.2.255,64500,Acme\n198.51.100.0,198.51.100.127,64501,Other\n"
    "2001:db8::,2001:db8:ffff:ffff:ffff:ffff:ffff:ffff,64502,\n",
    "vpn": "192.0.2.128/25\n2001:db8:1::/48\n",
    "tor": "# exits\n192.0.2.200\n",
    "cloud": "provider,cidr\nbig,198.51.100.0/25\nrelay,203.0.113.0/24\n",
    "bad-asn": 'ASN,Entity\n64509,"Bad, XX"\n',
}  # fmt: skip
#: Address, number and kind by these lists.
PLACES = (
    ("192.0.2.1", 64500, ""),
    ("192.0.2.129", 64500, "vpn"),
    ("192.0.2.200", 64500, "tor"),
    ("::ffff:192.0.2.200", 64500, "tor"),
    ("198.51.100.7", 64501, "hosting"),
    ("198.51.100.200", 0, ""),
    ("203.0.113.9", 0, ""),
    ("2001:db8:1::9", 64502, "vpn"),
    ("2001:db8:2::9", 64502, ""),
    ("junk", 0, ""),
)


def verb(capsys, *words):
    status = main([str(w) for w in words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def words(kind, path, data, *more, dated=TODAY):
    return ("data", "import", path, "--kind", kind, "--source", "made up", "--licence",
            "CC-BY-4.0, Acme", "--dated", dated, "--data", data, *more)  # fmt: skip


@pytest.fixture(scope="module")
def imported(tmp_path_factory):
    out = tmp_path_factory.mktemp("lists")
    # Who is of which half of a calibration hangs on the secret: the same each time.
    (out / "data").mkdir(mode=0o700)
    (out / "data" / "secret").write_text(f"{7:064x}")
    (out / "data" / "secret").chmod(0o600)
    for kind, text in LISTS.items():
        path = out / f"{kind}.csv"
        path.write_text(text)
        more = ("--without", "provider=relay") if kind == "cloud" else ()
        assert main([str(w) for w in words(kind, path, out / "data", *more)]) == 0
    return out / "data"


@pytest.fixture
def data(imported, tmp_path):
    return Path(shutil.copytree(imported, tmp_path / "data"))


def line(number, ip, **more):
    return json.dumps({
        "at": 1_790_000_000 + number, "principal": f"p{number}", "endpoint": "/v1/messages",
        "origin": {"ip": ip, "user_agent": "curl/8 x", "headers": ["host", "user-agent"], **more},
    }).encode()  # fmt: skip


class _Head:
    headers = ((b"host", b"h"), (b"user-agent", b"curl/8 x"))

    def all(self, name):
        return [value for key, value in self.headers if key == name]


def test_live_and_fed_origins_are_equal_and_named(data):
    pseudonyms, found = Pseudonyms(b"s" * 32), load(data)
    live = Origins(pseudonyms, networks=found)
    maker = Maker(ExchangeLog(pseudonyms, found), sketcher=Sketcher(pseudonyms.key("sketch")),
                  pseudonyms=pseudonyms)  # fmt: skip
    exchanges, bad = maker.many([line(n, ip) for n, (ip, _, _) in enumerate(PLACES)])
    assert not bad
    for exchange, (ip, asn, kind) in zip(exchanges, PLACES, strict=True):
        assert (exchange.origin.asn, exchange.origin.kind) == (asn, kind), ip
        assert exchange.origin == live.of(ip, _Head()), ip


def test_what_a_log_names_itself_is_believed(data):
    pseudonyms = Pseudonyms(b"s" * 32)
    maker = Maker(ExchangeLog(pseudonyms, load(data)), sketcher=Sketcher(b"k" * 32),
                  pseudonyms=pseudonyms)  # fmt: skip
    lines = [line(0, "192.0.2.200", asn=7, kind="proxy"), line(1, "192.0.2.1", kind="moon"),
             line(2, "", asn=64509), line(3, "", asn=64500)]  # fmt: skip
    got = [(e.origin.asn, e.origin.kind) for e in maker.many(lines)[0]]
    assert got == [(7, "proxy"), (64500, ""), (64509, "hosting"), (64500, "")]
    assert not maker.shape.unknown


@pytest.mark.parametrize(
    ("given", "taken"),
    [(4_294_967_295, 4_294_967_295), (4_294_967_296, 0), (-1, 0), (True, 0), ("7", 0), (1.5, 0)],
)
def test_network_numbers_have_32_bits(given, taken):
    pseudonyms = Pseudonyms(b"s" * 32)
    maker = Maker(ExchangeLog(pseudonyms), sketcher=Sketcher(b"k" * 32), pseudonyms=pseudonyms)
    (exchange,), _ = maker.many([line(0, "", asn=given)])
    assert exchange.origin.asn == taken


def test_a_feed_fills_in_numbers_and_kinds_and_replays(data, tmp_path, capsys):
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\n".join(line(n, ip) for n, (ip, _, _) in enumerate(PLACES)) + b"\n")
    status, out, _ = verb(capsys, "feed", log, "--data", data, "--json")
    assert (status, json.loads(out)["exchanges"]) == (0, len(PLACES))
    stored = [(s.kind, json.loads(s.body)) for s in View.open(data / "log").scan()]
    origins = [body["origin"] for kind, body in stored if kind == "exchange"]
    assert [(o.get("asn", 0), o.get("kind", "")) for o in origins] == [p[1:] for p in PLACES]
    (used,) = [body for kind, body in stored if kind == "networks"]
    assert {u["name"]: u["sha256"] for u in used} == {
        m.name: m.sha256 for m in Store(data).manifests()
    }
    text = json.dumps(stored)
    assert not any(ip in text for ip, _, _ in PLACES[:-1])
    assert verb(capsys, "replay", "--data", data)[0] == 0


def test_calibration_knows_which_kinds_could_be_told(data, tmp_path, capsys):
    """The worth of a kind that nobody uses depends on whether a list of it was in use."""
    log, other = tmp_path / "log.jsonl", tmp_path / "other"
    lines = []
    for number in range(1500):
        who = number % 100
        ip = "198.51.100.7" if who < 25 else "192.0.2.129" if who < 37 else "192.0.2.1"
        given = {**json.loads(line(who, ip)), "at": 1_780_000_000 + 60 * number}
        lines.append(json.dumps(given))
    log.write_text("\n".join(lines) + "\n")
    assert verb(capsys, "feed", log, "--data", data)[0] == 0
    assert verb(capsys, "feed", log, "--data", other)[0] == 0
    worths = []
    for given, where in (((log,), data), ((), data), ((), other)):
        status, _, err = verb(capsys, "calibrate", *given, "--data", where)
        assert status == 0, err
        made = json.loads((where / "calibration.json").read_bytes())
        worths.append(made["detectors"]["origin"]["params"]["worth"])
    unknown, hosting, vpn, proxy, tor, residential = worths[0]
    assert unknown == proxy == residential == 0  # no lists of these
    assert 0 < hosting < vpn < tor  # nobody used Tor, and that could be seen
    assert worths[1] == worths[0]
    assert worths[2] == [0] * 6


def test_list_and_verify_show_age_and_licence(data, capsys):
    status, out, _ = verb(capsys, "data", "list", "--data", data)
    assert status == 0
    assert out.count("CC-BY-4.0, Acme") == len(LISTS)
    assert "asn (asn): 2 IPv4 and 1 IPv6 ranges" in out
    assert "bad-asn (bad-asn): 1 network numbers" in out
    assert "residential proxies: unknown" in out
    assert "STALE" not in out
    status, out, _ = verb(capsys, "data", "verify", "--data", data, "--json")
    shown = json.loads(out)
    assert (status, shown["verified"], len(shown["snapshots"])) == (0, True, len(LISTS))
    assert all(m["age_days"] <= 1 and not m["stale"] for m in shown["snapshots"])


def test_stale_data_are_said_everywhere(tmp_path, capsys):
    data, path = tmp_path / "data", tmp_path / "vpn.txt"
    path.write_text("192.0.2.0/24\n")
    status, _, err = verb(capsys, *words("vpn", path, data, dated="2020-01-01"))
    assert status == 0
    assert "days old already" in err
    assert "STALE" in verb(capsys, "data", "list", "--data", data)[1]
    assert "days old: import newer data" in verb(capsys, "check", "--data", data)[1]
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"\n".join(line(n, f"192.0.2.{n}") for n in range(60)) + b"\n")
    _, out, _ = verb(capsys, "feed", log, "--data", data, "--json")
    assert any("days old" in note for note in json.loads(out)["notes"])


def test_a_changed_byte_is_refused_by_every_verb(data, tmp_path, capsys):
    path = data / "networks" / "vpn.networks"
    log = tmp_path / "log.jsonl"
    log.write_bytes(line(0, "192.0.2.1") + b"\n")
    whole = path.read_bytes()
    for at in (30, len(whole) // 2, len(whole) - 1):
        broken = bytearray(whole)
        broken[at] ^= 4
        path.write_bytes(bytes(broken))
        for command in (("data", "verify"), ("feed", log)):
            status, _, err = verb(capsys, *command, "--data", data)
            assert status == 2
            assert "vpn.networks" in err
        assert verb(capsys, "check", "--data", data)[0] == 1
    assert not (data / "feed" / "progress.json").exists()


def test_a_snapshot_is_published_and_adopted(data, tmp_path, capsys):
    key = (data / "log" / "log.pub").read_text()
    path, other = data / "networks" / "vpn.networks", tmp_path / "other"
    status, out, _ = verb(capsys, "data", "import", path, "--key", key, "--data", other,
                          "--name", "theirs", "--json")  # fmt: skip
    made = json.loads(out)["imported"]
    assert (status, made["name"], made["kind"]) == (0, "theirs", "vpn")
    assert key.split("+")[0] in made["published"]
    assert "as its publisher signed it" in verb(capsys, "data", "verify", "--data", other)[1]
    wrong = (other / "log" / "log.pub").read_text()
    status, _, err = verb(capsys, "data", "import", path, "--key", wrong, "--data", other)
    assert status == 2
    assert "ask its publisher" in err


@pytest.mark.parametrize(
    ("drop", "put", "said"),
    [
        ("--kind", "moon", "--kind takes one of asn"),
        ("--source", " ", "--source is missing"),
        ("--licence", "a\nb", "--licence takes one line"),
        ("--dated", "soon", "--dated takes the day"),
        ("--dated", "2999-01-01", "is yet to come"),
    ],
)
def test_what_is_missing_or_wrong_is_told(tmp_path, capsys, drop, put, said):
    path = tmp_path / "vpn.txt"
    path.write_text("192.0.2.0/24\n")
    given = list(words("vpn", path, tmp_path / "data"))
    given[given.index(drop) + 1] = put
    status, _, err = verb(capsys, *given)
    assert status == 2
    assert said in err
    assert not (tmp_path / "data" / "networks").exists()


def test_more_that_is_refused(tmp_path, capsys):
    path, data = tmp_path / "vpn.txt", tmp_path / "data"
    path.write_text("# nothing\n")
    assert "no row is left" in verb(capsys, *words("vpn", path, data))[2]
    assert "--name takes" in verb(capsys, *words("vpn", path, data, "--name", "../x"))[2]
    assert "No such file" in verb(capsys, *words("vpn", tmp_path / "none", data))[2]
    path.write_text("192.0.2.0/24\noops\n")
    assert f"{path}:2: no network" in verb(capsys, *words("vpn", path, data))[2]
    assert "is no directory" in verb(capsys, "data", "list", "--data", tmp_path / "none")[2]
    both = ("data", "import", path, path, "--key", "k", "--data", data)
    assert "one signed snapshot" in verb(capsys, *both)[2]


@pytest.mark.data
@pytest.mark.skipif(not INFRA.is_dir(), reason="../shared/data is not here")
def test_real_lists_are_imported_and_looked_up(tmp_path, capsys):
    data = tmp_path / "data"
    for name, kind, more in (
        ("datacenter_vpn_ranges.parquet", "vpn", ("--only", "list=vpn")),
        ("datacenter_vpn_ranges.parquet", "hosting", ("--only", "list=datacenter")),
        ("cloud_ranges.parquet", "cloud", ("--without", "provider=apple-proxy,protonvpn")),
        ("tor_nodes.parquet", "tor", ("--only", "role=exit")),
        ("bad_asn.csv", "bad-asn", ()),
        ("asn_ipv6.parquet", "asn", ()),
        ("disposable_email_domains.txt.zst", "disposable", ()),
    ):
        dated = "2024-02-27" if kind == "tor" else "2026-08-22"
        status, out, err = verb(capsys, *words(kind, INFRA / name, data, *more, "--json",
                                               dated=dated))  # fmt: skip
        assert status == 0, err
        assert json.loads(out)["imported"]["kind"] == kind
    found = load(data)
    assert len(found.manifests) == 7
    place = Origins(Pseudonyms(b"s" * 32), networks=found)
    assert place.of("101.99.92.179", _Head()).kind == "tor"
    google = place.of("2a00:1450:4001:80b::200e", _Head())
    assert (google.asn, google.kind) == (15169, "hosting")
    assert place.of("192.168.1.1", _Head()).kind == ""
