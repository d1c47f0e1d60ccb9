"""Repository events of code hosts: which lines move content, who, from where."""

from __future__ import annotations

import io
import json

import pytest

from titer.core.errors import InputError
from titer.core.ids import Pseudonyms
from titer.core.sketch import Sketcher
from titer.evidence.owner import owner
from titer.gateway.feeds import Feed, Options
from titer.gateway.feeds.audit_logs import TransferMaker
from titer.gateway.feeds.audit_shapes import SHAPES
from titer.gateway.feeds.detect import detect

PSEUDONYMS = Pseudonyms(b"s" * 32)
GITHUB = {
    "@timestamp": 1_767_225_600_123, "action": "git.clone", "actor": "alice",
    "actor_ip": "203.0.113.9", "org": "acme", "repo": "acme/weights", "_document_id": "d-1",
    "user_agent": "git/2.39.5 (linux)", "hashed_token": "t0k", "repository_public": False,
}  # fmt: skip
#: The shape that GitLab's page "Audit event streaming examples" shows.
GITLAB = {
    "id": 1, "author_id": 17, "entity_id": 29, "entity_type": "Project",
    "details": {"author_name": "Bob", "custom_message": {"protocol": "ssh",
                "action": "git-upload-pack"}, "ip_address": "203.0.113.9"},
    "author_name": "Bob", "entity_path": "acme/weights", "created_at": "2026-01-01T00:00:00.123Z",
    "target_type": "Project", "event_type": "repository_git_operation",
}  # fmt: skip
#: As lines of Bitbucket Data Center 7.18's audit log file are.
BITBUCKET = {
    "affectedObjects": [{"id": "2", "name": "ACME", "type": "PROJECT"},
                        {"id": "1", "name": "weights", "type": "REPOSITORY"}],
    "auditType": {"action": "Repository cloned", "area": "END_USER_ACTIVITY",
                  "category": "Repositories", "level": "FULL"},
    "author": {"id": "17", "name": "dora", "type": "NORMAL"}, "changedValues": [],
    "extraAttributes": [{"name": "target", "value": "ACME/weights",
                         "nameI18nKey": "bitbucket.audit.attribute.legacy.target"}],
    "method": "Git", "node": "n-1", "source": "203.0.113.9", "system": "http://git.internal:7990",
    "timestamp": {"epochSecond": 1_767_225_600, "nano": 123_000_000}, "version": "1.0",
}  # fmt: skip
PLAIN = {
    "at": "2026-01-01T00:00:00.123Z", "principal": "carol", "repository": "weights",
    "verb": "fetch",
    "origin": {"ip": "203.0.113.9", "ja4": "t13d", "user_agent": "git/2", "asn": 64500},
    "refs": ["refs/heads/main", 5], "bytes": 12_345,
}  # fmt: skip
AT = 1_767_225_600_123_000


def made(shape, *lines, fallback=""):
    maker = TransferMaker(SHAPES[shape], PSEUDONYMS, fallback=fallback)
    transfers, bad = maker.many([json.dumps(line).encode() for line in lines])
    return maker, transfers, [reason for _, reason in bad]


def one(shape, line, **changes):
    details = {**line.get("details", {}), **changes.pop("details", {})}
    changed = {**line, **({"details": details} if details else {}), **changes}
    _, (transfer,), bad = made(shape, changed)
    assert not bad
    return transfer


def test_a_clone_of_github():
    got = one("github-audit", GITHUB)
    assert (got.id, got.at, got.verb, got.repository) == ("d-1", AT, "clone", "acme/weights")
    assert got.principal.id == PSEUDONYMS.of("principal", "github:alice")
    assert got.principal.org == ""  # the repository's organisation is not the actor's
    assert got.origin.ip == PSEUDONYMS.of("ip", "203.0.113.9")
    assert got.origin.net == PSEUDONYMS.of("net", "203.0.113.0/24")
    assert got.origin.agent == "git/2.39.5"
    assert not {"alice", "203.0.113.9", "t0k"} & set(str(got).split("'"))


@pytest.mark.parametrize(
    ("action", "verb"),
    [("git.fetch", "fetch"), ("git.push", "push"), ("repo.download_zip", "archive")],
)
def test_what_github_calls_it(action, verb):
    assert one("github-audit", GITHUB, action=action).verb == verb


def test_times_of_github_in_every_spelling():
    for spelling in (
        {"@timestamp": None, "created_at": AT // 1000},
        {"@timestamp": "2026-01-01T00:00:00.123Z"},
        {"@timestamp": None, "at_sign_timestamp": "2026-01-01 00:00:00.123"},
    ):
        assert one("github-audit", GITHUB, **spelling).at == AT


def test_an_actor_is_its_token_or_nobody():
    token = one("github-audit", GITHUB, actor="")
    assert token.principal.id == PSEUDONYMS.of("principal", "github:token:t0k")
    maker, (got,), _ = made("github-audit", {**GITHUB, "actor": "", "hashed_token": ""})
    assert maker.missing["actor"] == 1
    assert got.principal.id == PSEUDONYMS.of("principal", "unnamed")
    _, (got,), _ = made("github-audit", {**GITHUB, "actor": None, "hashed_token": 5}, fallback="x")
    assert got.principal.id == PSEUDONYMS.of("principal", "x")


def test_operations_of_gitlab():
    got = one("gitlab-audit", GITLAB)
    assert (got.at, got.verb, got.repository) == (AT, "fetch", "acme/weights")
    assert got.principal.id == PSEUDONYMS.of("principal", "gitlab:17")
    assert got.origin.ip == PSEUDONYMS.of("ip", "203.0.113.9")
    told = {"custom_message": {"action": "git-upload-pack", "verb": "Clone"}}
    assert one("gitlab-audit", GITLAB, details=told).verb == "clone"
    pushed = {"custom_message": {"action": "git-receive-pack"}}
    assert one("gitlab-audit", GITLAB, details=pushed).verb == "push"
    stranger = {"author_id": -1, "details": {"author_name": "An unauthenticated user"}}
    got = one(
        "gitlab-audit", GITLAB, event_type="public_repository_download_operation", **stranger
    )
    assert got.verb == "archive"
    assert got.principal.id == PSEUDONYMS.of("principal", "gitlab:An unauthenticated user")
    asked = {**GITLAB, "event_type": None, "details": {**GITLAB["details"],
             "custom_message": "Repository Download Started"}}  # fmt: skip
    assert one("gitlab-audit", asked).verb == "archive"  # as its API gives what its database holds


@pytest.mark.parametrize(
    ("action", "verb"),
    [("Repository cloned", "clone"), ("Repository pulled", "fetch"),
     ("Changes pushed to repository", "push")],
)  # fmt: skip
def test_operations_of_bitbucket(action, verb):
    got = one("bitbucket-audit", BITBUCKET, auditType={"action": action})
    assert (got.at, got.verb, got.repository) == (AT, verb, "ACME/weights")
    assert got.principal.id == PSEUDONYMS.of("principal", "bitbucket:17")
    assert got.origin.ip == PSEUDONYMS.of("ip", "203.0.113.9")


def test_what_bitbucket_does_not_tell():
    named = [{"name": "A. C. M. E.", "type": "PROJECT"}, {"name": "The weights!", "type": ["x"]},
             {"name": "The weights!", "type": "REPOSITORY"}]  # fmt: skip
    got = one("bitbucket-audit", BITBUCKET, affectedObjects=named, extraAttributes=[])
    assert got.repository == "A.-C.-M.-E./The-weights-"
    got = one("bitbucket-audit", BITBUCKET, author={"id": "-2", "name": "Anonymous"})
    assert got.principal.id == PSEUDONYMS.of("principal", "bitbucket:Anonymous")
    read = {**BITBUCKET, "auditType": {"action": "Repository accessed by user"}}
    maker, transfers, bad = made("bitbucket-audit", read, {**BITBUCKET, "auditType": []})
    assert (transfers, maker.left_out, bad) == ([], 2, [])


def test_titers_own_form_carries_sizes():
    got = one("transfer", PLAIN)
    assert (got.bytes, got.refs) == (12_345, ("refs/heads/main", ""))
    assert (got.origin.ja4, got.origin.asn) == ("t13d", 64_500)
    assert got.principal.id == PSEUDONYMS.of("principal", "carol")
    assert one("transfer", PLAIN, bytes=-1).bytes == one("transfer", PLAIN, bytes=True).bytes == 0
    assert len(one("transfer", PLAIN, refs=["r"] * 100).refs) == 16


def test_what_moves_nothing_is_left_out_and_counted():
    maker, transfers, bad = made(
        "github-audit", GITHUB, {**GITHUB, "action": "repo.create"}, {"action": 5}, {}
    )
    assert (len(transfers), maker.left_out, bad) == (1, 3, [])
    group = {**GITLAB, "entity_type": "Group"}
    other = {**GITLAB, "event_type": "user_created"}
    maker, transfers, bad = made("gitlab-audit", group, other, {**GITLAB, "details": "x"})
    assert (len(transfers), maker.left_out, bad) == (0, 3, [])


@pytest.mark.parametrize(
    ("shape", "line", "reason"),
    [
        ("github-audit", {**GITHUB, "@timestamp": None}, "missing: @timestamp"),
        ("github-audit", {**GITHUB, "@timestamp": "soon"}, "not a time: at"),
        ("github-audit", {**GITHUB, "repo": ""}, "missing: repo"),
        ("github-audit", {**GITHUB, "repo": "a/<script>"}, "wrong type: repo"),
        ("github-audit", {**GITHUB, "repo": "../" * 40 + "x"}, "wrong type: repo"),
        ("github-audit", {**GITHUB, "repo": "r" * 400}, "too long: repo"),
        ("gitlab-audit", {**GITLAB, "entity_path": ["x"]}, "wrong type: entity_path"),
        ("bitbucket-audit", {**BITBUCKET, "timestamp": 5}, "missing: timestamp"),
        (
            "bitbucket-audit",
            {**BITBUCKET, "affectedObjects": 5, "extraAttributes": None},
            "missing: affectedObjects",
        ),
        ("transfer", {**PLAIN, "verb": "steal"}, "wrong type: verb"),
        ("transfer", {**PLAIN, "principal": None}, "missing: principal"),
        ("transfer", 5, "not an object"),
    ],
)
def test_a_bad_line_says_why(shape, line, reason):
    _, transfers, bad = made(shape, line)
    assert (transfers, bad) == ([], [reason])


def test_formats_are_seen_from_first_lines():
    for shape, line in (
        ("github-audit", GITHUB), ("gitlab-audit", GITLAB), ("bitbucket-audit", BITBUCKET),
        ("transfer", PLAIN),
    ):  # fmt: skip
        assert detect("x", [json.dumps(line).encode()]) == shape
        assert detect("x", [json.dumps([line, line]).encode()]) == shape


def fed(*lines, moved=None, **options):
    feed = Feed(
        sketcher=Sketcher(PSEUDONYMS.key("sketch")), pseudonyms=PSEUDONYMS,
        options=Options(once=True, **options), moved=moved,
        stdin=io.BytesIO(b"".join(json.dumps(line).encode() + b"\n" for line in lines)),
    )  # fmt: skip
    return feed, feed.run(["-"], lambda exchanges: pytest.fail("no exchanges in there"))


def test_a_feed_keeps_them_once_and_says_what_they_lack():
    kept = []
    feed, report = fed(
        GITHUB, GITHUB, [GITHUB, {**GITHUB, "_document_id": "d-2", "actor_ip": ""}],
        {**GITHUB, "action": "org.add_member"}, {**GITHUB, "repo": 1},
        moved=kept.extend,
    )  # fmt: skip
    assert [t.id for t in kept] == ["d-1", "d-2"]
    assert (report.transfers, report.left_out, report.bad) == (2, 1, 1)
    assert (report.exchanges, report.files[0].format) == (0, "github-audit")
    assert report.missing == {"once": 2, "address": 1}
    assert any("1 of 2 repository events have no readable address" in n for n in report.notes)
    assert feed.names[kept[0].principal.id] == "github:alice"


def test_who_wants_exchanges_is_told_where_they_belong():
    with pytest.raises(InputError, match="titer feed"):
        fed(GITHUB)


def test_their_bodies_are_sealed_under_who_moved_something():
    body = b'{"id":"x","at":1,"principal":{"id":"p"},"repository":"r","verb":"clone"}'
    assert owner("transfer", body) == "p"
