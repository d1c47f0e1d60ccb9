"""What code hosts' audit logs call the moving of a repository's content: one shape for each host.

`github-audit` is GitHub's audit log as it is streamed, exported or asked of its API, one event a
line: `git.clone`, `git.fetch`, `git.push` and `repo.download_zip` with `actor`, `actor_ip`,
`user_agent`, `repo` and `@timestamp` in milliseconds. `gitlab-audit` is GitLab's audit events, as
streamed or asked of its API: `repository_git_operation` (`git-upload-pack` is a clone or a fetch,
and not told apart unless `verb` says so; `git-receive-pack` a push) and
`repository_download_operation`. `bitbucket-audit` is the audit log file of Bitbucket Data Center
(since 7.0; coverage "End user activity" at its level Full): `auditType.action` with `author`,
`source`, `affectedObjects` and `timestamp` in seconds and nanoseconds. `transfer` is titer's own
form for every other host, and the only one that carries `bytes` and `refs`: no host logs sizes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, Protocol

import msgspec

from titer.gateway.feeds.parts import Bad, moment, name, number, table, word

Verb = Literal["clone", "fetch", "archive", "push", "api"]

#: Longest path of a repository, and most refs of one event that are kept.
MAX_PATH, MAX_REFS = 300, 16
#: Objects and attributes of one event that are looked at.
MAX_OBJECTS = 32
#: Most bytes of one event that are believed: an exabyte.
MAX_BYTES = 1 << 60

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
_BITBUCKET: dict[str, Verb] = {
    "Repository cloned": "clone", "Repository pulled": "fetch",
    "Changes pushed to repository": "push",
}  # fmt: skip
_BITBUCKET_TARGET = "bitbucket.audit.attribute.legacy.target"
_NO_SLUG = re.compile(r"[^\w.~+-]+")
_VERBS: dict[str, Verb] = {v: v for v in ("clone", "fetch", "archive", "push", "api")}


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
    """Knows its lines, and reads one: None when it moves no content. Raises `Bad`."""

    name: str

    def owns(self, line: Mapping[str, Any]) -> bool:
        """Whether an object looks like an event of this log."""

    def event(self, line: Mapping[str, Any]) -> Event | None:
        """What it says was moved."""


class GitHub:
    """GitHub's audit log."""

    name = "github-audit"

    def owns(self, line: Mapping[str, Any]) -> bool:
        """Whether an object looks like an event of GitHub's audit log."""
        return "action" in line and ("@timestamp" in line or "at_sign_timestamp" in line)

    def event(self, line: Mapping[str, Any]) -> Event | None:
        """What a line says was moved; None when nothing was. Raises `Bad`."""
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

    def owns(self, line: Mapping[str, Any]) -> bool:
        """Whether an object looks like an audit event of GitLab."""
        return "author_id" in line and "entity_id" in line and "created_at" in line

    def event(self, line: Mapping[str, Any]) -> Event | None:
        """What a line says was moved; None when nothing was. Raises `Bad`."""
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


class Bitbucket:
    """Bitbucket Data Center's audit log file. People are known by number, as GitLab's are."""

    name = "bitbucket-audit"

    def owns(self, line: Mapping[str, Any]) -> bool:
        """Whether an object looks like an audit event of Bitbucket Data Center."""
        return "auditType" in line and "affectedObjects" in line and "timestamp" in line

    def event(self, line: Mapping[str, Any]) -> Event | None:
        """What a line says was moved; None when nothing was. Raises `Bad`."""
        verb = _BITBUCKET.get(word(table(line.get("auditType")).get("action")))
        if verb is None:
            return None
        author = table(line.get("author"))
        who, called = word(author.get("id")), word(author.get("name"))
        known = who.isascii() and who.isdigit()  # -1 is the system, -2 is nobody
        at = table(line.get("timestamp"))
        seconds, nanos = at.get("epochSecond"), at.get("nano", 0)
        if not isinstance(seconds, int) or not isinstance(nanos, int):
            raise Bad("missing: timestamp")
        return Event(
            at=moment(seconds) + min(max(nanos, 0), 999_999_999) // 1000,
            actor=f"bitbucket:{who}" if known else f"bitbucket:{called}" if called else "",
            repository=_path(self._repository(line), "affectedObjects"),
            verb=verb,
            origin={"ip": word(line.get("source"))},
        )

    @staticmethod
    def _repository(line: Mapping[str, Any]) -> str:
        """KEY/slug where the event tells it, else made of both names as a slug is."""
        for one in _tables(line.get("extraAttributes")):
            target = word(one.get("value"))
            if one.get("nameI18nKey") == _BITBUCKET_TARGET and _PATH.fullmatch(target):
                return target
        named = {word(one.get("type")): word(one.get("name"))
                 for one in _tables(line.get("affectedObjects"))}  # fmt: skip
        parts = [_NO_SLUG.sub("-", named.get(kind, "")) for kind in ("PROJECT", "REPOSITORY")]
        return "/".join(parts) if all(parts) else ""


class Plain:
    """titer's own form: `at`, `principal`, `repository`, `verb`, and more that may be missing."""

    name = "transfer"

    def owns(self, line: Mapping[str, Any]) -> bool:
        """Whether an object looks like a transfer in titer's own form."""
        return "repository" in line and "verb" in line and "principal" in line

    def event(self, line: Mapping[str, Any]) -> Event | None:
        """What a line says was moved; None when nothing was. Raises `Bad`."""
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


SHAPES: dict[str, AuditFormat] = {
    shape.name: shape for shape in (GitHub(), GitLab(), Bitbucket(), Plain())
}


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


def _tables(value: Any) -> list[Mapping[str, Any]]:
    """The objects of a list, the first `MAX_OBJECTS`."""
    return [table(one) for one in value[:MAX_OBJECTS]] if isinstance(value, list) else []
