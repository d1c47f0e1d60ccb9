"""The vendors' own SDK test suites, unchanged, at a mock and through titer at strength 0.

    python -m evals suites --openai FOLDER --anthropic FOLDER     # writes evals/sdk_suites.json

FOLDER holds the sources of one SDK with their tests, and in `.venv` the environment that they ask
for (docs/how-to/measure-it-yourself.md says how to get both). Each suite runs at a mock
(`evals/suites/typed_mock.py`) and then, with the same mock, through `titer serve`, where a
decision gives its caller every mitigation at strength 0. Relays on both sides of titer keep what
the SDK sent and got, and what the mock got and sent. Replies that a test prepares itself, in a
mocked transport, are put on the wire as well (`evals/suites/wire_plugin.py`, which also says what
is left out).

Only tests that touched the wire in the direct run are run through titer: others see no server.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import tomllib
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from evals.detect import kept
from evals.suites.compare import Run, asking, counted, differences, touched
from evals.suites.relay import Relay
from titer.core.errors import InputError
from titer.core.nouns import Dose
from titer.detect.parameter_tables import GRANTS
from titer.respond import builtin
from titer.respond.compose import ordered

OUT = Path(__file__).with_suffix(".json")
HERE = Path(__file__).parent / "suites"
#: Where each SDK's client wants its base URL to end.
BASE = {"openai": "/v1", "anthropic": ""}
#: Where tests lie that were generated from the vendor's description, and really ask a server.
GENERATED = "api_resources"
#: Settings of this process that are none of the suite's business.
OWN = ("PYTHON", "OPENAI", "ANTHROPIC")
#: Seconds that one suite may take.
LONGEST = 3600


@dataclass(frozen=True)
class Suite:
    """One vendor's sources."""

    package: str
    folder: Path

    @property
    def python(self) -> Path:
        """The interpreter of its own environment."""
        return self.folder / ".venv" / "bin" / "python"

    @property
    def version(self) -> str:
        return str(
            tomllib.loads((self.folder / "pyproject.toml").read_text())["project"]["version"]
        )

    def check(self) -> None:
        """Raise `InputError` if it cannot be run."""
        if not (self.folder / "tests" / "api_resources").is_dir():
            raise InputError(f"{self.folder} holds no tests/api_resources; name the SDK's sources")
        if not self.python.exists():
            raise InputError(
                f"{self.python} is missing: run `uv sync --all-extras` in {self.folder}"
            )


@contextlib.contextmanager
def started(command: list[str], log: Path) -> Iterator[dict]:
    """A server that tells a line of JSON when it listens; ended afterwards."""
    with log.open("w") as errors:
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors)
        try:
            told = server.stdout.readline()
            if not told:
                raise InputError(f"{command[2]} ended: {log.read_text()[-2000:]}")
            yield json.loads(told)
        finally:
            server.terminate()
            server.wait(60)


def groups() -> list[list[str]]:
    """All built-in mitigations, in as few sets as can be given together."""
    known, made = builtin(), []
    for name in known:
        for group in made:
            with contextlib.suppress(ValueError):
                ordered((Dose(one, 0.0) for one in (*group, name)), known)
                group.append(name)
                break
        else:
            made.append([name])
    return made


def made_key(data: Path) -> dict:
    """A key with every grant: the parameter policy is a guarantee and has no strength 0."""
    words = ["keys", "create", "--data", str(data), "--org", "suite", "--json"]
    for grant in GRANTS:
        words += ["--grant", grant]
    return json.loads(titer(*words))


def titer(*words: str) -> str:
    """What a verb of titer prints."""
    done = subprocess.run(
        [sys.executable, "-m", "titer", *words], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise InputError(f"titer {words[0]}: {done.stderr}")
    return done.stdout


def impose(data: Path, subject: str, names: list[str]) -> None:
    """Give a subject these doses at strength 0, as `titer decide` does."""
    doses = [word for name in names for word in ("--dose", f"{name}=0")]
    titer("decide", "impose", subject, "--data", str(data), "--reason", "SDK suites at strength 0",
          "--by", "evals", "--for", "7d", *doses)  # fmt: skip


def dosed(url: str) -> int:
    """Requests that met a decision in force."""
    with urllib.request.urlopen(url + "/metrics", timeout=60) as reply:  # noqa: S310 - loopback
        lines = reply.read().decode().splitlines()
    return sum(int(float(ln.split()[-1])) for ln in lines if ln.startswith("titer_dosed_requests"))


class Bench:
    """One suite and its mock. `work` takes logs, data directories and all differences in full."""

    def __init__(self, suite: Suite, mock: int, work: Path) -> None:
        self._suite, self._mock, self._work = suite, mock, work

    def direct(self, only: list[str]) -> Run:
        """What is chosen of the suite (of `only`, when that names paths), at the mock itself."""
        near = Relay(self._mock)
        run = self._run(near.port, f"{self._suite.package}-direct", only, SUITES_CHOOSE="1")
        near.close()
        run.attach(near.exchanges)
        return run

    def through_titer(self, tests: list[str], names: list[str]) -> tuple[Run, int]:
        """These tests through a fresh gateway, and how many requests met its doses."""
        name = f"{self._suite.package}-{names[0]}"
        data = self._work / name
        data.mkdir(mode=0o700)
        (self._work / f"{name}.tests").write_text("\n".join(tests))
        key, far = made_key(data), Relay(self._mock)
        serve = [sys.executable, "-m", "titer", "serve", "--port", "0", "--json", "--data",
                 str(data), "--upstream", f"http://127.0.0.1:{far.port}"]  # fmt: skip
        with started(serve, self._work / f"{name}-serve.log") as told:
            impose(data, key["subject"], names)
            near = Relay(int(told["url"].rpartition(":")[2]), key["key"])
            run = self._run(near.port, name, [f"@{self._work / name}.tests"])
            met = dosed(told["url"])
            near.close()
        far.close()
        run.attach(near.exchanges, far.exchanges)
        return run, met

    def _run(self, wire: int, name: str, named: list[str], **more: str) -> Run:
        """Run pytest as the vendor does, in one process, with the base URL at a relay."""
        suite, record = self._suite, self._work / f"{name}.jsonl"
        kept = {k: v for k, v in os.environ.items() if not k.startswith(OWN)}
        env = {
            **kept, **more, "TEST_API_BASE_URL": f"http://127.0.0.1:{wire}{BASE[suite.package]}",
            "SUITES_WIRE": f"http://127.0.0.1:{wire}",
            "SUITES_MOCK": f"http://127.0.0.1:{self._mock}", "SUITES_RECORD": str(record),
            "PYTHONPATH": str(HERE), "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
        command = [str(suite.python), "-m", "pytest", "-q", "-n0", "-p", "wire_plugin",
                   "-p", "no:cacheprovider", *named]  # fmt: skip
        with (self._work / f"{name}.log").open("w") as out:
            subprocess.run(
                command, cwd=suite.folder, env=env, stdout=out, stderr=subprocess.STDOUT,
                check=False, timeout=LONGEST,
            )  # fmt: skip
        if not record.exists():
            log = (self._work / f"{name}.log").read_text()
            raise InputError(f"the suite of {suite.package} did not start: {log[-2000:]}")
        return Run.read(record)


def measure(suite: Suite, work: Path, only: list[str]) -> dict:
    """All runs of one suite, compared."""
    suite.check()
    mocked = [str(suite.python), str(HERE / "typed_mock.py"), str(suite.folder), suite.package]
    with started(mocked, work / f"{suite.package}-mock.log") as mock:
        bench = Bench(suite, mock["port"], work)
        direct = bench.direct(only)
        rows = []
        for i, names in enumerate(groups()):
            tests = touched(direct) if i == 0 else [t for t in asking(direct) if GENERATED in t]
            if not tests:
                continue
            run, met = bench.through_titer(tests, names)
            with (work / f"{suite.package}-differences-{i}.jsonl").open("w") as file:
                found = differences(
                    direct, run, lambda row, to=file: print(json.dumps(row), file=to)
                )
            rows.append({"mitigations": names, "met_the_doses": met, **found})
    return {"commit": kept.commit(), "version": suite.version,
            "methods": counted(mock["methods"], BASE["openai"]), "only": only,
            "collected": direct.collected, "run": len(direct.tests),
            "direct": direct.outcomes(), "on_the_wire": len(touched(direct)),
            "at_strength_0": rows}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(prog="evals suites", description=__doc__.splitlines()[0])
    parser.add_argument("--openai", type=Path, metavar="FOLDER")
    parser.add_argument("--anthropic", type=Path, metavar="FOLDER")
    parser.add_argument("--work", type=Path, metavar="FOLDER", help="keep logs there")
    parser.add_argument("--tests", nargs="*", default=[], metavar="PATH", help="only these tests")
    parser.add_argument("--look", action="store_true", help="print, and write no result")
    args = parser.parse_args()
    suites = [
        Suite(name, folder.resolve())
        for name, folder in (("openai", args.openai), ("anthropic", args.anthropic))
        if folder is not None
    ]
    if not suites:
        parser.error("name the sources of an SDK: --openai FOLDER, --anthropic FOLDER")
    with tempfile.TemporaryDirectory() as made:
        work = args.work or Path(made)
        work.mkdir(parents=True, exist_ok=True)
        found = {s.package: measure(s, work, args.tests) for s in suites}
    print(json.dumps(found, indent=1))
    if not args.look:
        old = json.loads(OUT.read_text()) if OUT.exists() else {}
        OUT.write_text(json.dumps(old | found, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
