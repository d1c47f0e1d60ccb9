"""Antidistill: ask the operator's own engine to dilute a reply with a proxy model.

Only for engines that run `respond.sampling.product_of_experts`; others ignore or refuse the
argument. It makes replies worse on purpose, by a known amount, and so is on no built-in ladder: an
operator who gives it says so in the terms of service.
"""

from __future__ import annotations

from titer.core.nouns import Card, Standing
from titer.core.wire import Request
from titer.respond.sampling.product_of_experts import ARGUMENT

#: Dialects that vLLM serves with `vllm_xargs`.
_DIALECTS = frozenset({"openai.chat", "openai.completions", "openai.responses"})

#: vLLM's member for arguments of plug-ins.
_MEMBER = "vllm_xargs"


class Antidistill:
    """The mitigation: strength is the weight of the proxy, as a share of its greatest."""

    card = Card(
        name="antidistill",
        version="1",
        technique="AML.T0024.002",
        measures="has the operator's engine sample from a product of its model and a proxy",
        blind_to="students that reweight or filter what they learn from; engines without the "
        "plug-in, where it does nothing",
        benign_causes="none is accused; whoever is dosed gets visibly worse answers, which is why "
        "no built-in rung gives it",
        cost="3 us a request; one forward pass of the proxy a token in the engine",
        lifecycle="draft",
        stage="request",
        apart=True,
    )

    def request(self, request: Request, strength: float, standing: Standing) -> Request:
        """The request with the weight among the engine's extra arguments."""
        del standing
        if strength <= 0 or request.dialect not in _DIALECTS:
            return request
        given = request.body.get(_MEMBER)
        arguments = dict(given) if type(given) is dict else {}
        return request.edit(put={_MEMBER: {**arguments, ARGUMENT: round(strength, 3)}})

    def reply(self, strength: float, standing: Standing) -> None:
        """The engine has done it."""
        del strength, standing
