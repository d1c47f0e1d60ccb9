"""Make the ML-DSA-44 cosignature of the log's specification: `make_ml_dsa.py > FILE`.

`cryptography` signs with fresh randomness (FIPS 204, hedged); dilithium-py, another
implementation, signs by the standard's deterministic variant here, so that the same file comes out
every time. Either kind verifies alike.
"""

from __future__ import annotations

import json
import sys

from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from dilithium_py.ml_dsa import ML_DSA_44

from titer.evidence import cosignature, note

SEED = b"\x04" * 32
AT = 1_764_000_123
BODY = "titer.example/log\n5\nkKpB2i61iCpNNYWAGNIlt39mEAtDTUSAlOy0468IwzQ=\n"


def vector() -> dict[str, object]:
    private = MLDSA44PrivateKey.from_seed_bytes(SEED)
    witness = cosignature.Witness("witness.example/w1", private.public_key())
    message = cosignature.message(witness, BODY, AT)
    _, secret = ML_DSA_44.key_derive(SEED)
    signature = ML_DSA_44.sign(secret, message, deterministic=True)
    blob = witness.key_id + AT.to_bytes(8, "big") + signature
    return {
        "seed": SEED.hex(), "witness": str(witness), "body": BODY, "at": AT,
        "message": message.hex(), "line": note.line(witness.name, blob),
    }  # fmt: skip


if __name__ == "__main__":
    json.dump(vector(), sys.stdout, indent=1)
    sys.stdout.write("\n")
