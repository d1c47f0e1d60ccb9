"""The actions of `titer log` that look at a log from outside, and show it there."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from titer.cli.common import data_flag, read_file, show, tell

if TYPE_CHECKING:
    from titer.cli.progress import Count


def register(actions: Any) -> None:
    check = actions.add_parser("check", help="does a log only grow, and show everybody the same?")
    check.add_argument("where", metavar="URL|DIR", help="where the log is served, or its folder")
    check.add_argument(
        "--key", metavar="KEY", action="append", default=[],
        help="the log's verifier key, from elsewhere; a folder's own log.pub when none is given",
    )  # fmt: skip
    check.add_argument(
        "--since", metavar="CHECKPOINT", type=Path, action="append", default=[],
        help="a checkpoint that was seen before, or by somebody else; repeatable",
    )  # fmt: skip
    check.add_argument(
        "--state", metavar="FILE", type=Path,
        help="remember the newest checkpoint here, and compare with it the next time",
    )  # fmt: skip
    check.add_argument(
        "--witness", metavar=("KEY", "URL"), nargs=2, action="append", default=[],
        help="compare with what a witness has seen; repeatable",
    )  # fmt: skip
    check.add_argument(
        "--entries", action="store_true", help="read and hash every entry since then as well"
    )

    publish = actions.add_parser("publish", help="copy the public half to a folder or to S3")
    publish.add_argument("place", metavar="PLACE", help="a directory, or s3://BUCKET/PREFIX")
    publish.add_argument("--endpoint", metavar="URL", default="", help="of S3-compatible storage")
    publish.add_argument("--region", metavar="R", default="us-east-1", help="default us-east-1")
    data_flag(publish)


def _told(count: Count | None, what: str) -> Callable[[int, int], None]:
    """A progress that is told in parts of a whole, for a bar or for nobody."""

    def progress(done: int, whole: int) -> None:
        if count is not None:
            count(what, done / max(whole, 1))

    return progress


def check(arguments: argparse.Namespace) -> int:
    from titer.cli.progress import counting
    from titer.core.errors import InputError
    from titer.evidence import files, keyring, monitor
    from titer.evidence.checkpoint import MAX_CHECKPOINT
    from titer.evidence.log import View
    from titer.evidence.note import Verifier
    from titer.gateway.publishing import source
    from titer.gateway.watching import witnessed

    where, folder = arguments.where, None
    if not where.startswith(("http://", "https://")):
        folder = Path(where) / "log" if (Path(where) / "log").is_dir() else Path(where)
        where = str(folder)
    pinned = [Verifier.parse(key.strip()) for key in arguments.key]
    if not pinned:
        if folder is None:
            raise InputError("give --key: a key that the server itself names proves nothing")
        pinned = list(keyring.every(folder))
    get = source(where)
    chain = monitor.keys(get, pinned, time.time_ns() // 1000)
    verifiers, ever = chain.now, chain.ever
    seen = [
        monitor.known(str(path), read_file(path, limit=MAX_CHECKPOINT), ever)
        for path in arguments.since
    ]
    if arguments.state is not None and (data := files.read(arguments.state)) is not None:
        seen.append(monitor.known(str(arguments.state), data, ever))
    failed = []
    for key, url in arguments.witness:
        try:
            seen += witnessed(key, url, verifiers[0].name, ever)
        except InputError as error:
            failed.append(str(error))
    try:
        with counting() as count:
            looked = monitor.look(
                get, verifiers, seen, entries=arguments.entries, progress=_told(count, "entries")
            )
    except monitor.Contradiction as found:
        if arguments.json:
            show({"holds": False, "why": str(found), "one": found.one, "other": found.other})
        else:
            tell([f"titer: {found}"], error=True)
            tell(["Keep both heads: each is signed by the log."])
            tell(found.one.splitlines() + found.other.splitlines())
        return 1
    opened = folder is not None and (folder / "bodies").is_dir() and arguments.entries
    if opened and folder is not None:
        View.open(folder).check()  # the private half too: commitments, and keys that came back
    if arguments.state is not None:
        files.replace(arguments.state, looked.signed.encode())
    if arguments.json:
        show({
            "holds": True, "origin": looked.head.origin, "size": looked.head.size,
            "root": looked.head.root.hex(), "compared": looked.compared,
            "entries": looked.entries, "bodies": opened, "failed": failed,
        })  # fmt: skip
    else:
        tell([f"{looked.head.origin}: {looked.head.size} entries, root {looked.head.root.hex()}"])
        tell(f"extends what {who} has seen" for who in looked.compared)
        if looked.entries:
            tell([f"{looked.entries} entries lead to it{', with their bodies' if opened else ''}"])
        tell((f"titer: {text}" for text in failed), error=True)
    return 0


def publish(arguments: argparse.Namespace) -> int:
    from titer.cli.progress import counting
    from titer.console.explain import open_view
    from titer.gateway.publishing import Folder, Place
    from titer.gateway.publishing import publish as send
    from titer.gateway.s3 import Bucket, Credentials

    place: Place = Folder(Path(arguments.place))
    if arguments.place.startswith("s3://"):
        place = Bucket(
            arguments.place, Credentials.from_environment(), endpoint=arguments.endpoint,
            region=arguments.region,
        )  # fmt: skip
    with counting() as count:
        done = send(open_view(arguments.data), place, progress=_told(count, "tiles"))
    if arguments.json:
        show({"published": done})
    else:
        tell([f"{done.size} entries are shown at {arguments.place}; {done.sent} objects sent"])
    return 0
