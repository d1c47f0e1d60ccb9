"""A logged origin as the live gateway would have recorded it: `titer.gateway.origin`, from words.

`tests/integration/feeds` holds the two equal, field by field.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence

from titer.core.ids import Pseudonyms
from titer.core.nouns import Origin
from titer.gateway.origin import AGENT_CHARS, JA4_CHARS

#: Most header names read of one line: more than any client library sends.
MAX_HEADERS = 100
#: Characters of an attestation that are kept.
MAX_ATTESTATION = 128


def of_log(
    pseudonyms: Pseudonyms,
    *,
    ip: str = "",
    asn: int = 0,
    ja4: str = "",
    user_agent: str = "",
    headers: Sequence[str] = (),
    payment: str = "",
    attestation: str = "",
) -> Origin:
    """The origin of one line. An address that cannot be read is left out, not guessed."""
    token, net = _tokens(pseudonyms, ip)
    names = [h.lower() for h in headers[:MAX_HEADERS] if h.lower() != "content-length"]
    return Origin(
        ip=token,
        net=net,
        asn=asn,
        ja4=ja4[:JA4_CHARS],
        headers=hashlib.sha256(",".join(names).encode()).hexdigest()[:16] if names else "",
        agent=user_agent.split(" ", 1)[0][:AGENT_CHARS],
        payment=pseudonyms.of("payment", payment),
        attestation=attestation[:MAX_ATTESTATION],
    )


def _tokens(pseudonyms: Pseudonyms, address: str) -> tuple[str, str]:
    """Keyed tokens of an address and of its /24 (IPv4) or /48 (IPv6); empty when unreadable."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "", ""
    net = ipaddress.ip_network((ip, 24 if ip.version == 4 else 48), strict=False)
    return pseudonyms.of("ip", str(ip)), pseudonyms.of("net", str(net))
