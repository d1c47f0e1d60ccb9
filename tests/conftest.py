"""What holds for every test: nothing waits for a compiler, and nothing is left to chance.

Examples of properties are the same in every run, however fast the machine is; to look for others,
`pytest tests/properties tests/fuzz --hypothesis-profile=explore`.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, settings

_UNTIMED = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("same", derandomize=True, **_UNTIMED)
settings.register_profile("explore", max_examples=1000, **_UNTIMED)
settings.load_profile("same")


def pytest_collection_finish(session: pytest.Session) -> None:
    """Compile the leak guard's loops if a test that is marked `compiled` was chosen: half a minute
    of processor time on a machine that has not, and as many times more as others use it.
    """
    if session.config.option.collectonly:
        return
    if any(item.get_closest_marker("compiled") for item in session.items):
        from titer.respond.leak_guard.guard import LeakGuard  # noqa: PLC0415 - loads numba

        LeakGuard().ready()
