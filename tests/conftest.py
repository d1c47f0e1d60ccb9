"""What is compiled is compiled before the first test, so that no test's time runs meanwhile."""

from __future__ import annotations

import pytest


def pytest_collection_finish(session: pytest.Session) -> None:
    """Compile the leak guard's loops if a test that is marked `compiled` was chosen: half a minute
    of processor time on a machine that has not, and as many times more as others use it.
    """
    if session.config.option.collectonly:
        return
    if any(item.get_closest_marker("compiled") for item in session.items):
        from titer.respond.leak_guard.guard import LeakGuard  # noqa: PLC0415 - loads numba

        LeakGuard().ready()
