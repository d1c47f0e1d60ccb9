"""`titer marks` from end to end, over a data directory and files."""

from __future__ import annotations

import json
import subprocess

import numpy as np
import pytest

from titer.access import KeyBook
from titer.access.secret import load_or_create
from titer.audit.commitments import Commitments
from titer.cli import main
from titer.core.ids import Pseudonyms
from titer.evidence.log import View
from titer.marks import keystore
from titer.marks.contexts import as_tokens
from titer.marks.kgw import Kgw


def said(capsys, *words):
    capsys.readouterr()
    status = main(["marks", *map(str, words)])
    return status, capsys.readouterr()


def as_json(capsys, *words):
    status, out = said(capsys, *words, "--json")
    return status, json.loads(out.out)


@pytest.fixture
def data(tmp_path, capsys):
    assert said(capsys, "keys", "create", "--data", tmp_path / "data")[0] == 0
    return tmp_path / "data"


def marked(key, n=200):
    rng = np.random.default_rng(1)
    tokens = [1, 2]
    for _ in range(n):
        logits = rng.standard_normal((1, 300)).astype(np.float32)
        Kgw(2).plant(logits, [as_tokens(tokens)], np.array([key], np.uint64))
        tokens.append(int(np.argmax(logits + rng.gumbel(size=300))))
    return tokens


def named(data, name):
    """The pseudonym of an organisation."""
    return Pseudonyms(load_or_create(data)).of("org", name)


def key_of(data, name):
    return keystore.load(data).key(named(data, name))


def kinds(data):
    bodies = [(s.kind, json.loads(s.body)) for s in View.open(data / "log").scan()]
    return [body for kind, body in bodies if kind == "mark-key"]


def test_keys_are_committed_to_before_they_are_used(data, capsys):
    ring = keystore.load(data)
    assert kinds(data)[0]["commitment"] == ring.current.commitment
    status, issued = as_json(capsys, "keys", "issue", "acct-1", "--data", data)
    assert status == 0
    assert issued["commitment"] == key_of(data, "acct-1").commitment
    status, shown = as_json(capsys, "keys", "reveal", "acct-1", "--data", data)
    assert shown["engine_key"] == f"{key_of(data, 'acct-1').engine:016x}"
    assert kinds(data)[1] == {
        "at": kinds(data)[1]["at"], "epoch": 1, "account": named(data, "acct-1"),
        "commitment": issued["commitment"],
    }  # fmt: skip


def test_rotation_keeps_the_old_epoch_and_notes_a_leak(data, capsys):
    status, new = as_json(capsys, "keys", "rotate", "--leaked", "--data", data)
    assert (status, new["epoch"]) == (0, 2)
    status, listed = as_json(capsys, "keys", "list", "--data", data)
    assert [bool(e["leaked"]) for e in listed["epochs"]] == [True, False]
    assert [entry.get("leaked", False) for entry in kinds(data)] == [False, True, False]
    assert said(capsys, "keys", "create", "--data", data)[0] == 2


def test_a_key_that_others_know_is_reported_for_its_account_alone(data, capsys):
    assert said(capsys, "keys", "issue", "acme", "--data", data)[0] == 0
    status, told = as_json(capsys, "keys", "leaked", "acme", "--data", data)
    assert (status, told["account"], told["epoch"]) == (0, named(data, "acme"), 1)
    committed = Commitments(View.open(data / "log"))
    assert committed.of(named(data, "acme"), 1).leaked == told["leaked"]
    assert committed.of(named(data, "other"), 1).leaked == 0
    shown = said(capsys, "keys", "reveal", "acme", "--data", data)[1]
    assert "titer marks keys leaked acme --epoch 1" in shown.err


def test_the_master_of_a_past_epoch_is_reported(data, capsys):
    current = said(capsys, "keys", "leaked", "--data", data)
    assert (current[0], "rotate --leaked" in current[1].err) == (2, True)
    assert said(capsys, "keys", "rotate", "--data", data)[0] == 0
    assert said(capsys, "keys", "leaked", "--epoch", 1, "--data", data)[0] == 0
    assert Commitments(View.open(data / "log")).of("anybody", 1).leaked > 0
    listed = as_json(capsys, "keys", "list", "--data", data)[1]["epochs"]
    assert [bool(epoch["leaked"]) for epoch in listed] == [True, False]
    assert said(capsys, "keys", "leaked", "--epoch", 7, "--data", data)[0] == 2
    assert said(capsys, "keys", "issue", " ", "--data", data)[0] == 2


def test_escrow_comes_back(data, capsys, tmp_path):
    second, public = tmp_path / "second.pem", tmp_path / "second.pub"
    make = ["openssl", "genpkey", "-algorithm", "X25519", "-out", str(second)]
    try:
        subprocess.run(make, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    subprocess.run(
        ["openssl", "pkey", "-in", str(second), "-pubout", "-out", str(public)],
        check=True, capture_output=True,
    )  # fmt: skip
    sealed = tmp_path / "sealed"
    assert said(capsys, "keys", "escrow", "--to", public, "--out", sealed, "--data", data)[0] == 0
    assert said(capsys, "keys", "escrow", "--to", public, "--out", sealed, "--data", data)[0] == 2
    other = tmp_path / "other"
    other.mkdir()
    words = ("keys", "restore", sealed, "--private", second, "--data", other)
    assert said(capsys, *words)[0] == 0
    assert keystore.load(other).epochs == keystore.load(data).epochs


def test_a_marked_text_is_recognised_and_traced(data, capsys, tmp_path):
    key = key_of(data, "acct-7")
    text = tmp_path / "ids.json"
    text.write_text(json.dumps(marked(key.engine)))
    status, found = as_json(capsys, "recognise", text, "--account", "acct-7", "--data", data)
    assert status == 1
    assert found["results"][0]["adjusted_log10_p"] < -10
    assert as_json(capsys, "recognise", text, "--account", "acct-8", "--data", data)[0] == 0
    status, out = said(capsys, "recognise", text, "--account", "acct-7", "--data", data)
    assert "MARKED" in out.out
    accounts = tmp_path / "accounts"
    accounts.write_text("".join(f"acct-{i}\n" for i in range(3000)))
    status, traced = as_json(capsys, "trace", text, "--accounts", accounts, "--data", data)
    assert status == 1
    assert traced["keys"] == 3000
    assert traced["results"][0]["account"] == named(data, "acct-7")
    assert said(capsys, "trace", text, "--data", data)[0] == 2
    said(capsys, "keys", "issue", "acct-7", "--data", data)
    assert as_json(capsys, "trace", text, "--data", data)[1]["results"][0]["found"]


def test_a_mark_by_a_key_that_others_know_is_shown_with_the_date(data, capsys, tmp_path):
    text = tmp_path / "text"
    text.write_text(json.dumps(marked(key_of(data, "acme").engine, 300)))
    words = ("recognise", text, "--account", "acme", "--data", data)
    before = said(capsys, *words)[1].out
    assert "MARKED" in before
    assert "others may know" not in before
    said(capsys, "keys", "leaked", "acme", "--data", data)
    assert "others may know this key since 20" in said(capsys, *words)[1].out
    assert as_json(capsys, *words)[1]["results"][0]["leaked"] > 0


def test_accounts_go_by_the_names_that_the_operator_knows(data, capsys, tmp_path):
    with KeyBook(data) as book:
        record, _ = book.create(org="acme", tier="standard", grants=[], expires=None, limits=None)
    text = tmp_path / "ids.json"
    text.write_text(json.dumps(marked(keystore.load(data).key(record.subject).engine)))
    for name in ("acme", record.id, record.subject):
        words = ("recognise", text, "--account", name, "--data", data)
        status, found = as_json(capsys, *words)
        assert (status, found["results"][0]["account"]) == (1, record.subject)
        assert found["results"][0]["name"] == "acme"
    assert "acme, epoch 1: MARKED" in said(capsys, *words)[1].out


def test_a_result_says_what_the_log_holds_about_the_key(data, capsys, tmp_path):
    text = tmp_path / "text"
    text.write_text(json.dumps(marked(key_of(data, "acme").engine, 300)))
    words = ("recognise", text, "--account", "acme", "--data", data)
    found = as_json(capsys, *words)[1]["results"][0]
    assert (found["issued"], found["leaked"]) == (False, 0)
    assert found["committed"]["entry"] == 0  # the epoch's master, from which the key follows
    assert said(capsys, "keys", "issue", "acme", "--data", data)[0] == 0
    found = as_json(capsys, *words)[1]["results"][0]
    assert found["issued"]
    assert found["committed"]["entry"] == 1
    assert "; committed to on 20" in said(capsys, *words)[1].out
    other = ("recognise", text, "--account", "nobody", "--data", data)
    assert "the log has issued this account no key" in said(capsys, *other)[1].out


def test_a_key_ring_that_was_never_committed_to_is_refused(data, capsys, tmp_path):
    text = tmp_path / "text"
    text.write_text(json.dumps([1, 2, 3, 4]))
    other = tmp_path / "other"
    said(capsys, "keys", "create", "--data", other)
    (data / "marks" / "keys.json").write_bytes((other / "marks" / "keys.json").read_bytes())
    status, out = said(capsys, "recognise", text, "--account", "acme", "--data", data)
    assert status == 2
    assert "restore the right key ring" in out.err


def test_a_text_that_is_too_short_is_said_to_be(data, capsys, tmp_path):
    text = tmp_path / "text"
    words = ("recognise", text, "--account", "acme", "--data", data)
    for n, short in ((3, True), (7, True), (200, False)):
        text.write_text(json.dumps(list(range(n))))
        out = said(capsys, *words)[1].out
        assert ("TOO LITTLE TEXT" in out) is short, n
        assert ("no proof of absence" in out) is not short, n
    text.write_text("[1, 2, 3]")
    row = as_json(capsys, *words)[1]["results"][0]
    assert row["least_log10_p"] == pytest.approx(np.log10(0.25), abs=1e-6)
    assert as_json(capsys, *words, "--scheme", "gumbel")[1]["results"][0]["least_log10_p"] == 0
    text.write_text("[1, 2, 3, 4, 5, 6]")
    row = as_json(capsys, *words, "--scheme", "gumbel")[1]["results"][0]
    assert row["least_log10_p"] is None


def test_secret_parameters_come_from_files(data, capsys, tmp_path):
    ids, secret = tmp_path / "ids.json", tmp_path / "key_b"
    ids.write_text(json.dumps(list(range(50))))
    secret.write_text('"beef"\n')
    words = ("recognise", ids, "--account", "a", "--data", data, "--scheme", "sglang-murmur")
    assert said(capsys, *words, "--set", "key_b=beef")[0] == 2
    status, found = as_json(capsys, *words, "--set", f"key_b=@{secret}")
    assert status == 0
    assert "key_b" not in found["parameters"]


def test_a_key_can_come_from_a_file(data, capsys, tmp_path):
    key = key_of(data, "a").engine
    text, file = tmp_path / "ids.json", tmp_path / "key"
    text.write_text(json.dumps(marked(key)))
    file.write_text(f"{key:016x}\n")
    file.chmod(0o600)
    assert said(capsys, "recognise", text, "--key", f"file={file}")[0] == 1
    file.write_text("zz")
    for reference in (f"file={file}", "0123", "env=TITER_NO_SUCH"):
        assert said(capsys, "recognise", text, "--key", reference)[0] == 2


def test_another_tokenizer_and_bad_files_are_refused(data, capsys, tmp_path):
    bad = tmp_path / "bad"
    bad.write_bytes(b"\xff\xfe")
    words = ("--account", "a", "--data", data)
    assert said(capsys, "recognise", bad, *words)[0] == 2
    assert said(capsys, "recognise", bad, *words, "--tokenizer", bad)[0] == 2
    ids = tmp_path / "ids.json"
    ids.write_text("[1,2,3]")
    assert said(capsys, "recognise", ids, *words)[0] == 0
    assert said(capsys, "recognise", ids, *words, "--epoch", 9)[0] == 2
    assert said(capsys, "recognise", ids, *words, "--scheme", "nope")[0] == 2
    assert said(capsys, "recognise", ids, *words, "--set", "width")[0] == 2
    assert said(capsys, "recognise", ids, *words, "--level", 2)[0] == 2
    assert said(capsys, "recognise", ids)[0] == 2


def test_normalised_text_is_tried_in_every_form(data, capsys, tmp_path):
    tokenizers = pytest.importorskip("tokenizers", reason="pip install 'titer[tokens]'")
    words = [f"w{i}é" for i in range(300)]
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({w: i for i, w in enumerate([*words, "?"])}, unk_token="?")
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    made.save(str(tmp_path / "tokenizer.json"))
    ids = marked(key_of(data, "a").engine)
    text = tmp_path / "text"
    text.write_text(" ".join(words[i] for i in ids).replace("é", "e\u0301"))
    flags = ("--account", "a", "--data", data, "--tokenizer", tmp_path / "tokenizer.json")
    status, found = as_json(capsys, "recognise", text, *flags)
    assert (status, found["forms"]) == (1, 2)


def test_plant_prints_what_each_engine_takes(data, capsys):
    key = key_of(data, "a").engine
    for engine, check in {
        "sglang": lambda w: int(w["watermark"]["key"], 16) == key,
        "vllm": lambda w: int(w["vllm_xargs"]["titer_mark_key"], 16) == key,
        "vllm-engine": lambda w: w["key"] == key and w["algorithm"] == "gumbel",
        "transformers": lambda w: w["scheme"] == "kgw" and int(w["key"], 16) == key,
        "synthid": lambda w: len(w["keys"]) == 30,
        "llama-cpp": lambda w: int(w["key"], 16) == key,
    }.items():
        status, shown = as_json(capsys, "plant", "a", "--engine", engine, "--data", data)
        assert status == 0
        assert check(shown["engine"]), engine
    words = ("plant", "a", "--engine", "vllm", "--scheme", "gumbel", "--data", data)
    assert said(capsys, *words)[0] == 2
    assert said(capsys, "plant", "a", "--engine", "vllm", "--epoch", 4, "--data", data)[0] == 2


def test_wordings_are_chosen_and_recognised(data, capsys, tmp_path):
    sets, text = tmp_path / "sets.json", tmp_path / "text"
    sets.write_text(
        '[{"name":"a","wordings":["big","large"]},{"name":"b","wordings":["so","thus"]}]'
    )
    text.write_text("".join(f"w{i} big v{i} so " for i in range(80)))
    flags = ("--choices", sets, "--data", data)
    status, out = said(capsys, "choose", text, "--account", "a", *flags)
    assert status == 0
    assert out.out != text.read_text()
    text.write_text(out.out)
    accounts = ("--account", "a", "--account", "b")
    status, found = as_json(capsys, "chosen", text, *accounts, *flags)
    assert status == 1
    assert found["results"][0]["account"] == named(data, "a")
    assert found["results"][1]["holm_log10_p"] > -3
    assert said(capsys, "chosen", text, "--account", "b", *flags)[0] == 0
    assert said(capsys, "chosen", text, "--account", "b", *flags, "--epoch", 7)[0] == 2


def test_logged_contexts_sharpen_a_recognition(data, capsys, tmp_path):
    key = key_of(data, "a").engine
    ids = marked(key)
    noise = np.random.default_rng(5).integers(0, 300, 2000).tolist()
    reply, suspect, log = tmp_path / "reply", tmp_path / "suspect", tmp_path / "log"
    reply.write_text(json.dumps(ids))
    suspect.write_text(json.dumps([*noise, *ids[:60]]))
    flags = ("--account", "a", "--data", data)
    kept = ("contexts", reply, *flags, "--width", 2, "--out", log)
    status, made = as_json(capsys, *kept)
    assert (status, made["contexts"]) == (0, len({tuple(ids[i : i + 2]) for i in range(200)}))
    assert as_json(capsys, *kept)[1] == made  # added again: the same
    words = ("recognise", suspect, *flags, "--epoch", 1)
    plain = as_json(capsys, *words)[1]["results"][0]
    sharp = as_json(capsys, *words, "--contexts", log)[1]["results"][0]
    assert sharp["scored"] < plain["scored"] / 10
    assert sharp["log10_p"] < plain["log10_p"] - 2
    assert said(capsys, *words, "--account", "b", "--contexts", log)[0] == 2
    assert said(capsys, *kept[:-1], log, "--epoch", 9)[0] == 2


def test_schemes_are_listed(capsys):
    status, out = said(capsys, "schemes")
    assert status == 0
    assert "hf-synthid" in out.out
    assert "Green lists by a counter (after Kirchenbauer" in out.out
