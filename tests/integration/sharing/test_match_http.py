"""Two labs that match over HTTP: what each learns, who may ask, how often, and hostile peers."""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import socket
import threading
import time

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from titer.access.secret import load_or_create
from titer.cli import main
from titer.console.explain import open_view
from titer.console.matching import Choice, Holdings, Runs
from titer.core.errors import InputError
from titer.core.ids import Pseudonyms
from titer.core.nouns import Campaign, Exchange, Origin, Principal
from titer.evidence.share import matching
from titer.gateway.assembly import open_log
from titer.gateway.sharing.match_server import BURST, PER_SECOND, Desk, Partner
from titer.gateway.sharing.outbound import Reach, ask, target
from titer.gateway.small_server import Asked

SHARED = "t13d1516h2_8daaf6152771_b186095e22b6"
MINE = "t13d1111h2_111111111111_111111111111"
THEIRS = "t13d2222h2_222222222222_222222222222"
HERE = Reach(private=("127.0.0.1",))
TOKEN = "b" * 40


def lab(data, *prints, members=10):
    """A log with one campaign for each fingerprint, beside 300 honest callers."""
    data.mkdir()
    of = Pseudonyms(load_or_create(data)).of
    at = time.time_ns() // 1000 - 3_600_000_000
    entries = []
    for n, ja4 in enumerate(prints):
        who = [of("principal", f"thief-{n}-{m}") for m in range(members)]
        entries += [
            ("exchange", Exchange(f"x{n}-{m}", at, Principal(one), "/v1/messages",
                                  origin=Origin(ja4=ja4, asn=64_500)))
            for m, one in enumerate(who)
        ]  # fmt: skip
        found = Campaign(f"c-{n}", tuple(sorted(who)), ("text",), ("origin",), 25.0, "x", at, at)
        entries.append(("campaign", found))
    entries += [
        ("exchange", Exchange(f"h{n}", at, Principal(of("principal", f"honest-{n}")), "/v1/x",
                              origin=Origin(asn=64_600)))
        for n in range(300)
    ]  # fmt: skip
    with open_log(data) as log:
        log.append([(kind, msgspec.json.encode(one)) for kind, one in entries])
    return data


def keep(folder, name, text):
    path = folder / name
    path.write_text(text)
    path.chmod(0o600)
    return path


@pytest.fixture
def labs(tmp_path):
    a, b = lab(tmp_path / "a", SHARED, MINE), lab(tmp_path / "b", SHARED, THEIRS)
    keep(tmp_path, "token", TOKEN)
    (a / "titer.toml").write_text(
        f"""
        [match]
        port = 0
        sender = "lab-a"
        [match.partners.lab-b]
        token = {{ file = "{tmp_path}/token" }}
        per_day = 2
        """
    )
    return a, b


def asking(b, url, tmp_path, token="token", more=""):
    (b / "titer.toml").write_text(
        f"""
        [share]
        private_hosts = ["127.0.0.1", "localhost"]
        {more}
        [match.partners.lab-a]
        url = "{url}"
        ask_token = {{ file = "{tmp_path}/{token}" }}
        """
    )
    return ["match", "ask", "--with", "lab-a", "--data", str(b), "--json"]


def test_one_lab_asks_and_both_logs_say_so(labs, running, tmp_path, capsys):
    a, b = labs
    with running("match", "serve", "--data", a) as said:
        assert said["partners"] == 1
        words = asking(b, said["url"], tmp_path)
        for _ in range(2):
            assert main(words) == 1
            told = json.loads(capsys.readouterr().out)
            assert told["indicators"] == [f"ja4:{SHARED}"]
            assert (told["shared"], told["offered"]) == (1, 2)
        assert main(words) == 2
        assert "answered 429: 2 offers a day" in capsys.readouterr().err
        keep(tmp_path, "wrong", "c" * 40)
        assert main(asking(b, said["url"], tmp_path, "wrong")) == 2
        assert "answered 401" in capsys.readouterr().err
        # Runs by file count as well, and the other way round.
        state, offer = tmp_path / "s", tmp_path / "o"
        assert main(["match", "offer", "--with", "lab-a", "--data", str(b), "--state", str(state),
                     "-o", str(offer)]) == 0  # fmt: skip
        assert main(["match", "answer", str(offer), "--with", "lab-b", "--data", str(a),
                     "-o", str(tmp_path / "x"), "--runs", "2"]) == 2  # fmt: skip
        assert "2 offers of lab-b were answered" in capsys.readouterr().err
    for data, actions in ((a, ["match answer"] * 2), (b, ["match offer", "match finish"] * 2)):
        told = [json.loads(s.body) for s in open_view(data).scan() if s.kind == "share"]
        told = [t for t in told if t.get("over") == "http"]
        assert [t["action"] for t in told][: len(actions)] == actions
        assert b"t13d" not in msgspec.json.encode(told)
    # The lab that was refused knows that it offered, and has nothing finished.
    assert len([t for t in told if t["action"] == "match finish"]) == 2


def test_what_only_few_accounts_showed_takes_no_part(tmp_path, running, capsys):
    a, b = lab(tmp_path / "a", SHARED, members=4), lab(tmp_path / "b", SHARED)
    keep(tmp_path, "token", TOKEN)
    for k, shared in ((5, 0), (2, 1)):
        (a / "titer.toml").write_text(
            f"""
            [match]
            port = 0
            [match.partners.lab-b]
            token = {{ file = "{tmp_path}/token" }}
            k = {k}
            per_day = 4
            """
        )
        with running("match", "serve", "--data", a) as said:
            assert main(asking(b, said["url"], tmp_path)) == shared
        assert json.loads(capsys.readouterr().out)["shared"] == shared


def authority(folder):
    """An authority, a certificate of it for this machine, and one for each lab."""
    now = dt.datetime.now(dt.UTC)

    def name(text):
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    root = ec.generate_private_key(ec.SECP256R1())

    def make(text, key, *extensions):
        built = (
            x509.CertificateBuilder().subject_name(name(text)).issuer_name(name("root"))
            .public_key(key.public_key()).serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(hours=1))
            .not_valid_after(now + dt.timedelta(hours=1))
        )  # fmt: skip
        for one in extensions:
            built = built.add_extension(one, critical=isinstance(one, x509.BasicConstraints))
        pem = built.sign(root, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )  # fmt: skip
        keep(folder, f"{text}.pem", pem.decode())
        keep(folder, f"{text}.key", secret.decode())

    make("root", root, x509.BasicConstraints(ca=True, path_length=0))
    for text in ("lab-a", "lab-b", "lab-c"):
        here = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        make(text, ec.generate_private_key(ec.SECP256R1()), here)


def test_a_certificate_says_who_asks(labs, running, tmp_path, capsys):
    a, b = labs
    authority(tmp_path)
    (a / "titer.toml").write_text(
        f"""
        [match]
        port = 0
        certificate = "{tmp_path}/lab-a.pem"
        private_key = "{tmp_path}/lab-a.key"
        clients = "{tmp_path}/root.pem"
        [match.partners.lab-b]
        subject = "lab-b"
        per_day = 2
        """
    )

    def words(url, who):
        more = f'ca = "{tmp_path}/root.pem"'
        if who:
            more += f"""
        [match]
        certificate = "{tmp_path}/{who}.pem"
        private_key = "{tmp_path}/{who}.key"
        """
        return asking(b, url, tmp_path, more=more)

    with running("match", "serve", "--data", a) as said:
        assert said["url"].startswith("https://")
        assert main(words(said["url"], "lab-b")) == 1
        capsys.readouterr()
        assert main(words(said["url"], "lab-c")) == 2
        assert "answered 401" in capsys.readouterr().err
        assert main(words(said["url"], "")) == 2  # TLS itself refuses who shows none
        assert "401" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "nobody may ask"),
        ('[match.partners.x]\nurl = "https://a/"', "nobody may ask"),
        ('[match.partners.x]\nsubject = "a"', "subject needs clients"),
        ("[match.partners.x]\nk = 1\nsubject = 'a'", "k must be at least 2"),
        ("[match.partners.x]", "set token or subject"),
        ('[match.partners.x]\nurl = "a"\nkinds = ["domain"]', "kinds takes"),
        ('[match.partners.x]\nurl = "a"\nper_day = 5', "per_month at least"),
        ('[match]\nhost = "0.0.0.0"', "certificate and private_key are needed"),
        ('[match.partners.x]\ntoken = { env = "SHORT" }', "fewer than 32"),
    ],
)  # fmt: skip
def test_what_is_configured_wrongly(labs, text, said, monkeypatch, capsys):
    a, _ = labs
    monkeypatch.setenv("SHORT", "short")
    (a / "titer.toml").write_text(text)
    assert main(["match", "serve", "--data", str(a)]) == 2
    assert said in capsys.readouterr().err


def desk(own=("ja4:a",), note=None, answered=(), **more):
    partners = [
        Partner(name="b", token=TOKEN, most=64, **more),
        Partner(name="c", token="c" * 40, subject="c.example", most=64, **more),
        Partner(name="d", subject="d.example", most=64, **more),
    ]
    logged = []

    def log(partner, session, own, points):
        logged.append((partner.name, session))
        if note:
            raise InputError(note)

    def runs(name, days):
        return {s for who, s in logged if who == name} | set(answered)

    made = Desk(partners, sender="a", own=lambda name: set(own), runs=runs, note=log)
    return made, logged


def post(made, body, token=TOKEN, peer="", *, path="/match", method="POST"):
    answer = made.handle(Asked(method, path, body, peer, f"Bearer {token}" if token else ""))
    return answer.status, json.loads(answer.body)


def offered(*indicators, of=64):
    made, state = matching.offer(indicators or [f"ja4:{n}" for n in range(of)], sender="b",
                                 partner="a")  # fmt: skip
    return msgspec.json.encode(made), state


def test_who_may_ask():
    made, logged = desk(day=9, month=9)
    body, _ = offered()
    for token, peer, status in (
        (TOKEN, "", 200), (TOKEN, "anybody", 200), ("x" * 40, "", 401), ("", "", 401),
        ("c" * 40, "", 401), ("c" * 40, "c.example", 200), ("", "c.example", 401),
        ("", "d.example", 200), ("x" * 40, "d.example", 200),
    ):  # fmt: skip
        body, _ = offered()
        assert post(made, body, token, peer)[0] == status, (token, peer)
    assert [name for name, _ in logged] == ["b", "b", "c", "d", "d"]
    assert post(made, body, path="/")[0] == 404
    assert post(made, body, method="GET")[0] == 405


def test_runs_are_counted_before_the_answer_leaves():
    made, logged = desk(day=1, month=2)
    body, _ = offered()
    assert post(made, body)[0] == 200
    assert len(logged) == 1
    status, said = post(made, offered()[0])
    assert (status, len(logged)) == (429, 1)
    assert "guesses" in said["error"]
    made, logged = desk(day=9, month=9)
    assert post(made, body)[0] == 200
    assert post(made, body)[0] == 409  # the same offer again
    made, _ = desk(note="the log is held")
    status, said = post(made, offered()[0])
    assert (status, set(said)) == (503, {"error"})


def test_hostile_offers_are_refused_and_no_run():
    made, logged = desk(day=99, month=99)
    body, _ = offered()
    good = json.loads(body)
    off_curve = dict(good, points=[*good["points"][:-1], "/" * 42 + "8="])
    twice = dict(good, points=[*good["points"][:-1], good["points"][0]])
    for bad in (
        b"", b"[" * 10_000, b"{}", body[:-1], json.dumps(off_curve).encode(),
        json.dumps(twice).encode(), json.dumps(dict(good, session="z")).encode(),
        json.dumps(dict(good, points=good["points"][:-1])).encode(), offered(of=65)[0],
        json.dumps(dict(good, step="answer")).encode(),
    ):  # fmt: skip
        assert post(made, bad)[0] == 400
    assert logged == []
    assert made.limit < 64 * 48 + 2000 + 48 * 64


def test_a_peer_without_end_costs_bounded_memory_and_few_requests(labs, running):
    a, _ = labs
    with running("match", "serve", "--data", a) as said:
        port = int(said["url"].rstrip("/").rpartition(":")[2])
        head = b"POST /match HTTP/1.1\r\nhost: x\r\nauthorization: Bearer " + TOKEN.encode()
        with socket.create_connection(("127.0.0.1", port), timeout=60) as peer:
            peer.sendall(head + b"\r\ncontent-length: 99999999\r\n\r\n" + b"x" * 1000)
            assert b" 413 " in peer.recv(1000)
        with socket.create_connection(("127.0.0.1", port), timeout=60) as peer:
            peer.sendall(head + b"\r\n\r\n")
            assert b" 411 " in peer.recv(1000)
        goal = target(f"http://127.0.0.1:{port}/match", HERE)
        got, began = [], time.monotonic()
        while 429 not in got and len(got) < 100:  # one more comes in five seconds
            got.append(ask("POST", goal, headers={}, body=b"x", reach=HERE).status)
        assert set(got) == {401, 429}
        assert BURST <= got.count(401) <= BURST + PER_SECOND * (time.monotonic() - began) + 1


def test_holdings_follow_the_log(labs, wait):
    a, _ = labs
    held = Holdings(a, {"b": Choice(kinds=("ja4",)), "c": Choice(kinds=("asn",))})
    assert held.of("b") == {f"ja4:{SHARED}", f"ja4:{MINE}"}
    assert held.of("c") == {"asn:64500"}
    stop = threading.Event()
    late = threading.Thread(target=held.keep_fresh, args=(stop, 0.05))
    late.start()
    try:
        entries = []
        of = Pseudonyms(load_or_create(a)).of
        who = [of("principal", f"late-{m}") for m in range(10)]
        for m, one in enumerate(who):
            entries.append(("exchange", Exchange(f"l{m}", 5, Principal(one), "/v1/x",
                                                 origin=Origin(ja4=THEIRS))))  # fmt: skip
        found = Campaign("c-9", tuple(sorted(who)), ("text",), ("origin",), 25.0, "x", 5, 5)
        entries.append(("campaign", found))
        with open_log(a) as log:
            log.append([(kind, msgspec.json.encode(one)) for kind, one in entries])
        wait(lambda: f"ja4:{THEIRS}" in held.of("b"), what="the new campaign")
    finally:
        stop.set()
        late.join()


def test_old_runs_do_not_count(labs):
    a, _ = labs
    day = 86_400_000_000
    now = time.time_ns() // 1000
    with open_log(a) as log:
        for n, days in enumerate((40, 20, 0)):
            body = {"action": "match answer", "partner": "b", "session": str(n)}
            log.append([("share", msgspec.json.encode(body))], at=now - days * day)
    runs = Runs(a)
    assert runs.of("b", now) == {"1", "2"}
    assert runs.of("b", now, 1.0) == {"2"}
    assert runs.of("c", now) == set()
