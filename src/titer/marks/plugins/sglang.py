"""SGLang: a custom logit processor, for offline engines and servers that you alone can reach.

    processor = titer.marks.plugins.sglang.Planter().to_str()
    engine.generate(..., custom_logit_processor=processor,
                    sampling_params={"custom_params": {"titer_mark_key": "...", ...}})

Behind titer prefer SGLang's own mark with a key by request (`titer marks plant --engine sglang`):
`--enable-custom-logit-processor` has the server unpickle what a request says, which runs anybody's
code; titer therefore drops these members from every caller (sglang 0.5.23,
sglang/srt/sampling/custom_logit_processor.py).
"""

from __future__ import annotations

from typing import Any

from titer.marks.plugins.arguments import wish

try:
    from sglang.srt.sampling.custom_logit_processor import CustomLogitProcessor as _Base
except ImportError:  # outside an engine: for tests and documentation
    _Base = object


class Planter(_Base):  # type: ignore[misc]
    """Marks the rows whose request asks for it in its `custom_params`."""

    def __call__(self, logits: Any, custom_param_list: list[dict[str, Any]] | None = None) -> Any:
        """Logits [rows, vocabulary], changed in place; the shape stays. A wrong wish is ignored:
        here it is too late to refuse the request. With speculative decoding a request has a row
        for each draft, and what was drafted is not told: only its first row is marked.
        """
        from titer.marks.plugins.planting import plant  # noqa: PLC0415 - only where it is used

        before: object = None
        for row, given in enumerate(custom_param_list or ()):
            if given is before:  # the same request's next draft
                continue
            before = given
            try:
                wanted = wish(given)
            except ValueError:
                continue
            if wanted is None:
                continue
            request = given["__req__"]
            context = list(request.output_ids[-wanted.width :])
            if len(context) < wanted.width:
                context = [*request.origin_input_ids, *context][-wanted.width :]
            plant(logits[row], context, wanted)
        return logits
