"""Worlds for evaluation: an honest population with its hard cases, and campaigns that adapt."""
