"""What people ask in English: openings, situations, asks and afterthoughts, freely joined."""

from __future__ import annotations

import random

from titer.lab.generators import words
from titer.lab.generators.grammar import Hand, Rules, expand

RULES: Rules = {
    "topic": words.TOPICS,
    "other": words.TOPICS,
    "person": words.PEOPLE,
    "place": words.PLACES,
    "thing": words.THINGS,
    "firm": words.FIRMS,
    "trade": words.TRADES,
    "feeling": words.FEELINGS,
    "plain": words.PLAIN,
    "kin": ["sister", "father", "flatmate", "boss", "daughter", "neighbour", "grandmother"],
    "when": [
        "next week",
        "before Friday",
        "in {n:2-9} days",
        "this weekend",
        "by the end of {month}",
        "tonight",
        "over the summer",
    ],
    "month": ["January", "March", "April", "June", "August", "October", "December"],
    "form": ["an email", "a short text", "a poem", "a speech", "a letter", "a limerick", "a note"],
    "tone": ["friendly", "firm", "funny", "formal", "gentle", "honest", "not too serious"],
    "ask": [
        "What should I know about {topic} before I start?",
        "Can you explain {topic} the way you would to a {trade}?",
        "How are {topic} and {other} connected, if at all?",
        "I keep reading about {topic}. Is it worth my time at {n:19-78}?",
        "Give me {n:3-9} ideas for {topic} that cost less than {n:10-400}.",
        "Write {form} about {topic} for my {kin}, {tone}.",
        "Why does everyone in {place} talk about {topic}?",
        "My {thing} makes a strange noise since {when}. What could it be?",
        "Is it true that {topic} got harder in the last {n:2-40} years?",
        "Help me plan {n:2-6} days in {place} with my {kin}, who loves {topic}.",
        "Which is better for a beginner, {topic} or {other}?",
        "I am a {trade} and I feel {feeling} about {topic}. Any advice?",
        "Draft a {tone} message to {firm} because the {thing} arrived broken.",
        "What is the difference between cheap and expensive when it comes to a {thing}?",
        "Can {topic} be dangerous? My {kin} thinks so.",
        "Make a packing list: {place}, {n:3-14} days, {topic}, one small bag.",
        "Summarise what happened: {plain}, then {plain}.",
        "Translate this for my {kin}, please: {plain}.",
        "Quiz me on {topic}, {n:4-12} questions, and do not be kind.",
        "How much would it cost to repair a {thing} in {place}?",
        "Tell me a story in which a {trade} from {place} finds a {thing}.",
        "Does this sound rude? {plain}, and I told {person} so.",
        "What would {person} need to move from {place} to another country {when}?",
        "Fix the grammar: {plain} but {plain} and i were there",
        "I have {n:2-9} eggs, rice and a lemon. Dinner for {n:1-6}?",
        "How do professional people learn {topic}? I only have {n:10-60} minutes a day.",
        "Compare {place} and {place} for a {trade} with {n:1-4} children.",
        "Name a good gift for my {kin}: a {trade}, likes {topic}, has a {thing} already.",
        "Was {topic} different in the time of my {kin}?",
        "Explain the joke: a {trade} walks into {firm} with a {thing}.",
        "Should I tell {person} that {plain}?",
        "List the usual mistakes with {topic}.",
        "What do the numbers say about {topic} in {place}? I have heard {n:5-95} percent.",
        "Can I return a {thing} to {firm} after {n:10-90} days without the box?",
        "Rewrite so that it sounds {tone}: {plain}; {plain}.",
        "Who should I call first about {topic} in {place}, and what do I say?",
    ],
    "context": [
        "I live in {place}.",
        "My {kin} said that {plain}.",
        "For background, I work as a {trade}.",
        "Yesterday {plain}.",
        "I have tried {n:2-7} times already.",
        "We only have until {when}.",
        "It is about {topic} really.",
        "{person} from {firm} told me something else.",
        "I feel {feeling} about it.",
        "The budget is {n:20-3000}.",
    ],
    "more": [
        "And what about {topic}?",
        "Shorter, please.",
        "Can you give me an example with {person} and a {thing}?",
        "I do not follow the second point.",
        "Are you sure? {person} says the opposite.",
        "ok and if I lived in {place}?",
        "Make it more {tone}.",
        "What would that cost?",
        "Why?",
        "Now the same for {topic}, as a table.",
        "That did not work, {plain}.",
        "Could you say that in {n:2-5} sentences?",
        "Great, next question: {ask}",
        "Remove the part about {topic}.",
        "How long will that take?",
    ],
}


class Chatter:
    """One person who chats in English, with habits: three or so favourite topics and a hand."""

    def __init__(self, rng: random.Random) -> None:
        self._hand = Hand(rng)
        self._talkative = rng.random() * 0.6
        favourites = rng.sample(words.TOPICS, 4)
        self._rules: Rules = {**RULES, "topic": [*favourites, *rng.sample(words.TOPICS, 12)]}

    def opening(self, rng: random.Random) -> str:
        """The first message of a conversation."""
        parts = [expand(rng, self._rules, "ask")]
        while rng.random() < self._talkative and len(parts) < 5:
            parts.insert(rng.randrange(len(parts) + 1), expand(rng, self._rules, "context"))
        return self._hand.write(rng, " ".join(parts))

    def follow_up(self, rng: random.Random) -> str:
        """A later message of the same conversation."""
        return self._hand.write(rng, expand(rng, self._rules, "more"))


def answer(rng: random.Random, *, tokens: int) -> str:
    """A reply of about `tokens` tokens (4 characters each): plain prose, of no further sense."""
    wanted = max(8, tokens * 4)
    parts: list[str] = []
    length = 0
    while length < wanted:
        sentence = words.PLAIN[int(rng.random() * len(words.PLAIN))].capitalize() + ". "
        parts.append(sentence)
        length += len(sentence)
    return "".join(parts)[:wanted].rstrip()
