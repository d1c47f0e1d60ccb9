"""Go's own sumdb libraries, none of our code, read the log and check its proofs."""

from __future__ import annotations

import base64
import json
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from titer.evidence.cosignature import Cosigner
from titer.evidence.log import Log, View

GOPATH = Path("/usr/share/gocode")  # where Debian's golang-golang-x-mod-dev puts sources
needs_go = pytest.mark.skipif(
    shutil.which("go") is None or not (GOPATH / "src/golang.org/x/mod/sumdb/tlog").is_dir(),
    reason="needs the Debian packages golang-go and golang-golang-x-mod-dev",
)
pytestmark = [needs_go, pytest.mark.slow]


@pytest.fixture(scope="module")
def gocheck(tmp_path_factory, go_build):
    where = tmp_path_factory.mktemp("cases")
    binary = go_build("gocheck")

    def check(case: dict) -> tuple[int, str]:
        path = where / "case.json"
        path.write_text(json.dumps(case))
        done = subprocess.run(
            [str(binary), str(path)], capture_output=True, text=True, timeout=120, check=False
        )
        return done.returncode, done.stdout

    return check


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def case_of(directory: Path, sizes: list[int], *, reads: int) -> dict:
    """A log grown through `sizes`, with proofs of ours for its last head."""
    rng = random.Random(7)
    heads = []
    with Log.open(directory, origin="titer.test/go") as log:
        for size in sizes:
            log.append([("exchange", b'{"id":"x%d"}' % i) for i in range(log.size, size)], at=17)
            log.checkpoint()
            heads.append(log.head)
        size = log.size
        picked = sorted({0, size - 1, *(rng.randrange(size) for _ in range(20))})
        return {
            "Key": str(log.verifier),
            "Note": log.signed_head,
            "Tiles": str(directory),
            "Inclusions": [
                {
                    "Index": i,
                    "Entry": b64(log.read(i).line),
                    "Proof": [b64(h) for h in log.inclusion(i)],
                }
                for i in picked
            ],
            "Consistency": [
                {
                    "Old": head.size,
                    "Root": b64(head.root),
                    "Proof": [b64(h) for h in log.consistency(head.size)],
                }
                for head in heads[:-1]
            ],
            "Read": sorted({0, size - 1, *(rng.randrange(size) for _ in range(reads))}),
        }


@pytest.mark.parametrize(
    "sizes", [[1, 2, 3, 777], [255, 256, 257, 512], [300, 65_536, 66_000, 70_001]]
)
def test_go_accepts_head_proofs_and_tiles_and_refuses_changed_bits(gocheck, tmp_path, sizes):
    case = case_of(tmp_path, sizes, reads=50)
    code, said = gocheck(case)
    assert code == 0, said
    words = said.split()
    assert int(words[1]) == len(case["Inclusions"])
    assert int(words[3]) == 3
    assert int(words[5]) == len(case["Read"])
    assert int(words[7]) > 20


def test_go_accepts_a_cosignature_and_a_proof_file_and_refuses_changed_ones(gocheck, tmp_path):
    case = case_of(tmp_path, [300], reads=3)
    signer = Cosigner("witness.test/go", Ed25519PrivateKey.generate())
    view = View.open(tmp_path)
    line = signer.line(view.head.body(), 1_764_000_000)
    case |= {"Note": case["Note"] + line, "Witness": str(signer.witness), "Proof": view.proof(123)}
    code, said = gocheck(case)
    assert code == 0, said
    earlier = signer.line(view.head.body().replace("300", "299"), 1_764_000_000)
    for changed, words in (
        ({"Note": view.signed_head + earlier}, "note:"),
        ({"Note": view.signed_head}, "note: 1 of 2"),
        ({"Proof": view.proof(123).replace("index 123", "index 122")}, "proof:"),
    ):
        code, said = gocheck({**case, **changed})
        assert code == 1
        assert said.startswith(words)


def test_go_accepts_a_rotated_key_and_the_one_before(gocheck, tmp_path):
    case = case_of(tmp_path, [300], reads=3)
    old = case["Key"]
    with Log.open(tmp_path) as log:
        log.rotate(overlap=10**12)
        log.checkpoint()
        case = {"Note": log.signed_head, "Tiles": str(tmp_path), "Read": [0, 299, 300]}
        for key in (old, str(log.verifier)):
            code, said = gocheck({**case, "Key": key})
            assert code == 0, said


def test_go_refuses_a_changed_head(gocheck, tmp_path):
    case = case_of(tmp_path, [300], reads=3)
    assert gocheck(case)[0] == 0
    note = case["Note"]
    for changed in (
        note.replace("\n300\n", "\n301\n"),
        note[:-10] + ("A" if note[-10] != "A" else "B") + note[-9:],
        note.replace("titer.test/go\n", "titer.test/og\n", 1),
    ):
        code, said = gocheck({**case, "Note": changed})
        assert code == 1
        assert said.startswith("note:")


def test_go_refuses_a_changed_tile_and_a_changed_entry(gocheck, tmp_path):
    case = case_of(tmp_path, [600], reads=20)
    assert gocheck(case)[0] == 0
    for name in ("tile/0/001", "tile/entries/001"):
        path = tmp_path / name
        whole = path.read_bytes()
        path.write_bytes(whole[:40] + bytes([whole[40] ^ 1]) + whole[41:])
        code, said = gocheck({**case, "Read": list(range(256, 260))})
        assert code == 1, (name, said)
        path.write_bytes(whole)
    assert gocheck(case)[0] == 0
