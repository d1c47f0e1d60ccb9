"""What people ask in other languages and scripts; the shapes differ, not only the words."""

from __future__ import annotations

import random

from titer.lab.generators.grammar import Rules, expand

TONGUES: dict[str, Rules] = {
    "es": {
        "tema": [
            "la declaración de la renta",
            "el dolor de espalda",
            "las plantas de interior",
            "la historia de Roma",
            "el ajedrez",
            "los vuelos baratos",
            "el insomnio",
        ],
        "lugar": ["Lima", "Sevilla", "Quito", "Valparaíso", "Monterrey"],
        "ask": [
            "¿Qué debería saber sobre {tema}?",
            "Explícame {tema} en {n:3-8} frases.",
            "Escribe una carta corta sobre {tema} para mi vecina de {lugar}.",
            "¿Cuánto cuesta vivir en {lugar} con {n:600-2500} euros?",
            "Necesito {n:3-9} ideas para {tema}, por favor.",
            "Mi hermano vive en {lugar} y dice que {tema} es fácil. ¿Es verdad?",
        ],
        "more": ["¿Y por qué?", "Más corto, por favor.", "Dame otro ejemplo con {lugar}."],
    },
    "fr": {
        "sujet": [
            "la photosynthèse",
            "les impôts locaux",
            "le pain au levain",
            "la Révolution",
            "le mal de dos",
            "les voitures électriques",
            "l'orthographe",
        ],
        "lieu": ["Nantes", "Dakar", "Liège", "Montréal", "Grenoble"],
        "ask": [
            "Peux-tu m'expliquer {sujet} simplement ?",
            "J'habite à {lieu}, comment m'y prendre avec {sujet} ?",
            "Rédige un courriel poli à la mairie de {lieu} à propos de {sujet}.",
            "Quels sont les {n:3-7} pièges concernant {sujet} ?",
            "Est-ce que {sujet} a changé depuis {n:1950-2010} ?",
        ],
        "more": ["Et à {lieu} ?", "Plus court.", "Je ne comprends pas le deuxième point."],
    },
    "de": {
        "thema": [
            "die Steuererklärung",
            "Rückenschmerzen",
            "Wärmepumpen",
            "Sauerteig",
            "die Weimarer Republik",
            "Zimmerpflanzen",
            "Schlafprobleme",
        ],
        "ort": ["Leipzig", "Graz", "Basel", "Kiel", "Freiburg"],
        "ask": [
            "Was muss ich über {thema} wissen?",
            "Schreib mir bitte einen kurzen Brief an den Vermieter in {ort} wegen {thema}.",
            "Wie viel kostet {thema} in {ort} ungefähr?",
            "Nenne {n:3-8} häufige Fehler bei {thema}.",
            "Meine Nachbarin aus {ort} fragt dauernd nach {thema}; was sage ich ihr?",
        ],
        "more": ["Und warum?", "Kürzer bitte.", "Gilt das auch in {ort}?"],
    },
    "pt": {
        "assunto": ["o imposto de renda", "dor nas costas", "viagens baratas", "o café", "xadrez"],
        "cidade": ["Recife", "Porto", "Luanda", "Curitiba"],
        "ask": [
            "O que devo saber sobre {assunto}?",
            "Escreva um bilhete sobre {assunto}.",
            "Quanto custa morar em {cidade} com {n:1-4} filhos?",
            "Me dê {n:3-9} dicas de {assunto} para quem mora em {cidade}.",
        ],
        "more": ["E por quê?", "Mais curto.", "E em {cidade}?"],
    },
    "ru": {
        "tema": ["налоговый вычет", "боль в спине", "комнатные растения", "шахматы", "бессонница"],
        "gorod": ["Казани", "Омске", "Ереване", "Риге"],
        "ask": [
            "Объясни простыми словами: {tema}.",
            "Сколько стоит жить в {gorod} вдвоём?",
            "Напиши короткое письмо соседу, тема: {tema}.",
            "Назови {n:3-9} ошибок, когда речь идёт про {tema}.",
        ],
        "more": ["Почему?", "Короче, пожалуйста.", "Если я живу в {gorod}?"],
    },
    "zh": {
        "huati": ["个人所得税", "腰痛", "室内植物", "象棋", "失眠", "电动汽车", "面试"],
        "chengshi": ["成都", "青岛", "昆明", "西安"],
        "ask": [
            "请简单解释一下{huati}。",
            "在{chengshi}生活一个月大概要多少钱?",
            "帮我写一封关于{huati}的短信,语气客气一点。",
            "关于{huati}有哪{n:3-8}个常见误区?",
            "我住在{chengshi},最近一直在想{huati}的事,有什么建议吗?",
        ],
        "more": ["为什么?", "再短一点。", "能举个{chengshi}的例子吗?"],
    },
    "ja": {
        "wadai": ["確定申告", "腰の痛み", "観葉植物", "将棋", "不眠", "電気自動車"],
        "machi": ["仙台", "松山", "金沢", "那覇"],
        "ask": [
            "{wadai}について分かりやすく教えてください。",
            "{machi}で一人暮らしの費用は?",
            "{wadai}でよくある間違いを{n:3-8}個挙げて。",
            "{wadai}のことで大家さんに短いメールを書いてください。",
        ],
        "more": ["なぜですか?", "もっと短くお願いします。", "{machi}の場合は?"],
    },
    "ar": {
        "mawdu": ["ضريبة الدخل", "آلام الظهر", "النباتات المنزلية", "الشطرنج", "الأرق"],
        "madina": ["تونس", "عمّان", "الرباط", "الإسكندرية"],
        "ask": [
            "اشرح لي {mawdu} ببساطة.",
            "كم تكلفة المعيشة في {madina}؟",
            "اكتب رسالة قصيرة إلى جاري عن {mawdu}.",
            "ما هي أكثر {n:3-8} أخطاء شيوعًا في {mawdu}؟",
        ],
        "more": ["ولماذا؟", "أقصر من فضلك.", "وماذا عن {madina}؟"],
    },
    "hi": {
        "vishay": ["आयकर", "कमर दर्द", "घर के पौधे", "शतरंज", "नींद न आना"],
        "shahar": ["पुणे", "जयपुर", "पटना", "कोच्चि"],
        "ask": [
            "{vishay} के बारे में सरल शब्दों में बताइए।",
            "{shahar} में रहने का खर्च कितना है?",
            "{vishay} पर {n:3-8} सुझाव दीजिए।",
            "{vishay} के बारे में मकान मालिक को पत्र लिखिए।",
        ],
        "more": ["क्यों?", "थोड़ा छोटा कीजिए।", "और {shahar} में?"],
    },
    "ko": {
        "juje": ["연말정산", "허리 통증", "실내 식물", "바둑", "불면증"],
        "dosi": ["부산", "전주", "강릉", "대전"],
        "ask": [
            "{juje}에 대해 쉽게 설명해 줘.",
            "{dosi}에서 한 달 생활비가 얼마나 들까?",
            "{juje}에서 흔한 실수 {n:3-8}가지 알려줘.",
            "{juje} 때문에 집주인에게 보낼 문자 써 줘.",
        ],
        "more": ["왜?", "더 짧게.", "{dosi}라면?"],
    },
}


class Speaker:
    """One person who chats in another language than English."""

    def __init__(self, rng: random.Random) -> None:
        self.lang = rng.choice(tuple(TONGUES))
        self._rules = TONGUES[self.lang]

    def opening(self, rng: random.Random) -> str:
        """The first message of a conversation: one question, or two together."""
        text = expand(rng, self._rules, "ask")
        return text if rng.random() < 0.7 else f"{text} {expand(rng, self._rules, 'ask')}"

    def follow_up(self, rng: random.Random) -> str:
        """A later message of the same conversation."""
        return expand(rng, self._rules, "more")
