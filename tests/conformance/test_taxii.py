"""TAXII 2.1 (OASIS, 10 June 2021): what a server MUST do, asked of the server's own function.

Each test names the section. Over a socket, with TLS and by a client that is not ours, the same is
asked in tests/integration/sharing/test_taxii.py.
"""

from __future__ import annotations

import base64
import json
import re

import pytest

from titer.core.errors import InputError
from titer.gateway.sharing.taxii_api import MAX_POST, Api, Reader, collection_id
from titer.gateway.sharing.taxii_client import MEDIA
from titer.gateway.sharing.taxii_messages import MAX_LIMIT, Asked
from titer.gateway.sharing.taxii_store import Store

NOW = 1_767_225_600_000_000
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
STIX = "application/stix+json;version=2.1"
READ, INBOX = "/titer/collections/found/", "/titer/collections/inbox-lab/"
IDS = [f"indicator--{n:08d}-0000-4000-8000-000000000000" for n in range(5)]


@pytest.fixture
def server(tmp_path):
    store = Store(tmp_path)
    for number, id_ in enumerate(IDS):
        store.publish("found", [said(id_)], NOW + number)
    reader = Reader(name="lab", token="t" * 40, collections=("found", "empty"), inbox=True)
    yield Api(
        store, (reader,), take_in=lambda name, read: None, take_back=lambda name, keys: None,
        title="Example Lab", contact="abuse@lab.example", clock=lambda: NOW,
    )  # fmt: skip
    store.close()


def said(id_, modified="2026-01-01T00:00:00Z"):
    return {"type": "indicator", "spec_version": "2.1", "id": id_, "created": modified,
            "modified": modified, "pattern_type": "stix",
            "pattern": "[autonomous-system:number = 65540]"}  # fmt: skip


def ask(server, path, query="", method="GET", body=b"", **headers):
    told = {"authorization": "Bearer " + "t" * 40, "accept": MEDIA}
    told |= {name.replace("_", "-"): value for name, value in headers.items()}
    answer = server.answer(Asked(method, path, query, told, body))
    return answer.status, json.loads(answer.body), dict(answer.headers)


def post(server, objects, path=f"{INBOX}objects/"):
    body = json.dumps({"objects": objects}).encode()
    return ask(server, path, method="POST", body=body, content_type=MEDIA)


@pytest.mark.parametrize(
    ("accept", "status"),
    [(MEDIA, 200), ("application/taxii+json", 200), ("application/taxii+json; version=2.1", 200),
     ('Application/TAXII+JSON; Version="2.1"', 200), ("text/html, */*;q=0.1", 200),
     ("application/taxii+json;version=2.0", 406), ("application/vnd.oasis.taxii+json", 406),
     ("application/json", 406), ("*/*;q=0", 406), ("", 406)],
)  # fmt: skip
def test_1_6_8_content_is_negotiated(server, accept, status):
    assert ask(server, "/taxii2/", accept=accept)[0] == status


def test_1_6_9_http_basic_is_understood_and_whoever_is_unknown_is_told_how(server):
    basic = base64.b64encode(b"lab:" + b"t" * 40).decode()
    assert ask(server, "/taxii2/", authorization=f"Basic {basic}")[0] == 200
    status, error, headers = ask(server, "/taxii2/", authorization="")
    assert (status, error["http_status"]) == (401, "401")
    assert headers["www-authenticate"].startswith("Basic ")


def test_3_3_objects_are_in_the_order_of_their_adding(server):
    _, body, _ = ask(server, f"{READ}objects/")
    assert [one["id"] for one in body["objects"]] == IDS
    _, body, _ = ask(server, f"{READ}manifest/")
    assert [one["id"] for one in body["objects"]] == IDS
    added = [one["date_added"] for one in body["objects"]]
    assert added == sorted(added)


def test_3_3_collections_are_always_in_one_order(server):
    first, again = (ask(server, "/titer/collections/")[1]["collections"] for _ in range(2))
    assert first == again


def test_3_4_added_after_leaves_out_what_was_added_at_that_time(server):
    _, body, _ = ask(server, f"{READ}manifest/")
    third = body["objects"][2]["date_added"]
    _, body, _ = ask(server, f"{READ}objects/", f"added_after={third}")
    assert [one["id"] for one in body["objects"]] == IDS[3:]
    assert ask(server, f"{READ}objects/", "added_after=yesterday")[0] == 400


def test_3_4_a_limit_is_kept_and_what_is_more_than_the_servers_own_is_cut(server):
    _, body, _ = ask(server, f"{READ}objects/", "limit=2")
    assert len(body["objects"]) == 2
    assert ask(server, f"{READ}objects/", f"limit={MAX_LIMIT * 1000}")[0] == 200
    assert ask(server, f"{READ}objects/", "limit=0")[0] == 400


def test_3_4_1_matches_of_one_field_are_or_and_of_several_and(server):
    _, body, _ = ask(server, f"{READ}objects/", f"match[id]={IDS[0]},{IDS[2]}")
    assert [one["id"] for one in body["objects"]] == [IDS[0], IDS[2]]
    both = f"match[id]={IDS[0]}&match[type]=campaign"
    assert ask(server, f"{READ}objects/", both)[1] == {}


def test_3_4_1_the_last_version_unless_another_is_asked_for(server):
    newer = said(IDS[0], "2026-02-01T00:00:00Z")
    post(server, [said(IDS[0]), newer])

    def versions(query=""):
        return [o["modified"][:7] for o in ask(server, f"{INBOX}objects/", query)[1]["objects"]]

    assert versions() == versions("match[version]=last") == ["2026-02"]
    assert versions("match[version]=first") == ["2026-01"]
    assert versions("match[version]=all") == ["2026-01", "2026-02"]
    assert versions("match[version]=2026-01-01T00:00:00Z") == ["2026-01"]
    assert versions("match[version]=first,last") == ["2026-01", "2026-02"]


def test_3_5_a_client_that_follows_next_sees_each_object_once(server):
    seen, query = [], "limit=2"
    while True:
        _, body, headers = ask(server, f"{READ}objects/", query)
        seen += [one["id"] for one in body["objects"]]
        if not body["more"]:
            break
        query = f"limit=2&next={body['next']}"
        last = headers["x-taxii-date-added-last"]
        # and one that goes by the header sees the same page
        by_header = ask(server, f"{READ}objects/", f"limit=2&added_after={last}")[1]
        assert by_header == ask(server, f"{READ}objects/", query)[1]
    assert seen == IDS


@pytest.mark.parametrize(
    ("path", "query", "method", "status"),
    [("/nowhere/", "", "GET", 404), ("/titer/collections/none/", "", "GET", 404),
     (f"{READ}objects/", "limit=x", "GET", 400), (f"{READ}objects/", "", "POST", 403),
     ("/taxii2/", "", "POST", 405)],
)  # fmt: skip
def test_3_6_errors_are_error_messages(server, path, query, method, status):
    got, error, _ = ask(server, path, query, method)
    assert (got, error["http_status"]) == (status, str(status))
    assert error["title"]
    assert {type(value) for value in error.values()} == {str}


def test_4_1_discovery(server):
    _, body, _ = ask(server, "/taxii2/")
    assert body["title"] == "Example Lab"
    assert body["default"] in body["api_roots"]


def test_4_2_an_api_root_says_its_version_and_its_limit(server):
    _, body, _ = ask(server, "/titer/")
    assert MEDIA in body["versions"]
    assert body["title"]
    assert body["max_content_length"] == MAX_POST


def test_4_3_a_status_counts_every_object_and_can_be_asked_for_again(server):
    status, report, _ = post(server, [said(IDS[0]), {"type": "indicator"}])
    assert (status, report["status"]) == (202, "complete")
    counts = [report[f"{kind}_count"] for kind in ("success", "failure", "pending")]
    assert counts == [1, 1, 0]
    assert report["total_count"] == sum(counts)
    assert TIMESTAMP.fullmatch(report["request_timestamp"])
    assert report["successes"] == [{"id": IDS[0], "version": "2026-01-01T00:00:00Z"}]
    assert {"id", "version", "message"} <= set(report["failures"][0])
    assert ask(server, f"/titer/status/{report['id']}/")[:2] == (200, report)
    assert ask(server, "/titer/status/none/")[0] == 404


def test_5_1_a_collection_says_what_may_be_done_with_it(server):
    _, body, _ = ask(server, "/titer/collections/")
    named = {one["alias"]: one for one in body["collections"]}
    rights = {name: (one["can_read"], one["can_write"]) for name, one in named.items()}
    assert rights == {
        "found": (True, False), "empty": (True, False), "inbox-lab": (True, True)
    }  # fmt: skip
    assert all(one["media_types"] == [STIX] for one in named.values())
    by_id = f"/titer/collections/{named['found']['id']}/"
    assert ask(server, by_id)[1] == ask(server, READ)[1] == named["found"]
    assert named["found"]["id"] == collection_id("found")


@pytest.mark.parametrize("where", ["objects/", "manifest/", f"objects/{IDS[0]}/",
                                   f"objects/{IDS[0]}/versions/"])  # fmt: skip
def test_5_3_to_5_8_pages_say_when_their_first_and_last_were_added(server, where):
    status, body, headers = ask(server, READ + where)
    assert (status, body["more"]) == (200, False)
    first, last = (headers[f"x-taxii-date-added-{which}"] for which in ("first", "last"))
    assert TIMESTAMP.fullmatch(first)
    assert TIMESTAMP.fullmatch(last)
    assert first <= last


def test_5_3_a_manifest_row(server):
    row = ask(server, f"{READ}manifest/", "limit=1")[1]["objects"][0]
    assert set(row) == {"id", "date_added", "version", "media_type"}
    assert (row["id"], row["media_type"]) == (IDS[0], STIX)
    assert row["version"] == "2026-01-01T00:00:00Z"


def test_5_4_what_is_empty_is_an_empty_object(server):
    assert ask(server, "/titer/collections/empty/objects/")[:2] == (200, {})


def test_5_5_whoever_posts_says_what(server):
    body = json.dumps({"objects": [said(IDS[0])]}).encode()
    for kind, status in ((None, 415), ("application/json", 415), (MEDIA, 202),
                         ("application/taxii+json;version=2.0", 415)):  # fmt: skip
        headers = {} if kind is None else {"content_type": kind}
        assert ask(server, f"{INBOX}objects/", method="POST", body=body, **headers)[0] == status


def test_5_5_a_duplicate_is_no_error_and_no_second_object(server):
    for _ in range(2):
        status, report, _ = post(server, [said(IDS[0])])
        assert (status, report["failure_count"]) == (202, 0)
    assert len(ask(server, f"{INBOX}objects/")[1]["objects"]) == 1


def test_5_5_what_cannot_be_taken_in_is_422(server):
    assert ask(server, f"{INBOX}objects/", method="POST", body=b"[", content_type=MEDIA)[0] == 422

    def refuse(name, read):
        raise InputError("this partner has said enough")

    server._take_in = refuse
    status, error, _ = post(server, [said(IDS[0])])
    assert (status, error["description"]) == (422, "this partner has said enough")


def test_5_6_and_5_7_objects_that_are_not_there_are_404(server):
    assert ask(server, f"{READ}objects/{IDS[0][:-1]}9/")[0] == 404
    assert ask(server, f"{INBOX}objects/{IDS[0]}/", method="DELETE")[0] == 404


def test_5_7_a_deletion_takes_all_versions_or_the_one_it_names(server):
    post(server, [said(IDS[0]), said(IDS[0], "2026-02-01T00:00:00Z")])
    one = f"{INBOX}objects/{IDS[0]}/"
    assert ask(server, one, "match[version]=2026-02-01T00:00:00Z", "DELETE")[0] == 200
    assert ask(server, f"{one}versions/")[1]["versions"] == ["2026-01-01T00:00:00Z"]
    assert ask(server, one, method="DELETE")[0] == 200
    assert ask(server, one)[0] == 404


def test_5_8_versions_are_in_the_order_of_their_adding(server):
    times = ["2026-03-01T00:00:00Z", "2026-01-01T00:00:00Z"]
    for when in times:
        post(server, [said(IDS[0], when)])
    assert ask(server, f"{INBOX}objects/{IDS[0]}/versions/")[1]["versions"] == times
