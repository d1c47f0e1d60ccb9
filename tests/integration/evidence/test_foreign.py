"""Witnesses and monitors that are not ours: Go's sumdb libraries, and litewitness if it is there.

`gopeer` is built here of Go's own packages. litewitness (filippo.io/torchwood) is not packaged for
Debian: name a binary of it in TITER_LITEWITNESS, or have one on the path.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import http.server
import os
import re
import shutil
import socket
import sqlite3
import subprocess
import threading
import time
from pathlib import Path

import pytest

from titer.core.errors import EvidenceError
from titer.evidence import checkpoint, cosignature
from titer.evidence.cosignature import Witness
from titer.evidence.log import Log, View
from titer.gateway import vouching
from titer.gateway.publishing import Folder, publish
from titer.gateway.vouchers import chosen
from titer.gateway.watching import witnessed

GOPATH = Path("/usr/share/gocode")  # where Debian's golang-golang-x-mod-dev puts sources
needs_go = pytest.mark.skipif(
    shutil.which("go") is None or not (GOPATH / "src/golang.org/x/mod/sumdb/tlog").is_dir(),
    reason="needs the Debian packages golang-go and golang-golang-x-mod-dev",
)
LITEWITNESS = os.environ.get("TITER_LITEWITNESS") or shutil.which("litewitness")
ORIGIN = "titer.test/foreign"
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def gopeer(go_build):
    return go_build("gopeer")


@pytest.fixture
def data(tmp_path):
    with Log.open(tmp_path / "data" / "log", origin=ORIGIN) as log:
        log.append([("start", b"%d" % i) for i in range(300)])
        log.checkpoint()
    return tmp_path / "data"


def ended(process):
    process.terminate()
    process.wait(timeout=120)
    process.stdout.close()


@pytest.fixture
def go_witness(request, data):
    log = (data / "log" / "log.pub").read_text().strip()
    process = subprocess.Popen(
        [request.getfixturevalue("gopeer"), "witness", "go.test/w", "07" * 32, log],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    url, key = process.stdout.readline().split()
    yield key, url
    ended(process)


@pytest.fixture
def litewitness(data, tmp_path, free, wait):
    """As its README says: the key in an ssh-agent, the log in its database."""
    if LITEWITNESS is None or not all(map(shutil.which, ("ssh-agent", "ssh-add", "ssh-keygen"))):
        pytest.skip("needs litewitness (TITER_LITEWITNESS) and ssh-agent")
    run = functools.partial(
        subprocess.run, check=True, capture_output=True, text=True, timeout=120
    )
    agent = subprocess.Popen(
        ["ssh-agent", "-D", "-a", tmp_path / "agent"], stdout=subprocess.PIPE, text=True
    )
    wait(lambda: (tmp_path / "agent").exists())
    run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "id"])
    run(
        ["ssh-add", "-q", tmp_path / "id"],
        env={**os.environ, "SSH_AUTH_SOCK": str(tmp_path / "agent")},
    )
    finger = run(["ssh-keygen", "-l", "-f", tmp_path / "id"]).stdout.split()[1]
    port = free()
    process = subprocess.Popen(
        [LITEWITNESS, "-name", "lite.test/w", "-db", tmp_path / "lite.db", "-key", finger,
         "-ssh-agent", tmp_path / "agent", "-listen", f"127.0.0.1:{port}"],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    for line in process.stdout:
        if found := re.search(r"vkey=(\S+)", line):
            key = found[1].strip('"')
        if "listening" in line:
            break
    # What `witnessctl add-log` and `add-key` do.
    empty = base64.b64encode(hashlib.sha256(b"").digest()).decode()
    with sqlite3.connect(tmp_path / "lite.db") as db:
        db.execute("INSERT INTO log VALUES (?, 0, ?)", (ORIGIN, empty))
        db.execute(
            "INSERT INTO key VALUES (?, ?)", (ORIGIN, (data / "log/log.pub").read_text().strip())
        )
    db.close()
    wait(lambda: answers(port))
    yield key, f"http://127.0.0.1:{port}"
    ended(process)
    ended(agent)


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@needs_go
def test_a_witness_of_gos_libraries(go_witness, data, tmp_path):
    witness(*go_witness, data, tmp_path)
    key, url = go_witness
    view = View.open(data / "log")
    (seen,) = witnessed(key, url, ORIGIN, view.verifiers)  # C2SP's monitor retrieval
    assert seen.head.size == 305


def test_litewitness(litewitness, data, tmp_path):
    witness(*litewitness, data, tmp_path)


def witness(key, url, data, tmp_path):
    """A log grows under a witness, is rolled back, and forks."""
    shutil.copytree(data, tmp_path / "copy")
    who = chosen([(key, url)], (), None)
    known = [Witness.parse(key)]
    for count in (0, 5):
        with Log.open(data / "log") as log:
            if count:
                log.append([("start", b"more")] * count)
                log.checkpoint()
            done = vouching.vouch(log, who)
        assert (done.failed, done.cosigned) == ((), (known[0].name,))
        kept = View.open(data / "log").vouched(done.size).signed.encode()
        (one,) = cosignature.require(kept, known, 1, now=int(time.time()))
        assert abs(one.at - time.time()) < 600
        assert checkpoint.read(kept, View.open(data / "log").verifiers).size == 300 + count
    assert vouching.vouch(View.open(data / "log"), who).failed == ()  # the same head again
    with pytest.raises(EvidenceError, match="has seen 305"):
        vouching.vouch(View.open(tmp_path / "copy" / "log"), who)
    for more in (5, 5):  # the same size with another root, then a larger fork
        with Log.open(tmp_path / "copy" / "log") as log:
            log.append([("start", b"otherwise")] * more)
            log.checkpoint()
            with pytest.raises(EvidenceError, match="split view"):
                vouching.vouch(log, who)


@pytest.fixture
def served(tmp_path):
    """A static web server before an empty folder."""
    root = tmp_path / "www"
    root.mkdir()

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(root))
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield root, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


@needs_go
def test_a_monitor_of_gos_libraries(gopeer, data, served, tmp_path):
    root, url = served
    key = (data / "log" / "log.pub").read_text().strip()

    def look(*before, code=0):
        ran = subprocess.run(
            [gopeer, "monitor", url, key, *before], capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip
        assert ran.returncode == code, ran.stdout
        return ran.stdout

    shutil.copytree(data, tmp_path / "copy")
    publish(View.open(data / "log"), Folder(root))
    heads = [tmp_path / "300"]
    heads[0].write_text(look())
    for count in (1, 5_000):
        with Log.open(data / "log") as log:
            log.append([("start", b"%d" % i) for i in range(count)])
            log.checkpoint()
        publish(View.open(data / "log"), Folder(root))
        for before in heads:
            now = look(before)
        heads.append(tmp_path / str(count))
        heads[-1].write_text(now)
    assert now.split("\n")[1] == "5301"
    assert now == (data / "log" / "checkpoint").read_text()
    bundle = root / "tile" / "entries" / "001"
    kept = bundle.read_bytes()
    bundle.write_bytes(kept.replace(b'"start"', b'"stort"', 1))
    assert "is not the one in the tree" in look(code=1)
    bundle.write_bytes(kept)
    with Log.open(tmp_path / "copy" / "log") as log:
        log.append([("start", b"otherwise")] * 6_000)
        log.checkpoint()
    shutil.rmtree(root)
    root.mkdir()
    publish(View.open(tmp_path / "copy" / "log"), Folder(root))
    look(heads[0])  # it was one log until then
    assert "split view" in look(heads[1], code=1)
    shutil.copy(heads[0], root / "checkpoint")
    assert "rolled back from 5301 to 300" in look(heads[-1], code=1)
