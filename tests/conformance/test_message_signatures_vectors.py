"""RFC 9421, appendix B: the Ed25519 signature, and the base that it is over."""

from __future__ import annotations

import base64

import pytest
from cryptography.hazmat.primitives.serialization import load_der_private_key

from titer.gateway.sharing.message_signatures import (
    content_digest,
    keyid,
    signature_base,
    signature_params,
)

#: B.1.4.
KEY = load_der_private_key(
    base64.b64decode("MC4CAQAwBQYDK2VwBCIEIJ+DYvh6SEqVTm50DFtMDoQikTmiCqirVv9mWG9qfSnF"), None
)
#: B.2.6: the components of the request of B.2 that are covered, in order.
COVERED = [
    ("date", "Tue, 20 Apr 2021 02:07:55 GMT"),
    ("@method", "POST"),
    ("@path", "/foo"),
    ("@authority", "example.com"),
    ("content-type", "application/json"),
    ("content-length", "18"),
]
BASE = """\
"date": Tue, 20 Apr 2021 02:07:55 GMT
"@method": POST
"@path": /foo
"@authority": example.com
"content-type": application/json
"content-length": 18
"@signature-params": ("date" "@method" "@path" "@authority" "content-type" "content-length")\
;created=1618884473;keyid="test-key-ed25519\""""
SIGNATURE = (
    "wqcAqbmYJ2ji2glfAMaRy4gruYYnx2nEFN2HN6jrnDnQCK1u02Gb04v9EDgwUPiu4A0w6vuQv5lIp5WPpBKRCw=="
)


def test_appendix_b_2_6():
    parameters = signature_params(
        [name for name, _ in COVERED], {"created": 1618884473, "keyid": "test-key-ed25519"}
    )
    base = signature_base(COVERED, parameters)
    assert base == BASE.encode()
    assert base64.b64encode(KEY.sign(base)).decode() == SIGNATURE


def test_a_digest_of_rfc_9530():
    """Appendix B.1 and D: the representation `{"hello": "world"}` and a line feed."""
    expected = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
    assert content_digest(b'{"hello": "world"}\n') == expected


def test_the_thumbprint_of_rfc_8037():
    """Appendix A.3."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    raw = base64.urlsafe_b64decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo=")
    assert keyid(Ed25519PublicKey.from_public_bytes(raw)) == (
        "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"
    )


@pytest.mark.parametrize("value", ["a\nb", "a\r", " a", "a ", "\u00e9", "\t"])
def test_what_could_forge_a_line_is_not_signed(value):
    with pytest.raises(ValueError, match="cannot be signed"):
        signature_base([("x", value)], "()")
    with pytest.raises(ValueError, match="printable"):
        signature_params(["x"], {"keyid": "a\nb"})


def test_strings_are_escaped():
    assert signature_params(["x"], {"keyid": 'a"b\\'}) == '("x");keyid="a\\"b\\\\"'
