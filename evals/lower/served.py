"""What doses add to a reply's time, rung by rung, and what turned embeddings do to search.

    python -m evals.lower.served        # under a minute; writes served.json

`rungs`: requests of the lab's honest world, dosed by the product's `Doser` as on each rung of the
default ladder. Microseconds of processor time (percentiles over single requests and chunks), the
second with the log-probabilities that a rung takes out. Waiting, which is what a throttle is for,
is in honest.json: it is counted there in the order of a log.

`search`: sentences with an intent (CLINC150 of the prompt data), some as an index and some as
queries; relevant is what has the query's intent. nDCG at 10 inside one organisation, untouched and
as served at each strength of `embeddings`, and with an index of another organisation. Embeddings
are all-MiniLM-L6-v2's where its package is installed, else hashed n-grams (which is told).
"""

from __future__ import annotations

import base64
import io
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import zstandard

from evals.accounts import DATA
from evals.detect import minilm
from titer.core.errors import Refused
from titer.core.nouns import Decision, Dose, Dosed, Standing
from titer.core.wire import Ended, Reply, Request
from titer.gateway.dialects import BUILTIN
from titer.lab.world.make import Made
from titer.lab.world.plan import World
from titer.respond import Options, builtin
from titer.respond.dosing import Doser
from titer.respond.embeddings import Embeddings
from titer.respond.ladder import default_ladder
from titer.respond.refuse import Refuse
from titer.respond.rungs import Rung

RESULT = Path(__file__).with_name("served.json")
SEED = 20261128
#: Requests and chunks that are timed on each rung.
REQUESTS, CHUNKS = 4000, 4000
#: Sentences of an index and of queries.
INDEX, QUERIES = 3000, 300
STRENGTHS = (0.25, 0.5, 0.75, 1.0)
CHAT = next(d for d in BUILTIN if d.name == "openai.chat")


def bodies(count: int) -> list[Request]:
    """Chat requests of an honest world, as the gateway parses them."""
    made = Made(World(name="served", seed=SEED, honest=600, days=1.0, whale=0.2))
    found = []
    for line in made.lines(0):
        parts = msgspec.json.decode(line)
        if parts["endpoint"] == "/v1/chat/completions":
            raw = msgspec.json.encode(parts["request"])
            found.append(CHAT.parse("/v1/chat/completions", raw))
    return random.Random(SEED).sample(found, count)


def chunk(number: int, *, logprobs: bool) -> bytes:
    """One event of a chat stream, as vLLM writes it."""
    choice: dict[str, Any] = {"index": 0, "delta": {"content": f" w{number}"},
                              "finish_reason": None}  # fmt: skip
    if logprobs:
        tops = [{"token": f" w{i}", "logprob": -i - 0.12345, "bytes": [32]} for i in range(5)]
        entry = {"token": f" w{number}", "logprob": -0.12345, "bytes": [32], "top_logprobs": tops}
        choice["logprobs"] = {"content": [entry]}
    data = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return msgspec.json.encode({**data, "choices": [choice]})


def each(work: Callable[[Any], object], items: list[Any]) -> list[float]:
    """Microseconds of processor time of one call each."""
    found = []
    for item in items:
        begun = time.thread_time_ns()
        work(item)
        found.append((time.thread_time_ns() - begun) / 1000.0)
    return found


def percentiles(found: list[float]) -> dict[str, float]:
    return {f"p{q}": round(float(np.percentile(found, q)), 2) for q in (50, 99)}


def rung_cost(rung: Rung, requests: list[Request]) -> dict[str, Any]:
    """What one rung's doses add: to a request (its end included), and to a chunk."""
    with tempfile.TemporaryDirectory() as folder:
        return _rung_cost(rung, requests, Doser(builtin(Options(shared=Path(folder))), None))


def _rung_cost(rung: Rung, requests: list[Request], doser: Doser) -> dict[str, Any]:
    decision = Decision("d", 0, "s", rung.name, rung.give, "timed")
    ended = Ended(200, 100, 0, 200)

    def ask(numbered: tuple[int, Request]) -> None:
        number, request = numbered
        row = Dosed(Standing(f"s{number}", bits=rung.at), decision)
        try:
            made, _ = doser.dose(request, row)
        except Refused:  # timed as well
            return
        doser.settle(made.settle, ended)

    items = list(enumerate(requests))
    each(ask, items[: len(items) // 8])
    row: dict[str, Any] = {
        "rung": rung.name,
        "doses": {dose.mitigation: dose.strength for dose in rung.give},
        "request_us": percentiles(each(ask, items)),
    }
    if any(dose.mitigation == Refuse.card.name for dose in rung.give):
        return row
    for kind in ("plain", "logprobs"):
        raws = [chunk(n, logprobs=kind == "logprobs") for n in range(CHUNKS)]
        codec = CHAT.codec()

        def bare(raw: bytes, codec: Any = codec) -> list[Reply]:
            return [codec.unit(b"data: " + raw + b"\n\n", "", raw)]

        _, transforms = doser.dose(requests[0], Dosed(Standing("chunks", bits=rung.at), decision))

        def through(
            raw: bytes, bare: Any = bare, transforms: Any = transforms, codec: Any = codec
        ) -> None:
            units = bare(raw)
            for transform in transforms:
                units = [out for unit in units for out in transform.feed(unit)]
            for unit in units:
                if unit.edited:
                    codec.render(unit)

        alone, whole = each(bare, raws), each(through, raws)
        row[f"chunk_us, {kind}"] = percentiles(
            [max(0.0, b - a) for a, b in zip(alone, whole, strict=True)]
        )
    return row


def sentences() -> tuple[list[str], list[str]]:
    """Texts and their intents, in a fixed random order."""
    path = DATA / "prompts" / "benign" / "support_short.jsonl.zst"
    with zstandard.open(path, "rt", encoding="utf-8") as file:
        assert isinstance(file, io.TextIOWrapper)
        rows = [json.loads(line) for line in file if line.strip()]
    rows = [row for row in rows if row["source"] == "clinc150" and row.get("intent")]
    chosen = random.Random(SEED).sample(rows, INDEX + QUERIES)
    return [row["text"] for row in chosen], [row["intent"] for row in chosen]


def as_served(vectors: np.ndarray, organisation: str, strength: float) -> np.ndarray:
    """Vectors through the mitigation, as a reply of the embeddings route carries them."""
    made = Embeddings(b"evaluation key, fixed and public").reply(strength, Standing(organisation))
    if made is None:
        return vectors
    rows = [
        {"index": n, "embedding": base64.b64encode(v.astype("<f4").tobytes()).decode()}
        for n, v in enumerate(vectors)
    ]
    (unit,) = made.feed(Reply(raw=b'"embedding"', data={"data": rows}))
    packed = [
        np.frombuffer(base64.b64decode(row["embedding"]), "<f4") for row in unit.data["data"]
    ]
    return np.array(packed, np.float64)


def search() -> dict[str, Any]:
    """nDCG at 10 and the share of the first ten that stay, by strength."""
    name, embed = minilm.embedder()
    texts, intents = sentences()
    vectors = np.asarray(embed(texts), np.float64)
    same = np.array([[a == b for b in intents[:INDEX]] for a in intents[INDEX:]], float)
    place = 1.0 / np.log2(np.arange(2, 12))

    def first_ten(index: np.ndarray, queries: np.ndarray) -> np.ndarray:
        norm = np.linalg.norm(index, axis=1) * np.linalg.norm(queries, axis=1)[:, None]
        return np.argsort(-(queries @ index.T) / norm, axis=1, kind="stable")[:, :10]

    def gain(tens: np.ndarray) -> np.ndarray:
        best = np.sort(same, axis=1)[:, ::-1][:, :10] @ place
        return (np.take_along_axis(same, tens, axis=1) @ place) / np.maximum(best, 1e-9)

    index, queries = vectors[:INDEX], vectors[INDEX:]
    plain = first_ten(index, queries)
    before = gain(plain)
    rows = [{"strength": 0.0, "ndcg": round(float(before.mean()), 6), "same_first_ten": 1.0,
             "queries_changed": 0}]  # fmt: skip
    for strength in STRENGTHS:
        tens = first_ten(
            as_served(index, "org-a", strength), as_served(queries, "org-a", strength)
        )
        after = gain(tens)
        kept = [
            len(set(a) & set(b)) / 10 for a, b in zip(plain.tolist(), tens.tolist(), strict=True)
        ]
        rows.append({
            "strength": strength, "ndcg": round(float(after.mean()), 6),
            "same_first_ten": round(float(np.mean(kept)), 6),
            "queries_changed": int((np.abs(after - before) > 1e-12).sum()),
        })  # fmt: skip
    across = gain(first_ten(as_served(index, "org-b", 0.25), as_served(queries, "org-a", 0.25)))
    return {
        "embeddings": name, "index": INDEX, "queries": QUERIES, "inside": rows,
        "index_of_another_organisation": round(float(across.mean()), 6),
        "chance": round(float(same.mean()), 6),
    }  # fmt: skip


def main(*, quick: bool = False) -> dict[str, Any]:
    requests = bodies(REQUESTS // 10 if quick else REQUESTS)
    ladder = default_ladder(shadow=False)
    always = Rung(name="(embeddings, 0.25)", at=1.0, give=(Dose("embeddings", 0.25),))
    rungs = [rung_cost(rung, requests) for rung in (*ladder.rungs, always)]
    found = {"seed": SEED, "requests": len(requests), "chunks": CHUNKS, "rungs": rungs}
    if DATA.exists():
        found["search"] = search()
    print(json.dumps(found, indent=1))
    if not quick:
        RESULT.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    return found


if __name__ == "__main__":
    main()
