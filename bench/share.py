"""Export of a campaign of 25,000 named accounts as STIX, beside writing the same JSON alone.

    python -m bench share

The target is 10 s and 500 MB; the ratio to the plain encoder shows what the rendering costs.
"""

from __future__ import annotations

import json
import resource
import time

import msgspec

from titer.core.indicators import Indicator
from titer.core.nouns import Campaign
from titer.evidence.share import misp, reading, stix
from titer.evidence.share.matching import answer, finish, offer
from titer.evidence.share.material import Material, alias

MEMBERS = 25_000
RANGES = 2_000
MATCHED = 4_096
AT = 1_763_789_016_000_000


def material() -> Material:
    members = tuple(f"{i:020x}" for i in range(MEMBERS))
    campaign = Campaign(
        "c-bench", members, ("text",), ("origin",), 33.2, "AML.T0024.002", AT, AT + 86_400_000_000,
        exchanges=2_000_000, tokens_out=900_000_000, null="permutations",
    )  # fmt: skip
    found = [
        Indicator("ipv4", f"198.{18 + i // 256 % 2}.{i % 256}.0/24", 30, 0, AT, AT)
        for i in range(512)
    ]
    found += [Indicator("asn", str(100_000 + i), 40, 0, AT, AT) for i in range(RANGES - 512)]
    named = alias(b"k" * 32, "lab-b")
    return Material(
        campaign=campaign, name=campaign.id, size=MEMBERS, operator="Example Lab", salt="x",
        tlp="amber", began=AT, made=AT, indicators=tuple(found),
        members=tuple(map(named, members)), population=1_000_000,
    )  # fmt: skip


def timed(work):
    began = time.perf_counter()
    out = work()
    return time.perf_counter() - began, out


def main() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    given = material()
    took, text = timed(lambda: stix.bundle(given))
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    plain, _ = timed(lambda: json.dumps(json.loads(text)))
    read, got = timed(lambda: reading.read(text, unmarked="amber"))
    event, _ = timed(lambda: misp.event(given))
    names = [f"ja4:{i}" for i in range(MATCHED)]
    first, (asked, state) = timed(lambda: offer(names, sender="a", partner="b"))
    second, answered = timed(lambda: answer(asked, names, sender="b"))
    third, shared = timed(lambda: finish(state, answered))
    assert shared.count == MATCHED
    assert len(got.told) == RANGES
    print(json.dumps({
        "members": MEMBERS, "indicators": RANGES, "bytes": len(text),
        "stix_s": round(took, 3), "ratio_to_json_round_trip": round(took / plain, 2),
        "peak_mb": round(after / 1024), "of_it_before_mb": round(before / 1024),
        "read_s": round(read, 3), "misp_s": round(event, 3), "matched": MATCHED,
        "match_offer_s": round(first, 2), "match_answer_s": round(second, 2),
        "match_finish_s": round(third, 2),
        "answer_bytes": len(msgspec.json.encode(answered)),
    }))  # fmt: skip


if __name__ == "__main__":
    main()
