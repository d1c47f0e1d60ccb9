"""`titer check`: is the configuration right, and is the data directory sound? Starts nothing."""

from __future__ import annotations

import argparse
import os
import shutil
import ssl
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from titer.cli.common import counted, data_flag, json_flag, read_file, show, tell
from titer.core.errors import ConfigError, TiterError

if TYPE_CHECKING:
    from titer.config import Config

#: Below this much free space the evidence log has hours, not days.
LOW_SPACE = 256 * 1024 * 1024

#: A file of roots holds a few certificates of some KB each.
MAX_ROOTS_FILE = 1024 * 1024

#: Doses that mean nothing to who never uses what they are about.
ABOUT = {"logprobs": ("logprobs", "logit_bias"), "embeddings": ("embeddings",)}


class Remark(msgspec.Struct, frozen=True):
    """One thing that was found. A `problem` keeps titer from working well; a `note` does not."""

    level: Literal["problem", "note"]
    about: str
    text: str


def register(verbs: Any) -> None:
    parser = verbs.add_parser("check", help="look for mistakes before anything is started")
    parser.add_argument("--config", metavar="FILE", type=Path, help="titer.toml (default: DIR's)")
    parser.add_argument(
        "--learn-format", metavar="URL", nargs="?", const="",
        help="ask the model server how its model writes reasoning, and write a format file",
    )  # fmt: skip
    parser.add_argument("--from", dest="log", metavar="LOG", type=Path, help="learn from a log")
    parser.add_argument("--model", metavar="NAME", default="", help="the model to ask")
    parser.add_argument(
        "--credential-env", metavar="NAME", default="", help="variable with the server's API key"
    )
    parser.add_argument(
        "--out", metavar="FILE", type=Path, default=Path("formats.json"),
        help="the format file (default formats.json)",
    )  # fmt: skip
    data_flag(parser, required=False)
    json_flag(parser)


def run(arguments: argparse.Namespace) -> int:
    """0: nothing is wrong. 1: something is. 2: what was named does not exist."""
    from titer.config import DEFAULT_DATA, find

    if arguments.learn_format is not None or arguments.log is not None:
        return _learn(arguments)
    data = arguments.data or DEFAULT_DATA
    if arguments.data is not None and not data.is_dir():
        raise ConfigError(f"{data}: there is no such directory; `titer keys create` makes one")
    path = find(data, arguments.config)
    if path is not None and not path.is_file():
        raise ConfigError(f"{path}: there is no such file")
    remarks = [*check_config(path), *check_data(data)]
    problems = [remark for remark in remarks if remark.level == "problem"]
    if arguments.json:
        where = {"config": str(path) if path else None, "data": str(data)}
        show({"ok": not problems, **where, "remarks": remarks})
    else:
        for remark in remarks:
            tell([f"{remark.level}: {remark.about}: {remark.text}"])
        print("There is something to mend." if problems else "Nothing is wrong.")
    return 1 if problems else 0


def _learn(arguments: argparse.Namespace) -> int:
    """0: a format was learnt. 1: the replies show no tags (reasoning, if any, has a member)."""
    from titer.cli.learn_format import learn, tell_progress, write

    credential = os.environ.get(arguments.credential_env, "") if arguments.credential_env else ""
    found = learn(arguments.learn_format or None, arguments.log, arguments.model, credential)
    made = write(found, arguments.out)
    if arguments.json:
        show({"file": str(arguments.out), "models": made.models})
    else:
        tell_progress(found)
        where = arguments.out.absolute()  # a path in the file is relative to the file's own folder
        tell([f'{arguments.out}: name it in titer.toml: [protect] formats = "{where}"'])
    return 0 if any(made.models[model].tags for model in found) else 1


def check_config(path: Path | None) -> Iterator[Remark]:
    """What is wrong with a configuration; the first mistake in the file hides later ones."""
    from titer.config import load, settings
    from titer.config.resolving import options, sequencing, vouching
    from titer.evidence.timestamp import read_roots

    if path is None:
        yield Remark("note", "configuration", "there is no titer.toml: defaults are used")
    try:
        config = load(path)
    except ConfigError as error:
        yield Remark("problem", "configuration", str(error))
        return
    if config.upstream.url:
        try:
            settings(config)
        except ConfigError as error:
            yield Remark("problem", "configuration", str(error))
    else:
        yield Remark("note", "upstream", "none is set: `titer serve` needs --upstream URL")
    try:
        options(config)
        for one in vouching(config).stampers:
            read_roots(read_file(one.roots, limit=MAX_ROOTS_FILE))
        sequencing(config).make_lease()
    except TiterError as error:
        yield Remark("problem", "configuration", str(error))
    yield from _check_tls(config)
    given = {rung.name for rung in config.ladder if not rung.shadow and rung.give}
    if given:
        yield Remark("note", "ladder", f"in force, not in shadow: {', '.join(sorted(given))}")
    for rung in config.ladder:
        about = ABOUT.get(rung.give[0].mitigation) if len(rung.give) == 1 else None
        if about and not rung.uses:
            yield Remark(
                "note", "ladder",
                f"rung {rung.name} doses everybody with its bits; with uses = {list(about)} only "
                "those whom it can touch",
            )  # fmt: skip
    if not config.respond.deciders:
        yield Remark(
            "note", "respond.deciders",
            "none is named: whoever can write to the data directory may approve, lift and impose",
        )  # fmt: skip


def _check_tls(config: Config) -> Iterator[Remark]:
    table = config.gateway
    try:
        if table.certificate and table.private_key:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(table.certificate, table.private_key)
        elif table.host not in ("127.0.0.1", "::1", "localhost"):
            text = "callers' keys travel in clear unless a proxy in front ends TLS"
            yield Remark("note", "gateway.host", text)
        if config.upstream.ca:
            ssl.create_default_context(cafile=config.upstream.ca)
    except (OSError, ssl.SSLError) as error:
        text = f"a certificate or key cannot be used ({error})"
        yield Remark("problem", "TLS", text)


def check_data(data: Path) -> Iterator[Remark]:
    """What is wrong with a data directory; makes nothing in it."""
    from titer.access import KeyBook, load_or_create

    if not data.is_dir():
        yield Remark("note", str(data), "not there yet: the first `titer keys create` makes it")
        return
    if stat.S_IMODE(data.stat().st_mode) & 0o077:
        text = f"other users may look into it; run chmod 700 {data}"
        yield Remark("problem", str(data), text)
    if not os.access(data, os.W_OK | os.X_OK):
        yield Remark("problem", str(data), "this user cannot write here")
    free = shutil.disk_usage(data).free
    if free < LOW_SPACE:
        text = f"only {free // 2**20} MiB are free; evidence will stop being written"
        yield Remark("problem", str(data), text)
    try:
        if (data / "secret").exists():
            load_or_create(data)
        if (data / "access.db").exists() and (data / "secret").exists():
            with KeyBook(data) as book:
                active = len(book)
            text = counted(active, "key") + (" in force" if active else ": nobody can call")
            yield Remark("note", "keys", text)
        elif (data / "access.db").exists():
            text = "the file `secret` is missing: without it no stored key can be checked"
            yield Remark("problem", "keys", text)
        else:
            yield Remark("note", "keys", "there are none; `titer keys create` makes the first")
    except ConfigError as error:
        yield Remark("problem", "keys", str(error))
    yield from _check_state(data)


def _check_state(data: Path) -> Iterator[Remark]:
    from titer.gateway.assembly import load_calibration

    try:
        found = load_calibration(data)
        if found is None or found.default:
            text = "none of your own, so detectors draw attention and give 0 bits; run calibrate"
        else:
            text = f"version {found.version} supports alpha {found.smallest_alpha:.2g} at least"
        yield Remark("note", "calibration", text)
    except ConfigError as error:
        yield Remark("problem", "calibration", str(error))
    yield from _check_networks(data)
    key = data / "log" / "log.key"
    if key.exists() and stat.S_IMODE(key.stat().st_mode) & 0o077:
        yield Remark("problem", "log", f"other users may read {key}; run chmod 600 on it")


def _check_networks(data: Path) -> Iterator[Remark]:
    from titer.gateway.networks import Store

    now = time.time_ns() // 1000
    try:
        found = [snapshot.manifest for snapshot in Store(data).load()]
    except TiterError as error:
        yield Remark("problem", "network data", str(error))
        return
    if not found:
        text = "there are none, so kinds of network are unknown; see `titer data import`"
        yield Remark("note", "network data", text)
    for m in found:
        if m.stale(now):
            text = f"{m.name} ({m.kind}) is of {m.dated}, {m.age(now)} days old: import newer data"
            yield Remark("note", "network data", text)
