"""From a file and flags to a `Config`, and from that to what the rooms below take."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from titer.access.address import ClientAddress
from titer.config.reading import Source
from titer.config.sections import Config, GatewayTable, UpstreamTable
from titer.core.errors import ConfigError
from titer.core.nouns import Dose
from titer.gateway.settings import GatewaySettings, OpenRoute, Secret
from titer.gateway.workers import Service
from titer.respond.ladder import Ladder, Rung, default_ladder
from titer.respond.plugins import mitigations

#: Where state is kept when `--data` is not given.
DEFAULT_DATA = Path("titer-data")
#: Settings of `[gateway]` that are not the data plane's own.
_ELSEWHERE = ("workers",)


def find(data: Path, given: Path | None) -> Path | None:
    """The file to read: the one given, else `titer.toml` of the data directory if it is there."""
    if given is not None:
        return given
    path = data / "titer.toml"
    return path if path.exists() else None


def load(path: Path | None, overrides: Mapping[str, Any] | None = None) -> Config:
    """Read a configuration; None is one of defaults.

    `overrides` are dotted names with values that win over the file (`{"gateway.port": 8080}`);
    values of None are left out.

    Paths in the result are absolute or relative to the working directory: those in the file
    are relative to its folder. The ladder is checked here too; secrets are read by `settings`.
    Raises `ConfigError` naming file, line and nearest key.
    """
    source = Source(path)
    for name, value in (overrides or {}).items():
        if value is not None:
            source.put(name, value)
    config = source.decode(Config)
    _check(config, source)
    base = path.parent if path is not None else Path()
    return msgspec.structs.replace(
        config,
        upstream=_rooted_upstream(config.upstream, base),
        gateway=_rooted_gateway(config.gateway, base),
    )


def _check(config: Config, source: Source) -> None:
    """What no table can see alone, while file and line are still known."""
    try:
        ClientAddress(config.gateway.trusted_proxies)
    except ConfigError as error:
        source.fail(("gateway", "trusted_proxies"), str(error))
    known = sorted(mitigations())
    for i, rung in enumerate(config.ladder):
        for j, dose in enumerate(rung.give):
            if dose.mitigation not in known:
                at = ("ladder", i, "give", j, "mitigation")
                source.fail(at, f"there is no such mitigation; known are {', '.join(known)}")
    try:
        ladder(config)
    except ConfigError as error:
        text = str(error)
        places = (i for i, rung in enumerate(config.ladder) if f"rung '{rung.name}'" in text)
        source.fail(("ladder", next(places, 0)), text)


def settings(config: Config) -> GatewaySettings:
    """The settings of a gateway worker, secrets resolved. Raises `ConfigError`."""
    upstream, table = config.upstream, config.gateway
    if not upstream.url:
        raise ConfigError("there is no upstream: give --upstream URL, or set url under [upstream]")
    given = {name: getattr(table, name) for name in table.__struct_fields__}
    for name in _ELSEWHERE:
        del given[name]
    given["open_routes"] = tuple(OpenRoute(r.method, r.path) for r in table.open_routes)
    credential = _credential(upstream)
    try:
        return GatewaySettings(
            upstream=upstream.url, upstream_ca=upstream.ca, credential=credential, **given
        )
    except ValueError as error:
        raise ConfigError(f"configuration: {error}") from None


def service(arguments: Any) -> Service:
    """What `titer serve` runs: the configuration under its flags, everything resolved.

    `arguments` has the attributes `data`, `config`, `upstream`, `host`, `port` and `workers`,
    each None when its flag was not given.
    """
    data = arguments.data or DEFAULT_DATA
    flags = {
        "upstream.url": arguments.upstream,
        "gateway.host": arguments.host,
        "gateway.port": arguments.port,
        "gateway.workers": arguments.workers,
    }
    config = load(find(data, arguments.config), flags)
    return Service(
        data=data,
        settings=settings(config),
        policy=config.parameters,
        ladder=ladder(config),
        tiers=dict(config.access.tiers),
        workers=config.gateway.workers,
        required=config.evidence.required,
        hunt_every=config.detect.hunt_every,
        telemetry=config.telemetry.endpoint,
    )


def ladder(config: Config) -> Ladder:
    """The rungs of the file, or the built-in ones. Raises `ConfigError`."""
    respond = config.respond
    if not config.ladder:
        built_in = default_ladder(shadow=respond.shadow)
        return Ladder(built_in.rungs, margin=respond.margin)
    rungs = [
        Rung(
            name=rung.name,
            at=rung.at,
            give=tuple(Dose(dose.mitigation, dose.strength) for dose in rung.give),
            exposure=rung.exposure,
            shadow=rung.shadow,
            needs=rung.needs,
            ttl_s=rung.ttl_s,
        )
        for rung in config.ladder
    ]
    try:
        return Ladder(rungs, margin=respond.margin)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _credential(upstream: UpstreamTable) -> Secret | None:
    if upstream.credential is None:
        return None
    value = upstream.credential.read(name="upstream.credential", base=Path())
    if upstream.credential_header:
        return Secret(upstream.credential_header, value)
    if upstream.dialect == "anthropic":
        return Secret("x-api-key", value)
    return Secret("authorization", f"Bearer {value}")


def _rooted_upstream(table: UpstreamTable, base: Path) -> UpstreamTable:
    credential = table.credential
    if credential is not None and credential.file is not None:
        credential = msgspec.structs.replace(credential, file=str(base / credential.file))
    return msgspec.structs.replace(table, credential=credential, ca=_rooted(table.ca, base))


def _rooted_gateway(table: GatewayTable, base: Path) -> GatewayTable:
    return msgspec.structs.replace(
        table,
        certificate=_rooted(table.certificate, base),
        private_key=_rooted(table.private_key, base),
    )


def _rooted(path: str | None, base: Path) -> str | None:
    return None if path is None else str(base / path)
