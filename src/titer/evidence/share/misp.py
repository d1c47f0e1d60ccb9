"""A campaign as a MISP event (MISP core format, draft-dulaunoy-misp-core-format).

Unpublished, for the receiving instance's own people to publish; `distribution` follows the TLP.
MISP has no attribute type for JA4 or the order of header names: these are `other`, with a comment
that says what they are, and never raise an alert of their own (`to_ids` false).
"""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from titer.core.indicators import Indicator
from titer.evidence.share import atlas
from titer.evidence.share.material import Material, confidence
from titer.evidence.share.stix import OWN_NAMESPACE, moment

#: (type, category) by kind of indicator.
_TYPES = {
    "ipv4": ("ip-src", "Network activity"),
    "ipv6": ("ip-src", "Network activity"),
    "asn": ("AS", "Network activity"),
    "ja4": ("other", "Other"),
    "headers": ("other", "Other"),
}
_WORDS = {"ja4": "JA4 TLS client fingerprint", "headers": "SHA-256/64 of header names in order"}
#: MISP's distribution: 0 your organisation only, 1 this community, 3 all communities.
_DISTRIBUTION = {"clear": "3", "green": "1", "amber": "0", "amber+strict": "0", "red": "0"}


def event(material: Material) -> bytes:
    """The event as JSON, as `POST /events/add` and file import take it."""
    campaign = material.campaign
    technique = atlas.TECHNIQUES.get(campaign.technique)
    tags = [{"name": f"tlp:{material.tlp}"}]
    if technique is not None:
        tags.append(
            {"name": f'misp-galaxy:mitre-atlas-attack-pattern="{technique.name} - {technique.id}"'}
        )
    body: dict[str, Any] = {
        "uuid": _uuid(material, "event"),
        "info": (
            f"Extraction campaign {material.name}: {material.size} accounts, "
            f"{campaign.tokens_out} tokens, {campaign.bits:.1f} bits"
        ),
        "date": moment(campaign.first_seen)[:10],
        "threat_level_id": "3" if campaign.review else "2",
        "analysis": "1" if campaign.review else "2",
        "distribution": _DISTRIBUTION[material.tlp],
        "timestamp": str(material.made // 1_000_000),
        "published": False,
        "Orgc": {"name": material.operator, "uuid": _uuid(material, material.operator)},
        "Tag": tags,
        "Attribute": [_attribute(material, found) for found in material.indicators]
        + [_member(material, member) for member in material.members],
    }
    return msgspec.json.encode({"Event": body})


def _attribute(material: Material, found: Indicator) -> dict[str, Any]:
    kind, category = _TYPES[found.kind]
    campaign = material.campaign
    return {
        "uuid": _uuid(material, found.key),
        "type": kind,
        "category": category,
        "value": found.value,
        "to_ids": kind == "ip-src" and confidence(found, material) >= 85,
        "distribution": "5",  # as the event
        "comment": (
            f"{_WORDS.get(found.kind, found.kind)}; shown by {found.members} of {material.size} "
            f"accounts of the campaign; confidence {confidence(found, material)} of 100"
        ),
        "timestamp": str(material.made // 1_000_000),
        "first_seen": moment(found.first or campaign.first_seen),
        "last_seen": moment(found.last or campaign.last_seen),
    }


def _member(material: Material, member: str) -> dict[str, Any]:
    return {
        "uuid": _uuid(material, f"member {member}"),
        "type": "text",
        "category": "Other",
        "value": member,
        "to_ids": False,
        "distribution": "5",
        "comment": "member, under a pseudonym made for this recipient",
        "timestamp": str(material.made // 1_000_000),
    }


def _uuid(material: Material, key: str) -> str:
    name = f"misp\0{material.salt}\0{material.name}\0{key}"
    return str(uuid.uuid5(OWN_NAMESPACE, name))
