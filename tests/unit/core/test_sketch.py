"""Sketches: alike for alike frames, keyed, bounded, the same in any batch."""

import pytest

from titer.core.gather import CAP
from titer.core.nouns import Sketch
from titer.core.sketch import BANDS, CELLS, Sketcher

SKETCHER = Sketcher(b"k" * 32)
TEMPLATE = (
    "You are an expert annotator. Read the question below with care, write out every step of "
    "your reasoning, check the result once more, and close with one line that holds the final "
    "answer only.\n\nQuestion: "
)
CONTENTS = (
    "A farmer sells apples on the market and keeps a third of them for his neighbours.",
    "Why do leaves turn yellow when the days grow shorter and the nights colder?",
    "Name the planets which have rings and explain how rings come into being.",
    "The train leaves at dawn; how long must Ada wait if she came an hour early?",
    "Which of two ladders is safer on wet grass, and what would change your mind?",
)


def user(text: str) -> list[tuple[str, str]]:
    return [("user", text)]


def shared(one: Sketch, two: Sketch) -> int:
    return sum(a == b for a, b in zip(one.frames, two.frames, strict=True))


def test_shape_of_a_sketch():
    sketch = SKETCHER.sketch(user("How are you today?"))
    assert len(sketch.frames) == BANDS
    assert len(sketch.cells) == CELLS
    assert all(
        -(2**63) <= token < 2**63 for token in (*sketch.frames, *sketch.cells, sketch.exact)
    )
    assert sketch.chars == 18
    assert sketch.lang == "latn"


def test_one_template_over_changing_content_shares_bands():
    sketches = [SKETCHER.sketch(user(TEMPLATE + text)) for text in CONTENTS]
    assert all(shared(sketches[0], other) >= 1 for other in sketches[1:])
    assert len({sketch.exact for sketch in sketches}) == len(CONTENTS)


def test_different_texts_share_nothing():
    sketches = [SKETCHER.sketch(user(text)) for text in CONTENTS]
    assert all(shared(a, b) == 0 for a in sketches for b in sketches if a is not b)


@pytest.mark.parametrize(
    ("one", "two"),
    [
        ("Add 17 and 25, then halve it.", "Add 90210 and 3.14, then halve it."),
        ('Translate "good morning" to French', 'Translate "where is my hat" to French'),
        ("Say 'a b c' backwards now", "Say 'what else is there' backwards now"),
        ("Explain `x = y` in this code", "Explain `for a in b: pass` in this code"),
        ("Read https://a.example/x and sum up", "Read http://b.example/y?z=1#f and sum up"),
        ("Write to ada@mail.example for me", "Write to bob.b@post.example for me"),
        ("Fix this\n```\nprint(a)\n```\nplease", "Fix this\n```\nfor b in c:\n  d()\n```\nplease"),
        ('Sum up\n"""\nred house\n"""\nnow', 'Sum up\n"""\nblue\n\ncar\n"""\nnow'),
        ("Use “good wine” in a line", "Use “an old ship” in a line"),
        ("请总结「红色的房子」谢谢", "请总结「蓝色汽车很快」谢谢"),
        ('Call {"name": "ada", "age": 3} now', 'Call {"name": "bob", "age": 42} now'),
    ],
)
def test_literals_are_masked_in_frames_and_seen_in_cells(one, two):
    first, second = SKETCHER.sketch(user(one)), SKETCHER.sketch(user(two))
    assert first.frames == second.frames
    assert first.exact == second.exact


@pytest.mark.parametrize(
    "text",
    ["don't stop, it isn't over", 'a 5" pipe', "mail me @ home", "and/or :// none"],
)
def test_unpaired_marks_mask_nothing_else(text):
    plain = SKETCHER.sketch(user(text + " under the old bridge"))
    other = SKETCHER.sketch(user(text + " over the new road"))
    assert plain.exact != other.exact


@pytest.mark.parametrize(
    ("script", "text", "changed"),
    [
        ("hani", "请一步一步地解答下面的数学题并写出最后的答案：小明有苹果", "小红买了铅笔和书本"),
        ("thai", "กรุณาตอบคำถามต่อไปนี้ทีละขั้นตอนและเขียนคำตอบสุดท้าย แมว", "ปลาว่ายน้ำในทะเล"),
        (
            "cyrl",
            "Реши задачу по шагам и напиши в конце только один ответ. Кот",
            "Поезд едет домой",
        ),
        ("arab", "حل المسألة التالية خطوة بخطوة ثم اكتب الجواب النهائي فقط قط", "القطار يصل غدا"),
        ("deva", "नीचे दिए गए प्रश्न को चरण दर चरण हल करें और अंतिम उत्तर लिखें बिल्ली", "घर पास है"),
        ("jpan", "次の問題を順番に解いて最後に答えだけを書いてください。ねこ", "でんしゃはくる"),
        ("hang", "다음 문제를 단계별로 풀고 마지막에 답만 쓰세요 고양이", "기차가 온다"),
    ],
)
def test_any_script(script, text, changed):
    one, two = SKETCHER.sketch(user(text)), SKETCHER.sketch(user(text[:-3] + changed))
    assert one.lang == script
    assert shared(one, two) >= 1
    assert one.exact != two.exact


def test_every_turn_and_role_counts():
    base = [("system", "Be brief."), ("user", "Name a river."), ("assistant", "The Elbe.")]
    sketches = {SKETCHER.sketch(base).exact}
    for place in range(3):
        changed = list(base)
        changed[place] = (changed[place][0], "Another sentence entirely.")
        sketches.add(SKETCHER.sketch(changed).exact)
    renamed = [("user", "Be brief."), *base[1:]]
    sketches.add(SKETCHER.sketch(renamed).exact)
    assert len(sketches) == 5


def test_another_key_gives_other_tokens():
    one, two = (Sketcher(key).sketch(user(TEMPLATE)) for key in (b"a" * 32, b"b" * 32))
    assert not set(one.frames) & set(two.frames)
    assert not set(one.cells) & set(two.cells)
    assert one.exact != two.exact


def test_order_under_one_key_tells_nothing_of_another():
    # The key must decide which shingle is the smallest, not only dress the result: texts
    # that share a band under one key share others under another.
    pattern = set()
    for number in range(12):
        sketcher = Sketcher(bytes([number]) * 32)
        pair = [sketcher.sketch(user(TEMPLATE + text)) for text in CONTENTS[:2]]
        pattern.add(tuple(a == b for a, b in zip(pair[0].frames, pair[1].frames, strict=True)))
    assert len(pattern) > 1


def test_a_short_key_is_refused():
    with pytest.raises(ValueError, match="16 bytes"):
        Sketcher(b"short")


def test_nothing_to_read():
    empty = SKETCHER.sketch([])
    assert len(empty.frames) == BANDS
    assert empty.chars == 0
    assert SKETCHER.sketch_many([]) == []
    assert SKETCHER.sketch(user("")).chars == 0


def test_long_text_is_represented_by_head_and_tail():
    middle = "lorem ipsum dolor " * 4000
    one = SKETCHER.sketch(user(TEMPLATE + middle + "What follows?"))
    two = SKETCHER.sketch(user(TEMPLATE + middle + "sed diam " * 3000 + middle + "What follows?"))
    three = SKETCHER.sketch(user(TEMPLATE + middle + "What came before?"))
    assert one.chars > CAP
    assert one.exact == two.exact
    assert one.exact != three.exact


def test_many_empty_turns_cost_no_more_than_the_cap():
    sketch = SKETCHER.sketch([("user", "a")] * 200_000)
    assert sketch.chars == 200_000
    assert len(sketch.frames) == BANDS


def test_meaning_cells_survive_small_edits():
    text = (
        "Explain how a bill becomes a law in a country with two chambers, who may propose it, "
        "where it can be stopped, and what the head of state has to do with it in the end."
    )
    edited = text.replace("Explain how", "Please explain to me how").replace("in the end", "")
    one, two = SKETCHER.sketch(user(text)), SKETCHER.sketch(user(edited))
    assert sum(a == b for a, b in zip(one.cells, two.cells, strict=True)) >= 2


def test_hostile_text():
    for text in ("\ud800 lone", "\x00\x01\x02" * 50, "`" * 999, '"' * 999, "@" * 99, "://" * 99):
        assert SKETCHER.sketch(user(text)) == SKETCHER.sketch_many([user("x"), user(text)])[1]


SHOTS = {
    "en": (
        "Decide whether the sentence is plausible and answer yes or no.",
        "Q: {}\nA: Let us see. {} So the answer is yes.",
        ("Ada sailed to the moon.", "A cat slept.", "Rain fell upwards.", "The king signed.",
         "Bread grew on trees.", "Two trains met.", "He ate a cloud.", "Snow was warm."),
    ),
    "input and output": (
        "Turn the informal sentence into a formal one that a bank could send.",
        "### Input: {}\n### Output: {}",
        ("hey there", "got it mate", "see you", "what's up", "no way", "send it", "come on",
         "bye"),
    ),
    "zh": (
        "请判断下面的句子是否合理，并给出理由。",
        "问题：{}\n答案：{}所以是合理的。",
        ("小猫在睡觉", "雨往上下", "国王签字了", "面包长在树上",
         "两列火车相遇", "他吃了云", "雪很暖", "花开了"),
    ),
    "ru": (
        "Определи, правдоподобно ли предложение, и объясни свой выбор одним словом.",
        "Вопрос: {}\nОтвет: {} Значит, да.",
        ("Кот спит.", "Дождь идёт вверх.", "Король подписал.", "Хлеб растёт.", "Поезд стоит.",
         "Он съел облако.", "Снег тёплый.", "Цветы цветут."),
    ),
}  # fmt: skip


def few_shots(name: str, picked: list[int]) -> str:
    instruction, shape, texts = SHOTS[name]
    blocks = [shape.format(texts[i], texts[-1 - i]) for i in picked]
    question = shape.format(texts[picked[0] - 3], "").split("\n")[0]
    return "\n\n".join([instruction, *blocks, question])


@pytest.mark.parametrize("name", SHOTS)
def test_an_instruction_is_one_frame_whatever_its_examples(name):
    one = SKETCHER.sketch(user(few_shots(name, [0, 1, 2])))
    two = SKETCHER.sketch(user(few_shots(name, [3, 4, 5, 6])))
    assert one.frames == two.frames
    assert one.exact != two.exact
    other = SHOTS["en" if name != "en" else "ru"][0]
    changed = few_shots(name, [0, 1, 2]).replace(SHOTS[name][0], other)
    assert shared(one, SKETCHER.sketch(user(changed))) <= 2


def test_examples_without_an_instruction_are_the_template():
    one, two = ("\n\n".join(f"Q: {text}\nA: yes" for text in part)
                for part in (CONTENTS[:3], CONTENTS[2:]))  # fmt: skip
    assert SKETCHER.sketch(user(one)).exact != SKETCHER.sketch(user(two)).exact


@pytest.mark.parametrize(
    "text",
    [
        "Step 1: read it\nStep 2: {}\nStep 3: answer\nStep 4: check the answer once more, please",
        "Name: Ada\nTown: {}\nPlease write a letter to her about the new opening hours.",
        "Note: be brief\nNote: be kind\nUse: {}\nWrite a reply to the customer as our shop would.",
    ],
)
def test_lists_with_labels_are_no_examples(text):
    one, two = (SKETCHER.sketch(user(text.format(word))) for word in ("paper", "plastic"))
    assert one.exact != two.exact
