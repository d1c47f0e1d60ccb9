# ruff: noqa: E501, RUF001 - one wording a line, in eleven languages
"""Requests in several wordings, for measuring what survives a paraphrase. Written for titer.

Per language: what templates are filled with, and templates, each in several wordings by hand.
Even templates are `tune`, odd ones `report`.
"""

from __future__ import annotations

CONTENTS = {
    "en": """a farmer sells apples on the market and keeps a third for his neighbours
why leaves turn yellow when days grow shorter
a function that merges two sorted lists without copying them
the planets which have rings and how rings come into being
how a bill becomes a law in a country with two chambers
a train leaves at dawn and Ada waits because she came an hour early
the safest ladder on wet grass
an e-mail that turns down an offer without burning bridges
the difference between a virus and a bacterium for twelve year olds
a query that finds customers who bought nothing since spring""",
    "de": """ein Bauer verkauft Äpfel und behält ein Drittel für die Nachbarn
warum Blätter im Herbst gelb werden
eine Funktion, die zwei sortierte Listen verbindet
wie Ringe um Planeten entstehen
eine Absage an einen Bewerber
welche Leiter auf nassem Gras sicher steht""",
    "es": """un agricultor vende manzanas y guarda un tercio para los vecinos
por qué las hojas se vuelven amarillas en otoño
una función que une dos listas ordenadas
cómo se forman los anillos de los planetas
una carta para rechazar a un candidato
qué escalera es segura sobre hierba mojada""",
    "fr": """un fermier vend des pommes et en garde un tiers pour ses voisins
pourquoi les feuilles jaunissent en automne
une fonction qui fusionne deux listes triées
comment naissent les anneaux des planètes
une lettre pour refuser un candidat
quelle échelle est sûre sur l'herbe mouillée""",
    "pt": """um agricultor vende maçãs e guarda um terço para os vizinhos
por que as folhas ficam amarelas no outono
uma função que junta duas listas ordenadas
como se formam os anéis dos planetas
uma carta para recusar um candidato
qual escada é segura na grama molhada""",
    "ru": """фермер продаёт яблоки и оставляет треть соседям
почему листья желтеют осенью
функция, которая сливает два упорядоченных списка
как возникают кольца планет
письмо с отказом кандидату
какая лестница надёжна на мокрой траве""",
    "zh": """农夫在市场上卖苹果，把三分之一留给邻居
为什么树叶在秋天变黄
合并两个有序列表的函数
行星的光环是怎样形成的
给应聘者写一封拒绝信
哪种梯子在湿草地上更安全""",
    "ja": """農家が市場でりんごを売り、三分の一を近所に残す
なぜ秋に葉が黄色くなるのか
並べ替え済みの二つのリストを結合する関数
惑星の環はどのようにできるのか
応募者への断りの手紙
濡れた草の上で安全なはしごはどれか""",
    "ko": """농부가 시장에서 사과를 팔고 삼분의 일을 이웃에게 남긴다
가을에 잎이 노랗게 변하는 이유
정렬된 두 목록을 합치는 함수
행성의 고리가 생기는 과정
지원자에게 보내는 거절 편지
젖은 풀 위에서 안전한 사다리""",
    "ar": """مزارع يبيع التفاح ويترك الثلث لجيرانه
لماذا تصفر الأوراق في الخريف
دالة تدمج قائمتين مرتبتين
كيف تتكون حلقات الكواكب
رسالة رفض لمتقدم إلى وظيفة
أي سلم أكثر أمانا على العشب المبلل""",
    "hi": """एक किसान सेब बेचता है और एक तिहाई पड़ोसियों के लिए रखता है
पतझड़ में पत्ते पीले क्यों होते हैं
दो क्रमबद्ध सूचियों को जोड़ने वाला फलन
ग्रहों के वलय कैसे बनते हैं
उम्मीदवार को अस्वीकृति का पत्र
गीली घास पर कौन सी सीढ़ी सुरक्षित है""",
}

#: Language -> templates, apart by blank lines; a line is one wording, `{x}` the content.
REWRITES = {
    "en": """
You are a careful tutor. Solve the problem below, explain every step of your reasoning, and close with one line that holds the final answer only. Problem: {x}
As a patient teacher, work through the following problem. Lay out each reasoning step, then finish with a single line containing just the final answer. Here it is: {x}
Please tackle this problem like a good tutor would: reason step by step and explain each one, and put only the final answer on the last line. {x}
{x}. That is the problem. Explain your reasoning in careful steps as a tutor; the last line must be the final answer and nothing else.
Act as a thoughtful teacher and solve what follows. No step of the reasoning may be left out, and the answer alone stands on the final line: {x}

Write twenty short questions about the topic below that a student could ask, with the correct answer after each question. Topic: {x}
Come up with 20 brief student questions on the following topic and give the right answer behind every one. {x}
For the topic "{x}" produce a list of twenty questions, short ones that students might ask, and add each question's correct answer.
I need twenty short questions that a student could ask about this topic: {x}. Answer each of them correctly right after it.
Make a list of short questions (twenty of them) which students may have on the topic, each followed by its correct answer. The topic is {x}

Sum up the text in three sentences for a busy manager, keep all numbers, and do not add anything that is not in it. Text: {x}
Give a busy manager a summary of this text in three sentences. Numbers must stay, and nothing may be added that the text does not say. {x}
Here is a text: {x}. Summarise it in three sentences a manager with no time can read; keep the numbers, add nothing.
Please write a three sentence summary of the text for a manager who is short of time, with every number kept and nothing invented: {x}
Three sentences, no additions, all numbers: that is the summary which our busy managers need of the following text. {x}

Rate the assistant's answer to the question from 1 to 10 for accuracy, clarity and tone, and justify every score in a sentence. Question and answer: {x}
Judge how accurate, clear and well toned the answer of the assistant is. Give a score between 1 and 10 for each and one sentence of justification. {x}
Below are a question and the answer that an assistant gave. Score accuracy, clarity and tone from 1 to 10, each score with a sentence that justifies it: {x}
For accuracy, for clarity and for tone, give this answer by an assistant a rating from 1 to 10 and justify the rating briefly. {x}
{x}. Please evaluate the assistant's answer: accuracy, clarity, tone, each on a scale of 1 to 10, each with a short justification.

Translate the text into plain German, keep names and formatting, and explain idioms in a footnote. Text: {x}
Please render the following text in plain German. Names and formatting stay; idioms are explained in footnotes. {x}
I need this text in simple German: {x}. Do not touch names or formatting, and add a footnote that explains each idiom.
Give me a plain German translation of what follows, with names and formatting kept and footnotes explaining the idioms. {x}
Into plain German, please, with footnotes wherever an idiom needs explaining; formatting and names must be kept: {x}

Write unit tests for the code described below with pytest, cover the edge cases, and mock every call over the network. Description: {x}
Using pytest, write unit tests that cover edge cases for this code and mock any network call: {x}
Here is a description of some code: {x}. I want pytest unit tests for it, with the edge cases covered and calls over the network mocked.
Cover the code described in the following with pytest tests. Think of edge cases, and mock what goes over the network. {x}
Please produce unit tests (pytest) for what is described here, edge cases included and network calls mocked: {x}

Rewrite the instruction so that it asks for more reasoning steps, add one constraint, and keep it shorter than ninety words. Instruction: {x}
Change this instruction: it should demand more steps of reasoning and have one additional constraint, in under ninety words. {x}
Take the instruction {x} and make a new one of it that needs more reasoning steps, has one constraint more, and stays below ninety words.
Please turn the following instruction into one with an extra constraint and more steps of reasoning; ninety words are the limit. {x}
With no more than ninety words, rewrite the instruction below to require additional reasoning steps and one further constraint: {x}

Extract every person, company and date from the message and return them as JSON with the keys people, companies and dates. Message: {x}
From the following message pull out all dates, companies and persons. Return JSON; its keys are people, companies, dates. {x}
Return a JSON object with people, companies and dates that lists each person, company and date of this message: {x}
Which people, companies and dates does the message mention? Answer as JSON with those three keys. {x}
Please read the message and extract persons, companies, dates into JSON (keys: people, companies, dates). {x}

Invent a realistic customer who has the trouble described below and write the conversation with our support until it is solved. Trouble: {x}
Make up a believable customer with this trouble, and write the support conversation that leads to its solution. {x}
Write a conversation between our support and an invented but realistic customer whose trouble is: {x}. It ends when the trouble is solved.
The trouble: {x}. Imagine a customer who has it, realistic please, and write down how the conversation with support goes until the solution.
Please write a dialogue in which support solves the following trouble of a realistic, invented customer: {x}

Plan a lesson of forty minutes on the subject for pupils of eleven years with a warm-up, group work and a short test. Subject: {x}
I teach eleven year old pupils. Make me a plan for a forty minute lesson about {x} that has a warm-up, work in groups and a brief test.
Design a lesson plan (forty minutes, pupils aged eleven) with group work, a warm-up and at the end a short test. The subject is {x}
For a class of eleven year olds, please plan forty minutes on the following subject: warm-up, group work, short test. {x}
A warm-up, group work, and a short test: plan a lesson with these for pupils of eleven, forty minutes long, on {x}

Compare the two options below for a small firm, list costs, risks and benefits of both in a table, and recommend one. Options: {x}
A small firm must choose between these options: {x}. Put the costs, the benefits and the risks of each in a table and recommend one of them.
Make a table that compares both options by costs, risks and benefits from the point of view of a small firm, then recommend one. {x}
Please recommend one of the following options to a small firm after a table of costs, risks and benefits for the two. {x}
Which of these options would you recommend to a small firm? Show a table with benefits, costs and risks of both first. {x}

Describe the picture idea in detail for an artist: light, colours, mood, foreground, background, and the style of a woodcut. Idea: {x}
An artist will draw this idea as a woodcut. Describe in detail the light, the colours, the mood, what is in the foreground and in the background. {x}
For the idea {x}, write a detailed description for an artist with mood, colours, light, foreground and background in woodcut style.
Please give an artist a detailed picture description (woodcut style) of the following idea, with foreground, background, light, colours and mood: {x}
In the style of a woodcut: describe light, mood, colours, background and foreground of this picture idea so that an artist can work from it. {x}
""",
    "de": """
Löse die folgende Aufgabe, erkläre jeden Schritt deiner Überlegung und schreibe am Ende nur das Ergebnis in eine Zeile. Aufgabe: {x}
Bitte bearbeite diese Aufgabe: Jeder Schritt der Überlegung wird erklärt, in der letzten Zeile steht allein das Ergebnis. {x}
{x}. Erkläre die Lösung dieser Aufgabe Schritt für Schritt und gib in einer Zeile am Ende nur das Ergebnis an.
Erläutere bei der folgenden Aufgabe alle Schritte deiner Lösung; das Ergebnis steht zum Schluss allein in einer Zeile. {x}

Fasse den Text für eine vielbeschäftigte Leserin in drei Sätzen zusammen und behalte alle Zahlen bei. Text: {x}
Schreibe eine Zusammenfassung des folgenden Textes in drei Sätzen, in der alle Zahlen stehen bleiben; die Leserin hat wenig Zeit. {x}
Drei Sätze, alle Zahlen: So soll die Zusammenfassung dieses Textes für eine Leserin ohne Zeit aussehen. {x}
Für eine Leserin mit wenig Zeit fasst du bitte diesen Text in drei Sätzen zusammen, ohne Zahlen wegzulassen: {x}

Bewerte die Antwort des Assistenten auf einer Skala von eins bis zehn nach Genauigkeit und Klarheit und begründe beides. {x}
Wie genau und wie klar ist diese Antwort des Assistenten? Bewerte sie von eins bis zehn und gib eine Begründung. {x}
Gib der folgenden Antwort Punkte von eins bis zehn für Klarheit und Genauigkeit und begründe die Bewertung. {x}
Bitte beurteile Genauigkeit und Klarheit der Antwort des Assistenten auf einer Skala bis zehn, mit Begründung: {x}

Erstelle zwanzig kurze Fragen zum Thema, die Schüler stellen könnten, und schreibe hinter jede die richtige Antwort. Thema: {x}
Schüler könnten zum folgenden Thema Fragen haben. Erstelle zwanzig kurze und gib jeweils die richtige Antwort dazu. {x}
Zum Thema {x} brauche ich zwanzig kurze Fragen von Schülern samt der richtigen Antwort.
Bitte schreibe eine Liste mit zwanzig kurzen Schülerfragen zu diesem Thema und beantworte jede richtig: {x}

Schreibe die Anweisung so um, dass sie mehr Schritte verlangt, und füge eine weitere Bedingung hinzu. Anweisung: {x}
Ändere diese Anweisung: Sie soll mehr Schritte verlangen und eine zusätzliche Bedingung enthalten. {x}
Formuliere aus der folgenden Anweisung eine neue mit einer weiteren Bedingung, die mehr Schritte verlangt. {x}
Bitte mache die Anweisung schwerer, mit mehr Schritten und einer Bedingung mehr: {x}

Plane eine Unterrichtsstunde von vierzig Minuten mit Gruppenarbeit und einem kurzen Test zu diesem Thema. {x}
Ich brauche den Plan für eine Stunde Unterricht, vierzig Minuten, mit einem kurzen Test und Gruppenarbeit, über {x}
Zum folgenden Thema: Unterrichtsstunde, vierzig Minuten, Gruppenarbeit, am Schluss ein kurzer Test. Bitte plane sie. {x}
Entwirf bitte eine Stunde mit Gruppenarbeit und kurzem Test, die vierzig Minuten dauert. Thema der Unterrichtsstunde: {x}
""",
    "es": """
Resuelve el problema siguiente, explica cada paso de tu razonamiento y escribe al final solo el resultado en una línea. Problema: {x}
Por favor, trabaja este problema: explica todos los pasos del razonamiento y deja en la última línea únicamente el resultado. {x}
{x}. Explica paso a paso cómo se resuelve este problema y pon el resultado solo en una línea al final.
Con cada paso del razonamiento explicado, resuelve lo que sigue; la línea final contiene solo el resultado. {x}

Resume el texto en tres frases para un directivo ocupado y conserva todas las cifras. Texto: {x}
Escribe un resumen en tres frases de este texto, sin quitar ninguna cifra; lo leerá un directivo con poco tiempo. {x}
Tres frases y todas las cifras: así debe ser el resumen del siguiente texto para un directivo ocupado. {x}
Para un directivo sin tiempo, resume por favor este texto en tres frases conservando las cifras: {x}

Evalúa la respuesta del asistente en una escala de uno a diez según su exactitud y claridad, y justifica cada nota. {x}
¿Qué exactitud y qué claridad tiene esta respuesta del asistente? Ponle una nota de uno a diez y justifícala. {x}
Da a la respuesta siguiente una nota entre uno y diez por claridad y por exactitud, y justifica la evaluación. {x}
Por favor, valora la claridad y la exactitud de la respuesta del asistente en una escala hasta diez, con justificación: {x}

Escribe veinte preguntas breves que un alumno podría hacer sobre el tema, con la respuesta correcta detrás de cada una. Tema: {x}
Un alumno podría tener dudas sobre el tema siguiente. Escribe veinte preguntas breves y la respuesta correcta de cada pregunta. {x}
Sobre {x} necesito veinte preguntas breves de alumnos con su respuesta correcta.
Haz una lista de preguntas breves (veinte) que haría un alumno sobre este tema y da la respuesta correcta de todas: {x}
""",
    "fr": """
Résous le problème suivant, explique chaque étape de ton raisonnement et écris à la fin le résultat seul sur une ligne. Problème : {x}
Merci de traiter ce problème : toutes les étapes du raisonnement sont expliquées, la dernière ligne contient seulement le résultat. {x}
{x}. Explique étape par étape la résolution de ce problème et donne le résultat seul sur une ligne à la fin.
En expliquant chaque étape du raisonnement, résous ce qui suit ; la ligne finale ne contient que le résultat. {x}

Résume le texte en trois phrases pour un directeur pressé et garde tous les chiffres. Texte : {x}
Écris un résumé de ce texte en trois phrases sans enlever de chiffres ; le directeur qui le lit est pressé. {x}
Trois phrases et tous les chiffres : voilà le résumé du texte suivant qu'il faut à un directeur pressé. {x}
Pour un directeur qui a peu de temps, résume s'il te plaît ce texte en trois phrases en gardant les chiffres : {x}

Écris vingt questions courtes qu'un élève pourrait poser sur le sujet, avec la bonne réponse après chacune. Sujet : {x}
Un élève pourrait avoir des questions sur le sujet suivant. Écris-en vingt, courtes, et donne la bonne réponse à chaque question. {x}
Sur {x}, il me faut vingt questions courtes d'élèves avec la bonne réponse.
Fais une liste de vingt questions courtes qu'un élève poserait sur ce sujet et donne la bonne réponse de toutes : {x}

Évalue la réponse de l'assistant de un à dix pour son exactitude et sa clarté et justifie chaque note. {x}
Quelle est l'exactitude et quelle est la clarté de cette réponse de l'assistant ? Donne une note de un à dix et justifie-la. {x}
Donne à la réponse suivante une note entre un et dix pour la clarté et l'exactitude, et justifie l'évaluation. {x}
Merci de juger la clarté et l'exactitude de la réponse de l'assistant sur dix, avec une justification : {x}
""",
    "pt": """
Resolva o problema abaixo, explique cada passo do raciocínio e escreva no fim apenas o resultado em uma linha. Problema: {x}
Por favor, trabalhe este problema: explique todos os passos do raciocínio e deixe na última linha somente o resultado. {x}
{x}. Explique passo a passo como resolver este problema e ponha o resultado sozinho em uma linha no fim.
Com cada passo do raciocínio explicado, resolva o que segue; a linha final contém apenas o resultado. {x}

Resuma o texto em três frases para um gerente ocupado e mantenha todos os números. Texto: {x}
Escreva um resumo deste texto em três frases sem tirar nenhum número; o gerente que vai ler tem pouco tempo. {x}
Três frases e todos os números: assim deve ser o resumo do seguinte texto para um gerente ocupado. {x}
Para um gerente sem tempo, resuma por favor este texto em três frases mantendo os números: {x}
""",
    "ru": """
Реши следующую задачу, объясни каждый шаг рассуждения и напиши в конце только ответ одной строкой. Задача: {x}
Пожалуйста, разбери эту задачу: объясни все шаги рассуждения, а в последней строке оставь только ответ. {x}
{x}. Объясни по шагам, как решается эта задача, и дай ответ отдельной строкой в конце.
Объясняя каждый шаг рассуждения, реши то, что дано ниже; последняя строка содержит только ответ. {x}

Перескажи текст в трёх предложениях для занятого руководителя и сохрани все числа. Текст: {x}
Напиши краткий пересказ этого текста из трёх предложений, не теряя чисел; у руководителя мало времени. {x}
Три предложения и все числа: таким должен быть пересказ следующего текста для занятого руководителя. {x}
Для руководителя, у которого мало времени, перескажи этот текст тремя предложениями, сохранив числа: {x}

Оцени ответ ассистента по шкале от одного до десяти за точность и ясность и обоснуй каждую оценку. {x}
Насколько точен и ясен этот ответ ассистента? Поставь оценку от одного до десяти и дай обоснование. {x}
Поставь следующему ответу оценку от одного до десяти за ясность и точность и обоснуй её. {x}
Пожалуйста, оцени ясность и точность ответа ассистента по шкале до десяти, с обоснованием: {x}

Напиши двадцать коротких вопросов по теме, которые мог бы задать ученик, и правильный ответ после каждого. Тема: {x}
У ученика могут быть вопросы по следующей теме. Напиши двадцать коротких вопросов и дай правильный ответ на каждый. {x}
По теме {x} мне нужны двадцать коротких вопросов ученика с правильным ответом.
Составь список коротких вопросов (двадцать), которые задал бы ученик по этой теме, и правильный ответ на все: {x}
""",
    "zh": """
请解答下面的题目，说明推理的每一步，最后一行只写出答案。题目：{x}
请像老师一样做这道题，把每一步推理都解释清楚，答案单独写在最后一行。{x}
{x}。请一步一步地解释这道题的推理过程，末尾用一行只给出答案。
在解答以下题目时，不要省略任何推理步骤，最后一行只能是答案：{x}

请用三句话为繁忙的经理概括下面的文章，保留所有数字。文章：{x}
经理很忙，请把这篇文章概括成三句话，数字都要保留。{x}
三句话、保留全部数字：请这样为没有时间的经理概括以下文章。{x}
下面这篇文章请概括一下，给繁忙的经理看，限三句话，不要丢掉数字：{x}

请根据准确性和清晰度给助手的回答打分，从一分到十分，并说明每个分数的理由。{x}
助手的这个回答有多准确、多清晰？请从一分到十分打分并给出理由。{x}
请评价下面的回答，清晰度和准确性各打一到十分，说明打分理由。{x}
对助手的回答进行评分，满分十分，看准确性与清晰度，并附上理由：{x}

请就下面的主题写出二十个学生可能会问的简短问题，每个问题后面附上正确答案。主题：{x}
学生对以下主题可能有疑问，请写二十个简短的问题并给出正确答案。{x}
关于{x}，我需要二十个学生会问的简短问题，还要有正确答案。
请列出二十个简短问题，都是学生就这个主题会问的，并在后面写上正确答案：{x}
""",
    "ja": """
次の問題を解き、推論の各段階を説明して、最後の行に答えだけを書いてください。問題：{x}
この問題を解いてください。推論の段階をすべて説明し、答えは最後の行に単独で書いてください。{x}
{x}。この問題の解き方を段階ごとに説明し、最後に一行で答えだけを示してください。
推論の各段階を省かずに説明しながら、以下の問題を解き、最後の行は答えのみとしてください。{x}

忙しい管理職のために、次の文章を三文で要約し、数字はすべて残してください。文章：{x}
管理職は忙しいので、この文章を三文に要約してください。数字は残します。{x}
三文で、数字をすべて残して、忙しい管理職に向けて以下の文章を要約してください。{x}
次の文章の要約をお願いします。三文、数字は省かない、読むのは忙しい管理職です。{x}
""",
    "ko": """
다음 문제를 풀고 추론의 각 단계를 설명한 뒤 마지막 줄에 답만 쓰세요. 문제: {x}
이 문제를 풀어 주세요. 추론의 모든 단계를 설명하고 답은 마지막 줄에 따로 쓰세요. {x}
{x}. 이 문제의 풀이를 단계별로 설명하고 끝에 한 줄로 답만 제시하세요.
추론의 각 단계를 빠짐없이 설명하면서 아래 문제를 풀고, 마지막 줄에는 답만 적으세요. {x}

바쁜 관리자를 위해 다음 글을 세 문장으로 요약하고 숫자는 모두 남기세요. 글: {x}
관리자는 바쁩니다. 이 글을 세 문장으로 요약하되 숫자를 빼지 마세요. {x}
세 문장, 모든 숫자: 바쁜 관리자가 읽을 수 있게 아래 글을 이렇게 요약하세요. {x}
다음 글의 요약을 부탁합니다. 세 문장으로, 숫자는 모두 남기고, 바쁜 관리자가 읽습니다. {x}
""",
    "ar": """
حل المسألة التالية واشرح كل خطوة من خطوات التفكير واكتب في النهاية النتيجة وحدها في سطر. المسألة: {x}
من فضلك حل هذه المسألة مع شرح جميع خطوات التفكير، واترك السطر الأخير للنتيجة وحدها. {x}
{x}. اشرح خطوة خطوة حل هذه المسألة وضع النتيجة وحدها في سطر في النهاية.
مع شرح كل خطوة من التفكير حل ما يلي، والسطر الأخير يحتوي النتيجة فقط. {x}

لخص النص في ثلاث جمل لمدير مشغول واحتفظ بكل الأرقام. النص: {x}
اكتب ملخصا لهذا النص في ثلاث جمل دون حذف الأرقام فالمدير مشغول. {x}
ثلاث جمل وكل الأرقام: هكذا يكون ملخص النص التالي لمدير مشغول. {x}
لمدير لا وقت لديه لخص من فضلك هذا النص في ثلاث جمل مع الاحتفاظ بالأرقام: {x}
""",
    "hi": """
नीचे दी गई समस्या हल करें, तर्क का प्रत्येक चरण समझाएँ और अंत में एक पंक्ति में केवल उत्तर लिखें। समस्या: {x}
कृपया यह समस्या हल करें: तर्क के सभी चरण समझाएँ और अंतिम पंक्ति में केवल उत्तर छोड़ें। {x}
{x}। इस समस्या का हल चरण दर चरण समझाएँ और अंत में उत्तर अकेला एक पंक्ति में दें।
तर्क का प्रत्येक चरण समझाते हुए निम्न समस्या हल करें; अंतिम पंक्ति में केवल उत्तर हो। {x}

व्यस्त प्रबंधक के लिए पाठ का सार तीन वाक्यों में लिखें और सभी संख्याएँ रखें। पाठ: {x}
इस पाठ का सार तीन वाक्यों में लिखें, कोई संख्या न छोड़ें; प्रबंधक व्यस्त है। {x}
तीन वाक्य और सभी संख्याएँ: व्यस्त प्रबंधक के लिए निम्न पाठ का सार ऐसा हो। {x}
जिस प्रबंधक के पास समय नहीं, उसके लिए इस पाठ का सार तीन वाक्यों में संख्याओं सहित लिखें: {x}
""",
}

#: Words that say the same, for jitter by machine. English.
SYNONYMS = {
    "write": ("compose", "draft"), "explain": ("describe", "clarify"), "every": ("each",),
    "problem": ("task", "exercise"), "short": ("brief",), "correct": ("right",),
    "answer": ("reply", "solution"), "text": ("passage",), "please": ("kindly",),
    "make": ("create",), "list": ("enumeration",), "keep": ("retain",), "add": ("include",),
    "below": ("here",), "following": ("next",), "summary": ("digest",), "rate": ("score",),
    "describe": ("depict",), "plan": ("outline",), "step": ("stage",), "need": ("want",),
    "busy": ("hurried",), "return": ("give",), "new": ("fresh",), "one": ("a single",),
}  # fmt: skip
FILLERS = (
    "Thanks in advance.", "Take your time.", "This is for work.", "Be precise.", "Hello!",
    "I have tried this before without success.", "Do your best.", "It is rather urgent.",
)  # fmt: skip


def sides(language: str) -> dict[str, list[list[str]]]:
    """The templates of a language by side, each a list of wordings."""
    blocks = [block.strip().split("\n") for block in REWRITES[language].strip().split("\n\n")]
    return {"tune": blocks[::2], "report": blocks[1::2]}
