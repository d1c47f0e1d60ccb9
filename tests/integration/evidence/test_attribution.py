"""From addresses to operators and kinds of network in a dossier, by imported lists."""

from __future__ import annotations

import datetime as dt
import json
import shutil
import time

import msgspec
import pytest

from titer.access.secret import load_or_create
from titer.cli import main
from titer.core.ids import Pseudonyms
from titer.core.nouns import Campaign
from titer.gateway.assembly import open_log

TODAY = time.strftime("%Y-%m-%d", time.gmtime())
NAME = "c-0123456789abcdef"


def lines():
    """Sixteen members through one operator's VPN, eighty others from elsewhere."""
    for n in range(96):
        member = n < 16
        address = f"192.0.2.{130 + n}" if member else f"198.51.100.{n}"
        for turn in range(3):
            yield json.dumps({
                "at": f"2026-05-0{1 + turn}T{9 + n % 8:02d}:00:00.000Z",
                "principal": f"{'m' if member else 'h'}{n}", "created": "2026-04-20",
                "origin": {"ip": address, "user_agent": "OpenAI/Python 2.0", "ja4": "t13d"},
                "endpoint": "/v1/chat/completions", "usage": {"in": 5, "out": 50},
                "request": {"model": "m", "messages": [{"role": "user", "content": f"q{n}"}]},
            })  # fmt: skip


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("attribution")
    data = folder / "data"
    (folder / "asn").write_text(
        "192.0.2.0,192.0.2.255,64500,Acme Hosting\n198.51.100.0,198.51.100.255,64501,Home Net\n"
    )
    (folder / "vpn").write_text("192.0.2.128/25\n")
    for kind in ("asn", "vpn"):
        assert main(["data", "import", str(folder / kind), "--kind", kind, "--source", "made up",
                     "--licence", "CC0", "--dated", TODAY, "--data", str(data)]) == 0  # fmt: skip
    (folder / "log.jsonl").write_text("\n".join(lines()) + "\n")
    assert main(["feed", str(folder / "log.jsonl"), "--data", str(data)]) in (0, 1)
    of = Pseudonyms(load_or_create(data)).of
    members = tuple(sorted(of("principal", f"m{n}") for n in range(16)))
    found = Campaign(NAME, members, ("text",), ("network",), 9.0, "AML.T0024.002", 1, 2)
    with open_log(data) as log:
        log.append([("campaign", msgspec.json.encode(found))])
    return data


def infrastructure(data, tmp_path, capsys):
    out = tmp_path / "d"
    assert main(["prove", NAME, "--data", str(data), "-o", str(out), "--html",
                 str(tmp_path / "h")]) == 0  # fmt: skip
    capsys.readouterr()
    assert main(["verify", str(out), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["dossier"]
    return told, told["contents"]["infrastructure"], (tmp_path / "h").read_text()


def test_operators_and_kinds_come_from_signed_dated_lists(data, tmp_path, capsys):
    told, found, page = infrastructure(data, tmp_path, capsys)
    ties = {(t["aspect"], t["value"]): t for t in found["ties"]}
    operator = ties["provider", "AS64500"]
    assert operator["about"] == "Acme Hosting"
    assert (operator["members"], operator["others"]) == (
        {"hits": 16, "of": 16}, {"hits": 0, "of": 80},
    )  # fmt: skip
    assert ties["kind", "vpn"]["members"] == {"hits": 16, "of": 16}
    assert ("ja4", "t13d") not in ties  # everybody has it: no excess
    assert {s["kind"]: s["dated"] for s in found["snapshots"]} == {"asn": TODAY, "vpn": TODAY}
    assert told["kinds"]["networks"] == 1
    assert "Acme Hosting" in page
    assert "192.0.2" not in page


def test_what_no_list_tells_is_named(data, tmp_path, capsys):
    _, found, page = infrastructure(data, tmp_path, capsys)
    unknown = {u["aspect"] for u in found["unknown"]}
    assert {"residential networks", "tor networks", "proxy networks"} <= unknown
    assert "vpn networks" not in unknown
    assert "payment token" in unknown
    assert "Not known: residential networks" in page


def events():
    """A code host's log: somebody clones from the campaign's range, staff work from elsewhere."""
    for n in range(40):
        theirs = n % 4 == 0
        yield json.dumps({
            "@timestamp": 1_777_593_600_000 + n, "action": "git.clone" if theirs else "git.fetch",
            "actor": "mallory" if theirs else f"staff{n}", "_document_id": f"d{n}",
            "actor_ip": "192.0.2.140" if theirs else f"203.0.113.{n}",
            "repo": "acme/weights" if theirs else "acme/site", "user_agent": "git/2.39.5",
        })  # fmt: skip
    yield json.dumps({"@timestamp": 1, "action": "org.add_member", "actor": "admin"})


def test_a_campaign_is_linked_to_repository_events(data, tmp_path, capsys):
    (tmp_path / "audit.jsonl").write_text("\n".join(events()) + "\n")
    assert main(["feed", str(tmp_path / "audit.jsonl"), "--data", str(data), "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["transfers"], report["left_out"], report["exchanges"]) == (40, 1, 0)
    assert main(["feed", str(tmp_path / "audit.jsonl"), "--data", str(data)]) == 0
    assert "nothing new" in capsys.readouterr().out
    _, found, page = infrastructure(data, tmp_path, capsys)
    linked = {(one["name"], one["aspect"]): one for one in found["links"]}
    assert set(linked) == {("acme/weights", a) for a in ("network", "provider")}
    (network,) = [one for (_, aspect), one in linked.items() if aspect == "network"]
    assert network["kind"] == "repository"
    assert (network["members"], network["others"]) == (
        {"hits": 16, "of": 16}, {"hits": 0, "of": 80},
    )  # fmt: skip
    assert "acme/weights" in page
    assert "mallory" not in page
    assert main(["erase", "github:mallory", "--reason", "asked for", "--data", str(data)]) == 0
    _, found, _ = infrastructure(data, tmp_path, capsys)
    assert found["links"] == []


def test_repository_events_are_no_exchanges(data, tmp_path, capsys):
    (tmp_path / "audit.jsonl").write_text("\n".join(events()) + "\n")
    assert main(["hunt", str(tmp_path / "audit.jsonl")]) == 2
    assert "titer feed" in capsys.readouterr().err


def test_a_calendar_that_was_imported_is_held_against_quiet_days(data, tmp_path, capsys):
    """Eight weeks, Sundays free, one break: told by day and calendar, and that it says nothing."""
    data = shutil.copytree(data, tmp_path / "data")
    holidays = tmp_path / "days.csv"
    holidays.write_text("date,name\n2026-07-01,one\n2026-07-02,two\n")
    assert main(["data", "import", str(holidays), "--kind", "calendar", "--name", "zz-2026",
                 "--source", "made up", "--licence", "CC0", "--dated", TODAY,
                 "--data", str(data)]) == 0  # fmt: skip
    start = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)  # a Monday
    rows = []
    for day in range(60):
        for n in range(20):
            member = n < 10
            if member and (day % 7 == 6 or day in (30, 31)):
                continue
            at = start + dt.timedelta(days=day, hours=9 + n % 8)
            rows.append(json.dumps({
                "at": at.isoformat(), "principal": f"m{n}" if member else f"h{60 + n}",
                "endpoint": "/v1/chat/completions", "usage": {"in": 5, "out": 50},
                "request": {"model": "m", "messages": [{"role": "user", "content": "q"}]},
            }))  # fmt: skip
    (tmp_path / "more.jsonl").write_text("\n".join(rows) + "\n")
    assert main(["feed", str(tmp_path / "more.jsonl"), "--data", str(data)]) in (0, 1)
    told, found, page = infrastructure(data, tmp_path, capsys)
    week = found["clock"]["week"]
    (one,) = week["calendars"]
    assert (one["name"], one["breaks"]) == ("zz-2026", {"hits": 1, "of": 1})
    assert one["shifted"]["hits"] == 0
    assert [s["hits"] for s in week["members"]][6] > 6
    assert "says nothing" in page
    assert "zz-2026" in page
    assert main(["verify", str(tmp_path / "d")]) == 0
    assert "calendar zz-2026: 1 of 1 breaks kept" in capsys.readouterr().out
