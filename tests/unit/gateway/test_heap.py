"""Freed memory is kept where the C library can, and nothing fails where it cannot."""

from __future__ import annotations

import ctypes
import platform

import pytest

from titer.gateway import heap


def test_glibc_takes_it():
    if platform.libc_ver()[0] != "glibc":
        pytest.skip("another C library")
    assert heap.keep()


def test_another_c_library_is_left_alone(monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
    assert not heap.keep()
