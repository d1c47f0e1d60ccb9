"""Attackers and honest crowds made to order, and the score."""
