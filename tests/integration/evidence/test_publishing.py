"""A log published to nginx and to S3-compatible storage, and watched there by a monitor."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from titer.core.errors import EvidenceError, InputError
from titer.evidence import heads, monitor
from titer.evidence.log import Log, View
from titer.gateway.assembly import open_log
from titer.gateway.publishing import Folder, publish, source
from titer.gateway.s3 import Bucket, Credentials, sign

NGINX = shutil.which("nginx") or ("/usr/sbin/nginx" if os.path.exists("/usr/sbin/nginx") else None)


def titer(*words, code=0, **environment):
    done = subprocess.run(
        [sys.executable, "-m", "titer", *map(str, words)], env={**os.environ, **environment},
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture
def data(tmp_path):
    with open_log(tmp_path / "data") as log:
        grow(log, 700)
    return tmp_path / "data"


def grow(log, count, what="x"):
    log.append([("start", b"%s%d" % (what.encode(), i)) for i in range(count)])
    log.checkpoint()


@pytest.fixture
def nginx(tmp_path, free, wait):
    """nginx before a directory, with nothing but its own defaults."""
    if NGINX is None:
        pytest.skip("needs nginx")
    port, root, run = free(), tmp_path / "www", tmp_path / "nginx"
    root.mkdir()
    run.mkdir()
    (run / "conf").write_text(
        f"pid {run}/pid; error_log {run}/error.log; daemon off; master_process off;"
        "events {} http { access_log off;"
        f"client_body_temp_path {run}; proxy_temp_path {run}; fastcgi_temp_path {run};"
        f"uwsgi_temp_path {run}; scgi_temp_path {run};"
        f"server {{ listen 127.0.0.1:{port}; root {root}; }} }}"
    )
    server = subprocess.Popen([NGINX, "-c", str(run / "conf"), "-p", str(run)],
                              stderr=subprocess.DEVNULL)  # fmt: skip
    wait(lambda: _listens(port), what="nginx")
    yield root, f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait(timeout=120)


def _listens(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.slow
def test_a_static_server_shows_the_log_and_a_monitor_follows_it(data, nginx, tmp_path):
    root, url = nginx
    key = (data / "log" / "log.pub").read_text().strip()
    state = tmp_path / "state"
    sizes = []
    for count in (0, 1, 300, 70_000):
        if count:
            with Log.open(data / "log") as log:
                grow(log, count)
        told = json.loads(titer("log", "publish", root, "--data", data, "--json").stdout)
        done = titer("log", "check", url, "--key", key, "--state", state, "--entries", "--json")
        found = json.loads(done.stdout)
        assert found["size"] == told["published"]["size"]
        assert found["entries"] == count or not sizes
        sizes.append(found["size"])
    assert sizes == [700, 701, 1001, 71_001]
    assert json.loads(titer("log", "publish", root, "--data", data, "--json").stdout) == {
        "published": {"size": 71_001, "before": 71_001, "sent": 1}
    }
    assert not (root / "bodies").exists()
    assert not (root / "log.key").exists()
    names = {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file()}
    assert all(n.startswith("tile/") or n in ("checkpoint", "log.pub") for n in names)
    titer("log", "check", url, code=2)  # no key: proves nothing
    whole = titer("log", "check", data, "--entries")
    assert "with their bodies" in whole.stdout


@pytest.mark.slow
def test_keys_that_took_over_are_followed_from_the_one_that_was_pinned(data, nginx):
    root, url = nginx
    old = (data / "log" / "log.pub").read_text().strip()
    for _ in range(2):
        titer("log", "rotate", "--overlap-days", "0", "--data", data)
    titer("log", "publish", root, "--data", data)
    assert json.loads(titer("log", "check", url, "--key", old, "--json").stdout)["size"] == 702
    (root / "rotations" / "1").unlink()
    told = titer("log", "check", url, "--key", old, code=2)
    assert "no signature by a known key" in told.stderr


def test_a_log_that_shows_two_histories_is_found_out(data, tmp_path):
    fork = tmp_path / "fork"
    shutil.copytree(data, fork)
    with Log.open(data / "log") as log:
        grow(log, 100)
    with Log.open(fork / "log") as log:
        grow(log, 100, "y")
        other = tmp_path / "other"
        other.write_text(log.signed_head)
        grow(log, 100, "y")
    shorter, longer = tmp_path / "other", fork / "log" / "checkpoint"
    for since, words in ((shorter, "split view"), (longer, "rolled back")):
        told = titer("log", "check", data, "--since", since, code=1)
        assert words in told.stderr
        origin = View.open(data / "log").verifier.name
        assert told.stdout.count(f"\n{origin}\n") == 2  # both heads, as evidence
    with Log.open(data / "log") as log:
        grow(log, 300)
    told = titer("log", "check", data, "--since", shorter, "--since", longer, "--json", code=1)
    assert "does not begin with" in json.loads(told.stdout)["why"]
    with pytest.raises(EvidenceError, match="rewritten or split"):
        publish(View.open(data / "log"), Folder(fork / "log"))


def changed(get, name, change):
    return lambda path, limit: change(get(path, limit)) if path == name else get(path, limit)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("checkpoint", "the log: "),
        ("tile/0/000", "not lead"),
        ("tile/0/002.p/188", "not lead"),
        ("tile/1/000.p/2", "not lead"),
        ("tile/entries/001", "not lead|malformed|too few"),
    ],
)
def test_no_byte_of_a_served_log_can_be_changed_unnoticed(data, name, words):
    view = View.open(data / "log")
    get = source(str(data / "log"))
    assert monitor.look(get, view.verifiers, entries=True).entries == 700
    whole = get(name, 1 << 20)
    for at in (0, 33, len(whole) // 2, len(whole) - 2):
        flip = changed(get, name, lambda d, at=at: d[:at] + bytes([d[at] ^ 4]) + d[at + 1 :])
        with pytest.raises(EvidenceError, match=words):
            monitor.look(flip, view.verifiers, entries=True)
    for wrong in (lambda _: None, lambda _: b"", lambda d: d + b"x", lambda d: d[:-1]):
        with pytest.raises(EvidenceError):
            monitor.look(changed(get, name, wrong), view.verifiers, entries=True)


def test_entries_in_another_order_are_found(data):
    view = View.open(data / "log")
    get = source(str(data / "log"))

    def swap(bundle):
        size = 2 + int.from_bytes(bundle[:2], "big")
        then = size + 2 + int.from_bytes(bundle[size : size + 2], "big")
        return bundle[size:then] + bundle[:size] + bundle[then:]

    with pytest.raises(EvidenceError, match="does not lead to its entries"):
        monitor.look(changed(get, "tile/entries/001", swap), view.verifiers, entries=True)


def test_a_hostile_server_costs_bounded_memory(data):
    class Endless(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            try:
                while True:
                    self.wfile.write(bytes(1 << 16))
            except OSError:
                pass

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Endless)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    with pytest.raises(InputError, match="more than"):
        source(url)("checkpoint", 65_536)
    key = (data / "log" / "log.pub").read_text().strip()
    assert "more than" in titer("log", "check", url, "--key", key, code=2).stderr
    server.shutdown()
    server.server_close()


class Storage(BaseHTTPRequestHandler):
    """S3 as far as it is used here; every signature is made again and compared."""

    objects: dict[str, tuple[bytes, str]] = {}  # noqa: RUF012
    credentials = Credentials("AKID", "sEcret/+", "token")
    fail = 0

    def _allowed(self, body: bytes) -> bool:
        import datetime as dt

        given = self.headers["authorization"]
        names = re.search("SignedHeaders=([^,]*)", given)[1].split(";")
        assert {"host", "x-amz-content-sha256", "x-amz-date", "x-amz-security-token"} <= {*names}
        payload = hashlib.sha256(body).hexdigest()
        assert self.headers["x-amz-content-sha256"] == payload
        stamp = self.headers["x-amz-date"]
        at = dt.datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
        assert abs(at.timestamp() - time.time()) < 600
        signed = {name: self.headers[name] for name in names}
        return given == sign(
            self.command, self.path, signed, payload, self.credentials, region="eu-test-1", at=at
        )

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if Storage.fail:
            Storage.fail -= 1
            self._answer(503)
        elif not self._allowed(body):
            self._answer(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
        else:
            self.objects[self.path] = (body, self.headers["cache-control"])
            self._answer(200)

    def do_GET(self):
        if not self._allowed(b""):
            self._answer(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")
        elif self.path in self.objects:
            self._answer(200, self.objects[self.path][0])
        else:
            self._answer(404)

    def log_message(self, *_):
        pass


def test_a_log_is_published_to_s3_and_read_from_there(data):
    Storage.objects.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Storage)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    where = ("--endpoint", endpoint, "--region", "eu-test-1", "--data", data, "--json")
    secret = {
        "AWS_ACCESS_KEY_ID": "AKID", "AWS_SECRET_ACCESS_KEY": "sEcret/+",
        "AWS_SESSION_TOKEN": "token",
    }  # fmt: skip
    Storage.fail = 2
    told = titer("log", "publish", "s3://bucket/a log", *where, **secret)
    first = json.loads(told.stdout)["published"]
    assert (first["size"], first["before"]) == (700, 0)
    with Log.open(data / "log") as log:
        grow(log, 10)
        heads.keep(log.directory, 710, log.signed_head)
    told = titer("log", "publish", "s3://bucket/a log", *where, **secret)
    assert json.loads(told.stdout)["published"]["before"] == 700
    assert Storage.objects["/bucket/a%20log/tile/0/001"][1].endswith("immutable")
    assert Storage.objects["/bucket/a%20log/checkpoint"][1] == "public, max-age=5"
    assert "/bucket/a%20log/heads/000000000710/checkpoint" in Storage.objects
    bucket = Bucket(
        "s3://bucket/a log", Storage.credentials, endpoint=endpoint, region="eu-test-1"
    )
    view = View.open(data / "log")
    assert monitor.look(bucket.get, view.verifiers, entries=True).entries == 710
    secret["AWS_SECRET_ACCESS_KEY"] = "wrong"
    told = titer("log", "publish", "s3://bucket/a log", *where, code=2, **secret)
    assert "SignatureDoesNotMatch" in told.stderr
    assert "wrong" not in told.stderr
    server.shutdown()
    server.server_close()


MOTO = os.environ.get("TITER_MOTO_SERVER") or shutil.which("moto_server")


@pytest.mark.skipif(MOTO is None, reason="needs moto[server] (TITER_MOTO_SERVER)")
def test_a_log_is_published_to_storage_that_is_not_ours(data, free):
    """moto checks each signature by botocore, once a user with rights was made."""
    port = free()
    endpoint = f"http://127.0.0.1:{port}"
    env = {**os.environ, "INITIAL_NO_AUTH_ACTION_COUNT": "5"}
    process = subprocess.Popen(
        [MOTO, "-H", "127.0.0.1", "-p", str(port)], env=env,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        user = json.loads(moto_user(MOTO, endpoint))
        where = ("--endpoint", endpoint, "--region", "us-east-1", "--data", data, "--json")
        secret = {"AWS_ACCESS_KEY_ID": user["id"], "AWS_SECRET_ACCESS_KEY": user["secret"]}
        told = titer("log", "publish", "s3://public/a log", *where, **secret)
        assert json.loads(told.stdout)["published"]["size"] == 700
        bucket = Bucket(
            "s3://public/a log", Credentials(user["id"], user["secret"]), endpoint=endpoint,
            region="us-east-1",
        )  # fmt: skip
        view = View.open(data / "log")
        assert monitor.look(bucket.get, view.verifiers, entries=True).entries == 700
        secret["AWS_SECRET_ACCESS_KEY"] = "wrong"
        told = titer("log", "publish", "s3://public/a log", *where, code=2, **secret)
        assert "SignatureDoesNotMatch" in told.stderr
    finally:
        process.terminate()
        process.wait(timeout=120)


def moto_user(server, endpoint):
    """A bucket, and a user who may write it, made with boto3 beside moto: five calls."""
    made = """
import boto3, json, sys, time
at = {"endpoint_url": sys.argv[1], "region_name": "us-east-1", "aws_access_key_id": "x",
      "aws_secret_access_key": "x"}
for _ in range(100):
    try:
        boto3.client("s3", **at).create_bucket(Bucket="public")
        break
    except Exception:
        time.sleep(0.2)
iam = boto3.client("iam", **at)
iam.create_user(UserName="titer")
may = {"Version": "2012-10-17",
       "Statement": [{"Effect": "Allow", "Action": "s3:*", "Resource": "*"}]}
iam.put_user_policy(UserName="titer", PolicyName="all", PolicyDocument=json.dumps(may))
key = iam.create_access_key(UserName="titer")["AccessKey"]
iam.list_users()
print(json.dumps({"id": key["AccessKeyId"], "secret": key["SecretAccessKey"]}))
"""
    python = Path(server).with_name("python3")
    done = subprocess.run(
        [python, "-c", made, endpoint], capture_output=True, text=True, timeout=120, check=True
    )
    return done.stdout


def test_only_what_is_new_is_read_when_a_head_was_seen(data):
    with Log.open(data / "log") as log:
        before = monitor.known("before", log.signed_head.encode(), log.verifiers)
        grow(log, 300)
        read = []

        def get(path, limit, get=source(str(data / "log"))):
            read.append(path)
            return get(path, limit)

        assert monitor.look(get, log.verifiers, [before], entries=True).entries == 300
    assert sum(path.startswith("tile/entries/") for path in read) == 2
    assert "tile/entries/000" not in read
