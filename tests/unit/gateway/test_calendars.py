"""Calendars as they are found elsewhere: read strictly, signed, and refused when changed."""

from __future__ import annotations

import json

import pytest

from titer.cli import main
from titer.core.errors import EvidenceError, InputError
from titer.gateway.calendars import Calendars, read_days

ICAL = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nSUMMARY:New\r\n  Year\r\n"
    "DTSTART;VALUE=DATE:20260101\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20260217\r\n"
    "DTEND;VALUE=DATE:20260220\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nDTSTART:20260501T000000Z\r\n"
    "END:VEVENT\r\nEND:VCALENDAR\r\n"
)
DAYS = ["2026-01-01", "2026-02-17", "2026-02-18", "2026-02-19", "2026-05-01"]


def written(tmp_path, text, name="list"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_icalendar_and_lists_of_dates_say_the_same(tmp_path):
    assert read_days(written(tmp_path, ICAL)) == DAYS
    table = "Date,Name\n" + "".join(f"{day},a holiday\n" for day in reversed(DAYS))
    assert read_days(written(tmp_path, table)) == DAYS
    assert read_days(written(tmp_path, "# none\n" + "\n".join(DAYS * 2))) == DAYS


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "has 1 to 5000 days, this one 0"),
        ("2026-01-01\n1.5.2026\n", ":2: '1.5.2026' is no day"),
        ("2026-02-30\n", ":1: '2026-02-30' is no day"),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260101\nRRULE:FREQ=YEARLY\n", "repeats"),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20261301\n", ":3: '20261301' is no day"),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260101\nDTEND:20290101\nEND:VEVENT\n",
         "more than 60 days"),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20260105\nDTEND:20260101\nEND:VEVENT\n",
         "ends before it begins"),
        ("x" * (4 << 20) + "x", "more than 4194304 bytes"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said(tmp_path, text, said):
    with pytest.raises(InputError) as caught:
        read_days(written(tmp_path, text))
    assert said in str(caught.value)


def imported(tmp_path, *more, name="cn-2026", text=ICAL):
    path = written(tmp_path, text)
    return main([
        "data", "import", str(path), "--kind", "calendar", "--name", name, "--source", "a list",
        "--licence", "CC0", "--dated", "2026-01-01", "--data", str(tmp_path / "data"), *more,
    ])  # fmt: skip


def test_the_verb_imports_lists_and_verifies(tmp_path, capsys):
    assert imported(tmp_path) == 0
    assert "5 days from 2026-01-01 to 2026-05-01" in capsys.readouterr().out
    assert imported(tmp_path, "--json", text="2026-01-01\n") == 0  # in place of the first
    told = json.loads(capsys.readouterr().out)["imported"]
    assert (told["kind"], told["days"], told["name"]) == ("calendar", 1, "cn-2026")
    for action in ("list", "verify"):
        assert main(["data", action, "--data", str(tmp_path / "data"), "--json"]) == 0
        (one,) = json.loads(capsys.readouterr().out)["calendars"]
        assert one["sha256"] == told["sha256"]
    assert main(["data", "list", "--data", str(tmp_path / "data")]) == 0
    assert "cn-2026 (calendar): 1 days" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--only", "a=b"), "takes no --key"), (("--name", "CN 2026"), "small letters"),
     (("--dated", "soon"), "--dated takes the day")],
)  # fmt: skip
def test_what_is_given_wrongly_is_said(tmp_path, words, said, capsys):
    assert imported(tmp_path, *words) == 2
    assert said in capsys.readouterr().err


def test_a_changed_calendar_is_refused(tmp_path, capsys):
    assert imported(tmp_path) == 0
    (path,) = (tmp_path / "data" / "calendars").iterdir()
    whole = path.read_bytes()
    for bad in (whole.replace(b"2026-05-01", b"2026-05-02"), whole[:-2], b"", whole + b"x"):
        path.write_bytes(bad)
        with pytest.raises(EvidenceError, match=r"import the calendar again"):
            Calendars(tmp_path / "data").load()
    path.write_bytes(whole)
    path.rename(path.with_name("us-2026.calendar"))
    with pytest.raises(EvidenceError, match="not written as titer writes it"):
        Calendars(tmp_path / "data").load()
