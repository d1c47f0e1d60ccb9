"""A feed as a whole: resume, bad lines aside, and what the report says."""

import io
import json

import pytest
import zstandard

from titer.core.errors import InputError
from titer.core.ids import Pseudonyms
from titer.core.sketch import Sketcher
from titer.gateway.feeds import Feed, Options

PSEUDONYMS = Pseudonyms(b"s" * 32)
SKETCHER = Sketcher(PSEUDONYMS.key("sketch"))


def line(number, **more):
    body = {"model": "m", "messages": [{"role": "user", "content": f"question {number}"}]}
    return json.dumps(
        {"at": 1_777_629_600 + number, "principal": f"a{number % 7}",
         "endpoint": "/v1/chat/completions", "request": body, **more}
    ).encode()  # fmt: skip


def feed(paths, *, data=None, stdin=None, **options):
    taken = []
    one = Feed(
        sketcher=SKETCHER,
        pseudonyms=PSEUDONYMS,
        data=data,
        options=Options(**options),
        stdin=stdin,
    )
    report = one.run([str(p) for p in paths], taken.extend)
    return taken, report


@pytest.fixture
def log(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(b"\n".join(line(i) for i in range(50)) + b"\n")
    return path


def test_a_repeated_feed_adds_nothing_until_told(log, tmp_path):
    data = tmp_path / "data"
    assert len(feed([log], data=data)[0]) == 50
    taken, report = feed([log], data=data)
    assert taken == []
    assert report.files[0].resumed == 51
    assert len(feed([log], data=data, again=True)[0]) == 50
    assert feed([log], data=data)[0] == []


def test_a_log_that_grew_goes_on_where_it_ended(log, tmp_path):
    data = tmp_path / "data"
    feed([log], data=data)
    with log.open("ab") as file:
        file.write(line(50) + b"\nbroken\n")
    taken, report = feed([log], data=data)
    assert [e.at for e in taken] == [1_777_629_650_000_000]
    aside = json.loads(next((data / "feed" / "aside").iterdir()).read_text())
    assert (aside["line"], aside["reason"]) == (52, "not JSON")
    assert report.bad == 1


def test_a_rotated_or_copied_log_is_known_by_its_contents(log, tmp_path):
    data = tmp_path / "data"
    feed([log], data=data)
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes(log.read_bytes())
    log.rename(tmp_path / "log.jsonl.1")
    assert feed([copy, tmp_path / "log.jsonl.1"], data=data)[0] == []


def test_another_log_under_an_old_name_is_fed(log, tmp_path):
    data = tmp_path / "data"
    feed([log], data=data)
    log.write_bytes(b"\n".join(line(i + 1_000) for i in range(60)) + b"\n")
    assert len(feed([log], data=data)[0]) == 60


def test_an_interrupted_feed_goes_on_and_repeats_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr("titer.gateway.feeds.lines.BLOCK", 1_000)
    path, data = tmp_path / "log.jsonl", tmp_path / "data"
    path.write_bytes(b"\n".join(line(i) for i in range(100)) + b"\n")
    taken = []

    def full(exchanges):
        if len(taken) > 30:
            raise OSError("no space left")
        taken.extend(exchanges)

    with pytest.raises(OSError, match="no space"):
        Feed(sketcher=SKETCHER, pseudonyms=PSEUDONYMS, data=data).run([str(path)], full)
    rest, report = feed([path], data=data)
    assert [e.at for e in taken + rest] == [(1_777_629_600 + i) * 1_000_000 for i in range(100)]
    assert report.files[0].resumed == len(taken) + 1


def test_a_packed_log_is_fed_once(log, tmp_path):
    data, packed = tmp_path / "data", tmp_path / "log.jsonl.zst"
    packed.write_bytes(zstandard.compress(log.read_bytes()))
    assert len(feed([packed], data=data)[0]) == 50
    assert feed([packed], data=data)[0] == []


def test_an_unfinished_last_line_waits(log, tmp_path):
    data = tmp_path / "data"
    whole = line(50)
    with log.open("ab") as file:
        file.write(whole[:40])
    taken, report = feed([log], data=data)
    assert (len(taken), report.bad, report.files[0].incomplete) == (50, 0, True)
    with log.open("ab") as file:
        file.write(whole[40:] + b"\n")
    assert len(feed([log], data=data)[0]) == 1


def test_a_last_line_without_newline_is_taken_when_it_is_whole(log, tmp_path):
    with log.open("ab") as file:
        file.write(line(50))
    assert len(feed([log], data=tmp_path / "data")[0]) == 51


def test_bad_lines_keep_no_text_unless_asked(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_bytes(line(1) + b"\nmy secret question\n" + line(2) + b"\n")
    for keep, name in ((False, "one"), (True, "two")):
        _, report = feed([path], data=tmp_path / name, keep_text=keep)
        kept = next((tmp_path / name / "feed" / "aside").iterdir()).read_text()
        assert ("my secret question" in kept) is keep
        assert json.loads(kept)["line"] == 2
        assert report.reasons == {"not JSON": 1}


def test_standard_input_is_read_and_never_remembered(tmp_path):
    data = tmp_path / "data"
    for _ in range(2):
        taken, _ = feed(["-"], data=data, stdin=io.BytesIO(line(1) + b"\n" + line(2) + b"\n"))
        assert len(taken) == 2


def test_the_report_says_what_is_not_computed(log):
    _, report = feed([log])
    assert report.missing == {"origin": 50, "usage": 50, "reply": 50}
    assert any("networks" in note for note in report.notes)


def test_empty_files_are_no_error_and_no_memory(tmp_path, log):
    empty, data = tmp_path / "empty.jsonl", tmp_path / "data"
    empty.write_bytes(b"")
    assert feed([empty, log], data=data)[0]
    assert len(feed([empty, log], data=data)[1].files) == 2


def test_a_damaged_book_is_refused_not_overwritten(log, tmp_path):
    book = tmp_path / "data" / "feed" / "progress.json"
    book.parent.mkdir(parents=True)
    book.write_text("{")
    with pytest.raises(InputError, match="mend or remove"):
        feed([log], data=tmp_path / "data")


def test_an_unknown_format_name_is_refused(log):
    with pytest.raises(InputError, match="titer, litellm, openai"):
        feed([log], format="csv")
