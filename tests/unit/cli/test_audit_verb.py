"""`titer audit` over a data directory: bad files, weights as a callable, a kill and a resume."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from titer.cli import main
from titer.lab.radioactive.language import Language
from titer.lab.radioactive.serving import Mischief, Server, Speaker
from titer.lab.radioactive.writing import write
from titer.marks import keystore
from titer.marks.kgw import Kgw

tokenizers = pytest.importorskip("tokenizers", reason="needs titer[tokens]")

SCHEME = Kgw(width=1, gamma=0.25, delta=2.0)
ACCOUNT = "0123456789abcdef0123"
KEY = f'[[keys]]\naccount = "{ACCOUNT}"\nepoch = 1\n'

#: A model that took up the mark completely, as an operator would hand over weights.
MODULE = """
import json, os
import numpy as np
from titer.lab.radioactive.language import Language
from titer.lab.radioactive.serving import Speaker
from titer.marks.kgw import Kgw

class Tinted:
    window = 1
    def __init__(self, key):
        self.language, self.key = Language(seed=4, vocabulary=96, followers=16), key
    def logits(self, contexts):
        logits = self.language.logits(contexts)
        rows = [Kgw(width=1).row(c, self.key, 96) for c in contexts]
        return logits + np.float32(2.0) * np.array(rows, np.float32)

def make():
    model = Tinted(int(os.environ["SUSPECT_KEY"]))
    return Speaker(model, model.language.words)
"""


def said(capsys, *words):
    capsys.readouterr()
    status = main(["audit", *map(str, words)])
    return status, capsys.readouterr()


def as_json(capsys, *words):
    status, out = said(capsys, *words, "--json")
    assert out.out, out.err
    return status, json.loads(out.out)


class Folder:
    """A data directory with mark keys, and everything that an audit file names."""

    def __init__(self, root, url="http://127.0.0.1:9/v1") -> None:
        self.root, self.data, self.url = root, root / "data", url
        self.language = Language(seed=4, vocabulary=96, followers=16)
        words = self.language.words
        made = tokenizers.Tokenizer(
            tokenizers.models.WordLevel(
                {w: i for i, w in enumerate(words.words)} | {"[UNK]": 96}, unk_token="[UNK]"
            )
        )
        made.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
        made.save(str(root / "tokenizer.json"))
        self.texts("prompts.jsonl", 60, seed=1, length=4)
        self.texts("controls.jsonl", 120, seed=2)

    def texts(self, name, count, *, seed, length=30, key=None):
        begin = [np.array([i % 96], np.uint32) for i in range(count)]
        ids = write(
            self.language, begin, length, np.random.default_rng(seed), planter=SCHEME,
            keys=None if key is None else [key] * count,
        )  # fmt: skip
        words = self.language.words
        (self.root / name).write_text(
            "".join(json.dumps({"text": words.text(row.tolist())}) + "\n" for row in ids)
        )

    def file(self, text="", *, suspect=None, keys="", **changed):
        fields = {
            "tokenizer": "tokenizer.json", "statistics": ["closed"], "prompts": "prompts.jsonl",
            "controls": "controls.jsonl", "requests": 500, "tokens": 100_000, "max_tokens": 30,
            "sentinels": 2,
        } | changed  # fmt: skip
        suspect = suspect or f'name = "rival"\nurl = "{self.url}"\nmodel = "lab"\n'
        keys = (
            keys or f'[[keys]]\naccount = "{ACCOUNT}"\nepoch = 1\nparameters = {{ width = 1 }}\n'
        )
        path = self.root / "audit.toml"
        head = "\n".join(f"{k} = {json.dumps(v)}" for k, v in fields.items() if v is not None)
        path.write_text(f"{head}\n{text}\n[suspect]\n{suspect}\n{keys}")
        return path


@pytest.fixture
def folder(tmp_path, capsys):
    folder = Folder(tmp_path)
    assert main(["marks", "keys", "create", "--data", str(folder.data)]) == 0
    capsys.readouterr()
    return folder


def test_weights_behind_a_callable_are_tested_and_proved(folder, capsys, monkeypatch):
    key = keystore.load(folder.data).key(ACCOUNT, 1).engine
    (folder.root / "suspect_of_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(folder.root))
    monkeypatch.setenv("SUSPECT_KEY", str(key))
    folder.texts("reading.jsonl", 60, seed=3, key=key)
    folder.texts("public.jsonl", 60, seed=5)
    path = folder.file(
        suspect='name = "weights"\napi = "callable"\ncallable = "suspect_of_test:make"\n',
        statistics=["closed", "topk", "argmax", "soft"], logprobs=8, reading="reading.jsonl",
        public="public.jsonl",
    )  # fmt: skip
    dry = as_json(capsys, "plan", path, "--data", folder.data, "--dry-run")[1]
    assert dry["entry"] is None
    planned = as_json(capsys, "plan", path, "--data", folder.data)[1]
    assert (planned["plan"], planned["hypotheses"], planned["asks"]) == (dry["plan"], 4, 124)
    work = folder.root / "work"
    status, found = as_json(
        capsys, "radioactivity", path, "--data", folder.data, "--work", work, "--parallel", 2
    )
    assert status == 1
    result = found["result"]
    assert result["claim"] == "proof"
    assert all(o["log10_p"] < -6 for o in result["outcomes"] if o["statistic"] != "argmax")
    tested = {e["name"]: e["tested"] for e in result["explanations"]}
    assert tested["public data with our text"]
    assert not tested["common ancestor"]
    status, text = said(capsys, "report", "--data", folder.data)
    assert status == 1
    assert "UNTESTED" in text.out
    assert f"{key:x}" not in text.out + json.dumps(found)
    assert said(capsys, "report", "ar-none", "--data", folder.data)[0] == 2


def test_a_base_model_with_the_same_mark_explains_it(folder, capsys, monkeypatch):
    key = keystore.load(folder.data).key(ACCOUNT, 1).engine
    (folder.root / "suspect_of_base_test.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(folder.root))
    monkeypatch.setenv("SUSPECT_KEY", str(key))
    model = 'api = "callable"\ncallable = "suspect_of_base_test:make"\n'
    path = folder.file(suspect=f'name = "fine-tune"\n{model}[base]\nname = "base"\n{model}')
    as_json(capsys, "plan", path, "--data", folder.data)
    status, found = as_json(
        capsys, "radioactivity", path, "--data", folder.data, "--work", folder.root / "work"
    )
    assert (status, found["result"]["claim"]) == (1, "hint")
    assert "base model" in found["result"]["outcomes"][0]["why"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"wrong_keys": 50}, "null was not measured"),
        ({"controls": "few.jsonl"}, "controls must have at least 100"),
        ({"controls": "none.jsonl"}, "cannot read"),
        ({"prompts": "bad.jsonl"}, "bad.jsonl:2"),
        ({"prompts": "empty.jsonl"}, "holds no text"),
        ({"statistics": ["guess"]}, "statistics"),
        ({"statistics": ["soft"]}, "reading"),
        ({"alpha": 0.5}, "alpha"),
        ({"tokenizer": "prompts.jsonl"}, "no tokenizer"),
        ({"colour": 1}, "colour"),
        ({"suspect": 'name = "x"\nurl = "ftp://x"\n'}, "url"),
        ({"suspect": 'name = "x"\nurl = "http://x/v1"\ncredential = "sk-1"\n'}, "not written"),
        ({"suspect": 'name = "x"\napi = "callable"\ncallable = "none_such:f"\n'}, "none_such"),
        ({"keys": KEY.replace("= 1", "= 7")}, "no commitment"),
        ({"keys": KEY + 'scheme = "x"\n'}, "no scheme"),
        ({"keys": KEY + "parameters = { width = 9 }\n"}, "kgw"),
    ],
)
def test_bad_files_say_what_to_do(folder, capsys, changed, message):
    (folder.root / "few.jsonl").write_text('{"text":"a"}\n' * 99)
    (folder.root / "bad.jsonl").write_text('{"text":"a"}\n{"text":\n')
    (folder.root / "empty.jsonl").write_text('{"text":""}\n\n')
    path = folder.file(**changed)
    status, out = said(capsys, "plan", path, "--data", folder.data)
    if status == 0:  # what only shows when it is used
        status, out = said(
            capsys, "radioactivity", path, "--data", folder.data, "--work", folder.root / "w"
        )
    assert status == 2
    assert message in out.err
    assert "sk-1" not in out.err
    assert "internal error" not in out.err


def test_another_key_ring_than_the_log_committed_to_is_refused(folder, capsys):
    path = folder.file()
    assert said(capsys, "plan", path, "--data", folder.data)[0] == 0
    from titer.marks.keys import KeyRing, fresh

    keystore.save(folder.data, KeyRing((fresh(1, 1),)))
    status, out = said(
        capsys, "radioactivity", path, "--data", folder.data, "--work", folder.root / "w"
    )
    assert status == 2
    assert "commits to" in out.err


def test_a_changed_file_of_texts_is_another_plan(folder, capsys):
    path = folder.file()
    assert said(capsys, "plan", path, "--data", folder.data)[0] == 0
    folder.texts("prompts.jsonl", 60, seed=9, length=4)
    status, out = said(
        capsys, "radioactivity", path, "--data", folder.data, "--work", folder.root / "w"
    )
    assert status == 2
    assert "register it first" in out.err


def test_a_killed_run_goes_on_and_asks_nothing_twice(folder, capsys):
    speaker = Speaker(folder.language, folder.language.words)
    with Server(speaker, mischief=Mischief(throttle=7)).running() as server:
        folder.url = f"{server.url}/v1"
        path = folder.file(pause=0.05)
        assert said(capsys, "plan", path, "--data", folder.data)[0] == 0
        words = ["audit", "radioactivity", path, "--data", folder.data, "--work",
                 folder.root / "w", "--json"]  # fmt: skip
        process = subprocess.Popen(
            [sys.executable, "-m", "titer", *map(str, words)], stdout=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while len(server.seen) < 12 and time.monotonic() < deadline:
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        assert len(server.seen) >= 12
        status, found = as_json(capsys, *words[1:-1])
    collected = found["result"]["collected"][0]
    assert status == 0
    assert (collected["answered"], collected["failed"]) == (64, 0)
    assert collected["throttled"] >= 64 // 7
    prompts = [b["seed"] for b in server.seen]
    assert len(prompts) <= 64 + collected["throttled"] + 2


def test_a_spent_budget_says_so_and_may_conclude(folder, capsys):
    speaker = Speaker(folder.language, folder.language.words)
    with Server(speaker).running() as server:
        folder.url = f"{server.url}/v1"
        path = folder.file(requests=20)
        status, out = said(capsys, "plan", path, "--data", folder.data)
        assert status == 0
        assert "does not reach" in out.out
        assert "only the epoch's master" in out.out
        words = ("radioactivity", path, "--data", folder.data, "--work", folder.root / "w")
        status, out = said(capsys, *words)
        assert status == 2
        assert "--stop-early" in out.err
        status, found = as_json(capsys, *words, "--stop-early")
    assert status == 0
    assert not found["result"]["complete"]
    assert len(server.seen) == 20
