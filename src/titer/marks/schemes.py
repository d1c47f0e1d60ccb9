"""All schemes by name, made from their parameters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args, get_type_hints

import msgspec

from titer.core.errors import InputError
from titer.marks.contract import Scheme
from titer.marks.gumbel import Gumbel
from titer.marks.hf_kgw import HfKgw
from titer.marks.hf_synthid import HfSynthid
from titer.marks.kgw import Kgw
from titer.marks.sglang_murmur import SglangMurmur
from titer.marks.tournament import Tournament
from titer.marks.vllm_philox import VllmPhilox

#: Ours first, then those of the engines.
BUILTIN: dict[str, type[msgspec.Struct]] = {
    "kgw": Kgw,
    "gumbel": Gumbel,
    "tournament": Tournament,
    "vllm-philox": VllmPhilox,
    "sglang-murmur": SglangMurmur,
    "hf-kgw": HfKgw,
    "hf-synthid": HfSynthid,
}


def scheme(name: str, parameters: Mapping[str, Any] | None = None) -> Scheme:
    """The scheme of that name. Raises InputError naming what is wrong with it."""
    kind = BUILTIN.get(name)
    if kind is None:
        raise InputError(f"no scheme of marks is called {name!r}; there are {', '.join(BUILTIN)}")
    given = dict(parameters or {})
    known = set(kind.__struct_fields__)
    if unknown := sorted(set(given) - known):
        raise InputError(f"{name} has no parameter {unknown[0]!r}; it has {', '.join(known)}")
    try:
        made = msgspec.convert(given, kind)
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        raise InputError(_said(name, kind, str(error))) from None
    return made  # type: ignore[return-value]


def _said(name: str, kind: type[msgspec.Struct], error: str) -> str:
    """What is wrong with a parameter: which values it may have, where those are few."""
    field = error.rpartition("`$.")[2].rstrip("`")
    if error.startswith("Object missing required field"):
        return f"{name}: {error.rpartition(' ')[2].strip('`')} must be given"
    few = get_args(get_type_hints(kind).get(field)) if error.startswith("Invalid enum") else ()
    if few:
        return f"{name}: {field} is one of {', '.join(map(str, few))}"
    return error if error.startswith(f"{name}:") else f"{name}: {error}"
