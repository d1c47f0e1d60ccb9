"""What is put into templates: questions, documents, facts and code, drawn from per-world pools.

Pools hold JSON-escaped pieces that are too small to be a fingerprint (two to five words), so
that two callers share words, never sentences.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

from titer.lab.generators import words
from titer.lab.world.phrases import escape

Draw = Callable[[random.Random], str]

_SUBJECTS = words.bank(
    "committee|driver|new valve|night shift|older model|first sample|bridge|supplier|patient|"
    "audit|ferry|museum|harvest|second trial|bakery|mayor|orchestra|software|warehouse|engine|"
    "contractor|library|clinic|union|reader|borehole|pilot|choir|tenant|depot|insurer|survey|"
    "laboratory|referee|cargo|archive|gallery|turbine|village|court|editor|nurse|apprentice"
)
_MODIFIERS = words.bank(
    "northern|smaller|former|quiet|regional|temporary|second|rented|damaged|busy|hired|local|"
    "retired|central|remote|historic|overdue|registered|spare|coastal|wooden|elected|missing"
)
_VERBS = words.bank(
    "had reported|was moved to|finally accepted|did not expect|has replaced|asked about|counted|"
    "refused|was paid for|waited for|compared|had forgotten|prepared|sold|measured|lost track of|"
    "agreed on|complained about|was blamed for|kept|inspected|ordered|noticed|postponed|described|"
    "lowered|doubled|recorded|returned|questioned"
)
_OBJECTS = words.bank(
    "two boxes of glass|the spring timetable|a letter without a date|nine sealed crates|"
    "its own estimate|the cheaper offer|a crack near the door|most of the receipts|"
    "the older drawings|half the budget|an unpaid bill|several loose cables|the route by the sea|"
    "a change of dose|the missing keys|three broken lamps|the wrong address|an extra week|"
    "the minutes of the meeting|a third opinion|some unripe fruit|the spare generator|"
    "an error in the table|the opening speech|every second page|the larger hall|a faulty sensor"
)
_TAILS = words.bank(
    "before the storm|after a long delay|in the second quarter|without any notice|at noon|"
    "because of the fog|for nine weeks|despite the strike|near the old station|on the last day|"
    "with some relief|during the holidays|by mistake|under protest|since the spring|for no reason|"
    "as the rules demand|to everyone's surprise|in two instalments|behind schedule|at low tide"
)


class Stuff:
    """One world's pools. Everything drawn is JSON-escaped."""

    def __init__(self, rng: random.Random) -> None:
        def some(bank: Sequence[str], share: float = 0.75) -> list[str]:
            return rng.sample(list(bank), max(3, int(len(bank) * share)))

        self._who = [
            escape(f"{det} {mod} {noun}".replace("  ", " "))
            for noun in some(_SUBJECTS)
            for mod in ["", *some(_MODIFIERS, 0.4)]
            for det in ("the", "our")
        ] + [escape(name) for name in some(words.PEOPLE)]
        self._did = [escape(verb) for verb in some(_VERBS)]
        self._what = [escape(text) for text in some(_OBJECTS, 0.8)] + [
            escape(f"the {thing} in {place}")
            for thing in some(words.THINGS)
            for place in some(words.PLACES, 0.5)
        ]
        self._tail = [escape(text) for text in some(_TAILS)] + [
            escape(f"according to {firm}") for firm in some(words.FIRMS)
        ]
        topics = some(words.TOPICS, 0.8)
        self._topics = [escape(topic) for topic in topics]
        self._topics += [
            escape(f"{topic} for a {trade}") for topic in topics for trade in some(words.TRADES)
        ] + [
            escape(f"{topic} in {place}") for topic in topics for place in some(words.PLACES, 0.4)
        ]
        rng.shuffle(self._topics)
        self._people = [escape(name) for name in some(words.PEOPLE)]
        self._places = [escape(name) for name in some(words.PLACES)]
        self._things = [escape(name) for name in some(words.THINGS)]
        self._fields = some(_SUBJECTS)
        self.by_name: dict[str, Draw] = {
            "document": lambda r: self.document(r, 3 + int(r.expovariate(0.25))),
            "short": self.sentence,
            "passages": lambda r: (
                "\\n".join(f"({n}) {self.document(r, 3)}" for n in range(1, 4))
                + f"\\n\\n{self.question(r)}"
            ),
            "question": self.question,
            "hard": self.question,
            "pair": lambda r: f"{self.question(r)}\\n\\n{self.document(r, 3)}",
            "code": self.code,
            "facts": lambda r: f"{self.thing(r)}; {self.sentence(r)} {self.sentence(r)}",
            "topic": self.topic,
            "cell": self.topic,
            "job": self.job,
        }

    def topic(self, rng: random.Random) -> str:
        """A subject to talk about."""
        return self._topics[int(rng.random() * len(self._topics))]

    def thing(self, rng: random.Random) -> str:
        """A thing somebody owns."""
        return self._things[int(rng.random() * len(self._things))]

    def person(self, rng: random.Random) -> str:
        """A first name."""
        return self._people[int(rng.random() * len(self._people))]

    def place(self, rng: random.Random) -> str:
        """A town."""
        return self._places[int(rng.random() * len(self._places))]

    def clause(self, rng: random.Random) -> str:
        """Words without a full stop."""
        draw = rng.random
        return (
            f"{self._who[int(draw() * len(self._who))]} {self._did[int(draw() * len(self._did))]} "
            f"{self._what[int(draw() * len(self._what))]} "
            f"{self._tail[int(draw() * len(self._tail))]}"
        )

    def sentence(self, rng: random.Random) -> str:
        """One sentence, now and then with a figure."""
        text = self.clause(rng)
        if rng.random() < 0.25:
            return f"{text} ({int(rng.random() * 980) + 2})."
        return f"{text}."

    def document(self, rng: random.Random, sentences: int) -> str:
        """`sentences` sentences, at most 24."""
        return " ".join([self.sentence(rng) for _ in range(min(24, sentences))])

    def question(self, rng: random.Random) -> str:
        """A problem with numbers in it, or a question of judgement."""
        draw = rng.random
        choice = int(draw() * 6)
        one, two = int(draw() * 90) + 2, int(draw() * 40) + 2
        if choice == 0:
            return (
                f"{self.person(rng)} has {one} boxes of {two} parts each and gives "
                f"{int(draw() * 9) + 2} boxes to {self.person(rng)}. How many parts are left?"
            )
        if choice == 1:
            return (
                f"A {self.thing(rng)} costs {one * 10} in {self.place(rng)} and {two} percent "
                f"less in {self.place(rng)}. What is the difference?"
            )
        if choice == 2:
            return (
                f"{self.clause(rng)}, and {self.clause(rng)}. Which of the two came first, and "
                f"how can {self.person(rng)} tell?"
            )
        if choice == 3:
            return (
                f"If {one} people need {two} days for {self.topic(rng)}, how long do "
                f"{int(draw() * 60) + 3} need?"
            )
        if choice == 4:
            return f"What would a sceptic say about {self.topic(rng)} if {self.clause(rng)}?"
        return (
            f"From {self.place(rng)} to {self.place(rng)} it is {one * 7} km. At {two + 20} km/h "
            f"with a stop of {int(draw() * 50) + 5} minutes, when does {self.person(rng)} arrive?"
        )

    def code(self, rng: random.Random) -> str:
        """A few lines of code with names of their own."""
        name = self.thing(rng).replace(" ", "_")
        other = self._fields[int(rng.random() * len(self._fields))].replace(" ", "_")
        one, two = int(rng.random() * 90), int(rng.random() * 9)
        shape = int(rng.random() * 4)
        if shape == 0:
            return (
                f"def {name}_{other}(rows, limit={one}):\\n    total = {two}\\n    for row in "
                f"rows:\\n        if row['{other}'] > limit:\\n            total += "
                f"row['{name}']\\n    return total"
            )
        if shape == 1:
            return (
                f"SELECT {other}, avg({name}) FROM {other}s WHERE {name} > {one} "  # noqa: S608 - a text
                f"GROUP BY {other} HAVING count(*) > {two};"
            )
        if shape == 2:
            return (
                f"const {other} = await load('{name}', {{ retry: {two} }});\\nif (!{other}.ok) "
                f"throw new Error('{self.clause(rng)}');"
            )
        return (
            f"fn {name}(x: u{one}) -> Option<{other}> {{\\n    cache.get(&x).map(|v| v + {two})"
            "\\n}"
        )

    def job(self, rng: random.Random) -> str:
        """Something for an agent to get done."""
        draw = int(rng.random() * 4)
        if draw == 0:
            return (
                f"Find out why order {int(rng.random() * 90000) + 10000} for {self.person(rng)} "
                f"in {self.place(rng)} is late and write what to do; {self.clause(rng)}."
            )
        if draw == 1:
            return f"Fix the failing test of this and explain:\\n{self.code(rng)}"
        if draw == 2:
            return (
                f"Compare three offers for a {self.thing(rng)} below "
                f"{int(rng.random() * 800) + 50} and reserve one near {self.place(rng)}."
            )
        return f"Collect what is known on {self.topic(rng)} and send it to {self.person(rng)}."
