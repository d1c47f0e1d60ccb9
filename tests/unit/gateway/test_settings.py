from __future__ import annotations

import pytest

from titer.gateway.settings import GatewaySettings, Secret, Upstream


def test_an_upstream_url_is_taken_apart():
    got = Upstream.of("https://models.example/api/")
    assert (got.tls, got.host, got.port, got.authority, got.base) == (
        True, "models.example", 443, "models.example", "/api",
    )  # fmt: skip
    assert Upstream.of("http://[::1]:8000").host == "::1"


@pytest.mark.parametrize(
    "url",
    ["", "models.example", "ftp://a", "http://", "http://u:p@a", "http://a/?q", "http://a/#f",
     "http://a/ b", "http://a/\r\nX: y", "http://ä"],
)  # fmt: skip
def test_bad_upstreams(url):
    with pytest.raises(ValueError, match="upstream"):
        GatewaySettings(upstream=url)


@pytest.mark.parametrize(
    "given",
    [{"certificate": "a"}, {"idle_timeout": 0}, {"hold_tokens": 0}, {"max_in_flight": -1},
     {"credential": Secret("x-api-key", "a\r\nb: c")}, {"credential": Secret("", "a")}],
)  # fmt: skip
def test_settings_that_cannot_be(given):
    with pytest.raises(ValueError, match=next(iter(given))):
        GatewaySettings(upstream="http://a", **given)


def test_a_secret_hides_its_value():
    secret = Secret("authorization", "Bearer hush")
    settings = GatewaySettings(upstream="http://a", credential=secret)
    for text in (repr(secret), str(secret), repr(settings), str(settings), f"{settings}"):
        assert "hush" not in text
