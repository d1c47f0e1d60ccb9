"""What is done once for a reply's head: which lines the caller may see, and what the body is."""

from __future__ import annotations

from titer.gateway.errors_http import STATUS_LINES
from titer.gateway.framing import ReplyHead
from titer.gateway.settings import Secret

#: Never passed to a caller: hop-by-hop fields, framing (we write it), cookies and limits that
#: belong to the operator's own account at the upstream, and offers of other protocols.
_DROPPED = frozenset(
    b"connection keep-alive proxy-connection proxy-authenticate proxy-authorization te trailer "
    b"transfer-encoding upgrade content-length content-encoding set-cookie set-cookie2 alt-svc "
    b"www-authenticate openai-organization openai-project anthropic-organization-id "
    b"titer-id titer-denied".split()
)
_DROPPED_PREFIXES = (b"x-ratelimit-", b"anthropic-ratelimit-")


class View:
    """A reply's head as callers see it, without framing. `sse` and `json` are its media type."""

    __slots__ = ("json", "prefix", "sse")

    def __init__(self, head: ReplyHead, secret: bytes) -> None:
        lines = [STATUS_LINES[head.status]]
        media = b""
        nominated: set[bytes] = set()
        for name, value in head.headers:
            if name == b"connection":
                nominated.update(token.strip().lower() for token in value.split(b","))
        for name, value in head.headers:
            if name == b"content-type":
                media = value.partition(b";")[0].strip().lower()
            elif (
                name in _DROPPED
                or name in nominated
                or name.startswith(_DROPPED_PREFIXES)
                or (secret and secret in value)
            ):
                continue
            lines.append(b"%b: %b\r\n" % (name, value))
        self.prefix = b"".join(lines)
        self.sse = media == b"text/event-stream"
        self.json = media == b"application/json" or media.endswith(b"+json")


def secret_of(credential: Secret | None) -> bytes:
    """The part of the upstream credential that must not appear in a reply."""
    if credential is None:
        return b""
    return credential.value.rpartition(" ")[2].encode()


def view_of(head: ReplyHead, secret: bytes) -> View:
    """The view of a head; remembered with it."""
    view = head.view
    if not isinstance(view, View):
        view = head.view = View(head, secret)
    return view
