"""Logs as they come: every fault is counted in the notes, and nothing that reads them fails."""

import json
import random

import pytest

from titer.cli import main

DAY = 86_400
START = 1_780_000_000
#: The same two sentences in ten scripts.
SCRIPTS = (
    "Please summarise this report for my manager. Keep it short.",
    "Пожалуйста, кратко изложи этот отчёт для начальника. Коротко.",
    "请为我的经理总结这份报告。请保持简短。",
    "この報告書を上司のために要約してください。短くお願いします。",
    "이 보고서를 관리자에게 요약해 주세요. 짧게 해 주세요.",
    "يرجى تلخيص هذا التقرير لمديري. اجعله قصيرا.",
    "कृपया मेरे प्रबंधक के लिए इस रिपोर्ट का सार बताएं। छोटा रखें।",
    "โปรดสรุปรายงานนี้ให้ผู้จัดการของฉัน ขอสั้น ๆ",
    "Παρακαλώ συνόψισε αυτή την αναφορά για τον διευθυντή μου. Σύντομα.",
    "אנא סכם את הדוח הזה עבור המנהל שלי. בקצרה.",
)


def verb(capsys, *words):
    status = main([str(w) for w in words])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def line(who, at, text, *, origin=True, number=0, **more):
    given = {
        "at": at, "principal": f"acct-{who}", "endpoint": "/v1/chat/completions",
        "request": {"model": "m", "messages": [{"role": "user", "content": text}]},
        "reply": {"text": "r" * (200 + number % 50), "finish": "stop"},
        "usage": {"in": 20, "out": 200 + number % 50}, **more,
    }  # fmt: skip
    if origin:
        given["origin"] = {"ip": f"10.{who % 250}.{number % 4}.7", "user_agent": "curl/8"}
    return json.dumps(given, ensure_ascii=False)


def honest(rng, *, accounts=30, days=4, each=6):
    """Ordinary lines, in order of time."""
    out = []
    for number in range(accounts * days * each):
        who, at = rng.randrange(accounts), START + number * days * DAY / (accounts * days * each)
        text = f"{rng.choice(SCRIPTS)} {rng.getrandbits(40):x}"
        out.append(line(who, at, text, number=number))
    return out


def faulty(rng):
    """A log with each fault, and how many notes must count what."""
    lines = honest(rng)
    fourth = len(lines) // 4
    lines = lines[fourth : 2 * fourth] + lines[:fourth] + lines[2 * fourth :]  # days swapped
    repeated = rng.sample(lines, 25)
    for again in repeated:
        lines.insert(lines.index(again) + 1, again)
    lines += [line(n, START + 900 * DAY + 10**8, "ahead") for n in range(7)]
    lines += [line(n, START + 3 * DAY, f"young {n}", created="2026-12-01") for n in range(5)]
    lines += [line(n, START + 4 * DAY, f"nowhere {n}", origin=False) for n in range(11)]
    # one account with a great part of all traffic, and accounts of one request each
    lines += [line(999, START + 4 * DAY + n, f"whale {n} {SCRIPTS[n % 10]}") for n in range(400)]
    lines += [line(10_000 + n, START + 4 * DAY + n, SCRIPTS[n % 10]) for n in range(300)]
    lines += ['{"at": 1, "principal": "x"', "\x00", "[]", '{"at":"soon"}', "[" * 9_000]
    return lines


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    path = tmp_path_factory.mktemp("bad") / "log.jsonl"
    path.write_text("\n".join(faulty(random.Random(1))) + "\n", encoding="utf-8")
    return path


def test_a_feed_counts_every_fault(log, tmp_path, capsys):
    status, out, err = verb(capsys, "feed", log, "--data", tmp_path / "data", "--json")
    assert status == 0, err
    report = json.loads(out)
    assert report["missing"]["once"] == 25
    assert report["missing"]["ahead"] == 7
    assert report["missing"]["created"] == 5
    assert report["missing"]["origin"] == 11
    assert report["missing"]["order"] >= 180
    assert report["bad"] == 5
    text = "\n".join(report["notes"])
    for said in ("25 exchanges stood in the logs more than once", "7 of", "a clock was wrong",
                 "before the day on which their account", "the order of reading",
                 "no usable origin"):  # fmt: skip
        assert said in text
    assert f"11 of {report['exchanges'] + 25} exchanges have no usable origin" in text
    assert verb(capsys, "replay", "--data", tmp_path / "data")[0] == 0


def test_a_hunt_does_not_fail_and_accuses_nobody(log, capsys):
    status, out, err = verb(capsys, "hunt", log, "--seed", 1, "--json")
    assert status in (0, 1), err
    report = json.loads(out)
    assert report["read"]["skipped"] == 5
    text = "\n".join(report["notes"])
    assert "25 exchanges stood in the logs more than once" in text
    assert "a clock was wrong" in text
    assert "no usable origin" in text
    assert report["campaigns"] == []


def test_calibration_reads_it_too(log, tmp_path, capsys):
    status, out, err = verb(capsys, "calibrate", log, "--data", tmp_path / "data", "--json")
    assert status == 0, err
    made = json.loads(out)
    assert made["bad_lines"] == 5
    assert any("more than once" in note for note in made["notes"])


def test_ten_scripts_are_sketched_and_told_apart(tmp_path, capsys):
    path = tmp_path / "log.jsonl"
    path.write_text(
        "\n".join(line(n, START + n, text, id=f"e{n}") for n, text in enumerate(SCRIPTS)) + "\n",
        encoding="utf-8",
    )
    data = tmp_path / "data"
    status, out, _ = verb(capsys, "feed", path, "--data", data, "--json")
    assert (status, json.loads(out)["exchanges"]) == (0, 10)
    from titer.evidence.log import View

    facts = [json.loads(s.body) for s in View.open(data / "log").scan() if s.kind == "exchange"]
    sketches = [f["sketch"] for f in facts]
    assert len({s["lang"] for s in sketches}) >= 9
    assert len({s["exact"] for s in sketches}) == 10
    assert all(len(s["frames"]) == 8 for s in sketches)
    assert not any(text[:9] in json.dumps(facts, ensure_ascii=False) for text in SCRIPTS)


def test_no_origin_at_all(tmp_path, capsys):
    path = tmp_path / "log.jsonl"
    rng = random.Random(2)
    path.write_text("\n".join(
        line(n % 20, START + 60 * n, f"{rng.choice(SCRIPTS)} {n}", origin=False, number=n)
        for n in range(400)
    ) + "\n", encoding="utf-8")  # fmt: skip
    for words in (("feed", path, "--data", tmp_path / "data"), ("hunt", path, "--seed", 1)):
        status, out, err = verb(capsys, *words, "--json")
        assert status == 0, err
        assert any("400 of 400 exchanges have no usable origin" in n
                   for n in json.loads(out)["notes"])  # fmt: skip
