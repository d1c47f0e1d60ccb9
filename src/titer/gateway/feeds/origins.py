"""A logged origin as the live gateway would have recorded it: `titer.gateway.origin`, from words.

`tests/integration/feeds` holds the two equal, field by field.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from titer.core.ids import Pseudonyms
from titer.core.nouns import Origin
from titer.gateway.networks.places import ORIGIN_KINDS, Places
from titer.gateway.origin import AGENT_CHARS, JA4_CHARS

#: Most header names read of one line: more than any client library sends.
MAX_HEADERS = 100
#: Characters of an attestation that are kept.
MAX_ATTESTATION = 128


def of_log(
    pseudonyms: Pseudonyms,
    places: Places,
    *,
    ip: str = "",
    asn: int = 0,
    ja4: str = "",
    user_agent: str = "",
    headers: Sequence[str] = (),
    payment: str = "",
    attestation: str = "",
    kind: str = "",
) -> Origin:
    """The origin of one line. An address that cannot be read is left out, not guessed.

    `asn` and `kind` are looked up where the log does not say: it was written closer to the call.
    """
    place = places.of(ip)
    names = [h.lower() for h in headers[:MAX_HEADERS] if h.lower() != "content-length"]
    said = kind if kind in ORIGIN_KINDS else ""
    return Origin(
        ip=place.ip,
        net=place.net,
        asn=asn or place.asn,
        ja4=ja4[:JA4_CHARS],
        headers=hashlib.sha256(",".join(names).encode()).hexdigest()[:16] if names else "",
        agent=user_agent.split(" ", 1)[0][:AGENT_CHARS],
        payment=pseudonyms.of("payment", payment),
        attestation=attestation[:MAX_ATTESTATION],
        kind=said or place.kind or (places.kind_of(asn) if asn else ""),
    )
