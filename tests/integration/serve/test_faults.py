"""What goes wrong around a running service: killed processes, a log that cannot be written,
replies and clients without measure, and what must never be found on disk or in messages.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

import pytest

from titer.evidence.log import View

#: Allowed growth of a worker in MiB while far more passes through it.
GROWTH = 40
#: What a client raises whose connection or reply was cut.
BROKEN = (OSError, http.client.HTTPException)


def children(pid: int) -> list[int]:
    """The processes of a service in the order in which they were forked: analysis first."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return sorted(int(word) for word in file.read().split())


def resident(pid: int) -> int:
    """Resident memory in MiB."""
    with open(f"/proc/{pid}/status") as file:
        return int(next(line for line in file if line.startswith("VmRSS")).split()[1]) >> 10


def bodies(service, kind=""):
    try:
        view = View.open(service.data / "log")
    except FileNotFoundError:  # analysis has not started yet
        return []
    return [s.body for s in view.scan() if kind in ("", s.kind)]


def answers(service, key, patience=60):
    try:
        return service.ask(key, patience=patience)[0] == 200
    except BROKEN:
        return False


def test_the_successor_of_a_killed_worker_is_heard(service, wait):
    key = service.key("acme")
    service.start()
    for _ in range(5):
        assert service.ask(key)[0] == 200
    wait(lambda: len(bodies(service, "exchange")) == 5)
    os.kill(children(service.server.pid)[1], signal.SIGKILL)
    wait(lambda: answers(service, key))
    for _ in range(4):
        assert service.ask(key)[0] == 200
    assert service.stop() == 0
    assert len(bodies(service, "exchange")) == 10


def test_kills_under_load_leave_a_log_that_follows_and_keeps_what_it_showed(service, wait):
    chance = random.Random(7)
    keys = [service.key(f"org{i}") for i in range(3)]
    service.start("--workers", "2")
    done = threading.Event()

    def load(key):
        while not done.is_set():
            answers(service, key, patience=5)
            done.wait(0.01)  # a busy machine has something else to do as well

    threads = [threading.Thread(target=load, args=(key,)) for key in keys]
    for thread in threads:
        thread.start()
    shown: list[bytes] = []
    try:
        wait(lambda: bodies(service, "exchange"), what="the first request in the log")
        for _ in range(4):
            time.sleep(chance.uniform(0.4, 1.2))
            seen = bodies(service)
            assert seen[: len(shown)] == shown
            shown = seen
            os.kill(chance.choice(children(service.server.pid)), signal.SIGKILL)
    finally:
        time.sleep(1.0)
        done.set()
        for thread in threads:
            thread.join()
    assert service.stop() == 0
    kept = bodies(service)
    assert kept[: len(shown)] == shown
    ids = [json.loads(body)["id"] for body in bodies(service, "exchange")]
    assert len(set(ids)) == len(ids) > 0
    assert service.verb("replay", "--data", str(service.data)).returncode == 0


@pytest.mark.parametrize("required", [False, True], ids=["default", "required"])
def test_a_log_that_cannot_be_written(service, required, wait):
    """A limit on file sizes stands for the full disk: the same error, at the same place."""
    key = service.key("acme")
    if required:
        (service.data / "titer.toml").write_text("[evidence]\nrequired = true\n")
    service.start()
    wait(lambda: answers(service, key))
    wait(lambda: len(bodies(service, "exchange")) == 1)
    analysis = children(service.server.pid)[0]
    _, hard = resource.prlimit(analysis, resource.RLIMIT_FSIZE)
    resource.prlimit(analysis, resource.RLIMIT_FSIZE, (1, hard))
    assert service.ask(key)[0] == 200  # the first one finds out
    served = 2
    if required:
        wait(lambda: service.ask(key)[0] == 503)
        status, headers, body = service.ask(key)
        assert (status, headers["retry-after"]) == (503, "5")
        assert json.loads(body)["error"]["code"] == "evidence_unavailable"
        status, _, body = service.ask(key, "/v1/messages", max_tokens=5)
        assert status == 529  # what that dialect calls overloaded
        assert json.loads(body)["error"]["type"] == "overloaded_error"
    else:
        time.sleep(0.5)
        for _ in range(5):
            assert service.ask(key)[0] == 200
        served += 5
        assert len(bodies(service, "exchange")) == 1
    resource.prlimit(analysis, resource.RLIMIT_FSIZE, (hard, hard))
    wait(lambda: answers(service, key))
    wait(lambda: len(bodies(service, "exchange")) > served)
    assert service.stop() == 0
    assert service.verb("replay", "--data", str(service.data)).returncode == 0


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_huge_reply_does_not_grow_a_worker(service, stream):
    size = 100_000_000 if stream else 1_000_000_000
    key = service.key("acme")
    service.start()
    assert service.ask(key)[0] == 200
    worker = children(service.server.pid)[1]
    before = most = resident(worker)
    body = {"model": f"m@huge={size}", "messages": [{"role": "user", "content": "x"}]}
    request = urllib.request.Request(
        f"http://127.0.0.1:{service.port}/v1/chat/completions",
        json.dumps({**body, "stream": stream}).encode(),
        {"content-type": "application/json", "authorization": f"Bearer {key}"},
    )
    got = 0
    with urllib.request.urlopen(request, timeout=60) as reply:
        while part := reply.read(1 << 23):
            got += len(part)
            most = max(most, resident(worker))
    assert got >= size
    assert most - before < GROWTH


def test_ten_thousand_connections_neither_fell_nor_fatten_a_worker(service, wait):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 10_000
    if hard < 2 * wanted:
        pytest.skip(f"{2 * wanted} open files are needed; the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    held: list[socket.socket] = []
    try:
        key = service.key("acme")
        service.start()
        worker = children(service.server.pid)[1]
        before = resident(worker)
        for count in range(wanted):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", service.port))
            held.append(one)
            if count % 500 == 0:
                time.sleep(0.01)  # the listening queue has an end
        for one in held:
            try:
                one.send(b"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nAuthor")
            except OSError:
                continue  # refused beyond the cap
        time.sleep(0.5)
        assert resident(worker) - before < GROWTH
    finally:
        for one in held:
            one.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    # A connection that came while the queue was full is as good as lost: ask again.
    wait(lambda: answers(service, key, patience=30), 300)
    assert children(service.server.pid)[1] == worker


def test_nothing_secret_is_found_anywhere(service, monkeypatch):
    """Keys, the upstream's credential, prompts, names and addresses; and who may read what."""
    monkeypatch.setenv("UPSTREAM_KEY", "credential-of-the-upstream")
    key = service.key("acme-incorporated")
    config = service.data / "titer.toml"  # the test's own file
    config.write_text('[upstream]\ncredential = { env = "UPSTREAM_KEY" }\n')
    config.chmod(0o644)  # whatever the umask is
    service.start()
    secret = key.removeprefix("titer_").partition("_")[2]
    told = b""
    for body in (
        {"messages": [{"role": "user", "content": "prompt-of-a-caller"}]},
        {"messages": [{"role": "user", "content": "prompt-of-a-caller"}], "logit_bias": {"5": 1}},
        {"messages": "prompt-of-a-caller"},
        {"prompt-of-a-caller": float("nan")},
        {"model": "m@status=401", "user": "prompt-of-a-caller"},
        {"model": "m@garbage=http"},
        {"model": "m@die=0", "stream": True},
    ):
        try:
            status, headers, reply = service.ask(key, **body)
        except BROKEN:
            continue
        told += json.dumps(headers).encode() + (reply if status != 200 else b"")
    told += service.ask(key[:-1] + "x")[2] + service.ask(key, "/prompt-of-a-caller")[2]
    with urllib.request.urlopen(f"http://127.0.0.1:{service.port}/metrics") as reply:
        told += reply.read()
    assert service.stop() == 0
    told += service.errors.replace(f"http://127.0.0.1:{service.port}", "").replace(
        f"http://127.0.0.1:{service.upstream}", ""
    ).encode()  # fmt: skip
    files = {path: path.read_bytes() for path in service.data.rglob("*") if path.is_file()}
    words = (key, secret, "credential-of-the-upstream", "prompt-of-a-caller", "127.0.0.1")
    for word in map(str.encode, words):
        assert word not in told
        assert [path for path, content in files.items() if word in content] == []
    named = [path.name for path, content in files.items() if b"acme-incorporated" in content]
    assert set(named) <= {"access.db", "access.db-wal"}  # the operator's own book
    assert [path for path in service.data.rglob("*") if path.stat().st_mode & 0o077] == [config]


def test_a_second_service_cannot_share_the_port_unnoticed(service, tmp_path):
    service.start()
    second = service.verb(
        "serve", "--port", str(service.port), "--upstream", "http://127.0.0.1:9",
        "--data", str(tmp_path / "other"),
    )  # fmt: skip
    assert second.returncode == 2
    assert second.stderr.startswith("titer: cannot listen on 127.0.0.1 port ")
    assert len(second.stderr.splitlines()) == 1


def test_port_0_is_one_port_for_all_workers_and_is_told_once_it_answers(tmp_path):
    words = ["serve", "--port", "0", "--upstream", "http://127.0.0.1:9", "--data", str(tmp_path)]
    server = subprocess.Popen(
        [sys.executable, "-m", "titer", *words, "--workers", "2", "--json"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        told = server.stdout.readline()
        assert told, server.communicate(timeout=120)[1]  # it ended by itself: what it said
        url = json.loads(told)["url"]
        with urllib.request.urlopen(f"{url}/healthz", timeout=60) as reply:
            assert reply.read() == b"ok\n"
    finally:
        server.terminate()
        _, err = server.communicate(timeout=120)
    assert (server.returncode, err) == (0, b"")


def test_required_evidence_refuses_while_the_analysis_process_is_silent(service, wait):
    service.data.mkdir()
    (service.data / "titer.toml").write_text("[evidence]\nrequired = true\n")
    key = service.key("acme")
    service.start()
    # Refused until the analysis process has spoken.
    wait(lambda: service.ask(key)[0] == 200, what="the first reply")
    with open(f"/proc/{service.server.pid}/task/{service.server.pid}/children") as file:
        analysis = min(int(word) for word in file.read().split())
    os.kill(analysis, signal.SIGSTOP)
    try:
        status, _, body = wait(
            lambda: (got := service.ask(key))[0] != 200 and got, what="the refusal"
        )
        assert status == 503
        assert json.loads(body)["error"]["code"] == "evidence_unavailable"
    finally:
        os.kill(analysis, signal.SIGCONT)
    wait(lambda: service.ask(key)[0] == 200, what="a reply again")


def test_recorded_traffic_is_enough_to_calibrate_on(service, settled):
    settled(service.data)  # two thirds of 36 score, give or take: twenty are needed
    keys = [service.key(f"org-{i}") for i in range(36)]
    service.start()
    for i, key in enumerate(keys):
        assert service.ask(key, messages=[{"role": "user", "content": f"What is {i}?"}])[0] == 200
    assert service.stop() == 0
    made = service.json("calibrate", "--data", str(service.data))
    assert made["exchanges"] == 36
    assert made["subjects"] >= 20
    service.start()
    assert service.ask(keys[0])[0] == 200
    assert service.stop() == 0
    assert service.verb("replay", "--data", str(service.data)).returncode == 0
