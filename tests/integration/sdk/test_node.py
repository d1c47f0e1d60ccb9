"""The vendors' Node SDKs, streamed: what they read through the proxy is what they read without.

Needs `node`, and a folder with both packages, named by TITER_NODE_SDKS:

    npm install --prefix FOLDER openai @anthropic-ai/sdk
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from titer.lab.upstream_plan import Behaviour

FOLDER = os.environ.get("TITER_NODE_SDKS", "")
pytestmark = [
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed"),
    pytest.mark.skipif(not FOLDER, reason="TITER_NODE_SDKS names no folder with Node SDKs"),
]

#: Every event of every stream as JSON, in order; then the class of an error.
SCRIPT = """
import OpenAI from "openai";
import Anthropic from "@anthropic-ai/sdk";
const [url, key] = process.argv.slice(-2);
const openai = new OpenAI({baseURL: url + "/v1", apiKey: key, maxRetries: 0});
const claude = new Anthropic({baseURL: url, apiKey: key, maxRetries: 0});
const talk = [{role: "user", content: "Count."}];
const out = [];
const read = async (made) => { for await (const event of await made) out.push(event); };
await read(openai.chat.completions.create({model: "m", messages: talk, stream: true}));
await read(openai.completions.create({model: "m", prompt: "Once", stream: true}));
await read(openai.responses.create({model: "m", input: "Count.", stream: true}));
await read(claude.messages.create({model: "m", messages: talk, max_tokens: 99, stream: true}));
const whole = claude.messages.stream({model: "m", messages: talk, max_tokens: 99});
out.push((await whole.finalMessage()).content);
console.log(JSON.stringify(out));
"""


def events(play, tmp_path, via):
    # Packages are looked for beside the script, so the folder is linked there.
    (tmp_path / "node_modules").symlink_to(Path(FOLDER).resolve() / "node_modules")
    (tmp_path / "script.mjs").write_text(SCRIPT)

    async def script(stage):
        command = ["node", str(tmp_path / "script.mjs"), stage.url, stage.key]
        done = await asyncio.to_thread(
            subprocess.run, command, capture_output=True, text=True, timeout=50, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return play(script, via, behaviour=Behaviour(words=12, split=37))


def test_node_clients_read_the_same_streams(play, tmp_path):
    ways = {}
    for via in ("direct", "proxy"):
        (tmp_path / via).mkdir()
        ways[via] = events(play, tmp_path / via, via)
    assert len(ways["direct"]) > 40
    assert ways["direct"] == ways["proxy"]
