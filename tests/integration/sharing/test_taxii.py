"""TAXII 2.1: our server against a client that is not ours, our client against hostile peers."""

import json
import time
import tracemalloc

import pytest

from titer.cli import main
from titer.core.errors import InputError
from titer.evidence.share import partners
from titer.gateway.sharing import taxii_client
from titer.gateway.sharing.outbound import Reach, SendError, ask, target
from titer.gateway.sharing.taxii_api import MEDIA, Api, Reader, collection_id
from titer.gateway.sharing.taxii_client import pull
from titer.gateway.sharing.taxii_messages import Asked
from titer.gateway.sharing.taxii_store import Store

TOKENS = {"lab-b": "b" * 40, "lab-c": "c" * 40}
HERE = Reach(private=("127.0.0.1",))
NOW = 1_800_000_000_000_000
INDICATOR = "indicator--00000000-0000-4000-8000-000000000001"


@pytest.fixture
def served(lab, tmp_path, running):
    """The URL of a server of `lab` with one published bundle."""
    bundle = tmp_path / "bundle.json"
    (tmp_path / "addresses").write_text("198.51.100.9\n")
    assert main(["share", "stix", "c-1", "--data", str(lab), "-o", str(bundle), "--addresses",
                 str(tmp_path / "addresses"), "--tlp", "green"]) == 0  # fmt: skip
    assert (
        main(["taxii", "publish", str(bundle), "--collection", "found", "--data", str(lab)]) == 0
    )
    assert main(["taxii", "publish", str(bundle), "--collection", "a b", "--data", str(lab)]) == 2
    for name, token in TOKENS.items():
        (tmp_path / name).write_text(token)
        (tmp_path / name).chmod(0o600)
    (lab / "titer.toml").write_text(
        f"""
        [taxii]
        port = 0
        title = "Example Lab"
        [taxii.readers.lab-b]
        token = {{ file = "{tmp_path}/lab-b" }}
        collections = ["found"]
        inbox = true
        [taxii.readers.lab-c]
        token = {{ file = "{tmp_path}/lab-c" }}
        """
    )
    with running("taxii", "serve", "--data", lab) as said:
        yield said["url"]


def test_a_client_that_is_not_ours_reads_and_writes(served, lab):
    taxii2client = pytest.importorskip("taxii2client.v21")
    client = taxii2client.Server(served, user="lab-b", password=TOKENS["lab-b"])
    assert client.title == "Example Lab"
    (root,) = client.api_roots
    assert root.versions == [MEDIA]
    found, inbox = sorted(root.collections, key=lambda c: c.can_write)
    assert (found.can_read, found.can_write) == (True, False)
    assert (inbox.can_read, inbox.can_write) == (True, True)
    objects = found.get_objects()["objects"]
    assert {o["type"] for o in objects} >= {"campaign", "indicator", "sighting", "identity"}
    paged = []
    for page in taxii2client.as_pages(found.get_objects, per_request=7):
        assert len(page["objects"]) <= 7
        paged += page["objects"]
    assert paged == objects
    manifest = found.get_manifest()["objects"]
    assert [m["id"] for m in manifest] == [o["id"] for o in objects]
    one = next(o for o in objects if o["type"] == "campaign")
    assert found.get_object(one["id"])["objects"] == [one]
    versions = found.object_versions(one["id"])["versions"]
    assert versions == [one["modified"]]
    some = found.get_objects(type="indicator")["objects"]
    assert {o["type"] for o in some} == {"indicator"}
    middle = manifest[len(manifest) // 2]["date_added"]
    later = found.get_objects(added_after=middle)["objects"]
    assert later == objects[len(manifest) // 2 + 1 :]
    posted = {
        "objects": [
            {"type": "indicator", "spec_version": "2.1", "id": INDICATOR,
             "pattern": "[autonomous-system:number = 65540]", "pattern_type": "stix",
             "created": "2026-01-01T00:00:00Z", "modified": "2026-01-01T00:00:00Z"},
        ]
    }  # fmt: skip
    status = inbox.add_objects(json.dumps(posted).encode(), wait_for_completion=True)
    assert (status.status, status.success_count, status.failure_count) == ("complete", 1, 0)
    (held,) = partners.load(lab)
    assert [h.indicator for h in held.held] == ["asn:65540"]
    newer = {**posted["objects"][0], "modified": "2026-02-01T00:00:00Z",
             "pattern": "[autonomous-system:number = 65541]"}  # fmt: skip
    inbox.add_objects({"objects": [newer]}, wait_for_completion=True)
    assert inbox.object_versions(INDICATOR)["versions"] == [
        "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z",
    ]  # fmt: skip
    assert inbox.get_object(INDICATOR)["objects"] == [newer]
    inbox.delete_object(INDICATOR, version="2026-02-01T00:00:00Z")
    assert inbox.get_object(INDICATOR)["objects"] == posted["objects"]
    assert [h.indicator for h in partners.load(lab)[0].held] == ["asn:65540"]
    inbox.delete_object(INDICATOR)
    assert inbox.get_objects() == {}
    assert partners.load(lab)[0].held == ()
    with pytest.raises(Exception, match="404"):
        inbox.delete_object(INDICATOR)
    found._can_write = True  # what the server said does not bind a client
    with pytest.raises(Exception, match="403"):
        found.delete_object(one["id"])
    assert found.get_objects()["objects"] == objects
    client.close()
    from titer.console.explain import open_view

    logged = [json.loads(e.body) for e in open_view(lab).scan() if e.kind == "import"]
    assert [(e["action"], e.get("retracted")) for e in logged[-2:]] == [
        ("retract", 1), ("retract", 1),
    ]  # fmt: skip


def test_our_client_posts_and_deletes_at_our_server(served, lab, tmp_path, capsys):
    other = tmp_path / "lab-b-data"
    other.mkdir()
    where = served.replace("/taxii2/", "/titer/collections/")
    settings = f"""
        [share]
        private_hosts = ["127.0.0.1"]
        [share.partners.lab-a]
        url = "{where}found/"
        token = {{ file = "{tmp_path}/lab-b" }}
        """
    (other / "titer.toml").write_text(settings)
    words = ["taxii", "push", str(tmp_path / "bundle.json"), "--to", "lab-a", "--data", str(other)]
    capsys.readouterr()
    assert main(words) == 2
    assert "has no inbox" in capsys.readouterr().err
    (other / "titer.toml").write_text(f'{settings}inbox = "{where}inbox-lab-b/"\n')
    assert main([*words, "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["successes"], said["failed"], said["posts"]) == (said["objects"], 0, 1)
    held = {h.indicator for h in partners.load(lab)[0].held}
    assert any(one.startswith("ipv4:") for one in held)
    bundle = json.loads((tmp_path / "bundle.json").read_bytes())["objects"]
    named = [o["id"] for o in bundle if o["type"] == "indicator" and "ipv4" in o["pattern"]]
    undo = ["taxii", "delete", named[0], "--to", "lab-a", "--data", str(other)]
    assert main([*undo, "--version", "1999-01-01T00:00:00Z"]) == 2
    assert "there is no" in capsys.readouterr().err
    assert main(undo) == 0
    left = {h.indicator for h in partners.load(lab)[0].held}
    assert held - left == {one for one in held if one.startswith("ipv4:")}
    assert main(undo) == 2
    from titer.console.explain import open_view

    logged = [json.loads(e.body)["action"] for e in open_view(other).scan() if e.kind == "share"]
    assert logged == ["push", "delete", "delete", "delete"]


def test_another_partner_sees_nothing_and_a_stranger_less(served):
    def status(path, token="", accept=MEDIA):
        goal = target(served.replace("/taxii2/", path), HERE)
        headers = {"accept": accept}
        if token:
            headers["authorization"] = f"Bearer {token}"
        return ask("GET", goal, headers=headers, reach=HERE).status

    inside = f"/titer/collections/{collection_id('found')}/objects/"
    assert status(inside, TOKENS["lab-b"]) == 200
    assert status(inside, TOKENS["lab-c"]) == 404
    assert status(inside, "x" * 40) == 401
    assert status(inside) == 401
    assert status("/taxii2/") == 401
    assert status(inside, TOKENS["lab-b"], accept="text/html") == 406


def test_our_client_pulls_what_our_server_serves(served, tmp_path):
    other = tmp_path / "lab-b-data"
    other.mkdir()
    (other / "titer.toml").write_text(
        f"""
        [share]
        private_hosts = ["127.0.0.1"]
        [share.partners.lab-a]
        url = "{served.replace("/taxii2/", "/titer/collections/found/")}"
        token = {{ file = "{tmp_path}/lab-b" }}
        weight = 0.8
        """
    )
    words = ["taxii", "pull", "lab-a", "--data", str(other)]
    assert main(words) == 0
    (held,) = partners.load(other)
    assert {h.indicator.partition(":")[0] for h in held.held} == {"ipv4", "asn", "ja4"}
    assert {h.tlp for h in held.held} == {"green"}
    before = held.held
    assert main(words) == 0  # nothing is new, and what was said before still holds
    (held,) = partners.load(other)
    assert held.held == before


def api(tmp_path, store=None, back=None):
    readers = (
        Reader(name="a", token="t" * 40, collections=("c",), inbox=True),
        Reader(name="b", token="u" * 40, collections=("c",), inbox=True),
        Reader(name="d", token="v" * 40, collections=("c",)),
    )
    gone = [] if back is None else back
    return Api(
        store or Store(tmp_path), readers, take_in=lambda name, read: None, title="x",
        take_back=lambda name, said: gone.append((name, said)), clock=lambda: NOW,
    )  # fmt: skip


def get(made, path, query="", method="GET", body=b"", *, token="t", **headers):
    asked = Asked(method, path, query, {"authorization": "Bearer " + token * 40, **headers}, body)
    return made.answer(asked)


def test_versions_are_kept_apart_and_filtered(tmp_path):
    store = Store(tmp_path)
    thing = {"type": "campaign", "id": "campaign--1", "modified": "2026-01-01T00:00:00.000Z"}
    newer = {**thing, "modified": "2026-02-01T00:00:00.000Z"}
    assert store.publish("c", [thing, newer, thing], NOW) == 2
    assert store.publish("c", [newer], NOW) == 0
    made = api(tmp_path, store)

    def seen(query):
        body = json.loads(get(made, "/titer/collections/c/objects/", query).body)
        return [o["modified"][:7] for o in body.get("objects", [])]

    assert seen("") == ["2026-02"]
    assert seen("match[version]=first") == ["2026-01"]
    assert seen("match[version]=all") == ["2026-01", "2026-02"]
    assert seen("match[version]=2026-01-01T00:00:00.000Z") == ["2026-01"]
    assert seen("match[spec_version]=2.0") == []
    assert seen("match[type]=indicator") == []
    assert store.withdraw("c") == 2
    assert seen("") == []
    store.close()


@pytest.mark.parametrize(
    ("path", "query", "method", "status"),
    [
        ("/", "", "GET", 404), ("/titer/", "", "GET", 200), ("/titer/", "", "POST", 405),
        ("/titer/collections/nope/", "", "GET", 404),
        ("/titer/collections/c/objects/", "limit=0", "GET", 400),
        ("/titer/collections/c/objects/", "limit=x", "GET", 400),
        ("/titer/collections/c/objects/", "next=-1", "GET", 400),
        ("/titer/collections/c/objects/", "next=" + "9" * 30, "GET", 400),
        ("/titer/collections/c/objects/", "added_after=never", "GET", 400),
        ("/titer/collections/c/objects/", "match[nope]=x", "GET", 400),
        ("/titer/collections/c/objects/", "match[id]=" + "a," * 500, "GET", 400),
        ("/titer/collections/c/objects/", "x" * 5000, "GET", 400),
        ("/titer/collections/c/objects/", "match[id]=' OR 1=1 --", "GET", 200),
        ("/titer/collections/c/objects/x/", "", "GET", 404),
        ("/titer/collections/c/objects/", "", "POST", 403),
        ("/titer/collections/c/objects/", "", "DELETE", 405),
        ("/titer/collections/c/objects/campaign--1/", "", "DELETE", 403),
        ("/titer/collections/nope/objects/campaign--1/", "", "DELETE", 404),
        ("/titer/collections/inbox-b/objects/campaign--1/", "", "DELETE", 404),
        ("/titer/collections/inbox-a/objects/campaign--1/", "", "DELETE", 404),
        ("/titer/collections/inbox-a/objects/x/", "match[type]=indicator", "DELETE", 400),
        ("/titer/collections/inbox-a/objects/x/", "limit=1", "DELETE", 400),
        ("/titer/collections/inbox-a/objects/x/versions/", "", "DELETE", 405),
        ("/titer/collections/inbox-a/", "", "DELETE", 405),
        ("/titer/collections/inbox-a/objects/", "", "GET", 200),
        ("/titer/collections/inbox-b/objects/", "", "GET", 404),
        ("/titer/status/nope/", "", "GET", 404),
    ],
)  # fmt: skip
def test_what_is_asked_wrongly(tmp_path, path, query, method, status):
    made = api(tmp_path)
    answer = get(made, path, query, method)
    assert answer.status == status, answer.body
    if status != 200:
        assert json.loads(answer.body)["http_status"] == str(status)
    made._store.close()


def test_what_is_posted_wrongly(tmp_path):
    made = api(tmp_path)
    path = "/titer/collections/inbox-a/objects/"

    def post(body, kind=MEDIA):
        return get(made, path, "", "POST", body, **{"content-type": kind}).status

    assert post(b"{}", kind="text/plain") == 415
    assert post(b"nonsense") == 422
    assert post(b"[" * 100_000) == 422
    assert post(b'{"objects":[' + b"{}," * 10_001 + b"{}]}") == 413
    answer = get(made, path, "", "POST", b'{"objects":[7,{"id":"x"},{"type":"a","id":"b/../c"}]}',
                 **{"content-type": MEDIA})  # fmt: skip
    report = json.loads(answer.body)
    assert (answer.status, report["failure_count"], report["success_count"]) == (202, 3, 0)
    assert {f["message"] for f in report["failures"]} == {
        "an object has a type and an id", "an id is type--UUID",
    }  # fmt: skip
    assert [post(b"{}") for _ in range(60)][-3:] == [202, 429, 429]
    made._store.close()


def thing(n=1, pattern="[autonomous-system:number = 65540]", **more):
    return {"type": "indicator", "spec_version": "2.1", "id": f"indicator--{n:08}",
            "pattern": pattern, "pattern_type": "stix", "created": "2026-01-01T00:00:00Z",
            "modified": "2026-01-01T00:00:00Z", **more}  # fmt: skip


def posted(made, *objects, token="t"):
    name = {"t": "a", "u": "b"}[token]
    body = json.dumps({"objects": objects}).encode()
    return get(made, f"/titer/collections/inbox-{name}/objects/", "", "POST", body, token=token,
               **{"content-type": MEDIA})  # fmt: skip


def test_a_deletion_takes_back_what_nothing_else_says(tmp_path):
    """TAXII 2.1, 5.7: by id, all versions or those that match[version] names."""
    back = []
    made = api(tmp_path, back=back)
    two = "[autonomous-system:number = 65541]"
    later = thing(modified="2026-03-01T00:00:00Z", pattern=two)
    assert posted(made, thing(), later, thing(2)).status == 202
    assert posted(made, thing(), token="u").status == 202
    path = "/titer/collections/inbox-a/objects/"

    def delete(id_, query="", token="t"):
        return get(made, f"{path}{id_}/", query, "DELETE", token=token)

    assert delete("indicator--00000001", token="u").status == 404  # another's inbox is not there
    assert delete("indicator--00000001", token="v").status == 404
    assert delete("indicator--00000001", "match[spec_version]=2.0").status == 404
    assert delete("indicator--00000001", "match[version]=last").status == 200
    assert back == [("a", {"asn:65541"})]
    assert delete("indicator--00000001").status == 200
    assert back[1:] == [("a", set())]  # the second object says the same
    assert delete("indicator--00000002").status == 200
    assert back[2:] == [("a", {"asn:65540"})]
    assert json.loads(get(made, path).body) == {}
    others = json.loads(get(made, "/titer/collections/inbox-b/objects/", token="u").body)
    assert len(others["objects"]) == 1
    made._store.close()


def test_deletions_are_limited(tmp_path, monkeypatch):
    from titer.gateway.sharing import taxii_api

    monkeypatch.setattr(taxii_api, "MAX_DELETES", 3)
    made = api(tmp_path)
    posted(made, *(thing(n) for n in range(5)))
    path = "/titer/collections/inbox-a/objects/indicator--{:08}/"
    got = [get(made, path.format(n), "", "DELETE").status for n in range(5)]
    assert got == [200, 200, 200, 429, 429]
    made._store.close()


def test_an_inbox_forgets_its_oldest_and_touches_no_other(tmp_path, monkeypatch):
    from titer.gateway.sharing import taxii_store

    monkeypatch.setattr(taxii_store, "MAX_INBOX", 4)
    made = api(tmp_path)
    posted(made, thing(99), token="u")
    posted(made, *(thing(n) for n in range(7)))
    found = json.loads(get(made, "/titer/collections/inbox-a/objects/").body)["objects"]
    assert [o["id"][-1] for o in found] == ["3", "4", "5", "6"]
    monkeypatch.setattr(taxii_store, "MAX_INBOX_BYTES", 600)
    posted(made, thing(7))
    found = json.loads(get(made, "/titer/collections/inbox-a/objects/").body)["objects"]
    assert [o["id"][-1] for o in found][-1] == "7"
    assert sum(len(json.dumps(o, separators=(",", ":"))) for o in found) <= 600
    others = get(made, "/titer/collections/inbox-b/objects/", token="u")
    assert len(json.loads(others.body)["objects"]) == 1
    made._store.close()


def test_an_object_without_a_time_has_that_of_its_coming(tmp_path):
    """TAXII 2.1, 3.4.1: the version of such an object is when it was added."""
    made = api(tmp_path)
    bare = {"type": "autonomous-system", "spec_version": "2.1", "id": "autonomous-system--1-2",
            "number": 7}  # fmt: skip
    for _ in range(2):
        report = json.loads(posted(made, bare).body)
        assert report["successes"][0]["version"].startswith("2027-01-15T08:00:00.")
    rows = json.loads(get(made, "/titer/collections/inbox-a/manifest/").body)["objects"]
    assert [row["version"] for row in rows] == [rows[0]["date_added"]]
    made._store.close()
    import sqlite3

    with sqlite3.connect(tmp_path / "share" / "taxii.db") as db:  # as an older titer wrote it
        db.execute("UPDATE objects SET version = ''")
    db.close()
    made = api(tmp_path)
    again = json.loads(get(made, "/titer/collections/inbox-a/manifest/").body)["objects"]
    assert again == rows
    made._store.close()


def answering(*pages, kind=MEDIA, status=200):
    """A peer that gives pages in turn, the last again and again."""
    left = list(pages)

    def answer(handler):
        body = left.pop(0) if len(left) > 1 else left[0]
        handler.send_response(status)
        handler.send_header("content-type", kind)
        handler.send_header("content-length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


PAGE = (
    b'{"more":true,"next":"%s","objects":[{"type":"indicator","pattern":'
    b'"[autonomous-system:number = 5]"}]}'
)


def test_a_peer_whose_pages_go_in_a_circle_is_left(serving):
    with serving(answering(PAGE % b"a", PAGE % b"b", PAGE % b"a")) as port:
        got = pull(f"http://127.0.0.1:{port}/c/", token="t", reach=HERE, unmarked="amber")
    assert not got.complete
    assert got.pages == 3
    assert len(got.read.told) == 3


def test_a_peer_that_never_ends_is_left(serving, monkeypatch):
    monkeypatch.setattr(taxii_client, "MAX_PAGES", 5)
    count = iter(range(10_000))

    def answer(handler):
        answering(PAGE % str(next(count)).encode())(handler)

    with serving(answer) as port:
        got = pull(f"http://127.0.0.1:{port}/c/", token="t", reach=HERE, unmarked="amber")
    assert (got.complete, got.pages) == (False, 5)


def test_a_peer_without_end_costs_memory_for_one_page(serving, monkeypatch):
    """Huge objects of wrong types, page after page: what is not taken is not kept."""
    junk = json.dumps({"type": ["x"], "id": 7, "pattern": {"a": "b" * 500}}).encode()
    objects = b",".join([junk] * 4_000)  # 2 MB

    def peak(pages):
        monkeypatch.setattr(taxii_client, "MAX_PAGES", pages)
        count = iter(range(10_000))

        def answer(handler):
            answering(b'{"more":true,"next":"%d","objects":[%b]}' % (next(count), objects))(
                handler
            )

        with serving(answer) as port:
            tracemalloc.start()
            got = pull(f"http://127.0.0.1:{port}/c/", token="t", reach=HERE, unmarked="amber")
            most = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert (got.pages, got.complete, got.read.told) == (pages, False, [])
        return most

    # The peer is in this process too, and may be a page ahead or not: kept, 32 would be 64 MB.
    few, many = peak(4), peak(32)
    assert many < 3 * few
    assert many < 40 << 20


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (answering(b"[" * 100_000), InputError), (answering(b'{"objects":{}}'), InputError),
        (answering(b'{"more":"yes"}'), InputError), (answering(b'{"next":7}'), InputError),
        (answering(b"{}", kind="text/html"), InputError), (answering(b"", status=401), SendError),
        (answering(b"", status=500), SendError), (answering(b"", status=404), SendError),
    ],
)  # fmt: skip
def test_a_peer_that_speaks_nonsense(serving, answer, error):
    with serving(answer) as port, pytest.raises(error):
        pull(f"http://127.0.0.1:{port}/c/", token="t", reach=HERE, unmarked="amber")


def test_a_peer_that_sends_too_much_is_cut(serving, monkeypatch):
    monkeypatch.setattr(taxii_client, "MAX_PAGE", 100_000)

    def answer(handler):
        handler.send_response(200)
        handler.send_header("content-type", MEDIA)
        handler.end_headers()
        with pytest.raises(OSError):
            while True:
                handler.wfile.write(b" " * 65_536)

    with serving(answer) as port, pytest.raises(SendError, match="larger than"):
        pull(f"http://127.0.0.1:{port}/c/", token="t", reach=HERE, unmarked="amber")


def test_a_redirect_is_not_followed(serving):
    def answer(handler):
        handler.send_response(302)
        handler.send_header("location", "http://169.254.169.254/latest/meta-data/")
        handler.send_header("content-length", "0")
        handler.end_headers()

    with serving(answer) as port, pytest.raises(SendError, match="redirects"):
        ask("GET", target(f"http://127.0.0.1:{port}/", HERE), headers={}, reach=HERE)


def test_a_peer_that_drips_is_cut_at_the_deadline(serving):
    def answer(handler):
        for _ in range(2000):
            handler.wfile.write(b"x")
            handler.wfile.flush()
            time.sleep(0.05)

    def ended(handler):
        with pytest.raises(OSError):
            answer(handler)

    with serving(ended) as port:
        began = time.monotonic()
        with pytest.raises(SendError):
            ask("GET", target(f"http://127.0.0.1:{port}/", HERE), headers={}, reach=HERE,
                deadline=0.4)  # fmt: skip
        assert time.monotonic() - began < 60  # of the hundred that it would take


@pytest.mark.parametrize(
    ("url", "reach", "said"),
    [
        ("https://other.example/", Reach(hosts=("lab.example",)), "add it to hosts"),
        ("http://lab.example/", Reach(hosts=("lab.example",)), "private_hosts"),
        ("https://user:pw@lab.example/", Reach(hosts=("lab.example",)), "no password"),
        ("ftp://lab.example/", Reach(hosts=("lab.example",)), "https://"),
        ("file:///etc/passwd", Reach(hosts=("",)), "https://"),
        ("https://lab.example:99999/", Reach(hosts=("lab.example",)), "no URL"),
        ("https://lab.example/\r\nx: y", Reach(hosts=("lab.example",)), "no URL"),
    ],
)  # fmt: skip
def test_where_nothing_is_sent(url, reach, said):
    with pytest.raises(InputError, match=said):
        target(url, reach)


def test_a_public_name_that_leads_inside_is_refused(monkeypatch):
    import socket

    def inside(host, port, **_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", port))]

    monkeypatch.setattr(socket, "getaddrinfo", inside)
    reach = Reach(hosts=("lab.example",))
    with pytest.raises(SendError, match="not public"):
        ask("GET", target("https://lab.example/", reach), headers={}, reach=reach)
