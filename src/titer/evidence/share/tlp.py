"""Traffic Light Protocol 2.0: how far what is shared may travel.

The marking definitions are those that OASIS publishes for STIX 2.1 (cti-stix-common-objects,
extension-definition-specifications/tlp-2.0), under their fixed ids.
"""

from __future__ import annotations

from typing import Any

from titer.core.errors import InputError

EXTENSION = "extension-definition--60a3c5c5-0d10-413e-aab3-9e08dde9e88d"
_CREATED = "2022-10-01T00:00:00.000Z"
#: From free to strictest.
LEVELS = ("clear", "green", "amber", "amber+strict", "red")
IDS = {
    "clear": "marking-definition--94868c89-83c2-464b-929b-a1a8aa3c8487",
    "green": "marking-definition--bab4a63c-aed9-4cf5-a766-dfca5abac2bb",
    "amber": "marking-definition--55d920b0-5e8b-4f79-9ee9-91f868d9b421",
    "amber+strict": "marking-definition--939a9414-2ddd-4d32-a0cd-375ea402b003",
    "red": "marking-definition--e828b379-4e03-4974-9ac4-e53a884c97c1",
}
#: The predefined markings of TLP 1.0 (STIX 2.1, 7.2.1.4) by what they mean today.
_OLD = {
    "marking-definition--613f2e26-407d-48c7-9eca-b8e91df99dc9": "clear",
    "marking-definition--34098fce-860f-48ae-8e50-ebd3cc5e41da": "green",
    "marking-definition--f88d31f6-486f-44da-b317-01333bde0b82": "amber",
    "marking-definition--5e57c739-391a-4eb3-b6be-7d15ca92d5ed": "red",
}
_OF = {**{marking: level for level, marking in IDS.items()}, **_OLD}


def level(text: str) -> str:
    """A level as it is written here. Raises `InputError`."""
    name = text.strip().lower().removeprefix("tlp:")
    name = "clear" if name == "white" else name
    if name not in IDS:
        raise InputError(f"there is no TLP level {text[:20]!r}; known: {', '.join(LEVELS)}")
    return name


def marking(name: str) -> dict[str, Any]:
    """The marking definition of a level, as published."""
    return {
        "type": "marking-definition",
        "spec_version": "2.1",
        "id": IDS[name],
        "created": _CREATED,
        "name": f"TLP:{name.upper()}",
        "extensions": {EXTENSION: {"extension_type": "property-extension", "tlp_2_0": name}},
    }


def strictest(markings: list[str], *, unmarked: str = "amber+strict") -> str:
    """The strictest level among ids of marking definitions; `unmarked` when there is none."""
    found = [_OF[m] for m in markings if m in _OF]
    return max(found, key=LEVELS.index) if found else unmarked
