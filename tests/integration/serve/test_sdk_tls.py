"""The official SDKs over TLS with an own certificate, at two workers: keys, budgets and errors."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import shutil
import ssl
import subprocess
import time

import anthropic
import httpx2
import openai
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ASK = {"model": "fake", "messages": [{"role": "user", "content": "hello"}]}

CONFIG = """
[gateway]
certificate = "cert.pem"
private_key = "key.pem"
[access.tiers.standard.key]
requests_per_minute = 6
[access.tiers.standard.org]
requests_per_minute = 8
"""


@pytest.fixture
def secure(service):
    """A service of two workers behind a certificate that only its own authority signed."""
    service.data.mkdir(mode=0o700)
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    cert = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name)
        .public_key(key.public_key()).serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(
            [x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (service.data / "cert.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    (service.data / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )  # fmt: skip
    (service.data / "titer.toml").write_text(CONFIG)
    return service


def clients(service, key):
    context = ssl.create_default_context(cafile=str(service.data / "cert.pem"))
    url = f"https://127.0.0.1:{service.port}"
    one = openai.OpenAI(
        base_url=f"{url}/v1", api_key=key, max_retries=0, http_client=httpx2.Client(verify=context)
    )
    two = anthropic.Anthropic(
        base_url=url, api_key=key, max_retries=0, http_client=httpx2.Client(verify=context)
    )
    return one, two


def test_keys_of_one_organisation_share_a_budget_and_a_rotated_key_is_over(secure):
    data = ("--data", str(secure.data))
    made = [secure.json("keys", "create", *data, "--org", "acme") for _ in range(2)]
    secure.start("--workers", "2")
    (gpt, _), (_, claude) = (clients(secure, each["key"]) for each in made)
    with gpt, claude:
        openai_path(gpt)
        anthropic_path(claude)
        new = secure.json("keys", "rotate", made[0]["id"], *data)
        with pytest.raises(openai.AuthenticationError) as refused:
            until_refused(gpt, patience=openai.RateLimitError)
        assert refused.value.code == "invalid_api_key"
        assert made[0]["key"] not in str(refused.value)
    successor, _ = clients(secure, new["key"])
    with successor, pytest.raises(openai.RateLimitError):  # the account's budget is the same
        until_refused(successor, patience=openai.AuthenticationError)
    curl(secure, new["key"])
    assert secure.stop() == 0


def openai_path(gpt):
    """Two answers, one of them streamed; the header says what is left of six."""
    raw = gpt.chat.completions.with_raw_response.create(**ASK)
    assert raw.headers["x-ratelimit-limit-requests"] == "6"
    assert raw.headers["x-ratelimit-remaining-requests"] == "5"
    assert raw.parse().choices[0].message.content
    chunks = list(gpt.chat.completions.create(**ASK, stream=True))
    assert chunks[-1].choices[0].finish_reason == "stop"


def anthropic_path(claude):
    """The other key: it has five of its own left, its organisation fewer."""
    raw = claude.messages.with_raw_response.create(**ASK, max_tokens=9)
    assert raw.headers["anthropic-ratelimit-requests-limit"] in ("6", "8")
    for _ in range(3):
        claude.messages.create(**ASK, max_tokens=9)
    with pytest.raises(anthropic.RateLimitError) as refused:
        for _ in range(60):  # a slow machine crosses into a minute with new requests
            claude.messages.create(**ASK, max_tokens=9)
    assert int(refused.value.response.headers["retry-after"]) > 0


def until_refused(client, patience):
    """Asks on while workers learn of a change: a second each, many on a busy machine."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        with contextlib.suppress(patience):
            client.chat.completions.create(**ASK)
        time.sleep(0.1)


def curl(service, key):
    program = shutil.which("curl")
    if program is None:
        return
    url = f"https://127.0.0.1:{service.port}"
    known = ["--cacert", str(service.data / "cert.pem")]
    asked = subprocess.run(
        [program, "-sS", *known, "-H", f"authorization: Bearer {key}", f"{url}/v1/models"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert asked.returncode == 0
    assert "rate" in asked.stdout or '"data"' in asked.stdout
    stranger = subprocess.run(
        [program, "-sS", f"{url}/healthz"], capture_output=True, timeout=60, check=False
    )
    assert stranger.returncode == 60  # a certificate that nobody vouches for
