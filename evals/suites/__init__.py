"""The vendors' own test suites through titer: a typed mock, recording relays, a pytest plug-in."""
