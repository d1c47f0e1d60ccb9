"""A campaign as Sigma rules (Sigma specification 2.1.0), for the operator's own logs and others'.

* Ranges of addresses, for the web servers of anybody: logsource `webserver`, field `c-ip`.
* Fingerprints and network numbers, for a log of titer's exchanges (logsource product `titer`,
  service `exchange`, fields as `docs/reference/facts.md` names them).
* Frames, which are keyed: only the operator whose key made them can match them, and that rule is
  never part of what is shared (`keyed`).

YAML is written as JSON strings inside a fixed layout, which every YAML reader takes (YAML 1.2).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from titer.core.indicators import Indicator
from titer.evidence.share.material import Material, confidence
from titer.evidence.share.stix import OWN_NAMESPACE, moment

#: Values in one rule; a campaign's frames can be tens of thousands.
MAX_VALUES = 1_000
_WEB = {"category": "webserver"}
_TITER = {"product": "titer", "service": "exchange"}
_FIELD = {"asn": "origin.asn", "ja4": "origin.ja4", "headers": "origin.headers"}


def rules(material: Material, *, keyed: bool = False) -> str:
    """The rules as one YAML stream, documents parted by `---`. Empty when there is nothing.

    `keyed` adds the rule on frames, which no other operator can use.
    """
    return "---\n".join(_rules(material, keyed=keyed))


def _rules(material: Material, *, keyed: bool) -> Iterator[str]:
    by_kind: dict[str, list[Indicator]] = {}
    for found in material.indicators:
        by_kind.setdefault(found.kind, []).append(found)
    ranges = by_kind.get("ipv4", []) + by_kind.get("ipv6", [])
    if ranges:
        values: list[str | int] = [found.value for found in ranges]
        yield _rule(
            material, "networks", _WEB, {"c-ip|cidr": values}, level=_level(material, ranges),
            about="requests from networks of the campaign",
        )  # fmt: skip
    for kind, field in _FIELD.items():
        found_of = by_kind.get(kind, [])
        if found_of:
            values = [int(i.value) if kind == "asn" else i.value for i in found_of]
            yield _rule(
                material, kind, _TITER, {field: values}, level=_level(material, found_of),
                about=f"exchanges with the campaign's {kind}",
            )  # fmt: skip
    frames = [token for token, _ in sorted(material.campaign.frames, key=lambda f: (-f[1], f[0]))]
    if keyed and frames:
        about = "exchanges on the campaign's texts (keyed: for this operator alone)"
        yield _rule(material, "frames", _TITER, {"sketch.frames": frames}, level="high",
                    about=about)  # fmt: skip


def _rule(
    material: Material, what: str, source: Mapping[str, str],
    match: Mapping[str, Sequence[str | int]], *, level: str, about: str,
) -> str:  # fmt: skip
    campaign = material.campaign
    name = f"sigma\0{material.salt}\0{material.name}\0{what}"
    tags = [f"tlp.{material.tlp}"]
    if campaign.technique.startswith("AML."):
        tags.append(f"atlas.{campaign.technique[4:].lower()}")
    out = [
        f"title: {_text(f'Extraction campaign {material.name}: {what}')}",
        f"id: {uuid.uuid5(OWN_NAMESPACE, name)}",
        f"status: {'experimental' if campaign.review else 'test'}",
        f"description: {_text(f'Finds {about}. A reason to look, not to refuse.')}",
        f"author: {_text(material.operator)}",
        f"date: {moment(material.made)[:10]}",
        "tags:",
        *(f"  - {tag}" for tag in tags),
        "logsource:",
        *(f"  {key}: {value}" for key, value in source.items()),
        "detection:",
        "  selection:",
    ]
    for field, values in match.items():
        out.append(f"    {field}:")
        out += [f"      - {_text(value)}" for value in values[:MAX_VALUES]]
    out += [
        "  condition: selection",
        "falsepositives:",
        f"  - {_text('Honest callers behind the same network or software')}",
        f"level: {level}",
    ]
    return "\n".join(out) + "\n"


def _level(material: Material, found: list[Indicator]) -> str:
    """By the best of the indicators: what is weak draws no attention of its own."""
    best = max(confidence(one, material) for one in found)
    return "high" if best >= 85 else "medium" if best >= 50 else "low"


def _text(value: Any) -> str:
    """A scalar in YAML: a JSON string or number is one."""
    return json.dumps(value)
