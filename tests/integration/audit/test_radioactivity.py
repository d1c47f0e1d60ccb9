"""The whole way: marked replies pass through `titer serve`, students learn from them, and `titer
audit` tells the student that took them from all others, by a plan that the log held first.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys

import msgspec
import pytest

from titer.evidence.log import View
from titer.lab.radioactive.language import Language
from titer.lab.radioactive.network import Network, Size
from titer.lab.radioactive.serving import Mischief, Server, Speaker
from titer.marks import keystore
from titer.marks.context_log import ContextLog, Reached
from titer.marks.kgw import Kgw

pytest.importorskip("tokenizers", reason="needs titer[tokens]")

#: Some twenty seconds of CPU in all: two students are trained, three audits made.
pytestmark = pytest.mark.slow

SCHEME = Kgw(width=1, gamma=0.25, delta=2.0)
VOCABULARY = 256
TOKENS = 100
REPLIES = 450


def key_of(body):
    given = (body.get("vllm_xargs") or {}).get("titer_mark_key")
    return int(given, 16) if given else None


def titer(*words):
    return subprocess.run(
        [sys.executable, "-m", "titer", *map(str, words)],
        capture_output=True, text=True, timeout=300, check=False,
        env={**os.environ, "NO_COLOR": "1", "OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip


def answered(*words, code=0):
    done = titer(*words, "--json")
    assert done.returncode == code, done.stderr or done.stdout
    return json.loads(done.stdout.splitlines()[-1])


class World:
    """A model server that plants marks, titer in front of it, two callers, and students."""

    def __init__(self, folder, settled) -> None:
        self.folder, self.data = folder, folder / "data"
        settled(self.data, marks=True)
        self.language = Language(seed=3, vocabulary=VOCABULARY, followers=24)
        self.words = self.language.words
        self.speaker = Speaker(self.language, self.words, planter=SCHEME)
        self.port = 0
        self.key = {}

    def serve(self, upstream):
        config = self.folder / "titer.toml"
        config.write_text('[marks]\nengine = "vllm"\n')
        for org in ("rival", "honest"):
            self.key[org] = answered("keys", "create", "--data", self.data, "--org", org)["key"]
        self.process = subprocess.Popen(
            [
                sys.executable, "-m", "titer", "serve", "--port", "0", "--json", "--upstream",
                upstream, "--data", str(self.data), "--config", str(config),
            ],
            stdout=subprocess.PIPE,
        )  # fmt: skip
        self.port = int(json.loads(self.process.stdout.readline())["url"].rpartition(":")[2])

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(120)
        self.process.stdout.close()

    def ask(self, org, prompts):
        """Replies to prompts, over one connection."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        replies = []
        for number, prompt in enumerate(prompts):
            body = {
                "model": "lab", "max_tokens": TOKENS, "seed": number,
                "messages": [{"role": "user", "content": prompt}],
                "vllm_xargs": {"titer_mark_key": "00000000deadbeef"},  # steering is dropped
            }  # fmt: skip
            connection.request(
                "POST", "/v1/chat/completions", json.dumps(body),
                {"content-type": "application/json", "authorization": f"Bearer {self.key[org]}"},
            )  # fmt: skip
            reply = connection.getresponse()
            data = json.loads(reply.read())
            assert reply.status == 200, data
            assert b"token_ids" not in msgspec.json.encode(data).replace(b'token_ids":null', b"")
            replies.append(data["choices"][0]["message"]["content"])
        connection.close()
        return replies

    def student(self, replies, *, seed):
        network = Network(VOCABULARY, Size(2, 24, 96), seed=seed)
        network.train([self.words.encode(text) for text in replies], steps=450, batch=384)
        return Speaker(network, self.words)

    def tokenizer(self, path):
        from tokenizers import Tokenizer, models, pre_tokenizers

        vocabulary = {word: i for i, word in enumerate(self.words.words)} | {"[UNK]": VOCABULARY}
        made = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
        made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
        made.save(str(path))


def lines(path, texts):
    path.write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))


@pytest.fixture(scope="module")
def world(tmp_path_factory, wait, settled):
    folder = tmp_path_factory.mktemp("audit")
    world = World(folder, settled)
    with Server(world.speaker, key_of=key_of).running() as upstream:
        world.serve(upstream.url)
        try:
            prompts = [world.words.words[i % VOCABULARY] for i in range(REPLIES)]
            world.ask("rival", prompts[:1])
            world.ask("honest", prompts[:1])
            explain = ("explain", "rival", "--data", world.data)
            wait(lambda: titer(*explain).returncode != 2, what="a standing")
            done = titer(
                "decide", "impose", "rival", "--dose", "mark=1.0", "--by", "analyst",
                "--reason", "takes our replies", "--for", "forever", "--data", world.data,
                "--config", folder / "titer.toml",
            )  # fmt: skip
            assert done.returncode in (0, 1), done.stderr

            def planted_now():
                world.ask("rival", prompts[:1])
                return key_of(upstream.seen[-1]) is not None

            wait(planted_now, what="the dose")
            world.marked = world.ask("rival", prompts)
            planted = {key_of(body) for body in upstream.seen[-REPLIES:]}
            world.plain = world.ask("honest", prompts)
            assert {key_of(body) for body in upstream.seen[-REPLIES:]} == {None}
            assert len(planted) == 1
            assert None not in planted
            world.taught = world.student(world.marked, seed=1)
            world.other = world.student(world.plain, seed=2)
            lines(folder / "prompts.jsonl", prompts[:180])
            lines(folder / "controls.jsonl", world.plain[:120])
            lines(folder / "marked.jsonl", world.marked)
            lines(folder / "reading.jsonl", world.marked[:40])
            world.tokenizer(folder / "tokenizer.json")
            yield world
        finally:
            world.stop()


def audit_file(world, name, url, accounts=("rival", "honest"), **changed):
    reached = changed.pop("reached", 'logged = "marked.jsonl"')
    fields = {
        "tokenizer": "tokenizer.json", "statistics": ["closed", "closed-filter", "topk"],
        "prompts": "prompts.jsonl", "controls": "controls.jsonl", "requests": 400,
        "tokens": 400_000, "max_tokens": TOKENS, "logprobs": 5, "sentinels": 4,
    } | changed  # fmt: skip
    api = fields.pop("api", "chat")
    text = "\n".join(f"{k} = {json.dumps(v)}" for k, v in fields.items())
    text += f'\n[suspect]\nname = "{name}"\nurl = "{url}/v1"\nmodel = "lab"\napi = "{api}"\n'
    for account in accounts:
        text += (
            f'[[keys]]\naccount = "{account}"\nepoch = 1\n{reached}\n'
            "parameters = { width = 1, gamma = 0.25, delta = 2.0 }\n"
        )
    path = world.folder / f"{name}.toml"
    path.write_text(text)
    return path


def outcomes(result, statistic=None):
    return {
        (o["account"], o["statistic"]): o
        for o in result["outcomes"]
        if statistic in (None, o["statistic"])
    }


def test_the_student_is_told_from_all_others_and_the_dossier_holds(world, tmp_path):
    rival = answered("explain", "rival", "--data", world.data, code=0)["subject"]
    with Server(world.taught, mischief=Mischief(throttle=60)).running() as suspect:
        path = audit_file(world, "taught", suspect.url)
        work = tmp_path / "work"
        early = titer("audit", "radioactivity", path, "--data", world.data, "--work", work)
        assert early.returncode == 2
        assert "register it first" in early.stderr
        assert not suspect.seen

        planned = answered("audit", "plan", path, "--data", world.data)  # while serve runs
        assert answered("audit", "plan", path, "--data", world.data) == planned
        changed = audit_file(world, "taught", suspect.url, alpha=1e-5)
        other = titer("audit", "radioactivity", changed, "--data", world.data, "--work", work)
        assert other.returncode == 2
        assert planned["plan"] in other.stderr

        path = audit_file(world, "taught", suspect.url)
        found = answered(
            "audit", "radioactivity", path, "--data", world.data, "--work", work, code=1
        )["result"]
        again = titer("audit", "radioactivity", path, "--data", world.data, "--work", work)
        assert again.returncode == 2
        assert "has its result" in again.stderr

    assert found["claim"] == "proof"
    told = outcomes(found)
    for statistic in ("closed", "topk"):
        mine = told[rival, statistic]
        assert mine["claim"] == "proof"
        assert mine["log10_adjusted"] < -6
        assert mine["rank_p"] == 1 / 201
    assert told[rival, "closed-filter"]["log10_p"] < -4
    for (account, _), outcome in told.items():
        assert outcome["wrong_keys"]["why"] == ""
        assert outcome["calibration"]["why"] == ""
        if account != rival:
            assert outcome["claim"] == "no evidence"
    assert [o["kind"] for o in found["oddities"]] == []
    assert found["collected"][0]["throttled"] > 0

    report = titer("audit", "report", "--data", world.data)
    assert report.returncode == 1
    assert "PROOF" in report.stdout
    dossier = tmp_path / "dossier"
    answered("prove", "rival", "--data", world.data, "-o", dossier)
    pinned = (world.data / "log" / "log.pub").read_text().strip()
    verified = answered("verify", dossier, "--key", pinned)["dossier"]
    kinds = verified["kinds"]
    assert (kinds["audit-plan"], kinds["audit-result"]) == (1, 1)
    assert kinds["mark-key"] >= 1
    assert verified["contents"]["marks"][0]["kind"] == "radioactivity"
    assert verified["contents"]["marks"][0]["bits"] > 10


def test_a_student_of_unmarked_replies_stays_quiet_also_when_it_reads(world, tmp_path):
    with Server(world.other).running() as suspect:
        path = audit_file(
            world, "other", suspect.url, statistics=["closed", "argmax", "soft"],
            reading="reading.jsonl", api="completions",
        )  # fmt: skip
        answered("audit", "plan", path, "--data", world.data)
        found = answered("audit", "radioactivity", path, "--data", world.data, "--work", tmp_path)
    assert found["result"]["claim"] == "no evidence"
    assert all(o["log10_p"] > -4 for o in outcomes(found["result"]).values())


def test_reading_proves_as_well(world, tmp_path):
    with Server(world.taught).running() as suspect:
        path = audit_file(
            world, "reader", suspect.url, statistics=["argmax", "soft"], reading="marked.jsonl",
            api="completions", logprobs=20, requests=500,
        )  # fmt: skip
        answered("audit", "plan", path, "--data", world.data)
        found = answered(
            "audit", "radioactivity", path, "--data", world.data, "--work", tmp_path, code=1
        )
    assert found["result"]["claim"] == "proof"
    assert min(o["log10_p"] for o in outcomes(found["result"], "soft").values()) < -6


def test_contexts_that_served_replies_reached_are_in_the_log_and_filter_a_test(world, tmp_path):
    rival = answered("explain", "rival", "--data", world.data)["subject"]
    key = keystore.load(world.data).key(rival)
    entries = [s for s in View.open(world.data / "log").scan() if s.kind == "mark-contexts"]
    reached = [msgspec.json.decode(s.body, type=Reached) for s in entries]
    assert len(reached) >= REPLIES
    assert {(r.account, r.key, r.source) for r in reached} == {(rival, key.id, "engine")}
    texts = [world.words.encode(text) for text in world.marked]
    for width in (1, 2, 4):
        served, told = ContextLog(key.secret, width), ContextLog(key.secret, width)
        served.merge([r.contexts[width] for r in reached[-REPLIES:]])
        told.add(texts)
        assert served.kept == told.kept

    with Server(world.taught).running() as suspect:
        fields = {"statistics": ["closed", "closed-filter"], "reached": 'contexts = "log"'}
        honest = audit_file(world, "nobody", suspect.url, accounts=("honest",), **fields)
        refused = titer("audit", "plan", honest, "--data", world.data)
        assert refused.returncode == 2
        assert "holds none" in refused.stderr
        path = audit_file(world, "filtered", suspect.url, accounts=("rival",), **fields)
        planned = answered("audit", "plan", path, "--data", world.data)
        world.ask("rival", ["more"])  # what comes later is no part of the plan
        assert answered("audit", "plan", path, "--data", world.data) == planned
        found = answered(
            "audit", "radioactivity", path, "--data", world.data, "--work", tmp_path, code=1
        )["result"]
    told = outcomes(found)
    assert told[rival, "closed-filter"]["log10_p"] < -4
    assert told[rival, "closed-filter"]["wrong_keys"]["why"] == ""
    assert 0 < told[rival, "closed-filter"]["pairs"] <= told[rival, "closed"]["pairs"]
