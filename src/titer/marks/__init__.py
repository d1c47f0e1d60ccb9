"""Planter and recogniser of a mark in one file: watermarks in text, and canaries."""
