"""Answers survive being killed, belong to one plan, and count against the budget."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from titer.audit.answers import Answers
from titer.audit.target import Answer, Place
from titer.core.errors import InputError

ANSWER = Answer(text="one two three", tokens_out=7, places=(Place("one", -0.1, (("two", -2.0),)),))


def opened(path, **changed):
    return Answers(path, **({"plan": "ap-1", "target": "suspect", "head": 3} | changed))


def test_answers_come_back_with_what_they_cost(tmp_path):
    path = tmp_path / "w" / "suspect.answers.jsonl"
    with opened(path) as held:
        held.ask(4)
        held.keep(4, ANSWER)
        held.ask(5)
        held.wait(throttled=True, seconds=2.5)
        held.give_up(5, "status 500")
        digest = held.digest()
    with opened(path) as again:
        assert again.done[4] == ANSWER
        assert again.failed == {5: "status 500"}
        assert (again.asked, again.tokens) == (2, 7)
        assert (again.pace.throttled, again.pace.waited) == (1, 2.5)
        assert again.digest() == digest
    assert path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("changed", [{"plan": "ap-2"}, {"target": "base"}, {"head": 4}])
def test_another_plans_answers_are_refused(tmp_path, changed):
    path = tmp_path / "a"
    opened(path).close()
    with pytest.raises(InputError, match="plan cannot change midway"):
        opened(path, **changed)


def test_a_torn_tail_is_cut_and_damage_in_the_middle_is_refused(tmp_path):
    path = tmp_path / "a"
    with opened(path) as held:
        held.keep(1, ANSWER)
        held.keep(2, ANSWER)
    whole = path.read_bytes()
    for cut in range(len(whole) - 60, len(whole)):
        path.write_bytes(whole[:cut])
        with opened(path) as held:
            assert set(held.done) == {1}
            held.keep(3, ANSWER)
        with opened(path) as held:
            assert set(held.done) == {1, 3}
    lines = whole.split(b"\n")
    path.write_bytes(b"\n".join([lines[0], b"{broken", lines[2], b""]))
    with pytest.raises(InputError, match="damaged"):
        opened(path)
    path.write_bytes(b'{"plan":"ap-')  # killed while the first line was written
    with opened(path) as held:
        assert not held.done


def test_two_processes_do_not_write_the_same_file(tmp_path):
    with opened(tmp_path / "a"), pytest.raises(InputError, match="another process"):
        opened(tmp_path / "a")


def test_kill_loses_nothing_that_was_kept(tmp_path):
    path = tmp_path / "a"
    code = (
        "import sys,pathlib\n"
        "from titer.audit.answers import Answers\n"
        "from titer.audit.target import Answer\n"
        "a=Answers(pathlib.Path(sys.argv[1]),plan='ap-1',target='suspect',head=3)\n"
        "for n in range(10**9):\n"
        "    a.ask(n); a.keep(n, Answer(text='x'*50)); print(n, flush=True)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    time.sleep(0.1)
    for _ in range(30):
        process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    told = [int(line) for line in process.stdout.read().split()]
    process.wait()
    process.stdout.close()
    last = max(told, default=29)
    with opened(path) as held:
        assert set(range(last + 1)) <= set(held.done)
        assert held.asked >= len(held.done)


def test_a_suspect_cannot_spend_the_budget_by_stating_a_large_number(tmp_path):
    path = tmp_path / "a"
    lie = Answer(text="one two three", tokens_out=10**15)
    with opened(path, most=256) as held:
        held.keep(1, lie)
        assert held.tokens == 256
        held.keep(2, Answer(text="x" * 4000, tokens_out=10**15))  # as long as it is, all the same
        assert held.tokens == 256 + 1000
    with opened(path, most=256) as again:
        assert again.tokens == 256 + 1000
        assert again.done[1].tokens_out == 10**15, "what was stated is kept, for the watch"
