"""The TAXII 2.1 API (OASIS TAXII 2.1, 10 June 2021) as a function: a request in, a reply out.

Discovery, API root, collections, objects, manifests, versions and status. A reader sees the
collections that its token names and no other: what it may not see does not exist (404). What is
posted to an inbox becomes attention of that partner (`evidence.share.attention`), and nothing
else; the partner alone can read it again, and take it back by DELETE (5.7). Whatever the operator
publishes can be read only.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import secrets
import uuid
from collections.abc import Callable, Iterable

import msgspec

from titer.core.errors import InputError
from titer.core.unprinted import Unprinted
from titer.evidence.share.reading import Read, take
from titer.evidence.share.stix import OWN_NAMESPACE
from titer.gateway.sharing import taxii_messages as messages
from titer.gateway.sharing.taxii_client import MEDIA
from titer.gateway.sharing.taxii_messages import Answer, Asked, No
from titer.gateway.sharing.taxii_store import MAX_INBOX, Store, Wanted, moment

STIX_MEDIA = "application/stix+json;version=2.1"
ROOT = "titer"
#: Bytes of what is posted at a time (told as `max_content_length`), and objects in it.
MAX_POST, MAX_POSTED = 8 << 20, 10_000
#: Posts and deletions of one reader in `WINDOW` microseconds: each is an entry of the log.
MAX_POSTS, MAX_DELETES, WINDOW = 60, 600, 3_600_000_000
#: Characters of a query.
MAX_QUERY = 4_096

#: Filters of a deletion (5.7).
_DELETABLE = frozenset({"match[version]", "match[spec_version]"})
_ACCEPTED = {"*/*", "application/*", "application/taxii+json", MEDIA}


class Reader(Unprinted, frozen=True, kw_only=True):
    """Who may come: by its token, to which collections, and whether it has an inbox."""

    name: str
    token: str
    collections: tuple[str, ...] = ()
    inbox: bool = False


class _Objects(msgspec.Struct):
    objects: list[msgspec.Raw] = []


class Api:
    """`take_in(partner, read)` is told what a reader posted, `take_back(partner, indicators)` what
    it no longer says; `title` and `contact` are public.
    """

    def __init__(
        self, store: Store, readers: tuple[Reader, ...], *, take_in: Callable[[str, Read], None],
        take_back: Callable[[str, set[str]], object], title: str, contact: str = "",
        clock: Callable[[], int],
    ) -> None:  # fmt: skip
        self._store = store
        self._readers = readers
        self._take_in = take_in
        self._take_back = take_back
        self._title = title
        self._contact = contact
        self._clock = clock
        self._done: dict[tuple[str, str], list[int]] = {}

    def answer(self, asked: Asked) -> Answer:
        """The reply to a request; never raises for what a peer sent."""
        try:
            reader = self._who(asked.headers.get("authorization", ""))
            self._check(asked)
            return self._route(asked, reader)
        except No as no:
            return no.answer

    def _who(self, header: str) -> Reader:
        scheme, _, given = header.partition(" ")
        token = given.strip()
        if scheme.lower() == "basic":
            try:
                token = base64.b64decode(token, validate=True).decode().partition(":")[2]
            except (binascii.Error, ValueError):
                token = ""
        elif scheme.lower() not in ("bearer", "token"):
            token = ""
        found = None
        for reader in self._readers:  # all of them: how long it takes says nothing
            if hmac.compare_digest(reader.token.encode(), token.encode()):
                found = reader
        if found is None or not token:
            raise No(401, "Unauthorized", "Send the token that you were given.")
        return found

    @staticmethod
    def _check(asked: Asked) -> None:
        wanted = (messages.media(part).partition(";q=") for part in
                  asked.headers.get("accept", "*/*").split(","))  # fmt: skip
        if (
            not {kind for kind, _, weight in wanted if weight.strip("0.") or not weight}
            & _ACCEPTED
        ):
            raise No(406, "Not acceptable", f"This server speaks {MEDIA}.")
        if len(asked.query) > MAX_QUERY:
            raise No(400, "Bad request", "The query is too long.")

    def _route(self, asked: Asked, reader: Reader) -> Answer:
        parts = [part for part in asked.path.split("/") if part]
        if parts == ["taxii2"]:
            self._only(asked, "GET")
            return self._discovery()
        if not parts or parts[0] != ROOT:
            raise No(404, "Not found", "There is no such resource; begin at /taxii2/.")
        match parts[1:]:
            case []:
                self._only(asked, "GET")
                return self._root()
            case ["status", id_]:
                self._only(asked, "GET")
                found = self._store.status(id_, reader.name)
                if found is None:
                    raise No(404, "Not found", "There is no such status.")
                return Answer(200, found)
            case ["collections"]:
                self._only(asked, "GET")
                every = [self._collection(name, reader) for name in self._names(reader)]
                return messages.plain({"collections": every} if every else {})
            case ["collections", id_, *rest]:
                return self._inside(asked, reader, self._name_of(id_, reader), rest)
        raise No(404, "Not found", "There is no such resource; begin at /taxii2/.")

    def _inside(self, asked: Asked, reader: Reader, name: str, rest: list[str]) -> Answer:
        """A collection, its objects, its manifest, or one object."""
        match rest:
            case []:
                self._only(asked, "GET")
                return messages.plain(self._collection(name, reader))
            case ["objects"] if asked.method == "POST":
                return self._post(asked, reader, name)
            case ["objects"]:
                self._only(asked, "GET")
                return self._objects(name, messages.wanted(asked.query))
            case ["manifest"]:
                self._only(asked, "GET")
                return self._manifest(name, messages.wanted(asked.query))
            case ["objects", id_] if asked.method == "DELETE":
                return self._delete(asked, reader, name, id_)
            case ["objects", id_]:
                self._only(asked, "GET")
                wanted = msgspec.structs.replace(
                    messages.wanted(asked.query), ids=(id_,), types=()
                )
                if not self._store.holds(name, id_):
                    raise No(404, "Not found", "There is no such object.")
                return self._objects(name, wanted)
            case ["objects", id_, "versions"]:
                self._only(asked, "GET")
                wanted = msgspec.structs.replace(
                    messages.wanted(asked.query), ids=(id_,), versions=("all",)
                )
                if not self._store.holds(name, id_):
                    raise No(404, "Not found", "There is no such object.")
                found, more = self._store.find(name, wanted)
                return messages.page({"versions": [k.version for k in found]}, found, more=more)
        raise No(404, "Not found", "There is no such resource.")

    def _discovery(self) -> Answer:
        out = {"title": self._title, "default": f"/{ROOT}/", "api_roots": [f"/{ROOT}/"]}
        if self._contact:
            out["contact"] = self._contact
        return messages.plain(out)

    def _root(self) -> Answer:
        return messages.plain(
            {"title": self._title, "versions": [MEDIA], "max_content_length": MAX_POST}
        )  # fmt: skip

    def _names(self, reader: Reader) -> list[str]:
        return [*reader.collections, *([_inbox(reader)] if reader.inbox else [])]

    def _name_of(self, id_: str, reader: Reader) -> str:
        """The name of a collection by its id (or its alias), if the reader may see it."""
        for name in self._names(reader):
            if id_ in (collection_id(name), name):
                return name
        raise No(404, "Not found", "There is no such collection for you.")

    def _collection(self, name: str, reader: Reader) -> dict[str, object]:
        own = name == _inbox(reader)
        return {
            "id": collection_id(name), "alias": name,
            "title": "What you want this operator to look at" if own else name,
            "can_read": True, "can_write": own, "media_types": [STIX_MEDIA],
        }  # fmt: skip

    def _objects(self, name: str, wanted: Wanted) -> Answer:
        found, more = self._store.find(name, wanted)
        return messages.page({"objects": [msgspec.Raw(k.body) for k in found]}, found, more=more)

    def _manifest(self, name: str, wanted: Wanted) -> Answer:
        found, more = self._store.find(name, wanted)
        rows = [
            {"id": k.id, "date_added": moment(k.added), "version": k.version,
             "media_type": STIX_MEDIA} for k in found
        ]  # fmt: skip
        return messages.page({"objects": rows}, found, more=more)

    def _post(self, asked: Asked, reader: Reader, name: str) -> Answer:
        """Take what a partner posts to its inbox; says for each object what became of it."""
        if not reader.inbox or name != _inbox(reader):
            raise No(403, "Forbidden", "This collection cannot be written to.")
        kind = messages.media(asked.headers.get("content-type", ""))
        if kind not in (MEDIA, "application/taxii+json"):
            raise No(415, "Unsupported media type", f"Send {MEDIA}.")
        try:
            objects = msgspec.json.decode(asked.body, type=_Objects).objects
        except (msgspec.MsgspecError, RecursionError, ValueError):
            raise No(422, "Unprocessable", "The body is no TAXII envelope.") from None
        self._admit(reader, "post", MAX_POSTS)
        if len(objects) > MAX_POSTED:
            raise No(413, "Too large", f"Send at most {MAX_POSTED} objects at a time.")
        read = Read([])
        good: list[dict[str, str]] = []
        bad: list[dict[str, str]] = []
        kept: list[tuple[dict[str, object], bytes]] = []
        for raw in objects:
            found = messages.posted(raw)
            if isinstance(found, str):
                bad.append({"id": "", "version": "", "message": found})
                continue
            kept.append((found, msgspec.json.encode(found)))
            version = str(found.get("modified") or found.get("created") or "")[:64]
            good.append({"id": str(found["id"]), "version": version})
        take([msgspec.Raw(body) for _, body in kept], read, unmarked="amber+strict")
        now = self._clock()
        try:
            self._take_in(reader.name, read)
        except InputError as error:
            raise No(422, "Unprocessable", str(error)) from None
        self._store.keep(name, kept, now)
        for one in good:
            one["version"] = one["version"] or moment(now)
        id_ = str(uuid.UUID(bytes=secrets.token_bytes(16), version=4))
        report = {
            "id": id_, "status": "complete", "request_timestamp": moment(now),
            "total_count": len(objects), "success_count": len(good), "successes": good,
            "failure_count": len(bad), "failures": bad, "pending_count": 0,
        }  # fmt: skip
        body = msgspec.json.encode(report)
        self._store.note(id_, reader.name, body)
        return Answer(202, body)

    def _delete(self, asked: Asked, reader: Reader, name: str, id_: str) -> Answer:
        """Delete versions of an object (5.7): all of them unless match[version] says which."""
        if not reader.inbox or name != _inbox(reader):
            raise No(403, "Forbidden", "Objects of this collection cannot be deleted.")
        asked_for = messages.wanted(asked.query, only=_DELETABLE, versions=("all",))
        wanted = msgspec.structs.replace(asked_for, ids=(id_,), limit=MAX_INBOX)
        gone, _ = self._store.find(name, wanted)
        if not gone:
            raise No(404, "Not found", "There is no such object, or no such version of it.")
        self._admit(reader, "delete", MAX_DELETES)
        added = {one.added for one in gone}
        left = (b for at, b in self._store.bodies(name, "indicator") if at not in added)
        back = _said([one.body for one in gone]) - _said(left)
        try:  # first: a crash in between leaves an object that can be deleted again
            self._take_back(reader.name, back)
        except InputError as error:
            raise No(422, "Unprocessable", str(error)) from None
        self._store.delete(name, wanted)
        return messages.plain({})

    def _admit(self, reader: Reader, what: str, most: int) -> None:
        """Count a post or a deletion, or refuse it."""
        now, key = self._clock(), (reader.name, what)
        done = [at for at in self._done.get(key, ()) if at > now - WINDOW]
        if len(done) >= most:
            raise No(429, "Too many requests", f"{what.title()} at most {most} times an hour.")
        self._done[key] = [*done, now]

    @staticmethod
    def _only(asked: Asked, method: str) -> None:
        if asked.method != method:
            raise No(405, "Method not allowed", f"Use {method}.")


def collection_id(name: str) -> str:
    """The id of a collection: a UUID, as the standard wants, of its name."""
    return str(uuid.uuid5(OWN_NAMESPACE, f"taxii {name}"))


def _inbox(reader: Reader) -> str:
    return f"inbox-{reader.name}"


def _said(bodies: Iterable[bytes]) -> set[str]:
    """The indicators that objects say, as they are held."""
    read = Read([])
    take([msgspec.Raw(body) for body in bodies], read, unmarked="amber+strict")
    return {told.indicator.key for told in read.told}
