"""Product of experts: sample from teacher^(1-g) * proxy^g, so that a student learns less.

    logits = (1 - g) * teacher + g * proxy          (arXiv:2605.22737)

The proxy is a small model of the operator's, over the same vocabulary, that predicts what a
student knows already: the more of it, the less a reply teaches, and the worse it is. Each token
costs one forward pass of the proxy. Measured for a passive and an adaptive student by
`python -m evals lower`; published results agree that an adaptive one recovers part of the loss.

Arrays may be numpy's or torch's: only their operators are used, so that nothing is imported.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

#: Where the gateway puts the weight of the proxy in a request (vLLM: `vllm_xargs`).
ARGUMENT = "titer_dilution"

#: Greatest weight: above it the proxy answers, not the teacher.
MAX_WEIGHT = 0.9

#: Names the operator's proxy for engine plug-ins, `module:factory`.
VARIABLE = "TITER_PROXY"

#: Logits of the next token, [rows, vocabulary], for contexts of token ids.
Proxy = Callable[[Sequence[Sequence[int]]], Any]


def combine(teacher: Any, proxy: Any, weight: float) -> Any:
    """The product's logits, of the shape of `teacher` [..., vocabulary].

    Tokens that the teacher's logits exclude (minus infinity: a grammar, a ban) stay excluded.
    Raises ValueError for a weight out of range or another vocabulary.
    """
    if not 0.0 <= weight <= MAX_WEIGHT:
        raise ValueError(f"the proxy's weight must lie between 0 and {MAX_WEIGHT}")
    if teacher.shape != proxy.shape:
        raise ValueError(
            f"the proxy's logits have shape {tuple(proxy.shape)}, the teacher's"
            f" {tuple(teacher.shape)}: a proxy needs the same tokenizer"
        )
    return teacher if weight == 0 else (1.0 - weight) * teacher + weight * proxy


def weight_of(arguments: Mapping[str, Any] | None) -> float:
    """The weight that a request carries, 0 without one. Raises ValueError for nonsense."""
    value = (arguments or {}).get(ARGUMENT, 0.0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise ValueError(f"{ARGUMENT} must be a number between 0 and 1")
    return MAX_WEIGHT * float(value)


def load_proxy(*arguments: Any) -> Proxy:
    """The operator's proxy, made by the factory that `TITER_PROXY` names.

    Raises RuntimeError when it names none. The module is the operator's own code, imported in
    the engine's process.
    """
    name = os.environ.get(VARIABLE, "")
    module, _, factory = name.partition(":")
    if not module or not factory:
        raise RuntimeError(f"set {VARIABLE}=module:factory; the factory makes the proxy")
    made: Proxy = getattr(importlib.import_module(module), factory)(*arguments)
    return made
