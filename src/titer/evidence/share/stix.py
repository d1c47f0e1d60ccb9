"""A campaign as a STIX 2.1 bundle (OASIS STIX 2.1, 10 June 2021).

Ids are UUIDv5, of observables by their contributing properties under the namespace that the
standard gives (2.9), of everything else by what it is about: the same log gives the same bytes,
and a campaign that grew is a later version of the same object. What STIX has no word for (JA4,
the order of header names) is a property extension of `network-traffic` with a definition of its
own in the bundle (7.3).
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from titer.core.indicators import Indicator
from titer.evidence.share import atlas, tlp
from titer.evidence.share.material import Material, confidence

#: Of observables: STIX 2.1, 2.9. Of our own objects: a name that resolves nowhere (RFC 2606).
SCO_NAMESPACE = uuid.UUID("00abedb4-aa42-466c-9c01-fed23315a9b7")
OWN_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://titer.invalid/stix/v1")
#: How long an indicator of networks and software is worth looking for after it was last seen.
VALID_US = 90 * 86_400_000_000
#: Members listed in one observed-data object: some consumers read objects of 1 MB at most.
MEMBERS_EACH = 5_000
#: Latest time that is written (9999-12-31): what a hostile log says beyond it is cut.
_LATEST = 253_402_300_799_000_000

EXTENSION_VERSION = "1.0.0"
EXTENSION = f"extension-definition--{uuid.uuid5(OWN_NAMESPACE, 'fingerprints')}"
#: Properties of the extension by kind of indicator.
PROPERTY = {"ja4": "ja4", "headers": "header_order_sha256_16"}
_EXTENSION_AT = "2026-11-01T00:00:00.000Z"

Object = dict[str, Any]


def bundle(material: Material) -> bytes:
    """The whole bundle as JSON, ready to be written."""
    made = list(objects(material))
    name = _uuid("bundle", material, *(o["id"] for o in made), str(material.made))
    return msgspec.json.encode({"type": "bundle", "id": f"bundle--{name}", "objects": made})


def objects(material: Material) -> Iterator[Object]:
    """The bundle's objects, each after those that it refers to."""
    return _Rendering(material).run()


def pattern(indicator: Indicator) -> str:
    """The STIX pattern of an indicator (STIX 2.1, 9)."""
    value = indicator.value
    if indicator.kind == "asn":
        return f"[autonomous-system:number = {int(value)}]"
    if indicator.kind in PROPERTY:
        name = PROPERTY[indicator.kind]
        return f"[network-traffic:extensions.'{EXTENSION}'.{name} = '{value}']"
    single = value.removesuffix("/32" if indicator.kind == "ipv4" else "/128")
    how = "=" if single != value else "ISSUBSET"
    return f"[{indicator.kind}-addr:value {how} '{single}']"


def moment(at: int) -> str:
    """Microseconds as a STIX timestamp, to the millisecond."""
    seconds, micros = divmod(min(max(at, 0), _LATEST), 1_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{micros // 1000:03d}Z"


class _Rendering:
    """One bundle in the making: who says it, how far it may travel, and the ids so far."""

    def __init__(self, material: Material) -> None:
        self.material = material
        self.own = f"identity--{_uuid('identity', material, material.operator)}"
        self.made = moment(material.made)
        self.began = min(self.made, moment(material.began or material.made))
        self.campaign = self._id("campaign", material.name)
        self.first = moment(material.campaign.first_seen)
        self.last = max(self.first, moment(material.campaign.last_seen))

    def run(self) -> Iterator[Object]:
        told: list[str] = []
        for one in self._all():
            if one["type"] not in ("marking-definition", "extension-definition"):
                told.append(one["id"])
            yield one
        yield self._sdo(
            "report", "report",
            name=f"Extraction campaign {self.material.name}", report_types=["campaign"],
            published=self.made, object_refs=told,
            description="Made by titer from its evidence log; see the note for its limits.",
        )  # fmt: skip

    def _all(self) -> Iterator[Object]:
        material = self.material
        yield tlp.marking(material.tlp)
        yield {
            "type": "identity", "spec_version": "2.1", "id": self.own, "created": self.began,
            "modified": self.began, "name": material.operator, "identity_class": "organization",
            "object_marking_refs": [tlp.IDS[material.tlp]],
        }  # fmt: skip
        if any(i.kind in PROPERTY for i in material.indicators):
            yield _extension(self.own)
        yield self._campaign()
        yield from self._techniques()
        yield from self._infrastructure()
        for indicator in material.indicators:
            yield from self._indicator(indicator)
        yield from self._members()
        yield self._note()

    def _campaign(self) -> Object:
        told = self.material.campaign
        return self._sdo(
            "campaign", self.material.name,
            name=f"Extraction campaign {self.material.name}",
            description=_about(self.material),
            first_seen=self.first, last_seen=self.last,
            objective="Learn what a served model knows from its answers",
            confidence=_sure(told.bits, review=told.review),
            labels=["review" if told.review else "tested"],
        )  # fmt: skip

    def _techniques(self) -> Iterator[Object]:
        """What was done and what lowers it, in ATLAS' own objects."""
        technique = atlas.TECHNIQUES.get(self.material.campaign.technique)
        if technique is None:
            return
        yield self._of_atlas("attack-pattern", technique.stix, technique.name, technique.id,
                             technique.url) | {
            "kill_chain_phases": [
                {"kill_chain_name": "mitre-atlas", "phase_name": phase}
                for phase in technique.phases
            ]
        }  # fmt: skip
        yield self._relation(self.campaign, "uses", technique.stix)
        for course in atlas.advised(self.material.doses):
            yield self._of_atlas(
                "course-of-action", course.stix, course.name, course.id, course.url
            )
            yield self._relation(course.stix, "mitigates", technique.stix)

    def _infrastructure(self) -> Iterator[Object]:
        """The networks that are named, as one infrastructure that consists of them."""
        places = [i for i in self.material.indicators if i.kind not in PROPERTY]
        if not places:
            return
        whole = self._sdo(
            "infrastructure", self.material.name,
            name=f"Networks of campaign {self.material.name}", infrastructure_types=["unknown"],
            first_seen=self.first, last_seen=self.last,
        )  # fmt: skip
        yield whole
        yield self._relation(self.campaign, "uses", whole["id"])
        for place in places:
            part = self._place(place)
            yield part
            yield self._relation(whole["id"], "consists-of", part["id"])

    def _place(self, place: Indicator) -> Object:
        if place.kind == "asn":
            return self._sco("autonomous-system", {"number": int(place.value)})
        return self._sco(f"{place.kind}-addr", {"value": place.value})

    def _indicator(self, found: Indicator) -> Iterator[Object]:
        """An indicator, what it indicates, and that it was seen here."""
        material = self.material
        began = found.first or material.campaign.first_seen
        ended = max(began, found.last or material.campaign.last_seen)
        first, last = moment(began), moment(ended)
        made = self._sdo(
            "indicator", found.key,
            name=f"{found.kind} {found.value}", pattern=pattern(found), pattern_type="stix",
            pattern_version="2.1", valid_from=first, valid_until=moment(ended + VALID_US),
            indicator_types=["anomalous-activity", "attribution"],
            confidence=confidence(found, material),
            description=(
                f"Shown by {found.members} of {material.size} accounts of the campaign. "
                "A reason to look, not to refuse: honest callers may show it elsewhere."
            ),
        )  # fmt: skip
        yield made
        yield self._relation(made["id"], "indicates", self.campaign)
        yield self._sdo(
            "sighting", f"sighting {found.key}",
            sighting_of_ref=made["id"], where_sighted_refs=[self.own], count=found.members,
            first_seen=first, last_seen=last, summary=True,
        )  # fmt: skip

    def _members(self) -> Iterator[Object]:
        """The members under the recipient's pseudonyms, if they are to be named at all."""
        refs: list[str] = []
        for member in self.material.members:
            one = self._sco("user-account", {"user_id": member})
            refs.append(one["id"])
            yield one
        for number, start in enumerate(range(0, len(refs), MEMBERS_EACH)):
            part = refs[start : start + MEMBERS_EACH]
            seen = self._sdo(
                "observed-data", f"members {number}",
                first_observed=self.first, last_observed=self.last,
                number_observed=len(part), object_refs=part,
            )  # fmt: skip
            yield seen
            yield self._relation(seen["id"], "related-to", self.campaign)

    def _note(self) -> Object:
        material, campaign = self.material, self.material.campaign
        return self._sdo(
            "note", "note",
            abstract="What this does and does not show", object_refs=[self.campaign],
            content=(
                f"{campaign.bits:.1f} bits hold against the null {campaign.null or 'unstated'} "
                "of this operator's own callers. Formed by "
                f"{', '.join(campaign.formed) or 'nothing stated'}, tested on "
                f"{', '.join(campaign.tested) or 'nothing'}. {len(campaign.doubtful)} members "
                f"are doubtful and not named. {material.withheld.total} indicators were withheld "
                f"because fewer than {material.k} accounts or honest callers showed them, or "
                "because they tell too little. Who stands behind the accounts is not shown."
            ),
        )  # fmt: skip

    def _of_atlas(self, kind: str, id_: str, name: str, external: str, url: str) -> Object:
        """An object under ATLAS' id; ours is the older version, so that ATLAS' own wins."""
        return {
            "type": kind, "spec_version": "2.1", "id": id_,
            "created": "2021-05-13T00:00:00.000Z", "modified": "2021-05-13T00:00:00.000Z",
            "name": name,
            "external_references": [
                {"source_name": "mitre-atlas", "external_id": external, "url": url}
            ],
        }  # fmt: skip

    def _relation(self, source: str, kind: str, target: str) -> Object:
        return self._sdo(
            "relationship", f"{source} {kind} {target}",
            relationship_type=kind, source_ref=source, target_ref=target,
        )  # fmt: skip

    def _sdo(self, kind: str, key: str, **fields: Any) -> Object:
        return {
            "type": kind, "spec_version": "2.1", "id": self._id(kind, key),
            "created_by_ref": self.own, "created": self.began, "modified": self.made,
            **fields, "object_marking_refs": [tlp.IDS[self.material.tlp]],
        }  # fmt: skip

    def _sco(self, kind: str, fields: Object) -> Object:
        # RFC 8785 of what we have here: plain ASCII text and small integers.
        spelled = json.dumps(fields, sort_keys=True, separators=(",", ":"))
        return {
            "type": kind, "spec_version": "2.1",
            "id": f"{kind}--{uuid.uuid5(SCO_NAMESPACE, spelled)}", **fields,
            "object_marking_refs": [tlp.IDS[self.material.tlp]],
        }  # fmt: skip

    def _id(self, kind: str, key: str) -> str:
        return f"{kind}--{_uuid(kind, self.material, self.material.name, key)}"


def _uuid(kind: str, material: Material, *parts: str) -> uuid.UUID:
    return uuid.uuid5(OWN_NAMESPACE, "\x00".join((kind, material.salt, *parts)))


def _extension(own: str) -> Object:
    """The definition of our extension; its text is docs/reference/sharing-formats.md."""
    return {
        "type": "extension-definition", "spec_version": "2.1", "id": EXTENSION,
        "created_by_ref": own, "created": _EXTENSION_AT, "modified": _EXTENSION_AT,
        "name": "titer client fingerprints", "version": EXTENSION_VERSION,
        "description": (
            "On network-traffic: `ja4` is the JA4 TLS client fingerprint (FoxIO, BSD-3-Clause); "
            "`header_order_sha256_16` the first 16 hex digits of SHA-256 over the names of a "
            "request's header fields in lower case, in order, joined by commas, without "
            "content-length."
        ),
        "schema": "https://titer.invalid/stix/fingerprints/v1",
        "extension_types": ["property-extension"],
    }  # fmt: skip


def _sure(bits: float, *, review: bool) -> int:
    """STIX confidence of a campaign (scale Low, Medium, High of appendix A)."""
    return 15 if review or bits < 7.5 else 50 if bits < 20 else 85


def _about(material: Material) -> str:
    campaign = material.campaign
    return (
        f"{material.size} accounts acting as one took {campaign.tokens_out} tokens in "
        f"{campaign.exchanges} exchanges; {campaign.bits:.1f} bits."
        + (" To be reviewed by a person: it gives nobody bits." if campaign.review else "")
    )
