"""`titer hunt`: one report by every engine, from facts as from logs, and after being killed."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from titer.cli import main

#: Small stretches, so that a small log is read in several; the log is made of our own words.
READ = (
    "import sys, titer.cli.logs as logs; logs.STRETCH = 150_000; "
    "from titer.cli import main; sys.exit(main(sys.argv[1:]))"
)
WORDS = (
    "amber", "basil", "cedar", "delta", "ember", "fjord",
    "grove", "heron", "inlet", "jade", "kelp", "lotus",
)  # fmt: skip


def line(at, who, text, **more):
    return json.dumps({
        "at": at, "principal": who, "created": "2026-04-02",
        "origin": {"ip": f"198.51.{hash_of(who) % 90}.{hash_of(who) % 250}", "payment": who},
        "endpoint": "/v1/chat/completions",
        "request": {"model": "m", "messages": [{"role": "user", "content": text}]},
        "reply": {"text": "yes", "finish": "stop"}, "usage": {"in": 9, "out": 10}, **more,
    })  # fmt: skip


def hash_of(who):
    return sum(map(ord, who)) * 7919


def words(number):
    return " ".join(WORDS[(number // 12**k + 5 * k) % 12] for k in range(9))


@pytest.fixture(scope="module")
def log(tmp_path_factory):
    """1,400 lines of 120 accounts; 12 of them ask by one template, from two networks."""
    lines = []
    for i in range(1_400):
        who = f"acct-{i % 120}"
        text = words(i * 2654435761 % 12**9) + " " + words(i * 40503 % 12**9)
        more = {}
        if i % 120 < 12:
            who = f"x-{i % 120}"
            text = f"Solve step by step and show all of the reasoning: task {words(i)} 17 + {i}"
            more = {"origin": {"ip": f"203.0.{i % 2}.{i % 120}", "payment": f"c{i % 3}"}}
        lines.append(line(1_777_600_000 + 331 * i, who, text, **more))
    lines.insert(700, "not JSON")
    path = tmp_path_factory.mktemp("log") / "log.jsonl"
    path.write_text("\n".join(lines) + "\n")
    return path


def hunt(capsys, *given):
    code = main(["hunt", *map(str, given), "--json"])
    out = capsys.readouterr().out
    assert code in (0, 1)
    return json.loads(out)


@pytest.fixture(scope="module")
def wanted(log):
    """What the engine in memory reports."""
    run = subprocess.run(
        [sys.executable, "-m", "titer", "hunt", str(log), "--engine", "memory", "--json",
         "--seed", "4"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    return json.loads(run.stdout)


def test_every_engine_reports_the_same(log, wanted, capsys):
    assert wanted["read"] == {"exchanges": 1_400, "principals": 120, "skipped": 1}
    assert wanted["campaigns"] or wanted["attention"]
    assert hunt(capsys, log, "--seed", 4, "--engine", "embedded", "--jobs", 1) == wanted
    assert hunt(capsys, log, "--seed", 4) == wanted  # small, so in memory


def test_facts_can_be_hunted_in(log, wanted, tmp_path, capsys):
    read = hunt(capsys, log, "--seed", 4, "--work", tmp_path / "w", "--facts-only", "--jobs", 1)
    assert read["exchanges"] == 1_400
    assert read["skipped"] == 1
    found = hunt(capsys, tmp_path / "w" / "facts", "--seed", 4)
    assert found["campaigns"] == wanted["campaigns"]
    assert found["accounts"] == wanted["accounts"]
    for names in (tmp_path / "w" / "facts").glob("names-*"):  # then only pseudonyms are left
        names.unlink()
    found = hunt(capsys, tmp_path / "w" / "facts", "--seed", 4)
    assert not {a["principal"] for a in found["accounts"]} & {"x-1", "acct-50"}


def test_a_line_given_twice_counts_once(log, wanted, capsys):
    for engine in ("memory", "embedded"):
        twice = hunt(capsys, log, log, "--seed", 4, "--engine", engine, "--jobs", 1)
        assert twice["campaigns"] == wanted["campaigns"]
        assert twice["accounts"] == wanted["accounts"]
        assert any("1400 exchanges stood in the logs more than once" in n for n in twice["notes"])


def test_a_killed_hunt_goes_on_to_the_same_report(log, wanted, tmp_path):
    work = tmp_path / "work"
    command = [
        sys.executable, "-c", READ, "hunt", str(log), "--seed", "4", "--json",
        "--work", str(work), "--jobs", "2",
    ]  # fmt: skip
    killed = 0
    for stage in ("facts/done-000001.json", "facts/about.json", "stages/index-*"):
        run = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for _ in range(4_000):
            if list(work.glob(stage)) or run.poll() is not None:
                break
            time.sleep(0.01)
        run.send_signal(signal.SIGKILL)
        killed += run.wait() == -signal.SIGKILL
    assert killed  # at least the first was under way
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert json.loads(done.stdout) == wanted
    assert len(list(work.glob("facts/rows-*"))) > 2


def test_work_of_another_hunt_is_refused(log, tmp_path, capsys):
    work = tmp_path / "work"
    hunt(capsys, log, "--seed", 4, "--work", work, "--facts-only", "--jobs", 1)
    for more in ([str(log), "--seed", "5"], [str(log), str(log), "--seed", "4"]):
        assert main(["hunt", *more, "--work", str(work)]) == 2
        assert "choose another directory" in capsys.readouterr().err
    assert hunt(capsys, log, "--work", work)["calibration"]["seed"] == 4  # as it was begun


def test_two_hunts_do_not_share_a_directory(log, tmp_path, capsys):
    import fcntl

    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert main(["hunt", str(log), "--work", str(tmp_path)]) == 2
    assert "another hunt works there" in capsys.readouterr().err


def test_a_history_under_another_key_is_refused(log, tmp_path, capsys):
    for name, seed in (("a", 4), ("b", 5)):
        given = ("--seed", seed, "--work", tmp_path / name, "--facts-only", "--jobs", 1)
        hunt(capsys, log, *given)
    one, other = (str(tmp_path / name / "facts") for name in "ab")
    assert main(["hunt", one, "--history", other]) == 2
    assert "another key" in capsys.readouterr().err


def test_banned_accounts_are_named_as_the_log_does(log, wanted, tmp_path, capsys):
    banned = tmp_path / "banned"
    banned.write_text("x-3\n\nx-5\nnobody\n")
    found = hunt(capsys, log, "--seed", 4, "--banned", banned)
    assert found["calibration"]["candidates"] >= wanted["calibration"]["candidates"]
    banned.write_bytes(b"\xff\xfe")
    assert main(["hunt", str(log), "--banned", str(banned)]) == 2
    assert "one a line" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (["--engine", "magic"], "--engine takes"),
        (["--engine", "memory", "--work", "{}"], "--work"),
        (["--jobs", "0", "--engine", "embedded"], "--jobs"),
        (["--facts-only"], "--work DIR"),
    ],
)
def test_wrong_options_are_refused(log, given, why, tmp_path, capsys):
    filled = [w.replace("{}", str(tmp_path / "w")) for w in given]
    assert main(["hunt", str(log), *filled]) == 2
    err = capsys.readouterr().err
    assert why in err
    assert "Traceback" not in err


def test_standard_input_cannot_be_gone_on_with(tmp_path, capsys):
    assert main(["hunt", "-", "--work", str(tmp_path)]) == 2
    assert "standard input" in capsys.readouterr().err


def test_what_is_kept_is_private(log, tmp_path, capsys):
    before = os.umask(0o022)
    try:
        hunt(capsys, log, "--work", tmp_path / "work", "--jobs", 1)
    finally:
        os.umask(before)
    for path in (tmp_path / "work").rglob("*"):
        if path.is_dir():
            assert path.stat().st_mode & 0o077 == 0, path
    assert (tmp_path / "work" / "seed").stat().st_mode & 0o077 == 0
