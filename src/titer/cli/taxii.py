"""`titer taxii`: hand bundles out to partners by TAXII 2.1, and pull theirs."""

from __future__ import annotations

import argparse
import hashlib
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from titer.cli.common import counted, data_flag, json_flag, keep_private, read_file, show, tell
from titer.core.errors import ConfigError, InputError

if TYPE_CHECKING:
    from titer.config import Config
    from titer.gateway.sharing.outbound import Reach
    from titer.gateway.sharing.taxii_api import Reader

#: Bytes of a bundle that is published.
MAX_BUNDLE = 64 << 20
#: Characters of a token, at least: a guess must not be worth trying.
MIN_TOKEN = 32


def register(verbs: Any) -> None:
    parser = verbs.add_parser("taxii", help="exchange bundles with partners by TAXII 2.1")
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    serve = actions.add_parser("serve", help="run the TAXII server")
    serve.add_argument("--port", metavar="P", type=int, help="port to listen on (default 8443)")
    publish = actions.add_parser("publish", help="put a bundle into a collection")
    publish.add_argument("bundle", metavar="BUNDLE", type=Path, help="a file of titer share stix")
    withdraw = actions.add_parser("withdraw", help="take everything of a collection away")
    for one in (publish, withdraw):
        one.add_argument("--collection", metavar="NAME", required=True, help="which collection")
    pull = actions.add_parser("pull", help="pull a partner's collection")
    pull.add_argument("partner", metavar="PARTNER", help="its name under [share.partners]")
    pull.add_argument(
        "--all", action="store_true", help="from the beginning, not from where the last pull ended"
    )
    push = actions.add_parser("push", help="post a bundle to a partner's inbox")
    push.add_argument("bundle", metavar="BUNDLE", type=Path, help="a file of titer share stix")
    delete = actions.add_parser("delete", help="delete from a partner's inbox what was posted")
    delete.add_argument("object", metavar="OBJECT", help="the object's STIX id")
    delete.add_argument(
        "--version", metavar="WHEN", default="",
        help="only this version: first, last, or its time (default: all versions)",
    )  # fmt: skip
    for one in (push, delete):
        one.add_argument("--to", dest="partner", metavar="PARTNER", required=True,
                         help="its name under [share.partners]")  # fmt: skip
    for one in (serve, pull, push, delete):
        one.add_argument("--config", metavar="FILE", type=Path, help="titer.toml (default: DIR's)")
    for one in (serve, publish, withdraw, pull, push, delete):
        data_flag(one)
        json_flag(one)


def run(arguments: argparse.Namespace) -> int:
    keep_private()
    if arguments.action == "serve":
        return _serve(arguments)
    if arguments.action == "publish":
        return _publish(arguments)
    if arguments.action == "withdraw":
        return _withdraw(arguments)
    if arguments.action == "push":
        return _push(arguments)
    if arguments.action == "delete":
        return _delete(arguments)
    return _pull(arguments)


def _config(arguments: argparse.Namespace, flags: dict[str, Any] | None = None) -> Config:
    from titer.config import find, load

    return load(find(arguments.data, arguments.config), flags)


def _serve(arguments: argparse.Namespace) -> int:
    import asyncio
    import signal
    import sys

    from titer.console.partners import receive, retract
    from titer.gateway.sharing.taxii_api import Api
    from titer.gateway.sharing.taxii_server import Server, context
    from titer.gateway.sharing.taxii_store import Store

    table = _config(arguments, {"taxii.port": arguments.port}).taxii
    readers = tuple(_reader(name, row) for name, row in table.readers.items())
    if not readers:
        raise ConfigError("nobody may come: add a partner as [taxii.readers.NAME]")
    if len({reader.token for reader in readers}) < len(readers):
        raise ConfigError("two readers have one token: give each its own")
    tls = None
    if table.certificate is not None and table.private_key is not None:
        tls = context(table.certificate, table.private_key)
    store = Store(arguments.data)

    def take_in(name: str, read: Any) -> None:
        row = table.readers[name]
        receive(arguments.data, name, read, weight=row.weight, days=row.days, posted=True)

    def ready(port: int) -> None:
        host = f"[{table.host}]" if ":" in table.host else table.host
        url = f"{'https' if tls else 'http'}://{host}:{port}/taxii2/"
        if arguments.json:
            show({"url": url, "readers": len(readers)})
            sys.stdout.flush()
        else:
            many = counted(len(readers), "partner")
            tell([f"titer serves TAXII 2.1 at {url} to {many}"], error=True)

    async def main() -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        api = Api(
            store, readers, take_in=take_in, title=table.title, contact=table.contact,
            take_back=lambda name, back: retract(arguments.data, name, back),
            clock=lambda: time.time_ns() // 1000,
        )  # fmt: skip
        await Server(api).run(table.host, table.port, tls=tls, ready=ready, stop=stop)

    try:
        asyncio.run(main())
    finally:
        store.close()
    return 0


def _reader(name: str, row: Any) -> Reader:
    from titer.gateway.sharing.taxii_api import Reader

    token = row.token.read(name=f"taxii.readers.{name}.token", base=Path())
    if len(token) < MIN_TOKEN:
        raise ConfigError(f"taxii.readers.{name}.token: has fewer than {MIN_TOKEN} characters")
    return Reader(name=name, token=token, collections=row.collections, inbox=row.inbox)


def _bundle(path: Path) -> list[Any]:
    """The objects of a bundle that may be handed out. Raises `InputError`."""
    from titer.evidence.share import tlp

    raw = read_file(path, limit=MAX_BUNDLE)
    try:
        objects = msgspec.json.decode(raw)["objects"]
        markings = [m for o in objects for m in o.get("object_marking_refs", [])]
        named = all(isinstance(o["id"], str) and isinstance(o["type"], str) for o in objects)
    except (msgspec.DecodeError, RecursionError, KeyError, TypeError, AttributeError):
        named, markings, objects = False, [], []
    if not named:
        raise InputError(f"{path}: is no bundle; make one with `titer share stix`")
    if tlp.strictest(markings) == "red":
        raise InputError("TLP:RED is for named people: it cannot be published to a collection")
    return list(objects)


def _publish(arguments: argparse.Namespace) -> int:
    from titer.gateway.sharing.taxii_store import Store

    _check_collection(arguments.collection)
    objects = _bundle(arguments.bundle)
    store = Store(arguments.data)
    try:
        new = store.publish(arguments.collection, objects, time.time_ns() // 1000)
    finally:
        store.close()
    _note(
        arguments,
        "publish",
        {"collection": arguments.collection, "objects": len(objects), "new": new},
    )
    if arguments.json:
        show({"collection": arguments.collection, "objects": len(objects), "new": new})
    else:
        tell([f"{new} of {len(objects)} objects are new in {arguments.collection}"])
    return 0


def _withdraw(arguments: argparse.Namespace) -> int:
    from titer.gateway.sharing.taxii_store import Store

    _check_collection(arguments.collection)
    store = Store(arguments.data)
    try:
        gone = store.withdraw(arguments.collection)
    finally:
        store.close()
    _note(arguments, "withdraw", {"collection": arguments.collection, "objects": gone})
    if arguments.json:
        show({"collection": arguments.collection, "withdrawn": gone})
    else:
        tell([f"{gone} objects were taken away; who pulled them before still has them"])
    return 0


def _check_collection(name: str) -> None:
    from titer.evidence.share.partners import check_name

    if check_name(name, of="a collection").startswith("inbox-"):
        raise InputError("what partners post to an inbox cannot be changed here")


def _note(arguments: argparse.Namespace, action: str, said: dict[str, Any]) -> None:
    """Keep in the log what was made readable to partners."""
    from titer.gateway.assembly import enter

    body = {"at": time.time_ns() // 1000, "action": action, **said}
    kept = enter(arguments.data, "share", msgspec.json.encode(body))
    if kept.index is None:
        tell([f"note: {kept.line()}"], error=True)


def _push(arguments: argparse.Namespace) -> int:
    from titer.gateway.sharing.taxii_client import push

    inbox, token, reach = _inbox(arguments)
    objects = _bundle(arguments.bundle)
    digest = hashlib.sha256(msgspec.json.encode(objects)).hexdigest()
    said = {"partner": arguments.partner, "objects": len(objects), "sha256": digest}
    _note(arguments, "push", said)  # before it leaves
    done = push(inbox, objects, token=token, reach=reach)
    if arguments.json:
        show({**said, "posts": done.posts, "successes": done.successes, "failed": done.failed,
              "pending": done.pending, "failures": done.failures})  # fmt: skip
    else:
        what = f"{done.successes} of {len(objects)} objects were taken by {arguments.partner}"
        tell([f"{what}, {done.failed} were not, {done.pending} are pending", *done.failures])
    return 2 if done.failed else 0


def _delete(arguments: argparse.Namespace) -> int:
    from titer.gateway.sharing.taxii_client import delete

    inbox, token, reach = _inbox(arguments)
    said = {"partner": arguments.partner, "object": arguments.object[:300]}
    _note(arguments, "delete", said)
    delete(inbox, arguments.object, version=arguments.version, token=token, reach=reach)
    if arguments.json:
        show({**said, "deleted": True})
    else:
        tell([f"{arguments.object} was deleted at {arguments.partner}"])
    return 0


def _inbox(arguments: argparse.Namespace) -> tuple[str, str, Reach]:
    """The URL, the token and the reach for a partner's inbox. Raises `ConfigError`."""
    row, token, reach = _partner(arguments)
    if not row.inbox:
        raise ConfigError(
            f"share.partners.{arguments.partner} has no inbox: set it to the URL of the "
            "collection that the partner lets you post to"
        )
    return row.inbox, token, reach


def _partner(arguments: argparse.Namespace) -> tuple[Any, str, Reach]:
    from titer.gateway.sharing.outbound import Reach

    table = _config(arguments).share
    name = arguments.partner
    row = table.partners.get(name)
    if row is None:
        known = ", ".join(sorted(table.partners)) or "none"
        raise ConfigError(f"there is no [share.partners.{name}] in titer.toml; there are: {known}")
    token = row.token.read(name=f"share.partners.{name}.token", base=Path())
    return row, token, Reach(hosts=table.hosts, private=table.private_hosts, ca=table.ca)


def _pull(arguments: argparse.Namespace) -> int:
    from titer.console.partners import receive, resume
    from titer.evidence.share import tlp
    from titer.gateway.sharing.taxii_client import pull

    row, token, reach = _partner(arguments)
    name = arguments.partner
    where = resume(arguments.data, name)
    got = pull(
        row.url, token=token, reach=reach, unmarked=tlp.level(row.unmarked),
        added_after="" if arguments.all else where.get(),
    )  # fmt: skip
    kept = receive(
        arguments.data, name, got.read, weight=row.weight, days=row.days,
        merge=not (arguments.all and got.complete),
    )  # fmt: skip
    if got.complete and got.newest:
        where.put(got.newest)
    said = {
        "partner": name, "pages": got.pages, "objects": got.read.objects,
        "indicators": len(got.read.told), "held": kept, "skipped": got.read.skipped,
        "complete": got.complete, "note": got.note,
    }  # fmt: skip
    if arguments.json:
        show(said)
    else:
        from titer.cli.share_partners import skipped

        taken = f"{len(got.read.told)} indicators taken, {kept} held of {name}"
        tell([f"{got.read.objects} objects in {got.pages} pages: {taken}", *skipped(got.read)])
        if got.note:
            tell([f"note: {got.note}"])
    return 0
