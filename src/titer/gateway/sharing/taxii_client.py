"""A TAXII 2.1 client that pulls one collection (OASIS TAXII 2.1, 10 June 2021, 5.4).

The collection's URL is configured, and every page is asked there: discovery is not needed, and
whatever else a peer names is not followed. Pages and objects are limited, a `next` that comes
again ends the pull, and a page holds what `reading` can bound.
"""

from __future__ import annotations

from urllib.parse import quote

import msgspec

from titer.core.errors import InputError
from titer.evidence.share.reading import MAX_INDICATORS, Read, envelope
from titer.gateway.sharing.outbound import Reach, SendError, ask, target

MEDIA = "application/taxii+json;version=2.1"
#: Pages of one pull, objects in all, and objects that are asked for at a time.
MAX_PAGES, MAX_OBJECTS, PER_PAGE = 2_000, 1_000_000, 1_000
#: Bytes of one page: 1,000 objects are 1 MB as a rule.
MAX_PAGE = 16 << 20
#: Characters of a peer's `next`.
MAX_NEXT = 1024


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


def _page(
    url: str, token: str, reach: Reach, out: Read, unmarked: str
) -> tuple[bool, str, str]:  # fmt: skip
    goal = target(url, reach)
    reply = ask(
        "GET", goal, reach=reach, limit=MAX_PAGE,
        headers={"accept": MEDIA, "authorization": f"Bearer {token}"},
    )  # fmt: skip
    if reply.status in (401, 403):
        raise SendError(f"{goal.host}: the token was refused ({reply.status})", again=False)
    if reply.status == 404:
        raise SendError(f"{goal.host}: has no such collection for this token", again=False)
    if reply.status != 200:
        raise SendError(f"{goal.host}: answered {reply.status}")
    kind = reply.headers.get("content-type", "").replace(" ", "").lower()
    if not kind.startswith("application/taxii+json"):
        raise InputError(
            f"{goal.host}: answers, but not in TAXII 2.1 (its content type is another)"
        )
    more, following = envelope(reply.data, out, unmarked=unmarked)
    last = reply.headers.get("x-taxii-date-added-last", "")
    return more, following, last if len(last) <= 64 else ""
