"""What the gateway finds live is what `titer feed` finds in a log of the same exchanges."""

from __future__ import annotations

import json
import shutil
import sys
from datetime import UTC, datetime

from titer.evidence.log import View

REPLY = {"usage": {"in": 13, "out": 40}}
#: What the standard library's client sends, in its order.
ORIGIN = {
    "ip": "127.0.0.1",
    "user_agent": f"Python-urllib/{sys.version_info[0]}.{sys.version_info[1]}",
    "headers": ["accept-encoding", "content-length", "host", "user-agent", "content-type",
                "authorization", "connection"],
}  # fmt: skip


def stored(data, kind):
    return [json.loads(s.body) for s in View.open(data / "log").scan() if s.kind == kind]


def test_the_same_traffic_gives_the_same_findings_live_and_from_a_log(service, tmp_path):
    made = service.json("keys", "create", "--data", str(service.data), "--org", "acme")
    service.start()
    bodies = []
    for i in range(45):  # a logit read-out: another bias in every request, one token wanted
        body = {"max_tokens": 1, "temperature": 0, "logprobs": True, "top_logprobs": 5}
        body["logit_bias"] = {str(5 * i + j): 100 for j in range(5)}
        bodies.append(body)
    for i in range(25):  # one frame over changing content
        text = f"Write a detailed lesson about topic number {i}: the history of item {i * 7}."
        bodies.append({"messages": [{"role": "user", "content": text}], "max_tokens": 900})
    for body in bodies:
        assert service.ask(made["key"], **body)[0] == 200
    assert service.stop() == 0

    live = stored(service.data, "exchange")
    assert len(live) == len(bodies)
    lines = []
    for body, fact in zip(bodies, live, strict=True):
        body = {"model": "fake", "messages": [{"role": "user", "content": "hello"}], **body}
        at = datetime.fromtimestamp(fact["at"] / 1e6, UTC)
        lines.append(
            {
                "id": fact["id"],
                "at": at.isoformat(timespec="microseconds"),
                "principal": made["id"],
                "org": "acme",
                "tier": "standard",
                "endpoint": "/v1/chat/completions",
                "origin": ORIGIN,
                "request": body,
                "reply": {"text": "x", "finish": fact["reply"]["finish"]},
                "usage": {"in": fact["usage"]["tokens_in"], "out": fact["usage"]["tokens_out"]},
                "status": 200,
            }
        )
    log = tmp_path / "exchanges.jsonl"
    log.write_text("\n".join(map(json.dumps, lines)))
    other = tmp_path / "fed"
    other.mkdir()
    shutil.copy(service.data / "secret", other / "secret")
    done = service.verb("feed", str(log), "--data", str(other))
    assert done.returncode in (0, 1), done.stderr

    def told(data):
        keep = ("id", "at", "detector", "subject", "score", "note", "cites")
        return [{k: finding.get(k) for k in keep} for finding in stored(data, "finding")]

    found = told(service.data)
    assert {"parameters@1"} <= {finding["detector"] for finding in found}
    assert [e["origin"] for e in stored(other, "exchange")] == [e["origin"] for e in live]
    assert len(found) > 5
    assert told(other) == found
    fed = stored(other, "exchange")
    assert [e["sketch"] for e in fed] == [e["sketch"] for e in live]
