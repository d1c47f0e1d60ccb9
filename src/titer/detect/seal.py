"""Who made a calibration, and that nothing in it was changed since: an Ed25519 signature.

What is signed is the calibration's own text (msgspec JSON, keys sorted, `signature` empty) behind
a line that no other signed thing of titer begins with. The key is that of the data directory's
evidence log (`titer.evidence.note`): who may write an operator's log may say what its honest
callers are like.
"""

from __future__ import annotations

import base64
from collections.abc import Collection

import msgspec

from titer.core.errors import EvidenceError, InputError
from titer.detect.calibration import FORMAT, Calibration
from titer.evidence import note


def sign(calibration: Calibration, signer: note.Signer) -> Calibration:
    """The same calibration under this key's signature; an earlier one is replaced."""
    named = msgspec.structs.replace(calibration, signed_by=str(signer.verifier), signature="")
    signature = base64.b64encode(signer.sign(_message(named))).decode()
    return msgspec.structs.replace(named, signature=signature)


def check(calibration: Calibration, trusted: Collection[note.Verifier]) -> None:
    """Raises `InputError` unless one of the trusted keys signed exactly this calibration."""
    if not calibration.signature or not calibration.signed_by:
        raise InputError("the calibration is not signed; run `titer calibrate` again")
    try:
        by = note.Verifier.parse(calibration.signed_by)
        if by not in trusted:
            raise InputError(
                f"the calibration was signed by {by}, which is not trusted here; run `titer "
                "calibrate`, or name that key with --trust where the verb has it"
            )
        signature = note.decode_base64(calibration.signature)
        by.verify(_message(msgspec.structs.replace(calibration, signature="")), signature)
    except EvidenceError as error:
        raise InputError(
            f"the calibration's signature does not hold ({error}); it was changed, or is not "
            "from where it says: run `titer calibrate` again"
        ) from None


def _message(calibration: Calibration) -> bytes:
    return f"{FORMAT}\n".encode() + msgspec.json.encode(calibration, order="sorted")
