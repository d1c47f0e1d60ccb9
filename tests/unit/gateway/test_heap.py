"""Freed memory is kept where the C library can, and nothing fails where it cannot."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import platform
import weakref

import pytest

from titer.gateway import heap


def test_glibc_takes_it():
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library")
    assert heap.keep()


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not heap.keep()


def test_closed_connections_are_collected_by_their_count():
    async def opened() -> list[weakref.ref]:
        gone = []
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        for _ in range(3):
            _, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            gone.append(weakref.ref(writer.transport))
            writer.close()
            await writer.wait_closed()
        server.close()
        return gone

    cycles = heap.Cycles()
    gc.collect()
    gc.disable()
    try:
        gone = asyncio.run(opened())
        assert all(one() is not None for one in gone)  # else nothing would need collecting
        assert not cycles.look(heap.CONNECTIONS - 1)
        assert cycles.look(heap.CONNECTIONS)
        assert all(one() is None for one in gone)
        assert not cycles.look(heap.CONNECTIONS + 1)
    finally:
        gc.enable()
