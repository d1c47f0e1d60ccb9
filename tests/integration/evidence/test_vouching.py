"""Heads are cosigned by a witness process and stamped by `openssl ts`, and verified."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest

from titer.core.errors import EvidenceError
from titer.evidence import cosignature, timestamp
from titer.evidence.cosignature import Witness
from titer.evidence.log import Log, View
from titer.gateway import vouching
from titer.gateway.fetch import Peer
from titer.gateway.small_server import BURST, PER_SECOND
from titer.gateway.vouchers import Stamper, Vouching, chosen

ORIGIN = "titer.test/vouched"


def titer(*words, code=0):
    done = subprocess.run(
        [sys.executable, "-m", "titer", *map(str, words)],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done


@pytest.fixture
def data(tmp_path):
    with Log.open(tmp_path / "data" / "log", origin=ORIGIN) as log:
        log.append([("start", b"%d" % i) for i in range(300)])
    return tmp_path / "data"


@pytest.fixture
def witness(tmp_path, data):
    """A witness that knows the log, as a process."""
    where = tmp_path / "witness"
    titer("witness", "create", "--name", "witness.test/w1", "--data", where)
    key = (data / "log" / "log.pub").read_text().strip()
    titer("witness", "trust", key, "--data", where)
    process = subprocess.Popen(
        [sys.executable, "-m", "titer", "witness", "serve", "--port", "0", "--data", str(where),
         "--json"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    told = json.loads(process.stdout.readline())
    yield told["key"], f"http://127.0.0.1:{told['port']}", where
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == 0
    process.stdout.close()


@pytest.fixture
def stamper(tmp_path, authority_module):
    authority = authority_module.Authority(tmp_path / "tsa")
    served = authority_module.Served(authority)
    yield Stamper("local", Peer(served.url), authority.roots), authority
    served.close()


@pytest.mark.slow
def test_a_head_is_cosigned_stamped_proved_and_verified_by_others(
    data, witness, stamper, tmp_path
):
    key, url, where = witness
    one, authority = stamper
    anchor = tmp_path / "elsewhere" / "anchor"
    anchor.parent.mkdir()
    done = titer(
        "log", "vouch", "--witness", key, url, "--stamper", one.name, one.peer.url, one.roots,
        "--anchor", anchor, "--data", data, "--json",
    )  # fmt: skip
    told = json.loads(done.stdout)["vouched"]
    assert (told["size"], told["cosigned"], told["failed"]) == (300, ["witness.test/w1"], [])
    view = View.open(data / "log")
    kept = view.vouched(300)
    assert cosignature.require(kept.signed.encode(), [Witness.parse(key)], 1, now=2**40)
    roots = timestamp.read_roots(authority.roots.read_bytes())
    stamp = timestamp.verify(kept.tokens["local"], kept.stamped(), roots)
    assert stamp.authority == "CN=tsa"
    assert authority.accepts(kept.stamped(), kept.tokens["local"])
    assert not authority.accepts(kept.stamped() + b"x", kept.tokens["local"])
    proof = tmp_path / "7.tlog-proof"
    titer("log", "proof", 7, "--vouched", "-o", proof, "--data", data)
    told = titer("log", "verify", proof, "--key", view.verifier, "--witness", key, "--json")
    assert json.loads(told.stdout)["cosigned"] == ["witness.test/w1"]
    assert titer("witness", "list", "--data", where).stdout == f"{ORIGIN}  300 entries\n"
    with Log.open(data / "log") as log:
        log.append([("start", b"more")] * 500)
    words = titer("log", "vouch", "--stamper", one.name, one.peer.url, one.roots, "--data", data)
    assert "stamped by CN=tsa (its certificate ends on 20" in words.stdout
    again = titer("log", "vouch", "--witness", key, url, "--data", data, "--json")
    assert json.loads(again.stdout)["vouched"]["size"] == 800


def test_a_disk_that_was_rolled_back_is_noticed_by_anchor_and_witness(data, witness, tmp_path):
    key, url, _ = witness
    copy = tmp_path / "copy"
    shutil.copytree(data, copy)
    with Log.open(data / "log") as log:
        log.append([("start", b"more")] * 10)
        log.checkpoint()
        who = chosen([(key, url)], (), tmp_path / "anchor")
        assert vouching.vouch(log, who).failed == ()
        vouching.check(log, who)
    for one in (chosen([(key, url)], (), None), chosen([], (), tmp_path / "anchor")):
        with pytest.raises(EvidenceError, match="rolled back"):
            vouching.opened(Log.open(copy / "log"), one)
        with pytest.raises(EvidenceError, match="rolled back|has seen 310"):
            vouching.vouch(View.open(copy / "log"), one)
    with Log.open(copy / "log") as log:  # goes on differently, up to the same size
        log.append([("start", b"otherwise")] * 10)
        log.checkpoint()
        for one in (chosen([(key, url)], (), None), chosen([], (), tmp_path / "anchor")):
            with pytest.raises(EvidenceError, match="split view"):
                vouching.check(log, one)
            with pytest.raises(EvidenceError, match="split view"):
                vouching.vouch(log, one)
    told = titer("log", "vouch", "--witness", key, url, "--data", copy, code=2)
    assert "CONTRADICTED" in told.stderr


def test_another_file_is_no_anchor_and_is_left_alone(data, tmp_path):
    other = tmp_path / "my notes.txt"
    for content in (b"important\n", b""):
        other.write_bytes(content)
        told = titer("log", "vouch", "--anchor", other, "--data", data, code=2).stderr
        assert f"the anchor {other} holds no head of any log, and was left alone" in told
        assert other.read_bytes() == content
    assert "more than" in titer("log", "vouch", "--anchor", "/dev/zero", "--data", data,
                                code=2).stderr  # fmt: skip


def test_a_witness_that_cannot_be_asked_costs_its_cosignature_and_no_more(data, stamper):
    one, _ = stamper
    key = "w+8e1bf7a4+BKXkPCD4YOGz6MK+gRbJRlYRuH0GRnBZnHRB4Q5mPnGq"
    with pytest.raises(EvidenceError, match="key id"):
        chosen([(key, "http://127.0.0.1:9")], (), None)
    told = titer("witness", "create", "--name", "w", "--data", data / "w").stdout.strip()
    who = Vouching(chosen([(told, "http://127.0.0.1:9")], (), None).witnesses, (one,))
    done = vouching.vouch(View.open(data / "log"), who)
    assert len(done.stamps) == 1
    assert "cannot be reached" in done.failed[0]


def test_a_flood_of_requests_is_slowed_down(witness):
    _, url, _ = witness
    codes = []
    began = time.monotonic()

    def knock():
        try:
            urllib.request.urlopen(f"{url}/x/checkpoint", timeout=60)
        except urllib.error.HTTPError as error:
            codes.append(error.code)
            error.close()

    def lasted():
        return time.monotonic() - began

    with ThreadPoolExecutor(4) as many:  # a machine may be too slow for one alone to be a flood
        while 429 not in codes and lasted() < 60:
            list(many.map(lambda _: knock(), range(20)))
    assert codes.count(404) >= BURST
    assert codes.count(404) <= BURST + PER_SECOND * lasted() + 1
    assert 429 in codes or lasted() * PER_SECOND > codes.count(404) - BURST - 1


@pytest.mark.parametrize(
    ("wrong", "words"),
    [("expired", "expired certificate"), ("usage", "EKU"), ("roots", "verif"), ("other", "other")],
)
def test_a_stamp_that_proves_nothing_is_refused(tmp_path, authority_module, wrong, words):
    data = b"a head"
    days = (-60, -30) if wrong == "expired" else (-1, 30)
    authority = authority_module.Authority(tmp_path / "tsa", days=days)
    made = timestamp.ask(data)
    token = authority.reply(made.query)
    roots = timestamp.read_roots(authority.roots.read_bytes())
    if wrong == "usage":
        token = token.replace(
            bytes.fromhex("06082b06010505070308"), b"\x06\x08+\x06\x01\x05\x05\x07\x03\x07"
        )
        words = "EKU|verif|does not"
    if wrong == "roots":
        other = authority_module.Authority(tmp_path / "other")
        roots = timestamp.read_roots(other.roots.read_bytes())
    with pytest.raises(EvidenceError, match=words):
        timestamp.verify(token, data + (b"x" if wrong == "other" else b""), roots)


def test_changed_replies_nonces_and_clocks_are_refused(tmp_path, authority_module):
    authority = authority_module.Authority(tmp_path / "tsa")
    roots = timestamp.read_roots(authority.roots.read_bytes())
    made = timestamp.ask(b"a head")
    token = authority.reply(made.query)
    stamp = timestamp.verify(token, b"a head", roots, nonce=made.nonce)
    assert stamp.policy == "1.2.3.4.1"
    with pytest.raises(EvidenceError, match="[Nn]once"):
        timestamp.verify(token, b"a head", roots, nonce=made.nonce + 1)
    with pytest.raises(EvidenceError, match="future"):
        timestamp.verify(token, b"a head", roots, now=stamp.at - 100)
    for junk in (b"", b"\x30\x00", token[:-1], bytes(300_000)):
        with pytest.raises(EvidenceError, match="time stamp"):
            timestamp.verify(junk, b"a head", roots)
    with pytest.raises(EvidenceError, match="PEM"):
        timestamp.read_roots(b"nothing")
    accepted = []
    for at in range(0, len(token), 7):
        changed = token[:at] + bytes([token[at] ^ 1]) + token[at + 1 :]
        try:
            again = timestamp.verify(changed, b"a head", roots, nonce=made.nonce)
        except EvidenceError:
            continue
        accepted.append((at, again))
    for _, again in accepted:  # bits outside what is signed: what is told stays the same
        assert (again.at, again.serial, again.policy) == (stamp.at, stamp.serial, stamp.policy)
