"""Cases: every step an entry, closed for good, erased with their key, referred as a pack."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import msgspec
import pytest

from titer.access.secret import load_or_create
from titer.cli import main
from titer.console import cases
from titer.console.explain import open_view
from titer.console.unmasking import Unmasking
from titer.core.errors import EvidenceError, InputError
from titer.core.ids import Pseudonyms
from titer.core.nouns import Campaign, Considered, Exchange, Origin, Principal, Usage
from titer.evidence import checkpoint, entry, intake, merkle, note
from titer.evidence.case import KIND, Step, fold
from titer.gateway.assembly import open_log

TITLE = "Thirty accounts"


@pytest.fixture
def data(tmp_path):
    """A data directory with a campaign of eight callers, and eight others."""
    data = tmp_path / "data"
    data.mkdir()
    of = Pseudonyms(load_or_create(data)).of
    members = tuple(of("principal", f"acct-{n}") for n in range(8))
    with open_log(data) as log:
        for n in range(64):
            who = members[n % 8] if n % 2 else of("principal", f"honest-{n % 8}")
            fact = Exchange(
                f"x{n}", 1_780_000_000_000_000 + n * 3_600_000_000, Principal(who),
                "/v1/x", "m", Origin(asn=64500 if n % 2 else n), usage=Usage(1, 50),
            )  # fmt: skip
            log.append([("exchange", msgspec.json.encode(fact))])
        found = Campaign(
            "c-0123456789abcdef", members, ("text", "network"), ("payment",), 12.0,
            "AML.T0024.002", 1, 2, 32, 1600, considered=(Considered("chance", "ruled out"),),
        )  # fmt: skip
        log.append([("campaign", msgspec.json.encode(found))])
    return data


CAMPAIGN = cases.Wanted(campaigns=["c-0123456789abcdef"])


def opened(data):
    name, entered = cases.begin(data, TITLE, by="anna")
    assert entered.how == "appended"
    return name


def test_a_case_is_what_its_entries_say(data):
    name = opened(data)
    cases.add(data, name, CAMPAIGN, by="anna")
    cases.add(data, name, cases.Wanted(subjects=["acct-1"]), by="anna")
    cases.note(data, name, "They wrote to support.", by="ben")
    cases.assign(data, name, "carla", by="anna")
    cases.close(data, name, "Handed over.", by="carla")
    held = cases.find(data, name[:9])
    assert (held.title, held.status, held.assigned) == (TITLE, "closed", "carla")
    assert [t.step.action for t in held.steps] == ["open", "add", "add", "note", "assign", "close"]
    assert held.named("campaign") == ["c-0123456789abcdef"]
    assert held.named("subject") == [Pseudonyms(load_or_create(data)).of("principal", "acct-1")]
    for step in (
        lambda: cases.note(data, name, "more", by="x"),
        lambda: cases.add(data, name, CAMPAIGN, by="x"),
        lambda: cases.close(data, name, "again", by="x"),
    ):
        with pytest.raises(InputError, match="takes no further step"):
            step()


def test_what_is_not_there_is_not_added(data, tmp_path):
    name = opened(data)
    broken = tmp_path / "broken"
    broken.write_text("{}\n")
    for wanted, why in (
        (cases.Wanted(campaigns=["c-9"]), "no campaign"),
        (cases.Wanted(subjects=["nobody"]), "no entry about"),
        (cases.Wanted(decisions=["d-9"]), "no decision"),
        (cases.Wanted(findings=["f-9"]), "no finding"),
        (cases.Wanted(dossiers=[broken]), "no dossier that holds"),
        (cases.Wanted(dossiers=[tmp_path / "none"]), "cannot read"),
        (cases.Wanted(), "things to add"),
    ):
        with pytest.raises(InputError, match=why):
            cases.add(data, name, wanted, by="x")
    for bad in ("", "  ", "a\nb", "x" * 201, "\x1b[2J"):
        with pytest.raises(InputError, match="one line"):
            cases.begin(data, bad, by="x")
    with pytest.raises(InputError, match="1 to 20000"):
        cases.note(data, name, "x" * 20_001, by="x")
    with pytest.raises(InputError, match="no case"):
        cases.find(data, "case-none")


def test_steps_that_a_case_cannot_take_are_passed_over(data):
    name = opened(data)
    cases.close(data, name, "done", by="a")
    late = Step("s", name, 1, "note", "mallory", text="too late")
    stray = Step("s", "case-00000000", 1, "note", "mallory", text="never opened")
    with open_log(data) as log:
        log.append([(KIND, msgspec.json.encode(s)) for s in (late, stray)])
        log.append([(KIND, b'{"case":"x"}'), (KIND, b"[]")])
    (held,) = fold(open_view(data).scan()).values()
    assert held.passed_over == 1
    assert held.status == "closed"
    assert len(held.steps) == 2


def test_steps_pass_while_another_process_holds_the_log(data):
    name = opened(data)
    stop = threading.Event()
    with open_log(data) as log:
        handed = intake.Intake(data)

        def serve():
            while not stop.is_set():
                handed.take(log)
                log.checkpoint()
                stop.wait(0.02)

        holder = threading.Thread(target=serve)
        holder.start()
        try:
            assert cases.note(data, name, "while it serves", by="anna").how == "handed over"
        finally:
            stop.set()
            holder.join()
    assert cases.find(data, name).steps[-1].step.text == "while it serves"


def test_the_texts_of_a_case_go_with_its_key(data, capsys):
    name = opened(data)
    cases.note(data, name, "SECRET-NOTE", by="anna")
    before = open_view(data).size
    assert main(["erase", name, "--reason", "kept long enough", "--data", str(data)]) == 0
    capsys.readouterr()
    assert cases.cases(data) == {}
    raw = b"".join(p.read_bytes() for p in (data / "log" / "bodies").iterdir())
    assert b"SECRET-NOTE" not in raw
    view = open_view(data)
    assert view.size == before + 1
    view.check()


def made(data, tmp_path, *more, out="pack"):
    name = opened(data)
    cases.add(data, name, CAMPAIGN, by="anna")
    cases.note(data, name, "INTERNAL-NOTE", by="anna")
    where = tmp_path / out
    assert main(["case", "refer", name, "--to", "Partner Lab", "--out", str(where),
                 "--data", str(data), "--by", "anna", *more]) == 0  # fmt: skip
    return name, where


def test_a_pack_lists_every_file_and_is_logged_by_its_digest(data, tmp_path, capsys):
    name, pack = made(data, tmp_path)
    names = {p.name for p in pack.iterdir()}
    stem = "c-0123456789abcdef"
    assert names == {
        f"{stem}.dossier", f"{stem}.html", f"{stem}.pdf", "log.pub", "VERIFY.md", "verify.sh",
        "inclusion.go", "atlas-case-study.yaml", "chain-of-custody.json", "MANIFEST.sha256",
    }  # fmt: skip
    listed = dict(
        reversed(line.split("  ")) for line in (pack / "MANIFEST.sha256").read_text().splitlines()
    )
    assert set(listed) == names - {"MANIFEST.sha256"}
    for file, digest in listed.items():
        assert hashlib.sha256((pack / file).read_bytes()).hexdigest() == digest
    manifest = hashlib.sha256((pack / "MANIFEST.sha256").read_bytes()).hexdigest()
    held = cases.find(data, name)
    assert held.referred == ["Partner Lab"]
    assert [r.sha256 for r in held.refs if r.kind == "pack"] == [manifest]
    assert manifest in capsys.readouterr().out
    assert main(["case", "refer", name, "--to", "x", "--out", str(pack), "--data",
                 str(data)]) == 2  # fmt: skip
    assert "is there already" in capsys.readouterr().err
    assert not any(b"INTERNAL-NOTE" in p.read_bytes() for p in pack.iterdir())


def test_the_chain_of_custody_can_be_checked_by_itself(data, tmp_path):
    _, pack = made(data, tmp_path, "--with-notes")
    chain = json.loads((pack / "chain-of-custody.json").read_bytes())
    key = note.Verifier.parse(chain["log"]["key"])
    head = checkpoint.read(chain["log"]["checkpoint"].encode(), [key])
    assert [s["action"] for s in chain["steps"]] == ["open", "add", "note"]
    for step in chain["steps"]:
        leaf = merkle.leaf_hash(step["line"].encode())
        proof = [base64.b64decode(h) for h in step["proof"]]
        where = {"index": step["index"], "size": head.size, "root": head.root}
        merkle.verify_inclusion(leaf, proof, **where)
        with pytest.raises(EvidenceError):
            other = merkle.leaf_hash(step["line"].replace("case", "note", 1).encode())
            merkle.verify_inclusion(other, proof, **where)
        body = entry.commit(base64.b64decode(step["salt"]), step["body"].encode())
        assert json.loads(step["line"])["commitment"] == body.hex()
    assert "INTERNAL-NOTE" in chain["steps"][2]["body"]


def test_the_chain_of_custody_tells_who_unmasked_names(data, tmp_path):
    def unmasked(about, dossier="ab" * 32):
        one = Unmasking("u-1", 5, "cy", "names", dossier, about, ("0" * 16, "1" * 16), 2, 40)
        with open_log(data) as log:
            return log.append([("unmasking", msgspec.json.encode(one))])

    index = unmasked("c-0123456789abcdef")
    unmasked("c-of-another-case")
    _, pack = made(data, tmp_path)
    chain = json.loads((pack / "chain-of-custody.json").read_bytes())
    (told,) = chain["unmaskings"]
    assert (told["index"], told["by"], told["step"], told["threshold"]) == (
        index,
        "cy",
        "names",
        2,
    )
    assert told["holders"] == ["0" * 16, "1" * 16]
    head = checkpoint.read(
        chain["log"]["checkpoint"].encode(), [note.Verifier.parse(chain["log"]["key"])]
    )
    merkle.verify_inclusion(
        merkle.leaf_hash(told["line"].encode()), [base64.b64decode(h) for h in told["proof"]],
        index=index, size=head.size, root=head.root,
    )  # fmt: skip
    body = entry.commit(base64.b64decode(told["salt"]), told["body"].encode())
    assert json.loads(told["line"])["commitment"] == body.hex()


def test_a_zip_holds_the_same_files(data, tmp_path):
    _, pack = made(data, tmp_path, out="pack.zip")
    with zipfile.ZipFile(pack) as held:
        assert held.testzip() is None
        assert "VERIFY.md" in held.namelist()
        assert len(held.namelist()) == 10


def atlas():
    """The reference case study, where there is a copy of ATLAS; its keys in order."""
    where = os.environ.get("TITER_DATA") or Path(__file__).parents[4] / "shared" / "data"
    return Path(where) / "reference" / "ATLAS.yaml.zst"


SHAPE = (
    "id", "name", "object-type", "summary", "incident-date", "incident-date-granularity",
    "procedure", "reporter", "target", "actor", "case-study-type", "references",
)  # fmt: skip


def test_the_atlas_form_has_the_shape_of_a_case_study(data, tmp_path):
    _, pack = made(data, tmp_path, "--reporter", "Example: Labs")
    text = (pack / "atlas-case-study.yaml").read_text()
    keys = [line[2:].split(":")[0] for line in text.splitlines() if line[2:3].isalpha()]
    assert tuple(keys) == SHAPE
    assert 'reporter: "Example: Labs"' in text
    steps = [line.split(": ")[1] for line in text.splitlines() if "technique:" in line]
    assert steps == ["AML.T0040", "AML.T0024.002"]
    assert "TO BE COMPLETED" in text


@pytest.mark.data
def test_the_shape_is_that_of_the_published_case_study():
    path = atlas()
    if not path.exists():
        pytest.skip("needs the reference data: ATLAS.yaml.zst")
    import zstandard

    with path.open("rb") as file:
        text = zstandard.ZstdDecompressor().stream_reader(file).read().decode()
    part = text.split("- id: AML.CS0056\n")[1].split("\n- id: AML.CS")[0]
    keys = ["id"] + [line[2:].split(":")[0] for line in part.splitlines() if line[2:3].isalpha()]
    assert tuple(dict.fromkeys(keys)) == SHAPE


def test_a_stranger_checks_the_pack_with_others_tools(data, tmp_path):
    if shutil.which("openssl") is None or shutil.which("sh") is None:
        pytest.skip("needs openssl and sh")
    _, pack = made(data, tmp_path)
    (dossier,) = pack.glob("*.dossier")
    env = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    env.pop("PYTHONPATH", None)

    def check(file):
        return subprocess.run(
            ["sh", "verify.sh", str(file), "log.pub"],
            cwd=pack, env=env, capture_output=True, text=True, check=False,
        )  # fmt: skip

    good = check(dossier)
    assert good.returncode == 0, good.stderr
    assert good.stdout.count("ok  openssl") == 2
    assert "ok  securesystemslib" in good.stdout
    if shutil.which("go") and Path("/usr/share/gocode/src/golang.org/x/mod").exists():
        assert "ok  Go's tlog: 33 entries are in the log" in good.stdout
    envelope = json.loads(dossier.read_bytes())
    payload = bytearray(base64.b64decode(envelope["payload"]))
    payload[payload.index(b'"bits":12') + len('"bits":')] ^= 1
    bad = pack / "bad"
    bad.write_text(json.dumps({**envelope, "payload": base64.b64encode(payload).decode()}))
    refused = check(bad)
    assert refused.returncode == 1
    assert "REFUSED" in refused.stderr
    other = note.Signer.generate("titer.test/other").verifier
    (pack / "log.pub").write_text(f"{other}\n")
    assert check(dossier).returncode != 0


def test_the_verb_shows_and_lists(data, capsys):
    assert main(["case", "list", "--data", str(data)]) == 0
    assert "no case yet" in capsys.readouterr().out
    assert main(["case", "open", "--title", TITLE, "--data", str(data), "--json"]) == 0
    name = json.loads(capsys.readouterr().out)["case"]
    assert main(["case", "add", name, "--campaign", CAMPAIGN.campaigns[0], "--data",
                 str(data)]) == 0  # fmt: skip
    assert main(["case", "assign", name, "--to", "ben", "--data", str(data)]) == 0
    capsys.readouterr()
    assert main(["case", "show", name, "--data", str(data)]) == 0
    shown = capsys.readouterr().out
    assert "assign to ben" in shown
    assert f"campaign {CAMPAIGN.campaigns[0]}" in shown
    assert main(["case", "list", "--data", str(data), "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)["cases"]
    assert (told["title"], told["assigned"], told["steps"]) == (TITLE, "ben", 3)
    assert main(["case", "close", name, "--text", "done", "--data", str(data)]) == 0
