"""Marks: planter and recogniser of a mark in one file, keys, exact p-values; canaries.

Leans on core only. Read `contract.py` first: what a scheme is, and why its p-values hold.
"""
