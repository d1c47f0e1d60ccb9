"""Teachers, marked replies, and students trained on them: small enough for one CPU core.

language  an artificial language whose next-token probabilities are known: a teacher without
          training, for tests
words     its tokenizer: one word, one token
network   a fixed-window neural language model in numpy: teacher on real text, and every student
writing   sampling from either, with or without a planted mark
serving   either behind an OpenAI-compatible HTTP server: as the operator's model, as a suspect
"""
