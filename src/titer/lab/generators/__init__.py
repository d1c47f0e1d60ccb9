"""Prompts of our own: every text here was written for titer, and every draw is seeded."""
