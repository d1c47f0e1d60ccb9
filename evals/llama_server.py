"""A llama.cpp server as evaluations use one: next-token logits, ids of texts, completions."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import numpy as np

from titer.core.errors import InputError
from titer.marks.contract import F32

#: Candidates of a token. What is less likely is never drawn: 1 to 2 % of the probability.
CANDIDATES = 256


class LlamaServer:
    """One server by its address, such as `http://127.0.0.1:8000`."""

    def __init__(self, url: str) -> None:
        if not url.startswith(("http://127.0.0.1:", "http://localhost:")):
            raise InputError("evaluations talk to a server on this machine: http://127.0.0.1:PORT")
        self._url = url.rstrip("/")
        self.vocabulary = int(self._get("/v1/models")["data"][0]["meta"]["n_vocab"])

    def model(self) -> str:
        """What the server calls its model, without folders."""
        return str(self._get("/v1/models")["data"][0]["id"]).rsplit("/", 1)[-1]

    def tokens(self, text: str, *, special: bool) -> list[int]:
        """Ids of a text; `special` puts the model's start token before them."""
        return list(self._post("/tokenize", {"content": text, "add_special": special})["tokens"])

    def text(self, ids: list[int]) -> str:
        return str(self._post("/detokenize", {"tokens": ids})["content"])

    def logits(self, ids: list[int]) -> F32:
        """Log-probabilities (vocabulary,) of the next token: -inf outside the likeliest."""
        row = np.full(self.vocabulary, -np.inf, np.float32)
        for one in self._next(ids):
            row[one["id"]] = one["logprob"]
        return row - np.float32(np.log(np.exp(row[np.isfinite(row)]).sum()))

    def likeliest(self, ids: list[int]) -> list[str]:
        """The texts of likely next tokens, likeliest first."""
        return [str(one["token"]) for one in self._next(ids)]

    def complete(self, prompt: str, most: int) -> str:
        """The likeliest continuation of a prompt, to the end of its line."""
        asked = {"prompt": prompt, "n_predict": most, "temperature": 0, "stop": ["\n"],
                 "cache_prompt": True}  # fmt: skip
        return str(self._post("/completion", asked)["content"])

    def _next(self, ids: list[int]) -> list[dict[str, Any]]:
        asked = {"prompt": ids, "n_predict": 1, "n_probs": CANDIDATES, "temperature": 1.0,
                 "top_k": 0, "top_p": 1.0, "min_p": 0.0, "cache_prompt": True}  # fmt: skip
        return list(
            self._post("/completion", asked)["completion_probabilities"][0]["top_logprobs"]
        )

    def _get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(self._url + path, timeout=60) as reply:  # noqa: S310 - checked
            return dict(json.load(reply))

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(  # noqa: S310 - the address was checked
            self._url + path, json.dumps(body).encode(), {"content-type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=300) as reply:  # noqa: S310
            return dict(json.load(reply))
