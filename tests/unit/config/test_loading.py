"""From a configuration to what the rooms below take."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

import msgspec
import pytest

from titer.access import Limits, Tier
from titer.config import Config, find, load, service, settings
from titer.config.resolving import ladder
from titer.config.sections import GatewayTable
from titer.core.errors import ConfigError
from titer.core.nouns import Dose
from titer.gateway.settings import GatewaySettings, OpenRoute, Secret
from titer.respond.ladder import default_ladder

WHOLE = """
[upstream]
url = "https://models.example/base"
credential = { file = "secrets/upstream" }
ca = "ca.pem"

[gateway]
port = 9000
workers = 3
certificate = "/etc/cert.pem"
private_key = "key.pem"
open_routes = [{ method = "GET", path = "/version" }]
trusted_proxies = ["10.0.0.0/8"]

[access.tiers.standard.key]
requests_per_minute = 60
[access.tiers.standard.org]
tokens_out_per_day = 1_000_000

[parameters]
top_logprobs = 0

[evidence]
required = true

[detect]
hunt_every = 0

[[ladder]]
name = "first"
at = 6
give = [{ mitigation = "logprobs" }, { mitigation = "throttle", strength = 0.25 }]
shadow = false

[[ladder]]
name = "last"
at = 12.5
give = [{ mitigation = "refuse" }]
needs = "person"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "titer.toml"
    made.write_text(WHOLE)
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "upstream").write_text("sk-upstream\n")
    (tmp_path / "secrets" / "upstream").chmod(0o600)
    return made


def flags(data: Path | None, **given: object) -> Namespace:
    names = ("config", "upstream", "host", "port", "workers")
    return Namespace(data=data, **(dict.fromkeys(names) | given))


def test_everything_arrives(path: Path, tmp_path: Path) -> None:
    made = service(flags(tmp_path))
    assert made.data == tmp_path
    assert made.workers == 3
    assert made.required
    assert made.hunt_every == 0
    assert made.policy.top_logprobs == 0
    assert made.tiers == {
        "standard": Tier(
            key=Limits(requests_per_minute=60), org=Limits(tokens_out_per_day=1_000_000)
        )
    }
    first, last = made.ladder.rungs
    assert first.give == (Dose("throttle", 0.25), Dose("logprobs", 1.0))  # as they act
    assert (first.at, first.shadow, last.at, last.shadow, last.needs) == (
        6.0, False, 12.5, True, "person",
    )  # fmt: skip
    where = made.settings
    assert where.upstream == "https://models.example/base"
    assert where.credential == Secret("authorization", "Bearer sk-upstream")
    assert where.upstream_ca == str(tmp_path / "ca.pem")
    assert (where.certificate, where.private_key) == ("/etc/cert.pem", str(tmp_path / "key.pem"))
    assert where.open_routes == (OpenRoute("GET", "/version"),)
    assert where.trusted_proxies == ("10.0.0.0/8",)
    assert "sk-upstream" not in repr(made) + repr(load(path))


def test_no_file_is_needed(tmp_path: Path) -> None:
    made = service(flags(tmp_path, upstream="http://127.0.0.1:8000", port=1234))
    assert made.settings == GatewaySettings(upstream="http://127.0.0.1:8000", port=1234)
    assert made.tiers == {}
    assert made.ladder.rungs == default_ladder().rungs
    assert service(flags(None, upstream="http://h")).data == Path("titer-data")


def test_flags_win(path: Path, tmp_path: Path) -> None:
    made = service(flags(tmp_path, upstream="http://h:1", host="::1", port=5, workers=1))
    assert (made.settings.upstream, made.settings.host, made.settings.port) == (
        "http://h:1",
        "::1",
        5,
    )
    assert made.workers == 1


def test_no_upstream_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give --upstream URL"):
        service(flags(tmp_path))


def test_which_file(path: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.toml"
    assert find(tmp_path, None) == path
    assert find(tmp_path, other) == other
    assert find(tmp_path / "empty", None) is None


def test_each_dialect_has_its_header(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UP", "sk")
    base = '[upstream]\nurl = "http://h"\ncredential = { env = "UP" }\n'
    for more, header in {
        "": Secret("authorization", "Bearer sk"),
        'dialect = "anthropic"': Secret("x-api-key", "sk"),
        'credential_header = "api-key"': Secret("api-key", "sk"),
    }.items():
        (tmp_path / "t.toml").write_text(base + more)
        assert settings(load(tmp_path / "t.toml")).credential == header


def test_the_built_in_ladder_can_be_put_in_force(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_text("[respond]\nshadow = false\nmargin = 2")
    made = ladder(load(tmp_path / "t.toml"))
    assert made.rungs == default_ladder(shadow=False).rungs
    assert made.margin == 2


def test_every_setting_of_the_gateway_can_be_set() -> None:
    """A new setting there needs a key, words and the same default here."""
    elsewhere = {"upstream", "credential", "upstream_ca", "summary"}
    theirs = {f.name: f.default for f in msgspec.structs.fields(GatewaySettings)}
    ours = {f.name: f.default for f in msgspec.structs.fields(GatewayTable)}
    assert set(ours) - {"workers"} == set(theirs) - elsewhere
    assert {n: d for n, d in ours.items() if n in theirs and d != theirs[n]} == {}


def test_a_configuration_is_a_frozen_value() -> None:
    with pytest.raises(AttributeError):
        Config().gateway.port = 1
    assert hash(Config().gateway) == hash(Config().gateway)
