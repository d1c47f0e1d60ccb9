"""A TAXII 2.1 client that pulls one collection, posts to another, and deletes what it posted
(OASIS TAXII 2.1, 10 June 2021, 5.4, 5.5 and 5.7).

The collection's URL is configured, and every page is asked there: discovery is not needed, and
whatever else a peer names is not followed. Pages and objects are limited, a `next` that comes
again ends the pull, and a page holds what `reading` can bound.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from titer.core.errors import InputError
from titer.evidence.share.reading import MAX_INDICATORS, Read, envelope
from titer.gateway.sharing.outbound import Reach, Reply, SendError, ask, target

MEDIA = "application/taxii+json;version=2.1"
#: Pages of one pull, objects in all, and objects that are asked for at a time.
MAX_PAGES, MAX_OBJECTS, PER_PAGE = 2_000, 1_000_000, 1_000
#: Bytes of one page: 1,000 objects are 1 MB as a rule.
MAX_PAGE = 16 << 20
#: Characters of a peer's `next`.
MAX_NEXT = 1024
#: Objects and bytes of one post, bytes of a report on it, and failures of it that are told.
POST_OBJECTS, POST_BYTES, MAX_REPORT, MAX_FAILURES = 1_000, 4 << 20, 4 << 20, 20
#: Seconds between two looks at a post that is pending, and until it is left.
LOOK, PATIENCE = 2.0, 60.0


class Pulled(msgspec.Struct, frozen=True):
    """What a pull gave; `complete` is False when a limit ended it. `newest` is for `added_after`
    next time: when the last page's last object was added at the peer ("" when it did not say).
    """

    read: Read
    pages: int
    complete: bool
    newest: str
    note: str = ""


def pull(
    url: str, *, token: str, reach: Reach, unmarked: str, added_after: str = ""
) -> Pulled:  # fmt: skip
    """Pull the objects of a collection (its URL, `.../collections/ID/`).

    Raises `InputError` for a reply that is no TAXII, `SendError` when the peer cannot be had.
    """
    base = url.rstrip("/") + "/objects/"
    out = Read([])
    seen: set[str] = set()
    mark, newest = "", ""
    for page in range(1, MAX_PAGES + 1):
        query = f"?limit={PER_PAGE}"
        if added_after:
            query += f"&added_after={quote(added_after, safe='')}"
        if mark:
            query += f"&next={quote(mark, safe='')}"
        more, following, last = _page(base + query, token, reach, out, unmarked)
        newest = last or newest
        if not more:
            return Pulled(out, page, complete=True, newest=newest)
        if not following or len(following) > MAX_NEXT or following in seen:
            why = "the peer says there is more, and not where"
            return Pulled(out, page, complete=False, newest="", note=why)
        seen.add(following)
        mark = following
        if out.objects >= MAX_OBJECTS or len(out.told) >= MAX_INDICATORS:
            break
    why = f"ended after {page} pages and {out.objects} objects; the rest was left"
    return Pulled(out, page, complete=False, newest="", note=why)


class Posted(msgspec.Struct):
    """What became of what was posted. `failures` are the first reasons that the peer gave."""

    posts: int = 0
    successes: int = 0
    failed: int = 0
    pending: int = 0
    failures: list[str] = []


class _Failure(msgspec.Struct):
    id: str = ""
    message: str = ""


class _Status(msgspec.Struct):
    id: str
    status: str
    success_count: int = 0
    failure_count: int = 0
    pending_count: int = 0
    failures: list[_Failure] = []


def push(
    url: str, objects: Sequence[Mapping[str, Any]], *, token: str, reach: Reach,
    wait: Callable[[float], object] = time.sleep,
) -> Posted:  # fmt: skip
    """Post objects to a collection (its URL), in pieces that a peer of this kind takes, and wait
    for what is pending. Raises `InputError` and `SendError`; what was posted before stays posted.
    """
    base = url.rstrip("/")
    out = Posted()
    for piece in _pieces(objects):
        body = b'{"objects":[' + b",".join(piece) + b"]}"
        status = _report(_asked("POST", base + "/objects/", token, reach, body, good=(200, 202)))
        waited = 0.0
        while status.status == "pending" and waited < PATIENCE:
            wait(LOOK)
            waited += LOOK
            where = f"{base.rpartition('/collections/')[0]}/status/{quote(status.id, safe='')}/"
            status = _report(_asked("GET", where, token, reach))
        out.posts += 1
        out.successes += status.success_count
        out.failed += status.failure_count
        out.pending += status.pending_count
        told = [f"{f.id[:100]}: {f.message[:200]}" for f in status.failures]
        out.failures += told[: MAX_FAILURES - len(out.failures)]
    return out


def delete(url: str, id_: str, *, version: str, token: str, reach: Reach) -> None:
    """Delete an object of a collection, or only one version of it. Raises as `push` does."""
    query = f"?match%5Bversion%5D={quote(version, safe='')}" if version else ""
    base = f"{url.rstrip('/')}/objects/{quote(id_, safe='')}/"
    _asked(
        "DELETE", base + query, token, reach, missing=f"there is no {id_[:100]} of that version"
    )


def _pieces(objects: Sequence[Mapping[str, Any]]) -> Iterator[list[bytes]]:
    piece: list[bytes] = []
    size = 0
    for one in objects:
        text = msgspec.json.encode(one)
        if piece and (len(piece) >= POST_OBJECTS or size + len(text) > POST_BYTES):
            yield piece
            piece, size = [], 0
        piece.append(text)
        size += len(text) + 1
    if piece:
        yield piece


def _report(reply: Reply) -> _Status:
    try:
        return msgspec.json.decode(reply.data, type=_Status)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise InputError("the peer's report on what was posted is no TAXII status") from None


def _asked(
    method: str, url: str, token: str, reach: Reach, body: bytes = b"", *,
    limit: int = MAX_REPORT, good: Sequence[int] = (200,),
    missing: str = "has no such collection for this token",
) -> Reply:  # fmt: skip
    """One request in TAXII, and its reply when it is what it should be."""
    goal = target(url, reach)
    headers = {"accept": MEDIA, "authorization": f"Bearer {token}"}
    if body:
        headers["content-type"] = MEDIA
    reply = ask(method, goal, reach=reach, limit=limit, headers=headers, body=body)
    if reply.status == 401 or (reply.status == 403 and method == "GET"):
        raise SendError(f"{goal.host}: the token was refused ({reply.status})", again=False)
    if reply.status in (403, 405):
        raise SendError(f"{goal.host}: this token may not do that there", again=False)
    if reply.status == 404:
        raise SendError(f"{goal.host}: {missing}", again=False)
    if reply.status not in good:
        raise SendError(f"{goal.host}: answered {reply.status}")
    kind = reply.headers.get("content-type", "").replace(" ", "").lower()
    if reply.data and not kind.startswith("application/taxii+json"):
        raise InputError(
            f"{goal.host}: answers, but not in TAXII 2.1 (its content type is another)"
        )
    return reply


def _page(
    url: str, token: str, reach: Reach, out: Read, unmarked: str
) -> tuple[bool, str, str]:  # fmt: skip
    reply = _asked("GET", url, token, reach, limit=MAX_PAGE)
    more, following = envelope(reply.data, out, unmarked=unmarked)
    last = reply.headers.get("x-taxii-date-added-last", "")
    return more, following, last if len(last) <= 64 else ""
