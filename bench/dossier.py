"""What it costs to verify a dossier as the log grows, and to make and render a large campaign's.

    python -m bench.dossier [--rounds N] [--members N]

`verify`: a dossier of 100 entries out of logs of 10^4 to 10^8 entries (the tree is simulated: all
other leaves are alike), beside the hashes and signatures alone that it cannot do without. Growth
should be that of the logarithm. `campaign`: 25,000 members with four exchanges and a finding each:
seconds to gather, attribute and sign; to verify; to make a page; to make a PDF; sizes; peak
memory. Medians; prints one line of JSON.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import msgspec

from titer.console.prove import prove
from titer.console.render import report, to_html, to_pdf
from titer.core.nouns import Campaign, Considered, Exchange, Finding, Origin, Principal, Usage
from titer.evidence import dossier, merkle, note, verify
from titer.evidence.checkpoint import Checkpoint
from titer.evidence.entry import Stored, commit
from titer.gateway.assembly import open_log

ENTRIES = 100
SIZES = (10**4, 10**6, 10**8)


class Simulated:
    """A log of `size` entries, of which `ENTRIES` are there and all others alike."""

    def __init__(self, size: int) -> None:
        self._signer = note.Signer.generate("titer.bench/dossier")
        self.verifier = self._signer.verifier
        self.verifiers = (self.verifier,)
        self._entries = {}
        for n in range(ENTRIES):
            at = n * (size // ENTRIES)
            body = msgspec.json.encode(Exchange(f"x{n}", n, Principal("p"), "/v1/x", "m"))
            salt = hashlib.sha256(b"%d" % n).digest()
            self._entries[at] = Stored(
                index=at, kind="exchange", at=n, commitment=commit(salt, body), body=body,
                salt=salt,
            )  # fmt: skip
        self._alike = [merkle.leaf_hash(b"another entry")]
        while len(self._alike) < 40:
            self._alike.append(merkle.node_hash(self._alike[-1], self._alike[-1]))
        self._known: dict[tuple[int, int], bytes] = {}
        self.size = size
        self.tiles = SimpleNamespace(nodes=lambda _: self._node)

    def _node(self, level: int, index: int) -> bytes:
        known = self._known.get((level, index))
        if known is not None:
            return known
        begin, end = index << level, (index + 1) << level
        step = self.size // ENTRIES
        first = -(-begin // step) * step
        if first >= end or first not in self._entries:
            return self._alike[level]
        if level == 0:
            made = self._entries[index].leaf
        else:
            made = merkle.node_hash(
                self._node(level - 1, 2 * index), self._node(level - 1, 2 * index + 1)
            )
        self._known[level, index] = made
        return made

    def vouched_sizes(self) -> list[int]:
        return []

    def publish(self) -> str:
        root = merkle.root_hash(self.size, self._node)
        return Checkpoint(origin=self.verifier.name, size=self.size, root=root).sign(self._signer)

    def scan(self, start: int, stop: int) -> Iterator[Stored]:
        return (s for i, s in sorted(self._entries.items()) if start <= i < stop)

    def read(self, index: int) -> Stored:
        return self._entries[index]

    def signer(self) -> note.Signer:
        return self._signer


def timed(work: Callable[[], object], rounds: int) -> float:
    """Median seconds."""
    took = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


def verifying(size: int, rounds: int) -> dict[str, float]:
    """Milliseconds to verify a dossier of 100 entries, and of its bare hashes and signatures."""
    log = Simulated(size)
    data = dossier.build(log, subject="p", summary={}, at=1)  # type: ignore[arg-type]
    key = str(log.verifier)
    proofs = [merkle.inclusion_proof(i, size, log._node) for i in sorted(log._entries)]
    signature = log.signer().sign(data)

    def bare() -> None:
        for proof in proofs:
            for _ in range(len(proof) + 2):
                hashlib.sha256(b"\x01" * 65).digest()
        for _ in range(2):
            log.verifier.public.verify(signature, data)

    made = timed(lambda: log._known.clear() or dossier.build(
        log, subject="p", summary={}, at=1), rounds)  # type: ignore[arg-type]  # fmt: skip
    return {
        "entries_in_log": size,
        "hashes_a_proof": round(statistics.mean(len(p) for p in proofs), 1),
        "verify_ms": round(timed(lambda: verify.verify(data, key=key), rounds) * 1e3, 2),
        "bare_ms": round(timed(bare, rounds) * 1e3, 2),
        "make_ms": round(made * 1e3, 2),
        "bytes": len(data),
    }


def campaign(members: int) -> dict[str, float]:
    """Seconds and sizes of one large campaign, made by the ordinary verbs' code."""
    out: dict[str, float] = {"members": members}
    with tempfile.TemporaryDirectory(prefix="titer-bench-") as folder:
        data = Path(folder) / "data"
        data.mkdir()
        names = [f"{n:020x}" for n in range(members)]
        with open_log(data) as log:
            for round_ in range(4):
                batch = []
                for n, who in enumerate(names):
                    fact = Exchange(
                        f"x{n}-{round_}", (round_ * members + n) * 10_000_000, Principal(who),
                        "/v1/chat/completions", "m",
                        Origin(asn=64500 + n % 40, net=f"{n % 700:020x}", ja4=f"t13d{n % 9}"),
                        usage=Usage(100, 400),
                    )  # fmt: skip
                    batch.append(("exchange", msgspec.json.encode(fact)))
                    other = msgspec.structs.replace(
                        fact, id=f"y{n}-{round_}", principal=Principal(f"f{n:019x}"),
                        origin=Origin(asn=n % 5000 + 1, net=f"a{n:019x}", ja4=f"t13d{n % 90}"),
                    )  # fmt: skip
                    batch.append(("exchange", msgspec.json.encode(other)))
                log.append(batch)
                log.checkpoint()
            found = Campaign(
                "c-0123456789abcdef", tuple(names), ("text", "network"), ("payment",), 30.0,
                "AML.T0024.002", 1, 2, 4 * members, 1600 * members,
                considered=(Considered("chance", "ruled out", "e", 1e9, 100.0),),
            )  # fmt: skip
            log.append([("campaign", msgspec.json.encode(found))])
            findings = [
                Finding(f"f-{who}", 5, "hunt@1", who, "AML.T0024.002", 30.0, "acts as one",
                        calibration=found.id, cites=(f"x{n}-0",))
                for n, who in enumerate(names)
            ]  # fmt: skip
            log.append([("finding", msgspec.json.encode(f)) for f in findings])
        began = time.perf_counter()
        made = prove(data, found.id).dossier
        out["prove_s"] = round(time.perf_counter() - began, 2)
    began = time.perf_counter()
    proven = verify.prove(made)
    out["verify_s"] = round(time.perf_counter() - began, 2)
    page = report(proven)
    for name, render in (("html", to_html), ("pdf", to_pdf)):
        began = time.perf_counter()
        size = len(render(page))
        out[f"{name}_s"] = round(time.perf_counter() - began, 2)
        out[f"{name}_bytes"] = size
    out["dossier_bytes"] = len(made)
    out["peak_mb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--members", type=int, default=25_000)
    given = parser.parse_args()
    rows = [verifying(size, given.rounds) for size in SIZES]
    for row in rows:
        print(
            f"{row['entries_in_log']:>11,} entries: verify {row['verify_ms']} ms, "
            f"{row['verify_ms'] / row['bare_ms']:.1f}x the bare hashes and signatures"
        )
    large = campaign(given.members)
    print(f"{large['members']:,} members: {large}")
    print(json.dumps({"verify": rows, "campaign": large}))


if __name__ == "__main__":
    main()
