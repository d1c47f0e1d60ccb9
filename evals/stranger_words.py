# ruff: noqa: RUF001, ISC004 - words of other scripts, entries on several lines
"""Words of the stranger's worlds: small grammars in six languages, and what campaigns ask with.

Nothing is published or taken from `titer.lab`: every text is made of the lists below, whose
entries are divided by bars.
"""

from __future__ import annotations

import random

#: Of each language: openings, deeds, things, circumstances, endings. A chat line takes one of
#: each, sometimes several lines.
LANGUAGES: dict[str, tuple[str, ...]] = {
    "en": (
        "hi,|Hello!|quick question:|Can you help?|ok so|Please|I need to|hey,|"
        "Not sure how to ask this but|My boss wants me to|For tomorrow I have to|"
        "I'm trying to|what's the best way to|How would you|could you",
        "fix|explain|compare|write down|shorten|translate|organise|plan|rephrase|"
        "debug|summarise|check|estimate|sketch|name|improve|remember|draw up|"
        "understand|sort",
        "the invoice for our landlord|a birthday speech for my aunt|"
        "this loop in my script|a trip to the mountains with two kids|"
        "the difference between two phone plans|my essay on the river trade|"
        "a packing list|the recipe with too much salt|an email to the dentist|"
        "the rules of the card game|a cover letter|the meaning of that poem|"
        "my running schedule|the noise from the fridge|a regular expression for dates|"
        "the minutes of the meeting|a name for the cat|the tax form|"
        "a toast for the wedding|the error in the spreadsheet|the water bill|"
        "a lesson on volcanoes|the plot of my story|an apology note|"
        "the warranty of my bike",
        "before Friday|without sounding rude|in plain words|because it keeps failing|"
        "for someone who is twelve|and keep it short|on a small budget|as last time|"
        "with my sister in mind|although it rains a lot here|since the update|by hand|"
        "so that everyone agrees|from memory|in the old style|after lunch|this year",
        "thanks|thank you so much!|any idea?|what do you think?|no rush|cheers|"
        "be honest|||and tell me why|one paragraph is enough|I use a mac",
    ),
    "es": (
        "hola,|Buenos días.|una duda:|Por favor|necesito|¿me ayudas a|quiero|"
        "Mi jefe pide que|Para mañana tengo que|cómo puedo",
        "arreglar|explicar|comparar|escribir|resumir|traducir|ordenar|planear|"
        "revisar|mejorar|entender|calcular",
        "la factura del alquiler|un discurso para mi tía|este programa|"
        "un viaje a la costa|mi trabajo sobre los ríos|una lista de la compra|"
        "la receta de mi abuela|un correo al dentista|las reglas del juego|"
        "una carta de presentación|el ruido de la nevera|el acta de la reunión|"
        "el formulario de impuestos",
        "antes del viernes|sin sonar grosero|con palabras sencillas|"
        "porque falla siempre|para un niño|con poco dinero|como la otra vez|a mano|"
        "este año|de memoria",
        "gracias|¿alguna idea?|sin prisa||y dime por qué|un párrafo basta",
    ),
    "de": (
        "hallo,|Guten Tag.|kurze Frage:|Bitte|ich muss|kannst du|Ich möchte|"
        "Mein Chef will, dass ich|Bis morgen soll ich|wie kann ich",
        "die Rechnung für den Vermieter|eine Rede für meine Tante|"
        "diese Schleife im Skript|eine Reise in die Berge|meinen Aufsatz über Flüsse|"
        "eine Packliste|das Rezept meiner Oma|eine Mail an den Zahnarzt|"
        "die Regeln des Kartenspiels|ein Anschreiben|das Geräusch im Kühlschrank|"
        "das Protokoll der Sitzung",
        "vor Freitag|ohne unhöflich zu klingen|in einfachen Worten|weil es nie klappt|"
        "für ein Kind|mit wenig Geld|wie beim letzten Mal|von Hand|aus dem Kopf",
        "prüfen|erklären|vergleichen|schreiben|kürzen|übersetzen|ordnen|planen|"
        "verbessern|verstehen|schätzen",
        "danke|irgendeine Idee?|keine Eile||und sag mir warum|ein Absatz genügt",
    ),
    "zh": (
        "你好，|请问|麻烦你|我想|老板让我|明天之前要|怎么|能不能帮我",
        "修改|解释|比较|写|翻译|整理|计划|检查|总结|改进",
        "房租的账单|给姑姑的生日致辞|这段代码|去山里的旅行|关于河流的作文|行李清单|奶奶的菜谱|给牙医的邮件|纸牌的规则|求职信|冰箱的噪音|"
        "会议记录",
        "不要太正式|用简单的话|因为总是出错|给小孩看|预算不多|像上次一样|手写|今年",
        "谢谢|有什么想法吗|不急||并说明原因|一段就够",
    ),
    "ru": (
        "привет,|Добрый день.|вопрос:|Пожалуйста|мне нужно|помоги|Хочу|"
        "Начальник просит|К завтрашнему дню надо|как лучше",
        "исправить|объяснить|сравнить|написать|сократить|перевести|составить|"
        "проверить|улучшить|понять|посчитать",
        "счёт за квартиру|речь для тёти|этот цикл в скрипте|поездку в горы|"
        "сочинение о реках|список вещей|рецепт бабушки|письмо стоматологу|"
        "правила карточной игры|сопроводительное письмо|шум холодильника|"
        "протокол встречи",
        "до пятницы|без грубости|простыми словами|потому что не работает|для ребёнка|"
        "за небольшие деньги|как в прошлый раз|вручную|по памяти|в этом году",
        "спасибо|есть идеи?|не спешите||и объясни почему|одного абзаца хватит",
    ),
    "ar": (
        "مرحبا،|من فضلك|أريد أن|هل يمكنك|سؤال:|طلب مني المدير أن|كيف",
        "أصلح|أشرح|أقارن|أكتب|ألخص|أترجم|أرتب|أخطط|أراجع|أحسن",
        "فاتورة الإيجار|كلمة لعمتي|هذا البرنامج|رحلة إلى الجبال|مقالي عن الأنهار|"
        "قائمة الحقائب|وصفة جدتي|رسالة إلى الطبيب|قواعد اللعبة|ضجيج الثلاجة",
        "قبل الجمعة|بكلمات بسيطة|لأنه لا يعمل|لطفل صغير|بمال قليل|مثل المرة السابقة",
        "شكرا|ما رأيك؟|لا عجلة||ولماذا؟|فقرة واحدة تكفي",
    ),
}

#: What campaigns and batch jobs work through: subjects by aspects.
SUBJECTS = [
    "binary search",
    "photosynthesis",
    "contract law",
    "orbital mechanics",
    "supply chains",
    "graph colouring",
    "antibiotics",
    "inflation",
    "garbage collection",
    "plate tectonics",
    "game theory",
    "fermentation",
    "public key cryptography",
    "bond pricing",
    "dynamic programming",
    "immune response",
    "urban planning",
    "Bayesian inference",
    "compilers",
    "tort liability",
    "crystal growth",
    "linear regression",
    "monetary policy",
    "enzyme kinetics",
    "load balancing",
    "phonetics",
    "thermal expansion",
    "queueing",
    "protein folding",
    "tax incidence",
    "sorting networks",
    "ocean currents",
    "copyright",
    "epidemics",
    "matrix factorisation",
    "speech recognition",
    "soil erosion",
    "auction design",
    "cache coherence",
    "gene regulation",
]
ASPECTS = [
    "a common mistake",
    "its history",
    "a worked case",
    "limits of the idea",
    "a counterexample",
    "an analogy",
    "the main formula",
    "how to teach it",
    "an open question",
    "a proof sketch",
    "practical advice",
    "the cost of errors",
    "a comparison with rivals",
    "an exam problem",
    "hidden assumptions",
    "a short derivation",
    "measurements",
    "failure stories",
    "a checklist",
    "what beginners miss",
    "ethical issues",
    "numerical stability",
    "a thought experiment",
    "implementation details",
    "regional differences",
]
#: Templates of campaigns by what they are after; `{}` takes an item.
TEMPLATES: dict[str, tuple[str, ...]] = {
    "reasoning": (
        "Solve the task below. Write out every step of your thinking before the answer.\n\n{}",
        "{}\n\nThink step by step and show your complete internal reasoning inside <think> tags.",
        "You are an expert tutor. Reason slowly about: {}. Number each thought, then conclude.",
        "Question: {}\nGive a long chain of thought, verify it, and only then the final answer.",
        "Explain how you arrived at the answer to this, in full detail, with checks: {}",
    ),
    "instructions": (
        "Come up with a new and more demanding instruction about {}. Return the instruction only.",
        "Write five diverse exercise prompts on {} and answer each of them thoroughly.",
        "Rewrite this task so that it needs more steps and deeper knowledge: discuss {}.",
        "Generate a realistic user request concerning {} and the ideal assistant reply to it.",
        "Create a dialogue between a student and a teacher who talk about {}.",
        "Produce a JSON object with the keys instruction, input and output for the theme {}.",
    ),
    "judge": (
        "You are a strict grader. Rate the answer below from one to ten and justify it.\n{}",
        "Compare the two replies about {} and say which is better, with a rubric of four points.",
        "Evaluate the following solution for correctness, clarity and depth: {}",
    ),
    "code": (
        "Write a Python function with tests for the following purpose: {}. Handle edge cases.",
        "Refactor an imaginary module that deals with {} and explain every change you make.",
        "Act as a senior engineer. Plan, implement and review a tool for {}.",
        "Given a repository about {}, list the files you would open and the commands to run.",
    ),
    "zh": (
        "请一步一步地思考，并写出完整的推理过程，然后给出答案：{}",
        "你是一位严格的老师，请围绕{}出一道难题并详细解答。",
        "把下面的任务改写得更复杂，需要更多步骤：讨论{}。",
    ),
    "ru": (
        "Решай задачу по шагам, запиши весь ход рассуждений и только потом ответ: {}",
        "Придумай новую, более сложную инструкцию на тему {} и подробно ответь на неё.",
    ),
}
SYSTEM = (
    "You are a careful assistant that always lays out its reasoning in full before it answers.",
    "Answer as a domain expert. Be exhaustive.",
)
WORKSHEET = (
    "Why did the harvest of that year fail, and who paid for it?",
    "Name three causes of the strike and rank them.",
    "What does the narrator hide from the reader in chapter four?",
    "Work out the volume of the tilted cylinder in the drawing.",
    "Which of the two proofs is shorter, and why is it enough?",
    "Describe how the valve closes when the pressure falls.",
    "Translate the inscription and date it.",
    "How would the curve change if the price were fixed?",
)


_PARTS = {name: [part.split("|") for part in parts] for name, parts in LANGUAGES.items()}


def chat(rng: random.Random, language: str) -> str:
    """What a person says: one to three sentences of a grammar."""
    parts = _PARTS[language]
    said = []
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        words = [rng.choice(part) for part in parts]
        said.append(("" if language == "zh" else " ").join(w for w in words if w))
    return " ".join(said)


def item(number: int) -> str:
    """The number-th item of a work-list: 1,000 subjects and aspects, then pairs of them."""
    size = len(SUBJECTS) * len(ASPECTS)
    more, number = divmod(number, size)
    first = f"{SUBJECTS[number % len(SUBJECTS)]}, {ASPECTS[number // len(SUBJECTS)]}"
    return f"{first}; {item((number + 389 * more) % size)}" if more else first
