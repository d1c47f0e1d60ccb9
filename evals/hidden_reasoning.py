"""Hidden tokens that leave: 500 adversarial replies in every dialect, streamed and whole.

    python -m evals hidden [--peer PYTHON]     # writes evals/hidden_reasoning.json, a minute

Cases are made by `titer.testing.hidden` from a seed: several blocks, opened again, cut anywhere,
in fields that are and are not documented, in tool arguments, with log-probabilities and token ids,
several choices, never closed. Each hidden word occurs nowhere else: one that is found in the bytes
that leave is a leak. Each word of the answer must leave, in order. A model alias without a format.

`--peer` puts the whole chat cases through unmimic 0.1.0's own transform (its proxy serves chat
alone) and looks at the same bytes.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from titer.core.interval import clopper_pearson
from titer.core.nouns import Standing
from titer.core.wire import Transform
from titer.gateway.dialects import named
from titer.respond.reasoning import Reasoning
from titer.testing.hidden import DIALECTS, Case, hidden_cases, payloads

OUT = Path(__file__).with_suffix(".json")
SEED, COUNT = 7, 500
HIDDEN = re.compile(rb"hq[0-9a-f]{6}")
SAID = re.compile(r"vis[0-9a-f]{6}")
STRENGTHS = {"strip": 1.0, "structure": 0.5}
#: The peer's own transform, without its sockets: with its default format, and told `<think>`.
PEER = """
import json, sys, types
from unmimic.guards.output.transforms.strip import StripReasoning
from unmimic.reasoning import DEFAULT_FORMAT, ModelFormat
told = ModelFormat(kind="tag", open_tag="<think>", close_tag="</think>")
for line in sys.stdin:
    out = []
    for form in (DEFAULT_FORMAT, told):
        context = types.SimpleNamespace(metadata={"format": form})
        out.append(json.dumps(StripReasoning().transform(json.loads(line), "", context)))
    print(json.dumps(out))
"""


def served(case: Case, dialect: str, transform: Transform, *, streamed: bool) -> tuple[bytes, int]:
    """(the bytes that leave through a transform and the dialect's codec, events that came)."""
    codec = named(dialect).codec()
    events = payloads(case, dialect, streamed=streamed)
    out = []
    for event in events:
        encoded = msgspec.json.encode(event)
        name = event.get("type", "") if streamed else ""
        head = f"event: {name}\n".encode() if name else b""
        raw = head + b"data: " + encoded + b"\n\n" if streamed else encoded
        unit = codec.unit(raw, name, encoded)
        out += [codec.render(u) if u.edited else u.raw for u in transform.feed(unit)]
    if streamed:
        last = codec.unit(b"data: [DONE]\n\n", "", b"[DONE]")
        out += [codec.render(u) if u.edited else u.raw for u in transform.feed(last)]
    return b"".join(out), len(events)


def answer(raw: bytes, *, streamed: bool) -> list[str]:
    """Words of the answer as a client joins them."""
    lines = [r[6:] for r in raw.split(b"\n") if r.startswith(b"data: ")] if streamed else [raw]
    text = ""
    for line in lines:
        if line == b"[DONE]":
            continue
        data = msgspec.json.decode(line)
        kind = data.get("type", "")
        for choice in data.get("choices", [])[:1]:
            inner = choice.get("delta") or choice.get("message") or {}
            text += choice.get("text") or inner.get("content") or ""
        if kind == "response.output_text.delta":
            text += data["delta"]
        elif kind == "content_block_delta":
            text += data["delta"].get("text", "")
        elif kind == "message":
            text += "".join(b.get("text", "") for b in data["content"])
        elif data.get("object") == "response" and not streamed:
            text += data["output"][1]["content"][0]["text"]
    return SAID.findall(text)


def measure() -> dict:
    cases = list(hidden_cases(COUNT, SEED))
    table = {}
    events, began = 0, time.process_time()
    for mode, strength in STRENGTHS.items():
        for dialect in DIALECTS:
            for streamed in (True, False):
                leaked = tokens = broken = 0
                for case in cases:
                    transform = Reasoning().reply(strength, Standing("s"))
                    raw, count = served(case, dialect, transform, streamed=streamed)
                    events += count
                    found = len(HIDDEN.findall(raw))
                    leaked, tokens = leaked + (b"hq" in raw), tokens + found
                    broken += answer(raw, streamed=streamed) != case.said
                name = f"{dialect}, {'stream' if streamed else 'whole'}, {mode}"
                table[name] = {"cases": len(cases), "leaking": leaked, "hidden_words": tokens,
                               "answers_changed": broken}  # fmt: skip
    total = sum(row["cases"] for row in table.values())
    leaking = sum(row["leaking"] for row in table.values())
    return {
        "seed": SEED, "cases": COUNT, "replies": total, "leaking": leaking,
        "interval": clopper_pearson(leaking, total),
        "hidden_words_in_cases": sum(len(c.hidden) for c in cases),
        "answers_changed": sum(row["answers_changed"] for row in table.values()),
        "cpu_us_an_event_with_codec": round((time.process_time() - began) / events * 1e6, 1),
        "table": table,
    }  # fmt: skip


def peer(python: str) -> dict:
    cases = list(hidden_cases(COUNT, SEED))
    bodies = [json.dumps(payloads(c, "openai.chat", streamed=False)[0]) for c in cases]
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "peer.py"
        script.write_text(PEER)
        done = subprocess.run([python, str(script)], input="\n".join(bodies), text=True,
                              capture_output=True, check=True)  # fmt: skip
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    alone = [
        i for i, c in enumerate(cases)
        if not c.logprobs and all("<think>" in t for k, t in c.parts if k == "tagged")
    ]  # fmt: skip
    result = {}
    for at, name in enumerate(("default format", "told that the tag is <think>")):
        leaking = sum("hq" in row[at] for row in rows)
        result[name] = {
            "cases": len(rows), "leaking": leaking,
            "interval": clopper_pearson(leaking, len(rows)),
            "no log-probabilities, no tag but <think>": [
                sum("hq" in rows[i][at] for i in alone), len(alone)
            ],
        }  # fmt: skip
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peer", metavar="PYTHON", help="an interpreter that has unmimic 0.1.0")
    given = parser.parse_args()
    result = measure()
    name = "unmimic 0.1.0, chat, whole, strip"
    if given.peer:
        result[name] = peer(given.peer)
    elif OUT.exists() and name in (old := json.loads(OUT.read_text())):
        result[name] = old[name]
    OUT.write_text(json.dumps(result, indent=1) + "\n")
    print(json.dumps({k: v for k, v in result.items() if k != "table"}, indent=1))
    return 1 if result["leaking"] else 0


if __name__ == "__main__":
    sys.exit(main())
