"""Signature Version 4, against the examples that AWS publishes."""

from __future__ import annotations

import datetime as dt
import hashlib

import pytest

from titer.core.errors import InputError
from titer.gateway.s3 import Bucket, Credentials, sign

EMPTY = hashlib.sha256(b"").hexdigest()
DOCS = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
SUITE = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")


def at(text):
    return dt.datetime.strptime(text, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)


@pytest.mark.parametrize(
    ("method", "path", "query", "headers", "payload", "signature"),
    [
        (
            "GET", "/test.txt", "", {"range": "bytes=0-9"}, EMPTY,
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            "PUT", "/test%24file.text", "",
            {"date": "Fri, 24 May 2013 00:00:00 GMT", "x-amz-storage-class": "REDUCED_REDUNDANCY"},
            hashlib.sha256(b"Welcome to Amazon S3.").hexdigest(),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
        ),
        (
            "GET", "/", "lifecycle=", {}, EMPTY,
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
        ),
        (
            "GET", "/", "max-keys=2&prefix=J", {}, EMPTY,
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)  # fmt: skip
def test_the_examples_of_the_s3_manual(method, path, query, headers, payload, signature):  # noqa: PLR0917
    signed = {
        **headers,
        "host": "examplebucket.s3.amazonaws.com",
        "x-amz-content-sha256": payload,
        "x-amz-date": "20130524T000000Z",
    }
    found = sign(
        method, path, signed, payload, DOCS, region="us-east-1", at=at("20130524T000000Z"),
        query=query,
    )  # fmt: skip
    assert found.endswith(f"Signature={signature}")
    assert "Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request" in found


def test_the_first_case_of_the_test_suite():
    signed = {"host": "example.amazonaws.com", "x-amz-date": "20150830T123600Z"}
    found = sign(
        "GET", "/", signed, EMPTY, SUITE, region="us-east-1", at=at("20150830T123600Z"),
        service="service",
    )  # fmt: skip
    assert found == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        "SignedHeaders=host;x-amz-date, "
        "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"
    )


@pytest.mark.parametrize("url", ["s3://", "s3:///x", "https://x", "bucket"])
def test_what_is_no_bucket_is_refused(url):
    with pytest.raises(InputError, match="s3://BUCKET"):
        Bucket(url, SUITE)


def test_credentials_come_from_the_environment(monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    with pytest.raises(InputError, match="AWS_ACCESS_KEY_ID"):
        Credentials.from_environment()
    for name in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN"):
        monkeypatch.setenv(f"AWS_{name}", name.lower())
    assert Credentials.from_environment() == Credentials(
        "access_key_id", "secret_access_key", "session_token"
    )
