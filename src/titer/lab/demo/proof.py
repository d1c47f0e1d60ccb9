"""Part 5: a dossier is made, verified, broken by one bit, and refused."""

from __future__ import annotations

from pathlib import Path

from titer.console.story import Story
from titer.lab.demo.outcome import Outcome
from titer.lab.stage import Stage


def prove(story: Story, stage: Stage, outcome: Outcome, *, org: str) -> None:
    """Run `titer prove` and `titer verify` on the organisation `org`, twice."""
    story.act("Proof that needs neither us nor this machine")
    dossier = stage.folder / "dossier.json"
    data = str(stage.data)
    made = stage.verb("prove", org, "--data", data, "-o", str(dossier))
    if made.returncode != 0 or not dossier.exists():
        story.check(f"titer prove failed: {made.stderr.strip()}", good=False)
        outcome.failed.append("no dossier was made")
        return
    story.quote(f"titer prove {org} --data DIR -o dossier.json", made.stdout.splitlines())
    key = (stage.data / "log" / "log.pub").read_text("utf-8").strip()
    checked = stage.verb("verify", str(dossier), "--key", key)
    outcome.verified = outcome.must(checked.returncode == 0, "the dossier did not verify")
    said = (checked.stdout + checked.stderr).splitlines()
    story.quote("titer verify dossier.json --key KEY", said, most=8)
    place = break_one_bit(dossier, stage.folder / "broken.json")
    broken = stage.verb("verify", str(stage.folder / "broken.json"), "--key", key)
    outcome.refused_when_broken = outcome.must(
        broken.returncode == 2, "a dossier with a changed bit was accepted"
    )
    story.say(f"Now one bit of it is changed (in byte {place:,}):", dim=True)
    said = (broken.stdout + broken.stderr).splitlines()
    story.quote("titer verify broken.json --key KEY", said, most=8)
    held = outcome.verified and outcome.refused_when_broken
    story.check("verified as made, refused after one changed bit", good=held)


def break_one_bit(source: Path, target: Path) -> int:
    """Copy `source` with one bit changed near its middle; returns which byte.

    The lowest bit of a letter or digit is flipped, so that the file stays readable text and is
    refused for what it says, not for how it is written.
    """
    raw = bytearray(source.read_bytes())
    place = next(
        index
        for index in range(len(raw) // 2, len(raw))
        if chr(raw[index]).isalnum() and chr(raw[index] ^ 1).isalnum()
    )
    raw[place] ^= 1
    target.write_bytes(raw)
    return place
