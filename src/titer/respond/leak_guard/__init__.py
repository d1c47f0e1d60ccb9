"""Leak guard: protected texts and secrets do not leave in an answer, in whatever writing.

`guard` is the mitigation, `work` it at one reply, `scan` one text under guard, `kernel` the
compiled loop with `lanes`, `decoding` and `learning`, `index` what is protected, `fold` how
characters are compared, `secrets` what is known by keyed hash alone, `settings` plain values.
Nothing is imported here: the compiler loads when a guard is made.
"""
