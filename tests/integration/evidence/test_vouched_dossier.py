"""Dossiers that others vouch for: a witness, a time stamping authority, and openssl reading it."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from importlib import resources

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from securesystemslib.dsse import Envelope as DsseEnvelope

from titer.cli import main
from titer.core.errors import EvidenceError
from titer.core.nouns import Exchange, Principal
from titer.evidence import dossier, form, heads, timestamp
from titer.evidence.cosignature import Cosigner
from titer.evidence.log import Log
from titer.evidence.verify import key_id, verify
from titer.evidence.vouched import Trust

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs openssl")


def exchanges(begin, count):
    return [
        ("exchange", msgspec.json.encode(Exchange(f"x{n}", n, Principal("p"), "/v1/x")))
        for n in range(begin, begin + count)
    ]


@pytest.fixture
def authority(authority_module, tmp_path):
    return authority_module.Authority(tmp_path / "tsa")


@pytest.fixture
def vouched(tmp_path, authority):
    """A log of 30 entries whose head at 20 was cosigned and stamped; the dossier on it."""
    witness = Cosigner("titer.test/witness", Ed25519PrivateKey.generate())
    with Log.open(tmp_path / "log", origin="titer.test/vouched") as log:
        log.append(exchanges(0, 20))
        signed = log.checkpoint()
        line = witness.line(signed.partition("\n\n")[0] + "\n", int(time.time()))
        kept = heads.keep(log.directory, log.size, signed + line)
        token = authority.reply(timestamp.ask(kept.stamped()).query)
        heads.keep_token(log.directory, log.size, "tsa", token)
        log.append(exchanges(20, 10))
        data = dossier.build(log, subject="p", summary={})
        yield log, data, witness.witness


def test_what_witness_and_authority_said_is_checked(vouched, authority):
    log, data, witness = vouched
    roots = timestamp.read_roots(authority.roots.read_bytes())
    found = verify(data, key=str(log.verifier), trust=Trust((witness,), 1, roots))
    assert {(s.how, s.size) for s in found.said} == {("cosigned", 20), ("stamped", 20)}
    assert all(abs(s.at - time.time()) < 600 for s in found.said)
    text = "\n".join(found.lines())
    assert "entries below 20 were in the log" in text
    other = Cosigner("titer.test/w2", Ed25519PrivateKey.generate()).witness
    with pytest.raises(EvidenceError, match="1 cosignatures, and you ask for 2"):
        verify(data, trust=Trust((witness, other), 2))


def resealed(log, data, edit):
    """The dossier changed by somebody who holds the log's key."""
    statement = json.loads(base64.b64decode(json.loads(data)["payload"]))
    edit(statement["predicate"]["vouched"])
    payload = msgspec.json.encode(statement)
    signature = log.signer().sign(DsseEnvelope(payload, form.PAYLOAD_TYPE, {}).pae())
    envelope = form.Envelope(
        base64.b64encode(payload).decode(), form.PAYLOAD_TYPE,
        (form.Signature(key_id(log.verifier), base64.b64encode(signature).decode()),),
    )  # fmt: skip
    return form.encode(envelope) + b"\n"


def test_an_operator_cannot_make_it_up(vouched, authority, tmp_path):
    log, data, witness = vouched
    roots = timestamp.read_roots(authority.roots.read_bytes())
    with Log.open(tmp_path / "other", origin="titer.test/vouched") as other:
        other.append(exchanges(100, 20))
        foreign = other.checkpoint()

    def another_head(v):
        v[0]["checkpoint"] = foreign

    def another_text(v):
        v[0]["checkpoint"] = v[0]["checkpoint"].replace("\n20\n", "\n21\n", 1)

    def another_stamp(v):
        raw = bytearray(base64.b64decode(v[0]["stamps"][0]["token"]))
        raw[-20] ^= 1
        v[0]["stamps"][0]["token"] = base64.b64encode(raw).decode()

    for edit, trust, why in (
        (another_head, None, "no signature by a known key"),
        (another_text, None, "does not hold"),
        (lambda v: v[0].update(extends=[]), None, "consistency"),
        (lambda v: v.extend(v * 3), None, "more than 3"),
        (lambda v: v.extend(v), None, "out of order"),
        (another_stamp, Trust(roots=roots), "no time stamp holds"),
        (lambda v: v[0].update(stamps=[]), Trust(roots=roots), "no time stamp holds"),
        (lambda v: v.clear(), Trust((witness,), 1), "0 cosignatures"),
    ):
        with pytest.raises(EvidenceError, match=why):
            verify(resealed(log, data, edit), trust=trust)


def test_the_verb_and_openssl_read_the_stamp(vouched, authority, tmp_path, capsys):
    log, data, witness = vouched
    path = tmp_path / "p.dossier"
    path.write_bytes(data)
    words = ["verify", str(path), "--key", str(log.verifier)]
    assert main([*words, "--witness", str(witness), "--roots", str(authority.roots)]) == 0
    shown = capsys.readouterr().out
    assert "stamped  by CN=tsa" in shown
    assert "cosigned by titer.test/witness" in shown
    assert main([*words, "--witness", str(witness), "--quorum", "2"]) == 2
    assert main([*words, "--witness", "nonsense"]) == 2
    capsys.readouterr()
    script = resources.files("titer.console.referral") / "verify.sh"
    public = tmp_path / "log.pub"
    public.write_text(f"{log.verifier}\n")
    check = ["sh", str(script), str(path), str(public)]
    done = subprocess.run(
        [*check, str(authority.roots)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "ok  openssl: an earlier head was stamped on" in done.stdout
    other = tmp_path / "roots"
    other.write_text("")
    done = subprocess.run([*check, str(other)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "no time stamp holds" in done.stderr
