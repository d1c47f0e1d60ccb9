"""The words: facts, bits, sketches, errors. No sockets, no files, no clock, no logging."""
