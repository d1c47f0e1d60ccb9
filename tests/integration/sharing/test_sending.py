"""Webhooks and streams: what arrives, in which form, and what becomes of what does not."""

import base64
import contextlib
import datetime as dt
import importlib.util
import json
import re
import socket
import socketserver
import ssl
import threading
import time
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from titer.cli import main
from titer.core.errors import ConfigError
from titer.gateway.sharing import streams
from titer.gateway.sharing.outbound import Reach, SendError, target
from titer.gateway.sharing.sender import Destination, send
from titer.gateway.sharing.streams import Event, Kafka, sink, syslog
from titer.gateway.sharing.webhooks import Webhook, signer

HERE = Reach(private=("127.0.0.1", "localhost"))
SECRET = "whsec_" + base64.b64encode(b"s" * 32).decode()
EVENT = Event("titer.local/a/7", "campaign", "2026-01-31T00:00:00.000Z",
              {"severity_id": 4, "message": "x", "finding_info": {"uid": "c"}})  # fmt: skip


class Receiver:
    """A receiver that answers as told, and remembers."""

    def __init__(self, *statuses, headers=()):
        self.statuses = list(statuses)
        self.headers = headers
        self.got = []

    def __call__(self, handler):
        body = handler.rfile.read(int(handler.headers.get("content-length", 0)))
        self.got.append((dict(handler.headers.items()), body))
        status = self.statuses.pop(0) if self.statuses else 204
        handler.send_response(status)
        for name, value in self.headers:
            handler.send_header(name, value)
        handler.send_header("content-length", "0")
        handler.end_headers()


def hook(port, secret=SECRET, form="standard", path="/hook", **more):
    goal = target(f"http://127.0.0.1:{port}{path}", HERE)
    return Webhook(goal, signer(secret, "secret", form), HERE, **more)


PRIVATE = "whsk_" + base64.b64encode(b"k" * 32).decode()


@pytest.fixture
def recipe():
    """The page's receiver, in which nothing is ours."""
    pytest.importorskip("http_message_signatures")
    path = Path(__file__).parents[3] / "docs" / "how-to" / "verify_webhook.py"
    spec = importlib.util.spec_from_file_location("verify_webhook", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def keys_of(lab, capsys):
    assert main(["share", "keys", "--data", str(lab), "--json"]) == 0
    return {k["keyid"]: k["pem"].encode() for k in json.loads(capsys.readouterr().out)["keys"]}


@pytest.mark.parametrize("path", ["/hook", "/a%20b/?x=1&y=%2F", "/?"])
@pytest.mark.parametrize("form", ["rfc9421", "both"])
def test_a_library_that_is_not_ours_verifies_message_signatures(
    form, path, *, serving, recipe, lab, capsys
):
    got = Receiver()
    (lab / "secret").write_text(PRIVATE)
    (lab / "secret").chmod(0o600)
    with serving(got) as port:
        url = f"http://127.0.0.1:{port}{path}"
        (lab / "titer.toml").write_text(
            f"""
            [share]
            private_hosts = ["127.0.0.1"]
            [[share.webhooks]]
            name = "pager"
            url = "{url}"
            secret = {{ file = "{lab}/secret" }}
            signatures = "{form}"
            """
        )
        assert main(["share", "send", "--all", "--data", str(lab), "--json"]) == 0
    capsys.readouterr()
    pems = keys_of(lab, capsys)
    (headers, body), *rest = got.got
    assert not rest
    lower = {name.lower(): value for name, value in headers.items()}
    assert ("webhook-signature" in lower) == (form == "both")
    assert recipe.verify("POST", url, headers, body, pems) == lower["webhook-id"]
    with pytest.raises(ValueError, match="used before"):
        recipe.verify("POST", url, headers, body, pems)
    recipe.SEEN.clear()
    behind = {**headers, "Host": "127.0.0.1"}  # what a proxy does to Host does not count
    recipe.verify("POST", url, behind, body, pems)
    for change in (
        {"method": "PUT"}, {"url": url + "x"}, {"url": url.replace("127.0.0.1", "127.0.0.2")},
        {"body": body + b" "}, {"pems": dict.fromkeys(pems, OTHER_PEM)}, {"pems": {}},
        {"headers": {**headers, "webhook-id": "other"}},
        {"headers": {**headers, "signature": lower["signature"].replace("titer=:", "titer=:AA")}},
    ):  # fmt: skip
        given = {"method": "POST", "url": url, "headers": headers, "body": body, "pems": pems}
        with pytest.raises(Exception):  # noqa: PT011 - the library's own
            pytest.fail(str(recipe.verify(**{**given, **change})))


OTHER_PEM = Ed25519PrivateKey.from_private_bytes(b"o" * 32).public_key().public_bytes(
    Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
)  # fmt: skip


def test_an_old_message_signature_is_refused_and_each_attempt_has_its_own(serving, recipe):
    got = Receiver(500)
    with serving(got) as port:
        one = hook(port, PRIVATE, "rfc9421", clock=lambda: time.time() - 400)
        with pytest.raises(SendError):
            one.send([EVENT])
        one.send([EVENT])
    first, second = ({k.lower(): v for k, v in h.items()} for h, _ in got.got)
    assert first["webhook-id"] == second["webhook-id"]
    assert first["signature-input"] != second["signature-input"]
    url = f"http://127.0.0.1:{port}/hook"
    key = Ed25519PrivateKey.from_private_bytes(b"k" * 32).public_key()
    pem = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    from titer.gateway.sharing.message_signatures import keyid

    with pytest.raises(Exception, match=r"expires|age"):
        recipe.verify("POST", url, second, got.got[1][1], {keyid(key): pem})


def test_message_signatures_need_a_key_of_their_own():
    for form in ("rfc9421", "both"):
        with pytest.raises(ConfigError, match="made with Ed25519"):
            signer(SECRET, "secret", form)


def test_a_receiver_that_is_not_ours_verifies_the_signature(serving):
    standard = pytest.importorskip("standardwebhooks")
    got = Receiver()
    with serving(got) as port:
        hook(port).send([EVENT])
    headers, body = got.got[0]
    headers = {k.lower(): v for k, v in headers.items()}
    told = standard.Webhook(SECRET).verify(body, headers)
    assert told["type"] == "titer.campaign"
    assert told["data"]["finding_info"] == {"uid": "c"}
    with pytest.raises(standard.WebhookVerificationError):
        standard.Webhook(SECRET).verify(body.replace(b'"x"', b'"y"'), headers)
    assert "." not in headers["webhook-id"]


def test_an_asymmetric_signature(serving):
    private = Ed25519PrivateKey.from_private_bytes(b"k" * 32)
    got = Receiver()
    with serving(got) as port:
        hook(port, "whsk_" + base64.b64encode(b"k" * 32).decode()).send([EVENT])
    headers, body = got.got[0]
    headers = {k.lower(): v for k, v in headers.items()}
    version, _, signature = headers["webhook-signature"].partition(",")
    assert version == "v1a"
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    private.public_key().verify(base64.b64decode(signature), signed)


@pytest.mark.parametrize(
    "secret", ["", "hello", "whsec_", "whsec_!!!", "whsec_" + base64.b64encode(b"x").decode(),
               "whsk_" + base64.b64encode(b"x" * 31).decode()],
)  # fmt: skip
def test_a_secret_that_is_none_is_refused_and_not_repeated(secret):
    with pytest.raises(ConfigError) as caught:
        signer(secret, "here")
    assert "whsec_ and base64" in str(caught.value)
    assert not secret or secret not in str(caught.value).replace("whsec_ and", "")


class Clockwork:
    """Stands in for waiting: notes the pauses, and stops after some of them."""

    def __init__(self, most=50):
        self.pauses = []
        self.most = most

    def __call__(self, seconds):
        self.pauses.append(seconds)
        return len(self.pauses) >= self.most


def deliver(lab, place, *, pause=None, kinds=("campaign",), everything=True):
    said = []
    one = Destination("x", kinds, place, lab, say=said.append, pause=pause or Clockwork())
    (done,) = send([one], follow=False, everything=everything)
    return done, said


def test_what_fails_is_tried_again_with_growing_pauses(lab, serving):
    got, pause = Receiver(500, 429, 503, headers=[("retry-after", "7")]), Clockwork()
    with serving(got) as port:
        done, said = deliver(lab, hook(port), pause=pause)
    assert (done.sent, done.error) == (1, "")
    assert len(got.got) == 4
    assert len({headers["webhook-id"] for headers, _ in got.got}) == 1
    assert all(p >= 7 for p in pause.pauses)
    assert "again in" in said[0]


def test_pauses_double_and_have_an_end(lab, serving, monkeypatch):
    monkeypatch.setattr("titer.gateway.sharing.sender.ATTEMPTS", 14)
    got, pause = Receiver(*[500] * 20), Clockwork()
    with serving(got) as port:
        done, _ = deliver(lab, hook(port), pause=pause)
    assert done.error
    assert 0.8 <= pause.pauses[0] <= 1.2
    assert 6.4 <= pause.pauses[3] <= 9.6
    assert max(pause.pauses) <= 360
    assert done.place < 241  # it waits, and nothing is lost
    with serving(Receiver()) as port:
        again, _ = deliver(lab, hook(port))
    assert (again.sent, again.place) == (1, 241)


def test_an_event_that_is_not_wanted_does_not_hold_up_the_rest(lab, serving):
    got = Receiver(422)
    with serving(got) as port:
        done, said = deliver(lab, hook(port))
    assert (done.sent, done.refused, done.error) == (0, 1, "")
    assert "left out" in said[-1]


def test_nothing_is_sent_twice_and_a_first_run_begins_at_the_end(lab, serving):
    got = Receiver()
    with serving(got) as port:
        assert deliver(lab, hook(port), everything=False)[0].sent == 0
        assert deliver(lab, hook(port), everything=True)[0].sent == 0
        (lab / "share" / "x.place").unlink()
        assert deliver(lab, hook(port))[0].sent == 1
        assert deliver(lab, hook(port))[0].sent == 0
    assert len(got.got) == 1


def test_a_redirect_does_not_leak_the_event(lab, serving):
    inside = Receiver()
    with serving(inside) as port:
        got = Receiver(*[307] * 9, headers=[("location", f"http://127.0.0.1:{port}/")])
        with serving(got) as outer:
            done, _ = deliver(lab, hook(outer))
    assert "redirects" in done.error
    assert inside.got == []


def test_the_verb_sends_what_titer_toml_names(lab, serving, tmp_path, capsys):
    got, out = Receiver(), tmp_path / "events.jsonl"
    (tmp_path / "secret").write_text(SECRET)
    (tmp_path / "secret").chmod(0o600)
    with serving(got) as port:
        (lab / "titer.toml").write_text(
            f"""
            [share]
            private_hosts = ["127.0.0.1"]
            [[share.webhooks]]
            name = "pager"
            url = "http://127.0.0.1:{port}/"
            secret = {{ file = "{tmp_path}/secret" }}
            [[share.streams]]
            name = "siem"
            to = "file:{out}"
            """
        )
        words = ["share", "send", "--all", "--data", str(lab), "--json"]
        assert main(words) == 0
        done = {d["name"]: d["sent"] for d in json.loads(capsys.readouterr().out)["destinations"]}
    assert done == {"pager": 1, "siem": 1}
    (line,) = out.read_text().splitlines()
    assert json.loads(line)["class_uid"] == 2004
    assert out.stat().st_mode & 0o077 == 0
    assert main(["share", "ocsf", "--data", str(lab)]) == 0
    assert capsys.readouterr().out.strip() == line


def test_the_verb_follows_the_log(lab, running, tmp_path, wait):
    from titer.gateway.assembly import open_log

    out = tmp_path / "events.jsonl"
    (lab / "titer.toml").write_text(f'[[share.streams]]\nname = "siem"\nto = "file:{out}"\n')
    with running("share", "send", "--follow", "--data", lab) as said:
        assert said == {"following": ["siem"]}
        place = lab / "share" / "siem.place"
        wait(place.exists)
        with open_log(lab) as log:
            told = b'{"id":"l","at":1,"level":"red","before":"green","because":"x"}'
            log.append([("level", told)])
        wait(lambda: out.exists() and out.read_text().count("\n") == 1)
    assert json.loads(out.read_text())["severity"] == "High"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "nothing to send to"),
        ('[[share.streams]]\nname="x"\nto="syslog+tcp://10.0.0.1:514"', "add it to hosts"),
        ('[[share.streams]]\nname="x"\nto="gopher://x"', "to must begin"),
        ('[[share.streams]]\nname="X"\nto="file:x"', "small letters"),
        ('[[share.webhooks]]\nname="x"\nurl="https://a/"\nsecret="whsec_x"', "refer to that"),
        ('[share]\nhosts=["a"]\n[[share.streams]]\nname="x"\nto="kafka://a:1/"', "topic"),
    ],
)  # fmt: skip
def test_what_is_configured_wrongly(lab, text, said, capsys):
    (lab / "titer.toml").write_text(text)
    assert main(["share", "send", "--data", str(lab)]) == 2
    assert said in capsys.readouterr().err


@contextlib.contextmanager
def listening(tls=None):
    """A syslog receiver over TCP; gives its port and what arrived."""
    got = bytearray()
    raw = socket.create_server(("127.0.0.1", 0))
    peers = []

    def serve():
        with contextlib.suppress(OSError):
            while True:
                peer, _ = raw.accept()
                peers.append(peer)
                if tls is not None:
                    try:
                        peer = tls.wrap_socket(peer, server_side=True)
                    except OSError:
                        continue
                    peers.append(peer)
                while part := peer.recv(65_536):
                    got.extend(part)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield raw.getsockname()[1], got
    finally:
        for one in (raw, *peers):
            with contextlib.suppress(OSError):  # wakes who waits in accept or recv
                one.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        for one in (raw, *peers):
            one.close()


def frames(data):
    """Messages by octet counting (RFC 6587, 3.4.1)."""
    out = []
    while data:
        count, _, data = bytes(data).partition(b" ")
        out.append(data[: int(count)])
        data = data[int(count) :]
    return out


#: RFC 5424, 6: PRI, VERSION, TIMESTAMP, HOSTNAME, APP-NAME, PROCID, MSGID, SD, MSG.
MESSAGE = re.compile(
    rb"<(\d{1,3})>1 (\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{1,6}Z) ([!-~]{1,255}) titer - "
    rb"([!-~]{1,32}) "
    rb'\[entry@32473 uid="([^"\]]*)"\] (\{.*\})',
    re.DOTALL,
)


def test_syslog_over_tcp(lab, wait):
    with listening() as (port, got):
        out = sink(f"syslog+tcp://127.0.0.1:{port}", HERE)
        out.send([EVENT, EVENT])
        out.send([EVENT])
        out.close()
        wait(lambda: len(frames(got)) == 3)
    found = MESSAGE.fullmatch(frames(got)[0])
    assert found[1] == b"107"  # log audit (13) * 8 + error (3)
    assert found[4] == b"campaign"
    assert json.loads(found[6]) == EVENT.fact


def test_syslog_goes_on_after_the_receiver_was_away():
    with listening() as (port, _):
        out = sink(f"syslog+tcp://127.0.0.1:{port}", HERE)
        out.send([EVENT])
    with contextlib.suppress(SendError):
        out.send([EVENT])
    with pytest.raises(SendError):
        out.send([EVENT])
    out.close()


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate for localhost that signs itself: (its file, its key's file)."""
    folder = tmp_path_factory.mktemp("ca")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(7).not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem, private = folder / "ca.pem", folder / "ca.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ))  # fmt: skip
    return pem, private


def test_syslog_over_tls_checks_the_receivers_name(authority, wait):
    pem, private = authority
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem, private)
    with listening(context) as (port, got):
        trusting = Reach(private=("localhost", "127.0.0.1"), ca=str(pem))
        out = sink(f"syslog+tls://localhost:{port}", trusting)
        out.send([EVENT])
        out.close()
        wait(lambda: len(got) > 0)
        assert MESSAGE.fullmatch(frames(got)[0])
        for where, reach in (("localhost", HERE), ("127.0.0.1", trusting)):
            with pytest.raises(SendError):
                sink(f"syslog+tls://{where}:{port}", reach).send([EVENT])


def test_syslog_over_udp_and_what_is_too_long_for_it(wait):
    got = []

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            got.append(self.request[0])

    with socketserver.UDPServer(("127.0.0.1", 0), Handler) as server:
        server.max_packet_size = 65_536
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        out = sink(f"syslog+udp://127.0.0.1:{server.server_address[1]}", HERE)
        long = Event("titer.local/a/8", "campaign", EVENT.moment,
                     {**EVENT.fact, "evidences": ["x" * 100] * 200})  # fmt: skip
        out.send([EVENT, long])
        wait(lambda: len(got) == 2)
        server.shutdown()
    assert all(len(message) <= streams.MAX_DATAGRAM for message in got)
    assert json.loads(MESSAGE.fullmatch(got[1])[6])["finding_info"] == {"uid": "c"}


def test_a_name_in_structured_data_is_escaped():
    odd = Event('a"]\\', "level", EVENT.moment, {})
    assert b'uid="a\\"\\]\\\\"' in syslog(odd, "host")


def test_http_takes_lines_and_a_token(serving):
    got = Receiver(204, 500)
    with serving(got) as port:
        out = sink(f"http://127.0.0.1:{port}/in", HERE, token="t0k")
        out.send([EVENT, EVENT])
        with pytest.raises(SendError):
            out.send([EVENT])
    headers, body = got.got[0]
    headers = {k.lower(): v for k, v in headers.items()}
    assert headers["authorization"] == "Bearer t0k"
    assert headers["content-type"] == "application/x-ndjson"
    assert [json.loads(line) for line in body.splitlines()] == [EVENT.fact] * 2


def test_kafka_confirms(lab, wait):
    kafka = pytest.importorskip("confluent_kafka")
    cluster = kafka.Producer({"bootstrap.servers": "mock", "test.mock.num.brokers": 1})
    brokers = cluster.list_topics(timeout=60).brokers
    server = ",".join(f"{b.host}:{b.port}" for b in brokers.values())
    out = Kafka(server, "titer")
    out.send([EVENT, EVENT])
    reader = kafka.Consumer({"bootstrap.servers": server, "group.id": "g",
                             "auto.offset.reset": "earliest"})  # fmt: skip
    reader.subscribe(["titer"])
    read = []

    def all_read():
        message = reader.poll(0.1)
        if message is not None and message.error() is None:
            read.append(message)
        return len(read) == 2

    wait(all_read, what="both messages")
    assert [json.loads(m.value()) for m in read] == [EVENT.fact] * 2
    assert read[0].key() == EVENT.uid.encode()
    reader.close()
    out.close()


def test_kafka_that_is_away_is_an_error(monkeypatch, free):
    pytest.importorskip("confluent_kafka")
    monkeypatch.setattr(streams, "KAFKA_FLUSH", 0.3)
    with pytest.raises(SendError, match="kafka"):
        Kafka(f"127.0.0.1:{free()}", "titer", log_level=0).send([EVENT])
