"""The whole path in its real processes: serve, ask, explain, prove, verify, replay."""

from __future__ import annotations

import json
import os
import signal

from titer.evidence.log import View


def entries(service, kind):
    view = View.open(service.data / "log")
    return [json.loads(s.body) for s in view.scan() if s.kind == kind]


def test_what_is_asked_becomes_evidence_that_a_stranger_can_verify(service, tmp_path):
    key = service.key("acme")
    service.start()
    for i in range(5):
        status, headers, body = service.ask(
            key, messages=[{"role": "user", "content": f"question number {i}"}], stream=i % 2 == 0
        )
        assert status == 200
        assert body
        assert headers["titer-id"]
    assert service.stop() == 0
    exchanges = entries(service, "exchange")
    assert len(exchanges) == 5
    assert {e["principal"]["tier"] for e in exchanges} == {"standard"}
    assert all(e["usage"]["tokens_out"] > 0 for e in exchanges)
    assert all(len(e["sketch"]["frames"]) == 8 for e in exchanges)
    text = json.dumps(exchanges)
    assert "question number" not in text
    assert "acme" not in text
    assert "127.0.0.1" not in text

    told = service.json("explain", "acme", "--data", str(service.data))
    assert told["exchanges"] == 5
    assert told["bits"] == 0
    dossier = tmp_path / "acme.dossier"
    service.json("prove", "acme", "--data", str(service.data), "-o", str(dossier))
    public = (service.data / "log" / "log.pub").read_text().strip()
    good = service.verb("verify", str(dossier), "--key", public, "--json")
    assert good.returncode == 0
    assert json.loads(good.stdout)["dossier"]["entries"] == 5
    broken = bytearray(dossier.read_bytes())
    broken[len(broken) // 2] ^= 1
    dossier.write_bytes(bytes(broken))
    bad = service.verb("verify", str(dossier), "--key", public)
    assert bad.returncode == 2
    assert "REFUSED" in bad.stderr
    replayed = service.json("replay", "--data", str(service.data))
    assert replayed["replayed"]["exchanges"] == 5


def test_no_key_no_service_and_nothing_reaches_the_log(service):
    service.start()
    status, _, body = service.ask("titer_nobody_nothing")
    assert status == 401
    assert json.loads(body)["error"]["code"] == "invalid_api_key"
    service.stop()
    assert entries(service, "exchange") == []
    assert "nobody" not in service.errors


def test_a_revoked_key_stops_within_seconds_in_a_running_service(service, wait):
    key = service.key("acme")
    service.start()
    assert service.ask(key)[0] == 200
    (row,) = service.json("keys", "list", "--data", str(service.data))["keys"]
    service.json("keys", "revoke", row["id"], "--data", str(service.data))
    wait(lambda: service.ask(key)[0] == 401, what="the refusal")


def test_parameters_that_leak_are_dropped_and_recorded(service):
    key = service.key("acme")
    service.start()
    status, headers, body = service.ask(
        key, logprobs=True, top_logprobs=5, logit_bias={"50": 100}, prompt_logprobs=1
    )
    assert status == 200
    assert "prompt_logprobs" in headers["titer-denied"]
    assert json.loads(body)["choices"][0]["logprobs"] is None
    service.stop()
    (exchange,) = entries(service, "exchange")
    assert "prompt_logprobs" in exchange["request"]["denied"]
    assert exchange["request"]["biased"] == [50]


def test_a_killed_analysis_process_is_replaced_and_nothing_acknowledged_is_lost(service, wait):
    key = service.key("acme")
    service.start()
    service.began()
    assert service.ask(key)[0] == 200
    wait(lambda: len(entries(service, "exchange")) == 1, what="the first exchange in the log")
    children = _children(service.server.pid)
    os.kill(children[0], signal.SIGKILL)  # the supervisor forks the analysis process first
    wait(lambda: set(_children(service.server.pid)) - set(children), what="another in its place")
    for _ in range(3):
        assert service.ask(key)[0] == 200
    wait(lambda: len(entries(service, "exchange")) == 4, what="the others in the log")
    assert service.stop() == 0
    assert len(entries(service, "exchange")) == 4
    assert service.verb("replay", "--data", str(service.data)).returncode == 0


def test_a_stop_after_the_analysis_process_died_still_empties_the_rings(service, wait):
    key = service.key("acme")
    service.start()
    service.began()
    analysis = _children(service.server.pid)[0]
    os.kill(analysis, signal.SIGSTOP)  # records stay in the ring
    for _ in range(3):
        assert service.ask(key)[0] == 200
    os.kill(analysis, signal.SIGKILL)
    wait(lambda: not _alive(analysis), what="its end")
    assert service.stop() == 0  # it has not been started again yet
    assert len(entries(service, "exchange")) == 3


def test_children_follow_a_supervisor_that_was_killed(service, wait):
    key = service.key("acme")
    service.start()
    service.began()
    assert service.ask(key)[0] == 200
    children = _children(service.server.pid)
    service.server.kill()
    service.server.communicate(timeout=120)  # ends when nobody holds its standard error any more
    service.server = None
    # They have closed everything; the kernel may not have reaped them yet.
    wait(lambda: not any(_alive(pid) for pid in children), what="the end of the children")
    assert len(entries(service, "exchange")) == 1


def test_workers_share_port_keys_and_log(service, wait):
    key = service.key("acme")
    service.start("--workers", "2")
    # The first worker may listen before the second is there.
    wait(lambda: len(_children(service.server.pid)) == 3, what="three children")
    for _ in range(20):
        assert service.ask(key)[0] == 200
    assert service.stop() == 0
    assert len(entries(service, "exchange")) == 20


def test_a_port_in_use_is_told_and_refused(service):
    service.start()
    second = service.verb(
        "serve", "--port", str(service.upstream), "--upstream", "http://127.0.0.1:9",
        "--data", str(service.data) + "2",
    )  # fmt: skip
    assert second.returncode == 2
    assert "cannot listen" in second.stderr


def test_two_services_cannot_write_one_log(service):
    service.start()
    service.began()
    second = service.verb(
        "serve", "--port", "0", "--upstream", "http://127.0.0.1:9", "--data", str(service.data)
    )
    assert second.returncode == 2
    (line,) = second.stderr.splitlines()  # nothing of it ever listened
    assert "another process writes the log" in line


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(")", 1)[1].split()[0] != "Z"


def _children(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return sorted(int(word) for word in file.read().split())
