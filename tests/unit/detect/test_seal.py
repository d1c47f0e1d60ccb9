"""Signed calibrations: what was changed, is unsigned or comes from elsewhere is refused."""

import base64

import msgspec
import pytest

from titer.core.errors import ConfigError, InputError
from titer.detect import seal
from titer.detect.calibration import fit, load
from titer.detect.frames import Frames
from titer.evidence import note
from titer.gateway.assembly import keep_calibration, load_calibration, signer, trusted
from titer.testing import population

MADE = fit([Frames()], population.honest(31, 60), seed=1)
OWN, OTHER = note.Signer.generate("titer.local/own"), note.Signer.generate("titer.local/other")
SIGNED = seal.sign(MADE, OWN)


def test_a_signature_survives_its_text():
    read = load(SIGNED.dump())
    assert read == SIGNED
    assert read.id == MADE.id
    seal.check(read, [OWN.verifier])
    seal.check(read, [OTHER.verifier, OWN.verifier])
    assert SIGNED.dump().startswith('{\n "combination"')  # people can read it


def test_other_keys_and_no_key_are_refused():
    for found, trusted_, said in (
        (SIGNED, [OTHER.verifier], "not trusted"),
        (SIGNED, [], "not trusted"),
        (MADE, [OWN.verifier], "not signed"),
        (msgspec.structs.replace(SIGNED, signed_by=""), [OWN.verifier], "not signed"),
        (msgspec.structs.replace(SIGNED, signed_by="x"), [OWN.verifier], "does not hold"),
        (msgspec.structs.replace(SIGNED, signature="%"), [OWN.verifier], "does not hold"),
        (msgspec.structs.replace(SIGNED, signature="AAAA"), [OWN.verifier], "does not hold"),
    ):
        with pytest.raises(InputError, match=said):
            seal.check(found, trusted_)


def test_a_signature_is_of_one_calibration_and_one_key():
    stolen = msgspec.structs.replace(
        MADE.named(version=2), signed_by=SIGNED.signed_by, signature=SIGNED.signature
    )
    with pytest.raises(InputError, match="does not hold"):
        seal.check(stolen, [OWN.verifier])
    # the other key's name over this key's signature
    swapped = msgspec.structs.replace(SIGNED, signed_by=str(OTHER.verifier))
    with pytest.raises(InputError, match="does not hold"):
        seal.check(swapped, [OTHER.verifier])
    # the same bytes signed for another purpose
    bare = base64.b64encode(OWN.sign(SIGNED.id.encode())).decode()
    with pytest.raises(InputError, match="does not hold"):
        seal.check(msgspec.structs.replace(SIGNED, signature=bare), [OWN.verifier])


def test_signing_again_replaces_the_signature():
    again = seal.sign(SIGNED, OTHER)
    seal.check(again, [OTHER.verifier])
    with pytest.raises(InputError):
        seal.check(again, [OWN.verifier])


def test_a_directory_keeps_what_it_signed_and_counts_versions(tmp_path):
    data = tmp_path / "data"
    first = keep_calibration(data, MADE)
    assert first.version == 1
    assert load_calibration(data) == first
    assert keep_calibration(data, MADE).version == 2
    assert load_calibration(data).version == 2
    (own,) = trusted(data)
    assert first.signed_by == str(own) == str(signer(data).verifier)
    assert not list(data.glob("*.tmp"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda t: t.replace('"seed": 1', '"seed": 2'), "changed"),
        (lambda t: t.replace('"version": 1\n}', '"version": 7\n}'), "changed"),
        (lambda t: MADE.dump(), "not signed"),
        (lambda t: SIGNED.dump(), "not trusted"),
        (lambda t: t.replace("calibration/4", "calibration/3"), "titer calibrate"),
        (lambda t: "{", "titer calibrate"),
        (lambda t: t[: len(t) // 2], "titer calibrate"),
    ],
)
def test_a_changed_file_is_refused(tmp_path, change, said):
    keep_calibration(tmp_path, MADE)
    path = tmp_path / "calibration.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(ConfigError, match=said):
        load_calibration(tmp_path)


def test_a_changed_total_is_refused_even_with_its_checksum(tmp_path):
    """Whoever can write the file can also work out its id: the signature is what holds."""
    kept = keep_calibration(tmp_path, MADE)
    weaker = msgspec.structs.replace(
        kept,
        combination=msgspec.structs.replace(
            kept.combination,
            everyone=msgspec.structs.replace(kept.combination.everyone, total=1e-9),
        ),
    )
    forged = msgspec.structs.replace(
        weaker.named(version=1), signed_by=kept.signed_by, signature=kept.signature
    )
    assert load(forged.dump()) == forged
    (tmp_path / "calibration.json").write_text(forged.dump())
    with pytest.raises(ConfigError, match="signature does not hold"):
        load_calibration(tmp_path)


def test_without_a_key_nothing_is_trusted(tmp_path):
    keep_calibration(tmp_path, MADE)
    (tmp_path / "log" / "log.pub").unlink()
    with pytest.raises(ConfigError, match="not trusted"):
        load_calibration(tmp_path)
