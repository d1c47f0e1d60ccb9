"""The techniques and mitigations of MITRE ATLAS that titer names, under ATLAS' own STIX ids.

Ids, names and tactics are those of the ATLAS STIX bundle of version 5.6.0; a test compares them
with it. Only what titer can name is here; another id is rendered without a name.
"""

from __future__ import annotations

import msgspec

VERSION = "5.6.0"
_SITE = "https://atlas.mitre.org"


class Technique(msgspec.Struct, frozen=True):
    """One technique: its STIX id, name, and the phases of the kill chain `mitre-atlas`."""

    id: str
    stix: str
    name: str
    phases: tuple[str, ...]

    @property
    def url(self) -> str:
        return f"{_SITE}/techniques/{self.id}"


class Mitigation(msgspec.Struct, frozen=True):
    """One mitigation: its STIX id and name."""

    id: str
    stix: str
    name: str

    @property
    def url(self) -> str:
        return f"{_SITE}/mitigations/{self.id}"


TECHNIQUES = {
    id_: Technique(id_, f"attack-pattern--{stix}", name, phases)
    for id_, stix, name, phases in (
        ("AML.T0005.001", "298dc6c6-5683-5475-b724-2a2a3db3a7dc",
         "Train Proxy via Replication", ("ai-attack-staging",)),
        ("AML.T0008.005", "647ac4ac-b2bc-53f7-ab83-81f421a1f0b5",
         "AI Service Proxies", ("resource-development",)),
        ("AML.T0012", "ed66b442-059b-54cb-a806-620e6f8109a6",
         "Valid Accounts", ("initial-access", "privilege-escalation")),
        ("AML.T0021", "d3d7763a-58e1-5e38-84fd-3abea967cb08",
         "Establish Accounts", ("resource-development",)),
        ("AML.T0024", "85fed2c6-e2df-595e-88bf-f356a17cec21",
         "Exfiltration via AI Inference API", ("exfiltration",)),
        ("AML.T0024.002", "3f567912-629a-5e0b-ab0c-0102977c2d6c",
         "Extract AI Model", ("exfiltration",)),
        ("AML.T0034", "7bbac64e-2b1d-5cb0-a442-bb7573b0a328",
         "Cost Harvesting", ("impact",)),
        ("AML.T0040", "5ac1f849-523e-51bf-a1e9-1a97ab91cc91",
         "AI Model Inference API Access", ("ai-model-access",)),
        ("AML.T0048.004", "73772ced-edba-578c-bacd-703e082a9c57",
         "AI Intellectual Property Theft", ("impact",)),
        ("AML.T0056", "b8b16dac-3b95-59f7-8bf7-60e39b0c062f",
         "Extract LLM System Prompt", ("exfiltration",)),
        ("AML.T0057", "0c8eca96-8d33-5fd4-a9c0-51db41128b89",
         "LLM Data Leakage", ("exfiltration",)),
        ("AML.T0063", "727ea6be-7237-553d-a02b-416caedc37c3",
         "Discover AI Model Outputs", ("discovery",)),
    )
}  # fmt: skip

MITIGATIONS = {
    id_: Mitigation(id_, f"course-of-action--{stix}", name)
    for id_, stix, name in (
        ("AML.M0002", "8aaa7934-9c52-56f0-a48d-1f5258e4288b", "Passive AI Output Obfuscation"),
        ("AML.M0004", "1b15d839-8893-5005-aba7-62c3cc8b48ac",
         "Restrict Number of AI Model Queries"),
        ("AML.M0019", "9ae01d8c-c75b-5d11-944f-16edbb7d754f",
         "Control Access to AI Models and Data in Production"),
        ("AML.M0020", "eae4dfbe-1a12-5a2e-bad8-d5adbbf39cb6", "Generative AI Guardrails"),
        ("AML.M0024", "1f45c127-eb18-5e17-a136-28ceef04edec", "AI Telemetry Logging"),
    )
}  # fmt: skip

#: Which ATLAS mitigation a dose of titer is a case of; another dose obscures what a reply teaches.
OF_DOSE = {
    "throttle": "AML.M0004", "refuse": "AML.M0019", "step_up": "AML.M0019", "harden": "AML.M0020",
}  # fmt: skip
#: What is recommended where no dose was given yet.
USUAL = ("AML.M0002", "AML.M0004", "AML.M0024")


def advised(doses: tuple[str, ...]) -> tuple[Mitigation, ...]:
    """The ATLAS mitigations that some doses are, or those that are usual."""
    names = {OF_DOSE.get(dose, "AML.M0002") for dose in doses} or set(USUAL)
    return tuple(MITIGATIONS[name] for name in sorted(names))
