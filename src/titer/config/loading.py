"""From a file and flags to a `Config` that was checked, and to the whole of what `serve` needs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from titer.access.address import ClientAddress
from titer.config.paths import rooted
from titer.config.reading import Source
from titer.config.resolving import doses, ladder, options, sequencing, settings, vouching
from titer.config.sections import Config
from titer.core.errors import ConfigError
from titer.core.nouns import Dose
from titer.gateway.workers import Service
from titer.respond.compose import ordered
from titer.respond.plugins import mitigations

#: Where state is kept when `--data` is not given.
DEFAULT_DATA = Path("titer-data")


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
    return rooted(config, path.parent if path is not None else Path())


def _check(config: Config, source: Source) -> None:
    """What no table can see alone, while file and line are still known."""
    try:
        ClientAddress(config.gateway.trusted_proxies)
    except ConfigError as error:
        source.fail(("gateway", "trusted_proxies"), str(error))
    _check_doses(config, source)
    _check_always(config, source)
    try:
        ladder(config)
    except ConfigError as error:
        text = str(error)
        places = (i for i, rung in enumerate(config.ladder) if f"rung '{rung.name}'" in text)
        source.fail(("ladder", next(places, 0)), text)


def _check_doses(config: Config, source: Source) -> None:
    """That every dose exists, can work, and can be given beside the others of its rung."""
    known = mitigations()
    names = ", ".join(sorted(known))
    for i, rung in enumerate(config.ladder):
        for j, dose in enumerate(rung.give):
            for key in ("mitigation", "otherwise"):
                name = getattr(dose, key)
                if name and name not in known:
                    source.fail(
                        ("ladder", i, "give", j, key),
                        f"there is no such mitigation; known are {names}",
                    )
                if name == "mark" and not config.marks.engine:
                    source.fail(
                        ("ladder", i, "give", j, key),
                        "a mark needs an engine that plants it; set engine under [marks]",
                    )
                if name == "step_up" and not config.respond.step_up.url:
                    source.fail(
                        ("ladder", i, "give", j, key),
                        "step_up sends callers to a verification service: set url and secret"
                        " under [respond.step_up]",
                    )
        try:
            ordered(doses(rung), known)
        except ValueError as error:
            source.fail(("ladder", i, "give"), str(error))


def _check_always(config: Config, source: Source) -> None:
    """Doses for everybody must exist, go together, and be fit for everybody."""
    known = mitigations()
    try:
        ordered((Dose(d.mitigation, d.strength) for d in config.protect.always), known)
    except ValueError as error:
        source.fail(("protect", "always"), str(error))
    for i, dose in enumerate(config.protect.always):
        if known[dose.mitigation].card.stage != "reply":
            text = "only what acts on replies can be given to everybody; the ladder gives the rest"
            source.fail(("protect", "always", i, "mitigation"), text)


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
        options=options(config),
        tiers=dict(config.access.tiers),
        workers=config.gateway.workers,
        required=config.evidence.required,
        hunt_every=config.detect.hunt_every,
        telemetry=config.telemetry.endpoint,
        level=config.level,
        vouching=vouching(config),
        sequencing=sequencing(config),
    )
