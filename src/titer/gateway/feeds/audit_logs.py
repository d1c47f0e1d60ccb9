"""Repository events of a code host's audit log: who moved which repository's content, and how.

`github-audit` is GitHub's audit log as it is streamed, exported or asked of its API, one event a
line: `git.clone`, `git.fetch`, `git.push` and `repo.download_zip` with `actor`, `actor_ip`,
`user_agent`, `repo` and `@timestamp` in milliseconds. `gitlab-audit` is GitLab's audit events, as
streamed or asked of its API: `repository_git_operation` (`git-upload-pack` is a clone or a fetch,
and not told apart unless `verb` says so; `git-receive-pack` a push) and
`repository_download_operation`. `transfer` is titer's own form for every other host, and the only
one that carries `bytes` and `refs`: neither host logs sizes.

All other events of these logs move no content; they are counted and left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from titer.core.ids import Pseudonyms
from titer.core.nouns import Origin, Principal, Transfer
from titer.gateway.feeds import origins
from titer.gateway.feeds.parts import (
    FAILURES,
    Bad,
    keyed_id,
    moment,
    name,
    number,
    table,
    why,
    word,
)
from titer.gateway.networks.places import NOWHERE, Networks, Places

Verb = Literal["clone", "fetch", "archive", "push", "api"]

#: Longest path of a repository, and most refs of one event that are kept.
MAX_PATH, MAX_REFS = 300, 16
#: Most bytes of one event that are believed: an exabyte.
MAX_BYTES = 1 << 60
#: Whom an event without an actor is put down to, when nobody is named with `--principal`.
UNNAMED = "unnamed"
#: Callers and origins remembered; when full, the memory starts anew.
MEMORY = 100_000

_PATH = re.compile(r"[\w.~+-]+(/[\w.~+-]+){0,20}")
_GITHUB: dict[str, Verb] = {
    "git.clone": "clone", "git.fetch": "fetch", "git.push": "push", "repo.download_zip": "archive",
}  # fmt: skip
_GITLAB: dict[str, Verb] = {
    "clone": "clone", "pull": "fetch", "fetch": "fetch", "push": "push",
    "git-upload-pack": "fetch", "git-upload-archive": "archive", "git-receive-pack": "push",
}  # fmt: skip
_GITLAB_ARCHIVE = ("repository_download_operation", "public_repository_download_operation")
_GITLAB_WORDS = "repository download started"
_VERBS: dict[str, Verb] = {v: v for v in ("clone", "fetch", "archive", "push", "api")}
_any = msgspec.json.Decoder()


class Event(msgspec.Struct):
    """What a line says of one movement; `origin` as `origins.of_log` takes it."""

    at: int
    actor: str
    repository: str
    verb: Verb
    origin: dict[str, Any]
    id: str = ""
    refs: tuple[str, ...] = ()
    bytes: int = 0


class AuditFormat(Protocol):
    """Reads one line's object. None when it moves no content. Raises `Bad`."""

    name: str

    def event(self, line: Mapping[str, Any]) -> Event | None: ...


class GitHub:
    """GitHub's audit log."""

    name = "github-audit"

    def event(self, line: Mapping[str, Any]) -> Event | None:
        verb = _GITHUB.get(word(line.get("action")))
        if verb is None:
            return None
        actor, token = word(line.get("actor")), word(line.get("hashed_token"))
        return Event(
            at=_time(line, "@timestamp", "created_at", "at_sign_timestamp"),
            actor=f"github:{actor}" if actor else f"github:token:{token}" if token else "",
            repository=_path(line.get("repo") or line.get("repository"), "repo"),
            verb=verb,
            origin={"ip": word(line.get("actor_ip")), "user_agent": word(line.get("user_agent"))},
            id=word(line.get("_document_id")),
        )


class GitLab:
    """GitLab's audit events. People are known by number: names are neither unique nor lasting."""

    name = "gitlab-audit"

    def event(self, line: Mapping[str, Any]) -> Event | None:
        details = table(line.get("details"))
        said = details.get("custom_message")
        verb = self._verb(word(line.get("event_type")), said)
        if verb is None or line.get("entity_type") not in (None, "Project"):
            return None
        who = line.get("author_id")
        known = isinstance(who, int) and not isinstance(who, bool) and who > 0
        actor = f"gitlab:{who}" if known else ""
        if not known and (called := word(details.get("author_name") or line.get("author_name"))):
            actor = f"gitlab:{called}"
        path = line.get("entity_path") or details.get("entity_path")
        ip = word(line.get("ip_address")) or word(details.get("ip_address"))
        return Event(
            at=_time(line, "created_at"),
            actor=actor,
            repository=_path(path, "entity_path"),
            verb=verb,
            origin={"ip": ip},
        )

    @staticmethod
    def _verb(kind: str, said: Any) -> Verb | None:
        if kind in _GITLAB_ARCHIVE or (
            not kind and isinstance(said, str) and said.lower() == _GITLAB_WORDS
        ):
            return "archive"
        told = table(said)
        if kind not in ("", "repository_git_operation") or not told:
            return None
        verb = _GITLAB.get(word(told.get("verb")).lower())
        return verb or _GITLAB.get(word(told.get("action")))


class Plain:
    """titer's own form: `at`, `principal`, `repository`, `verb`, and more that may be missing."""

    name = "transfer"

    def event(self, line: Mapping[str, Any]) -> Event | None:
        verb = _VERBS.get(word(line.get("verb")))
        if verb is None:
            raise Bad("wrong type: verb")
        given = table(line.get("origin"))
        headers, refs, size = given.get("headers"), line.get("refs"), line.get("bytes")
        heads = [h for h in headers if isinstance(h, str)] if isinstance(headers, list) else []
        origin: dict[str, Any] = {
            key: word(given.get(key))
            for key in ("ip", "ja4", "user_agent", "payment", "attestation", "kind")
        }
        return Event(
            at=_time(line, "at"),
            actor=name(line.get("principal"), "principal"),
            repository=_path(line.get("repository"), "repository"),
            verb=verb,
            origin={**origin, "asn": number(given.get("asn")), "headers": heads},
            id=word(line.get("id")),
            refs=tuple(word(r) for r in refs[:MAX_REFS]) if isinstance(refs, list) else (),
            bytes=_size(size),
        )


SHAPES: dict[str, AuditFormat] = {shape.name: shape for shape in (GitHub(), GitLab(), Plain())}


class TransferMaker:
    """Turns lines of one format into transfers, a batch at a time.

    `names` gives the logged name of each pseudonym, `missing` what lines lacked, and `left_out`
    how many events moved nothing. `fallback` names the actor of lines that name none.
    """

    def __init__(
        self,
        shape: AuditFormat,
        pseudonyms: Pseudonyms,
        networks: Networks = NOWHERE,
        *,
        fallback: str = "",
    ) -> None:
        self._shape = shape
        self._pseudonyms = pseudonyms
        self._places = Places(pseudonyms, networks)
        self._fallback = fallback or UNNAMED
        self._key = pseudonyms.key("transfer")
        self._callers: dict[str, Principal] = {}
        self.names: dict[str, str] = {}
        self.missing: Counter[str] = Counter()
        self.left_out = 0

    def many(self, lines: Sequence[bytes]) -> tuple[list[Transfer], list[tuple[int, str]]]:
        """Transfers in the order of the lines, and (place, reason) of lines that are none.

        A line may hold a list of events, as a host's API gives them; a bad one of them is a reason
        of its own.
        """
        made: list[Transfer] = []
        bad: list[tuple[int, str]] = []
        for place, line in enumerate(lines):
            if not line or line.isspace():
                continue
            try:
                value = _any.decode(line)
            except FAILURES as error:
                bad.append((place, why(error)))
                continue
            for one in value if isinstance(value, list) else (value,):
                try:
                    event = self._event(one)
                except FAILURES as error:
                    bad.append((place, why(error)))
                else:
                    if event is not None:
                        made.append(self._transfer(event, one))
        return made, bad

    def _event(self, value: Any) -> Event | None:
        if not isinstance(value, dict):
            raise Bad("not an object")
        event = self._shape.event(value)
        self.left_out += event is None
        return event

    def _transfer(self, event: Event, said: Mapping[str, Any]) -> Transfer:
        if not event.actor:
            self.missing["actor"] += 1
        origin = Origin()
        if any(event.origin.values()):
            origin = origins.of_log(self._pseudonyms, self._places, **event.origin)
        if not origin.net:
            self.missing["address"] += 1
        return Transfer(
            id=event.id or keyed_id(msgspec.json.encode(said), self._key),
            at=event.at,
            principal=self._caller(event.actor or self._fallback),
            repository=event.repository,
            verb=event.verb,
            origin=origin,
            refs=event.refs,
            bytes=event.bytes,
        )

    def _caller(self, called: str) -> Principal:
        known = self._callers.get(called)
        if known is None:
            if len(self._callers) >= MEMORY:
                self._callers.clear()
            known = self._callers[called] = Principal(self._pseudonyms.of("principal", called))
            self.names[known.id] = called
        return known


def owns_github(line: Mapping[str, Any]) -> bool:
    """Whether an object looks like an event of GitHub's audit log."""
    return "action" in line and ("@timestamp" in line or "at_sign_timestamp" in line)


def owns_gitlab(line: Mapping[str, Any]) -> bool:
    """Whether an object looks like an audit event of GitLab."""
    return "author_id" in line and "entity_id" in line and "created_at" in line


def owns_plain(line: Mapping[str, Any]) -> bool:
    """Whether an object is a transfer in titer's own form."""
    return "repository" in line and "verb" in line and "principal" in line


def _time(line: Mapping[str, Any], *keys: str) -> int:
    """The first time that is there. Raises `Bad`."""
    for key in keys:
        if (value := line.get(key)) is not None:
            return moment(value)
    raise Bad(f"missing: {keys[0]}")


def _path(value: Any, what: str) -> str:
    """A repository's path. Raises `Bad` for what no host allows."""
    path = name(value, what)
    if len(path) > MAX_PATH:
        raise Bad(f"too long: {what}")
    if not _PATH.fullmatch(path):
        raise Bad(f"wrong type: {what}")
    return path


def _size(value: Any) -> int:
    """A believable number of bytes, or 0."""
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_BYTES:
        return 0
    return value
