"""Naive rules against campaigns: what a world must not be solved by, and what titer must beat."""
