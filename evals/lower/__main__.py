"""`python -m evals lower`: what lowering costs honest accounts, and what it costs an attacker.

    python -m evals lower                  # every part; writes its JSON beside it
    python -m evals.lower honest           # one part
    python -m evals lower --quick          # a small run for a look; writes nothing

The quick run takes half a minute of processor time, two and a half minutes on two busy cores;
without --quick all of it takes ten to fifteen.

At the end stands the table of rungs: honest cost beside the attacker's loss, out of what was
measured just now, and out of what is kept where a part was not run.

honest         honest cost: the share of honest accounts that each rung touches, and waiting
served         microseconds that doses add, and search in turned embeddings
distillation   what students lose by containment, stripped log-probabilities and dilution

Apart, since they are long and run in pieces, or need a model server:

    python -m evals.lower.attacker_cost        accounts, days and price of a million pairs
    python -m evals.lower.rungs                what each threshold costs, and whom it reaches
    python -m evals.lower.prompt_extraction    system prompts got out of a small real model
"""

from __future__ import annotations

import argparse

from evals.lower import distillation, honest, served, table

#: Each part is a function that takes `quick` and returns what it found.
PARTS = {"honest": honest.main, "served": served.main, "distillation": distillation.main}


def main() -> int:
    parser = argparse.ArgumentParser(prog="evals lower", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="a small run; writes nothing")
    given = parser.parse_args()
    unknown = set(given.parts) - set(PARTS)
    if unknown:
        parser.error(f"no part {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    made = {name: PARTS[name](quick=given.quick) for name in given.parts or PARTS}
    print("\n".join(table.rungs(made)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
