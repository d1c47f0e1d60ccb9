"""Makes the dossiers of docs/spec/vectors of version 2: run again only when the form changes.

    python tests/conformance/vectors/dossiers/make.py

Salts and keys are fresh each time. The vector of version 1 is as it was made by a version that
still made them.
"""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from titer.core.nouns import (
    Campaign,
    Considered,
    Exchange,
    Finding,
    Origin,
    Principal,
    Usage,
)
from titer.evidence import contents, dossier, heads, names
from titer.evidence.contents import Share
from titer.evidence.cosignature import Cosigner
from titer.evidence.log import Log

OUT = Path(__file__).parents[4] / "docs" / "spec" / "vectors"
AT = 1763789016000000
MEMBERS = [f"{i:020x}" for i in range(1, 5)]
LIST = {
    "name": "asn", "kind": "asn", "source": "a made-up list", "dated": "2025-11-01",
    "sha256": "ab" * 32,
}  # fmt: skip


def exchange(i, who):
    fact = Exchange(
        f"x{i}", AT + i * 3_600_000_000, Principal(who), "/v1/chat/completions", "m-1",
        Origin(asn=64500, net="aa" * 10), usage=Usage(10, 100),
    )  # fmt: skip
    return ("exchange", msgspec.json.encode(fact))


def fill(log):
    """Entries of a campaign of four, in two heads; the first is cosigned."""
    log.append([("networks", msgspec.json.encode([LIST]))], at=AT)
    log.append([("calibration", b'{"id":"cal-1","n":400}')], at=AT)
    log.append(
        [exchange(i, MEMBERS[i % 4] if i % 2 else "someone else") for i in range(16)], at=AT
    )
    found = Finding(
        "f1", AT, "frames@1", MEMBERS[1], "AML.T0024.002", 12.5,
        "One frame over changing content.",
        calibration="cal-1", cites=("x1", "x2", "x999"),
    )  # fmt: skip
    log.append([("finding", msgspec.json.encode(found))], at=AT)
    signed = log.checkpoint()
    witness = Cosigner("titer.test/witness", Ed25519PrivateKey.generate())
    line = witness.line(signed.partition("\n\n")[0] + "\n", AT // 1_000_000)
    heads.keep(log.directory, log.size, signed + line)
    (OUT / "witness.pub").write_text(f"{witness.witness}\n")
    campaign = Campaign(
        "c-0123456789abcdef", tuple(MEMBERS), ("text", "network"), ("payment",), 20.0,
        "AML.T0024.002", AT, AT, 8, 800, note="4 units", null="999 groups",
        considered=(
            Considered("chance", "ruled out", "e-value", 1000.0, 100.0),
            Considered("tests of the operator's own staff", "not tested"),
        ),
    )  # fmt: skip
    log.append([("campaign", msgspec.json.encode(campaign))], at=AT)
    return campaign


def told(log, campaign, public):
    """What is said beside the entries: one of everything."""
    tie = contents.Tie(
        "provider", "AS64500", "an operator", 1, Share(4, 4), Share(2, 2), Share(1, 1), 1
    )
    return contents.Contents(
        infrastructure=contents.Infrastructure(
            others=100,
            ties=(tie,),
            snapshots=(contents.Snapshot(**LIST),),
            unknown=(contents.Unknown("residential networks", "no list of them was imported"),),
            links=(
                contents.Link(
                    "indicators", "wave", "a partner", "ja4", 1, Share(4, 4), Share(0, 100), 1
                ),
            ),
        ),
        alternatives=tuple(contents.Alternative.of(one) for one in campaign.considered),
        marks=(contents.Mark("canary", "k1", AT, 20.0, "found in a leaked text"),),
        sealed=(
            names.seal(
                {m: f"account {n}" for n, m in enumerate(MEMBERS)}, public,
                origin=log.verifier.name, subject=campaign.id,
            ),
        ),
    )  # fmt: skip


def main():
    key = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "X25519"], capture_output=True, check=True
    ).stdout
    public = subprocess.run(
        ["openssl", "pkey", "-pubout"], input=key, capture_output=True, check=True
    ).stdout
    (OUT / "names.key").write_bytes(key)
    with (
        tempfile.TemporaryDirectory() as folder,
        Log.open(Path(folder) / "log", origin="titer.test/vectors") as log,
    ):
        campaign = fill(log)
        made = {
            "campaign-v2": dossier.build(
                log, subject=campaign.id, campaign=True, told=told(log, campaign, public),
                summary={"bits": 20.0, "members": 4}, where="./log", at=AT,
            ),
            "subject-v2": dossier.build(
                log, subject=MEMBERS[1], summary={"bits": 12.5, "findings": ["f1"]},
                where="./log", at=AT,
            ),
        }  # fmt: skip
        for name, data in made.items():
            (OUT / f"{name}.dossier").write_bytes(data)
            (OUT / f"{name}.pub").write_text(f"{log.verifier}\n")
    schema = msgspec.json.schema(contents.StatementOfTwo)
    (OUT / "dossier-v2.schema.json").write_text(json.dumps(schema, indent=1) + "\n")


if __name__ == "__main__":
    main()
