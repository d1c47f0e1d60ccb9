"""Words by which text families are told: concepts, and how eleven languages say them.

A cue is a stem: it matches where a word begins with it. `~` lets it begin inside a word; `$`
asks that the word ends with it. Cues of Chinese, Japanese, Korean and Arabic may begin anywhere,
for their words are not set off, or carry prefixes. Accents may be missing in the text.

One concept says nothing: `titer.core.families` asks for several of them close together.
"""

from __future__ import annotations

#: Concept -> its cues, separated by `|`; a line for each language, English first.
CUES: dict[str, str] = {
    # What is done.
    "make": """
        generat|creat|come up with|produce|write|compos|invent|brainstorm|draft|synthesi|devise
        |design|formulate|construct|propose|complete the list|build
        |genera|crea|escrib|redact|inventa|elabor|propon|produc
        |génère|génér|crée|créer|rédige|écri|invente|produi|propose|élabor
        |erzeug|erstell|generier|schreib|verfass|entwirf|denk dir|formulier
        |сгенерир|генерир|созда|придума|напиш|состав|сочини|разработа
        |gere|gerar|crie|criar|escrev|elabore|invente|produza|redija
        |生成|创建|創建|编写|編寫|写出|构造|撰写|设计|提出|编出|创作
        |生成|作成|作って|書いて|考えて|考え出|作り出
        |생성|만들어|작성|써 줘|써줘|제작|고안
        |أنشئ|اكتب|انشئ|ولّد|ولد|توليد|ابتكر|أنتج|صغ|إنشاء
        |उत्पन्न|बनाएँ|बनाएं|बनाइए|लिखें|लिखिए|तैयार कर|रचना
    """,
    "rewrite": """
        rewrit|rephras|reword|transform|evolv|modif|complicat|reformulat|paraphras|revis|upgrade
        |turn it into|turn the|enhance|convert|alter$|adapt|mutat
        |reescrib|reformul|transform|modific|convierte|complica|reelabor
        |réécri|reformul|transform|modifi|convertis|complexifi
        |umschreib|schreibe um|schreib um|formuliere|umformulier|verwandle|wandle|überarbeit
        |перепиш|переписа|перефраз|переформулир|преобраз|измени|усложни|переработа
        |reescrev|reformul|transform|modifiqu|converta|complique
        |改写|重写|改寫|重寫|改编|转换|重新表述|改成|修改|换一种说法
        |書き直|書き換|言い換|書き換え|変換|改変
        |다시 써|다시 작성|바꿔|바꾸|재작성|변환|고쳐
        |أعد كتابة|اعد كتابة|إعادة كتابة|أعد صياغة|اعد صياغة|إعادة صياغة|حوّل|عدّل
        |फिर से लिख|पुनः लिख|पुनर्लेख|दोबारा लिख|बदल
        |change|make harder|make it harder|alter the|ändere|mache die|mach die|umzuschreiben
        |cambia|haz más
        |change ce|rends|измени|сделай сложнее|mude|altere|torne|改成|变得|変えて|변경|غيّر|बदलें
    """,
    "judge": """
        evaluat|grade|grading|rate$|rating|assess|judg|rank|critique|scor|compar|verif|decid
        |evalú|evalua|califi|puntú|puntua|juzga|valora|compar
        |évalu|note$|noter|notez|juge|classe|appréci|compar
        |bewert|beurteil|benote|vergleich|einstuf
        |оцени|оценк|оценив|проверь|сравни|ранжир|суди
        |avali|classifi|pontu|julgu|compar|atribua
        |评估|评价|评分|打分|评判|判断|评测|評估|評分|比较
        |評価|採点|判定|比較して|審査
        |평가|채점|판단|점수를 매|비교
        |قيّم|قيم|تقييم|صنّف|قارن|احكم
        |मूल्यांकन|आकलन|अंक द|परख|तुलना
    """,
    "show": """
        show|write out|write down|reveal|output|print|include|provid|explain|describ|detail
        |articulat|verbali|expos|share$|reconstruct|lay out|spell out|walk me|walk through
        |present|record|document|give
        |muestr|escrib|revel|explic|describ|detall|expón|expon|incluy|proporcion
        |montr|écri|révèl|expliqu|décri|détaill|expos|inclu|fourni|donne
        |zeig|schreib|offenbar|erklär|beschreib|erläuter|leg dar|lege dar|gib
        |покажи|показ|напиш|раскро|объясн|опиши|изложи|приведи|выпиши|вывед
        |mostr|escrev|revel|expliq|descrev|detalh|exponha|inclua|forneça
        |写出|展示|显示|输出|列出|说明|解释|描述|给出|呈现|寫出
        |示して|書き出|出力|説明|述べて|見せて|記述|示す
        |보여|출력|설명|서술|적어|밝혀|제시
        |اعرض|أظهر|اظهر|اكتب|اشرح|وضح|وضّح|بيّن|اذكر|صف
        |दिखा|लिख|समझा|बता|वर्णन|प्रकट
    """,
    # Of what.
    "instruction": """
        instruction|~prompt|task$|tasks|quer|user request|user message|user input|command
        |request$
        |instruccion|instrucción|tarea|consulta|petición|indicacion
        |consigne|tâche|requête|invite
        |anweisung|aufgabe|anfrage|instruktion|eingabe
        |инструкц|задани|задач|запрос|промпт|команд
        |instruç|tarefa|pedido|consulta|comando
        |指令|任务|提示词|提示|请求|问法|任務
        |指示|タスク|プロンプト|命令|依頼|指示文
        |지시|과제|프롬프트|명령|요청
        |تعليم|التعليم|مهمة|مهام|المهام|طلب|الطلب|موجه|موجّه
        |निर्देश|कार्य|प्रॉम्प्ट|अनुरोध|आदेश
    """,
    "question": """
        question|problem|exercise|puzzle|scenario|inquir|input
        |pregunt|problema|ejercicio
        |question|problème|exercice
        |frage|problem|übung|rätsel
        |вопрос|проблем|упражнени
        |pergunt|problema|exercício
        |问题|题目|提问|習題|问句|題目
        |質問|問題|設問
        |질문|문제
        |سؤال|أسئلة|اسئلة|السؤال|الأسئلة|مسألة|مسائل
        |प्रश्न|सवाल|समस्या
    """,
    "answer": """
        response|answer|output|completion|repl|solution|candidate|submission|assistant a$
        |assistant b$|essay|generation
        |respuesta|solución|solucion|salida
        |réponse|solution|sortie|copie
        |antwort|lösung|ausgabe|abgabe
        |ответ|решени|вывод
        |resposta|solução|saída
        |回答|答案|回复|答复|输出|解答|响应|回覆
        |回答|応答|解答|答え|返答
        |응답|답변|대답|답안|답을
        |إجابة|الإجابة|اجابة|الاجابة|إجابات|الرد|ردود|ردّ|جواب|الجواب
        |उत्तर|जवाब|समाधान
    """,
    "diverse": """
        divers|variety|varied|varying|variation|distinct|unique|avoid repe|do not repeat|novel$
        |don t repeat|without repe|wide range|broad range|creative|not overlap|different
        |divers|variad|distint|únic|sin repetir|diferent|creativ
        |divers|varié|différent|distinct|unique|sans répét|créati
        |verschieden|vielfältig|unterschiedlich|abwechslungsreich|divers|einzigartig|kreativ
        |разнообраз|различн|разных|разные|уникальн|не повтор|непохож
        |divers|variad|distint|únic|sem repetir|diferent|criativ
        |多样|不同|多種|各种|不重复|不要重复|独特|各不相同|多元
        |多様|異なる|様々|さまざま|重複し|ユニーク
        |다양|서로 다른|중복|독특|겹치지
        |متنوع|متنوّع|مختلف|تنوع|فريد|دون تكرار
        |विविध|अलग|भिन्न|विभिन्न|दोहरा
    """,
    "many": """
        set of|list of|series of|several|multiple|pairs|batch of|triple|triplet|dozen|hundred
        |example|10$|20$|25$|30$|50$|100$|200$|five$|ten$|twenty|fifty|at least 3|one by one
        |lista de|serie de|varios|varias|pares de|veinte|diez|ejemplo
        |liste de|série de|plusieurs|paires|vingt|dix$|exemple
        |liste von|reihe von|mehrere|paare|zwanzig|zehn|beispiel
        |список|набор|серию|несколько|пары|двадцать|десять|пример
        |lista de|série de|vários|várias|pares de|vinte|dez$|exemplo
        |个问题|条指令|个任务|一组|一系列|列表|若干|多个|十个|二十|示例|一批|例子|多条|条不同
        |个不同
        |個の|リスト|一連|複数|いくつか|例を
        |개의|목록|여러|일련|쌍을|스무|예시
        |قائمة|مجموعة|سلسلة|عدة|أزواج|عشرين|عشرة|أمثلة
        |सूची|श्रृंखला|कई|जोड़े|बीस|दस$|उदाहरण
    """,
    "model": """
        ai assistant|language model|ai model|ai system|chatgpt|gpt|llm|chatbot|an assistant
        |the assistant|assistant s|the model|a model|virtual assistant|ai s
        |asistente|modelo de lenguaje|modelo de ia|inteligencia artificial
        |assistant ia|assistant virtuel|modèle de langage|modèle d ia|intelligence artificielle
        |ki assistent|ki modell|sprachmodell|assistenten
        |ассистент|языков|нейросет|модели ии|модель ии|искусственн
        |assistente|modelo de linguagem|modelo de ia|inteligência artificial
        |大模型|语言模型|人工智能|智能助手|助手|模型|語言模型
        |アシスタント|言語モデル|モデル
        |어시스턴트|언어 모델|언어모델|인공지능|모델
        |مساعد|المساعد|نموذج لغ|النموذج|الذكاء الاصطناعي|نموذج
        |सहायक|भाषा मॉडल|मॉडल
    """,
    "data": """
        training data|train data|dataset|data set|fine tun|finetun|synthetic|instruction tuning
        |training example|seed task|few shot|self instruct|annotat|jsonl|training set|train a
        |question answer pair|input output pair|corpus|data point|data generat
        |datos de entrenamiento|conjunto de datos|datos sintétic|ajuste fino|entrenar
        |données d entraînement|jeu de données|données synthétiques|affinage|entraîner
        |trainingsdat|datensatz|datensätze|synthetische daten|feinabstimmung|trainier
        |обучающ|датасет|синтетическ|дообуч|набор данных|обучени
        |dados de treino|dados de treinamento|conjunto de dados|dados sintétic|ajuste fino
        |treinar
        |训练数据|数据集|微调|合成数据|语料|训练集|種子
        |学習データ|訓練データ|データセット|ファインチューニング|合成データ
        |학습 데이터|학습데이터|훈련 데이터|데이터셋|데이터 세트|파인튜닝|미세 조정|합성 데이터
        |بيانات تدريب|بيانات التدريب|مجموعة بيانات|ضبط دقيق|بيانات اصطناعية|لتدريب
        |प्रशिक्षण डेटा|डेटासेट|फाइन ट्यून|सिंथेटिक|प्रशिक्षित
    """,
    # How hard, how good.
    "complex": """
        more complex|more difficult|harder|more challenging|complexity|difficulty|constraint
        |depth and breadth|multi step|multiple step|more specific|complicate|more advanced|rarer
        |more rare|increase the|deepen|more reasoning|more demanding|tougher|make it hard
        |más complej|más difícil|complejidad|dificultad|restricci|más específic|más profund
        |plus complexe|plus difficile|complexité|difficulté|contrainte|plus précis|plus exigeant
        |komplexer|schwieriger|komplexität|schwierigkeit|einschränkung|anspruchsvoller|konkreter
        |сложнее|более сложн|труднее|сложност|ограничени|конкретнее|более конкретн|углуби|усложн
        |mais complex|mais difícil|complexidade|dificuldade|restriç|mais específic|mais profund
        |更复杂|更难|复杂度|难度|约束|限制条件|更具体|更具挑战|更深|更複雜|加深
        |より複雑|より難し|複雑さ|難易度|制約|より具体的|難しく
        |더 복잡|더 어렵|복잡도|난이도|제약|더 구체|어려운
        |أكثر تعقيد|أصعب|تعقيد|صعوبة|قيود|أكثر تحديد|قيد
        |अधिक जटिल|अधिक कठिन|और कठिन|जटिलता|कठिनाई|प्रतिबंध|बाधा|और जटिल
        |more steps|additional constraint|further constraint|extra constraint
        |additional requirement
        |mehr schritte|bedingung|schwerer|zusätzliche anforderung|más pasos|condición
        |requisito adicional
        |plus d étapes|condition supplémentaire|mais passos|condição|больше шагов|условие
        |更多步骤|条件
        |条件を|より多く|조건|더 많은|شرط|شروط|शर्त|अधिक चरण
    """,
    "origin": """
        given prompt|given instruction|given question|original prompt|original instruction
        |original question|new prompt|new instruction|new question|rewritten|evolved|this prompt
        |created prompt|seed prompt|the instruction|prompt below|instruction below|base prompt
        |prompt creator|prompt rewriter|prompt engineer|following prompt|following instruction
        |given problem|original problem|new problem|similar problem|similar question
        |seed question
        |instrucción dada|instrucción original|pregunta original|pregunta dada|nueva instrucción
        |nuevo prompt|pregunta reescrita|instrucción siguiente|siguiente instrucción
        |consigne donnée|consigne d origine|question d origine|question donnée|nouvelle consigne
        |nouveau prompt|consigne initiale|consigne suivante
        |gegebene anweisung|ursprünglich|gegebenen prompt|neue anweisung|neuen prompt
        |gegebene frage|gegebene aufgabe|folgende anweisung|neue aufgabe
        |исходн|данный запрос|данную инструкц|данное задание|новый запрос|новую инструкц
        |новое зад
        |instrução dada|instrução original|pergunta original|pergunta dada|nova instrução
        |instrução a seguir
        |给定的|原始|原指令|原问题|新的指令|新指令|新的提示|改写后|下面的指令|以下指令|以下提示
        |与えられた|元の|新しい指示|新しいプロンプト|次の指示|以下の指示
        |주어진|원래|새로운 지시|새 프롬프트|다음 지시
        |المعطى|المعطاة|الأصلي|تعليمات جديدة|الأصلية|التعليمات التالية
        |दिए गए|मूल|नया निर्देश|नया प्रॉम्प्ट|निम्नलिखित निर्देश
    """,
    "scale": """
        rubric|criteri|on a scale|scale of|point scale|score of|score from|score between|a score
        |scores|1 to 5|1 to 10|from 1|out of 10|out of 5|out of 100|1 5$|1 10$|0 to 10|0 10$|0 1$
        |rating|quality|overall|final score|assessment
        |rúbrica|criterio|escala|puntuaci|puntaje|calificación|del 1 al|de 1 a
        |barème|critère|échelle|de 1 à|sur 10|sur 20|notation
        |kriteri|skala|punktzahl|von 1 bis|bewertungsraster|punkte|note von
        |критери|рубрик|шкал|балл|от 1 до|по шкале|оценку от
        |rubrica|critério|escala|pontuaç|de 1 a|nota de|nota entre
        |评分标准|标准|量表|分数|满分|1到5|1到10|1 到|分制|评分|維度|维度
        |基準|スコア|点数|段階|ルーブリック|点満点|1から
        |기준|점수|척도|1점|루브릭|만점|1부터
        |معيار|معايير|مقياس|درجة|من 1 إلى|سلّم
        |मानदंड|पैमाने|स्कोर|अंक|1 से|कसौटी
        |from one to|one to ten|one to five|between 1 and|between one and|helpfulness
        |correctness|coherence
        |factuality|faithful|von eins|zwischen eins|de uno a|entre uno y|una nota|de un à
        |sur dix|une note|chaque note
        |note entre|entre un et|de um a|uma nota|entre um e|от одного|до десяти|一分到|一到十
        |十分|五分
        |一から|十段階|일점에서|십점|من واحد|واحد إلى|एक से दस
    """,
    "versus": """
        assistant a$|assistant b$|response a$|response b$|answer a$|answer b$|response 1
        |response 2
        |two responses|which response|which answer|preferred|chosen and|rejected|reference answer
        |tie$|better response|better answer|both responses|two ai|model a$|model b$|feedback
        |respuesta a$|respuesta b$|cuál respuesta|respuesta de referencia|dos respuestas
        |réponse a$|réponse b$|quelle réponse|réponse de référence|deux réponses
        |antwort a$|antwort b$|welche antwort|referenzantwort|beiden antworten
        |ответ a$|ответ b$|какой ответ|эталонн|два ответа|ответ 1
        |resposta a$|resposta b$|qual resposta|resposta de referência|duas respostas
        |回答a|回答b|哪个回答|哪一个回答|参考答案|两个回答|更好的回答|助手a|助手b
        |回答a|回答b|どちらの回答|参照回答|二つの回答|模範解答
        |응답 a|응답 b|어느 응답|참조 답|두 응답|모범 답안
        |أي إجابة|الإجابة المرجعية|إجابتين|الإجابتين|الإجابة أ
        |कौन सा उत्तर|संदर्भ उत्तर|दोनों उत्तर|दो उत्तर
    """,
    # Reasoning.
    "reason": """
        reason|rational|think|thought|deduc|logic$|logical|derivation|deliberat|justif|infer$
        |how you got|how you arriv|intermediate
        |razon|piens|pensami|deduc|lógic|justific|deriv
        |raisonn|réfléchi|pens|déduc|logique|justifi
        |begründ|überleg|denk|gedank|logisch|herleit|schlussfolger
        |рассужд|размышл|мысл|подума|думай|обоснов|логик|логич|вывод
        |racioc|pens|deduç|lógic|justific|deriv
        |推理|思考|思维|推导|思路|论证|逻辑|推論|分析过程
        |推論|思考|考え|論理|導出|根拠
        |추론|사고|생각|논리|근거
        |استدلال|الاستدلال|تفكير|التفكير|فكّر|فكر|منطق|المنطق|استنتاج|تعليل
        |तर्क|सोच|विचार|अनुमान
    """,
    "steps": """
        step by step|each step|every step|steps|step 1|step i$|stepwise|one step at a time
        |intermediate step|in detail before|remaining step|show your work|show all work
        |show all your work|all the work$
        |paso a paso|cada paso|pasos|paso 1
        |étape par étape|pas à pas|chaque étape|étapes|étape 1
        |schritt für schritt|jeden schritt|schrittweise|schritte|schritt 1
        |шаг за шагом|пошагов|по шагам|каждый шаг|шаги|шаг 1
        |passo a passo|cada passo|passos|etapa por etapa|passo 1
        |一步一步|逐步|一步步|每一步|步骤|分步|步驟|循序
        |段階的|順を追って|一歩ずつ|ステップ|順番に|手順
        |단계별|차근차근|한 단계씩|단계로|단계를|각 단계
        |خطوة بخطوة|خطوة خطوة|كل خطوة|خطوات|الخطوات
        |चरण दर चरण|चरणबद्ध|कदम दर कदम|प्रत्येक चरण|हर चरण|कदम
        |step$|step of|schritt|étape|paso$|passo$|шаг|段階|各ステップ|चरण|단계
        |todos los pasos|todos os passos|toutes les étapes|все шаги|所有步骤|推理步骤|모든 단계
        |كل الخطوات
    """,
    "hidden": """
        hidden|internal|inner|private|raw$|unfiltered|unabridged|full$|complete$|verbatim|entire
        |exhaustive|before answering|before the final|before giving|scratchpad|monologue
        |do not skip|without skipping|don t skip|not summari|every detail|unedited|behind
        |ocult|intern|privad|complet|sin omitir|antes de responder|entero|bruto
        |cach|intern|privé|complet|sans omettre|avant de répondre|intégral|brut
        |verborgen|intern|inner|vollständig|ungekürzt|ohne auszulassen|bevor du|gesamt
        |ungefiltert
        |скрыт|внутренн|полност|не пропуск|прежде чем|целиком|подробн|сыр
        |ocult|intern|privad|complet|sem omitir|antes de responder|inteir|brut
        |隐藏|内部|内心|完整|原始的思|不要省略|不得省略|作答之前|回答之前|全部|详尽|隱藏
        |隠れ|内部|内なる|完全|省略せず|答える前|すべて|全て
        |숨겨|숨은|내부|내면|전체|생략하지|답하기 전|모든|완전
        |مخفي|المخفي|الخفي|الداخلي|داخلي|كامل|دون حذف|قبل الإجابة|الكامل
        |छिपे|छुपे|आंतरिक|पूरा|पूरी|बिना छोड़े|उत्तर देने से पहले|संपूर्ण
    """,
    "thoughts": """
        chain of thought|chains of thought|~chain_of_thought|cot$|thought process
        |thinking process
        |reasoning process|reasoning trace|reasoning step|reasoning chain|internal reasoning
        |hidden reasoning|train of thought|inner monologue|internal monologue|thinking step
        |teacher reasoning|thoughts|reasoning content|scratchpad|reasoning path|solution path
        |your reasoning|your thinking|the reasoning|explain the reasoning
        |cadena de pensamiento|cadena de razon|proceso de pensamiento|proceso de razon
        |tu razonamiento|su razonamiento|el razonamiento
        |chaîne de pensée|chaîne de raison|processus de pensée|processus de réflexion
        |ton raisonnement|votre raisonnement|le raisonnement
        |gedankenkette|gedankengang|denkprozess|gedankengänge|überlegungen|deine begründung
        |lösungsweg
        |цепочк рассужд|цепочку рассужд|цепочка рассужд|цепочку мысл|ход мысл|ход рассужд
        |твои рассужд|ходом мысл|свои рассужд|процесс мышл
        |cadeia de pensamento|cadeia de racioc|processo de pensamento|processo de racioc
        |seu raciocínio|o raciocínio
        |思维链|思考过程|推理过程|思维过程|推理链|思考链|推理步骤|思路过程|思維鏈|思考過程|心路
        |思考の連鎖|思考過程|推論過程|思考プロセス|思考の過程|考えた過程
        |사고의 연쇄|사고 과정|사고과정|추론 과정|추론과정|생각의 흐름|생각 과정
        |سلسلة التفكير|سلسلة تفكير|عملية التفكير|عملية الاستدلال|سلسلة الأفكار|تسلسل أفكار
        |विचार श्रृंखला|विचार प्रक्रिया|तर्क प्रक्रिया|सोचने की प्रक्रिया|तर्क श्रृंखला
    """,
    "tag": """
        ~<think|~<thought|~<reason|~<scratchpad|~<analysis|~<reflection|~<思考|~<inner|~<cot
    """,
    "known": """
        final answer|correct answer|given answer|the answer is|reference answer|known answer
        |answer already|already answered|answer below|provided answer|answer given|ground truth
        |expected answer|previous answer|answer above|reach the answer|answer you gave
        |leads to the answer|leading to|your answer|gold answer|reach this|justify the answer
        |~boxed
        |respuesta final|respuesta correcta|respuesta dada|la respuesta es|respuesta anterior
        |réponse finale|bonne réponse|réponse donnée|la réponse est|réponse précédente
        |réponse correcte
        |endgültige antwort|richtige antwort|gegebene antwort|die antwort ist|korrekte antwort
        |antwort lautet|vorige antwort|endergebnis
        |окончательн ответ|окончательный ответ|правильный ответ|правильному ответу|данный ответ
        |готовый ответ|известный ответ|ответ уже|предыдущий ответ|итоговый ответ
        |resposta final|resposta correta|resposta dada|a resposta é|resposta anterior
        |最终答案|正确答案|给定答案|已知答案|标准答案|答案是|已有答案|给出的答案|上述答案
        |最終答案
        |最終的な答え|最終回答|正解|与えられた答え|答えは|既知の答え
        |최종 답|정답|주어진 답|답은|이미 답한
        |الإجابة النهائية|الإجابة الصحيحة|الجواب النهائي|الجواب الصحيح|الإجابة المعطاة|الإجابة هي
        |अंतिम उत्तर|सही उत्तर|दिया गया उत्तर|उत्तर है|दिए गए उत्तर
    """,
    "tongue": """
        think in|reason in|reasoning in|thinking in|thoughts in|reasoning must be in
        |reasoning should be in|reasoning language|language of your reasoning|think only in
        |piensa en|razona en|razonamiento en|pensamiento en
        |pense en|réfléchis en|raisonne en|raisonnement en
        |denke auf|denk auf|überlege auf|begründung auf|gedanken auf
        |думай на|рассуждай на|рассуждения на|мысли на|размышляй на
        |pense em|raciocine em|raciocínio em|pensamento em
        |用中文思考|用英文思考|用英语思考|思考语言|用中文推理|用英文推理|用日语思考|推理语言
        |语言思考
        |日本語で考え|英語で考え|中国語で考え|日本語で推論|英語で思考|日本語で思考
        |한국어로 생각|영어로 생각|한국어로 추론|영어로 추론|중국어로 생각
        |فكر بال|فكّر بال|فكر باللغة|فكّر باللغة|استدل بال
        |में सोच|में तर्क|में विचार
    """,
    # Pipelines.
    "persona": """
        persona|character profile|user profile|role play|roleplay|fictional user|simulate a user
        |simulate the user|imagine a user|occupation|personalit|playing the role|role of the user
        |act as the user|act as a user|the user role
        |perfil de usuario|juego de rol|personaje|simula a un usuario|simula al usuario
        |profil d utilisateur|jeu de rôle|personnage|simule un utilisateur|joue le rôle
        |nutzerprofil|rollenspiel|simuliere einen|spiele die rolle|charakterprofil
        |персон|ролев|сыграй роль|играй роль|смоделируй пользоват|изобрази пользоват|персонаж
        |perfil de usuário|perfil do usuário|personagem|simule um usuário|interpretação de papéis
        |人物设定|角色扮演|人设|用户画像|扮演用户|模拟用户|角色设定|人物画像
        |ペルソナ|ロールプレイ|人物設定|ユーザー役|役割を演じ|ユーザーになりき
        |페르소나|역할극|롤플레이|사용자 역할|인물 설정|사용자를 연기
        |شخصية|لعب الأدوار|دور المستخدم|تقمص
        |व्यक्तित्व|पात्र|भूमिका निभा|उपयोगकर्ता की भूमिका
        |fictional|imaginary|invented|made up|realistic customer|realistic user
        |realistic person|believable
        |imagine a customer|invent a customer|erfundene|fiktive|ficticio|fictif|fictício
        |вымышленн|虚构|架空|가상의|خيالي|काल्पनिक
    """,
    "dialogue": """
        dialogue|dialog|conversation|multi turn|multi round|chat between|interaction between
        |turns
        |chat log|back and forth|transcript
        |diálogo|conversación|conversacion|varios turnos
        |dialogue|conversation|échange entre|plusieurs tours
        |dialog|gespräch|unterhaltung|konversation
        |диалог|разговор|беседу|переписк|реплик
        |diálogo|conversa|vários turnos
        |对话|多轮|会话|對話|聊天记录
        |対話|会話|マルチターン|やり取り
        |대화|멀티턴|주고받
        |حوار|محادثة|المحادثة|الحوار
        |संवाद|बातचीत|वार्तालाप
    """,
    "both": """
        between a user|between the user|between a human|between an ai|user and an|user and the ai
        |human and an|user and assistant|human and ai|user would|user might|user could ask
        |users may ask|a user asks|user turn|ai user|as if the user|would ask|user asks
        |entre un usuario|usuario y un|usuario y el|usuario podría|usuario preguntaría
        |entre un utilisateur|utilisateur et|utilisateur pourrait
        |zwischen einem nutzer|zwischen einem benutzer|nutzer und|benutzer und|nutzer könnte
        |между пользоват|пользователем и|пользователь мог|пользователя и
        |entre um usuário|usuário e um|usuário poderia|entre um utilizador
        |用户与|用户和|用户可能|用户会问|人类与|用户跟
        |ユーザーと|利用者と|ユーザーが尋ね|ユーザーが聞き
        |사용자와|사용자가 물|사용자가 할|이용자와
        |بين مستخدم|بين المستخدم|المستخدم و|قد يسأل
        |उपयोगकर्ता और|उपयोगकर्ता पूछ|के बीच
    """,
    "tools": """
        function call|tool call|tool use|available function|available tool|function description
        |function signature|api call|function name|list of functions|list of tools|tool result
        |execution result|tool trajector|agent trajector|trajector|observation|func desc
        |llamada a función|llamadas a funci|herramientas disponibles|uso de herramientas
        |trayectoria
        |appel de fonction|appels de fonction|outils disponibles|appels d outil|trajectoire
        |funktionsaufruf|werkzeugaufruf|verfügbare werkzeuge|verfügbare funktionen|trajektori
        |вызов функц|вызовы функц|вызов инструмент|вызовов инструмент|доступн инструмент|траектор
        |chamada de função|chamadas de função|ferramentas disponíveis|trajetória
        |函数调用|工具调用|可用工具|可用函数|调用工具|轨迹|函数描述|工具列表
        |関数呼び出し|ツール呼び出し|利用可能なツール|ツールの使用|軌跡
        |함수 호출|도구 호출|사용 가능한 도구|궤적|도구 사용
        |استدعاء الدوال|استدعاء الأدوات|استدعاء دالة|الأدوات المتاحة|مسار
        |फ़ंक्शन कॉल|फंक्शन कॉल|टूल कॉल|उपलब्ध उपकरण|उपलब्ध टूल
    """,
    "pairs": """
        positive document|hard negative|negative document|positive passage|negative passage
        |query and document|similarity score|retrieval task|text matching|semantic similarity
        |sentence pair|paraphrase pair|word overlap|user query|misleading label|entail
        |classification task|matching task|query answer pair|query and answer|anchor
        |documento positivo|negativo difícil|similitud semántica|tarea de recuperación
        |document positif|négatif difficile|similarité sémantique|tâche de recherche
        |positives dokument|schweres negativ|semantische ähnlichkeit|satzpaar
        |положительный документ|сложный негатив|семантическ|пары предложен|пар предложен
        |documento positivo|negativo difícil|similaridade semântica|pares de frases
        |正例|负例|难负|相似度|检索任务|句对|文本匹配|語義相似|语义相似
        |正例|負例|類似度|検索タスク|文のペア|意味的類似
        |긍정 문서|부정 문서|유사도|검색 작업|문장 쌍
        |مستند إيجابي|التشابه الدلالي|مهمة استرجاع|أزواج الجمل
        |सकारात्मक दस्तावेज|अर्थ समानता|वाक्य युग्म|समानता स्कोर
    """,
    "censor": """
        censor|politically sensitive|sensitive topic|sensitive word|sensitive quer|sensitive ques
        |sensitive conten|forbidden word|forbidden topic|banned word|content polic
        |content filter|moderation|blocked by|keyword filter|taboo|prohibited topic|red line
        |blacklist|sensitive politic|political
        |censura|políticamente sensible|tema sensible|palabra prohibida|filtro de contenido
        |polític
        |censur|politiquement sensible|sujet sensible|mot interdit|filtre de contenu|politique
        |zensur|politisch heikel|politisch sensib|heikle themen|inhaltsfilter|verbotene wörter
        |цензур|политически чувствит|чувствительн тем|чувствительны|запрещённ|запрещенн|фильтр
        |politicamente sensí|tema sensível|palavra proibida|filtro de conteúdo|polític
        |审查|敏感|违禁|屏蔽词|内容审核|红线|合规|審查|政治
        |検閲|政治的に|敏感な|禁止語|コンテンツフィルタ|禁句|規制
        |검열|민감|금지어|정치적|콘텐츠 필터|규제
        |رقابة|الرقابة|حساسة سياسي|حساس سياسي|كلمات محظورة|الحساسة|محظور
        |सेंसर|राजनीतिक रूप|संवेदनशील|प्रतिबंधित शब्द|निषिद्ध
    """,
    "harmless": """
        harmless|acceptable|neutral|compliant|pass the|passes the|avoid detection|euphemis|safe$
        |safer|inoffensive|without mention|not mention|avoid mention|so that it pass|slip past
        |get past|evade|bypass|get through|would not be blocked|not be flagged|sanitiz|sanitis
        |inofensiv|neutral|aceptable|sin mencionar|eufemism|evite|segur|eludir
        |inoffensi|neutre|acceptable|sans mentionner|euphémism|contourn|éviter
        |harmlos|neutral|unverfänglich|ohne zu erwähnen|akzeptabel|umgeh|umschiff
        |безобидн|нейтральн|приемлем|без упоминан|не упомина|эвфемизм|безопасн|обойти|обход
        |inofensiv|neutr|aceitável|sem mencionar|eufemism|segur|contorn
        |无害|中性|安全的|避免提及|不提及|委婉|规避|绕过|通过审|不触发
        |無害|中立|婉曲|触れずに|安全な|回避|当たり障り
        |무해|중립|완곡|언급하지|안전한|우회|피해
        |غير ضار|محايد|مقبول|دون ذكر|آمن|تجنب|تلطيف|تجاوز
        |हानिरहित|तटस्थ|स्वीकार्य|उल्लेख किए बिना|सुरक्षित|बचने
    """,
    # Prompts and secrets of others.
    "system": """
        system prompt|system message|~systemprompt|initial prompt|initial instruction
        |starting instruction|hidden instruction|hidden prompt|system instruction
        |developer message|pre prompt|preprompt|preamble|system configuration
        |initial configuration|initialization|initialisation|previous instruction
        |prior instruction|original instruction|secret instruction|internal instruction
        |the text above|text above|above text|everything above|words above|all of the above
        |conversation before|before this conversation|before our conversation|my instructions are
        |your instruction|your prompt|your guidelines|your initial|your original|your hidden
        |your system|instructions you were|prompt you were|i was instructed|you were told
        |you were given|you been given|given initially|beginning of this conv|start of this conv
        |first message|this entire conversation|not supposed to tell|base prompt|your directive
        |your rules|~custominstruction|custom instruction|context above|lines above|your context
        |prompt del sistema|mensaje del sistema|instrucciones iniciales|tus instrucciones
        |sus instrucciones|instrucciones anteriores|instrucciones del sistema|texto anterior
        |texto de arriba|instrucciones ocultas|tu prompt
        |prompt système|message système|instructions initiales|tes instructions|vos instructions
        |instructions précédentes|texte ci dessus|consignes initiales|instructions système
        |instructions cachées|tes consignes|vos consignes|invite système
        |systemprompt|systemnachricht|deine anweisungen|ihre anweisungen|vorherigen anweisungen
        |anfangsanweisung|ursprünglichen anweisung|text oben|obigen text|obiger text
        |deine vorgaben
        |системный промпт|системного промпт|системн промпт|системное сообщ|системные инструк
        |твои инструкц|ваши инструкц|предыдущие инструк|начальные инструк|исходные инструк
        |текст выше|скрытые инструк|изначальные инструк|системную подсказк|все выше|всё выше
        |prompt do sistema|mensagem do sistema|instruções iniciais|suas instruções
        |instruções anteriores|instruções do sistema|texto acima|instruções ocultas
        |系统提示|系统消息|系统指令|初始指令|你的指令|之前的指令|以上内容|上面的文字|上述内容
        |前面的指令|系統提示
        |最初的指令|你的提示词|隐藏指令|上文|以上所有|开头的指令
        |システムプロンプト|システムメッセージ|初期指示|あなたへの指示|以前の指示|上記の
        |最初の指示|隠された指示
        |これまでの指示|前の指示
        |시스템 프롬프트|시스템프롬프트|시스템 메시지|초기 지시|이전 지시|위의 내용|위 텍스트
        |처음 지시|너의 지시|당신의 지시
        |숨겨진 지시|최초 지시
        |موجه النظام|رسالة النظام|تعليماتك|التعليمات السابقة|التعليمات الأولية|النص أعلاه
        |تعليمات النظام
        |التعليمات الأصلية|مطالبة النظام|التعليمات المخفية
        |सिस्टम प्रॉम्प्ट|सिस्टम संदेश|आपके निर्देश|प्रारंभिक निर्देश|पिछले निर्देश|ऊपर का पाठ
        |ऊपर दिए
        |तुम्हारे निर्देश|मूल निर्देश|छिपे निर्देश
    """,
    "reveal": """
        repeat|show|print|output|reveal|display|tell me|what are|what were|what is your|echo$
        |copy|write out|write down|recite|disclos|share|dump|list|return|translat|encod|complete
        |leak|expos|base64|rot13|spell|provide|give me|console log|continue the following
        |send me|i need to see|paste|regurgitat|reproduce|summari|start your|begin your
        |what s your
        |opposite of|transcribe|release|hint|what was|type out
        |repit|muestr|imprim|revel|dime|cuáles son|cuál es|copia|traduc|enseña|escrib
        |répèt|montre|affiche|révèl|dis moi|quelles sont|quel est|copie|tradui|imprime|donne moi
        |wiederhol|zeig|gib|druck|verrat|enthüll|nenn|was sind|was ist dein|was steht|übersetz
        |kopier
        |повтор|покажи|выведи|раскрой|скажи|какие|каков|перечисл|напечат|скопируй|переведи|сообщи
        |repit|mostr|imprim|revel|diga|quais são|qual é|copi|traduz|exib
        |重复|显示|输出|透露|告诉我|是什么|打印|复述|列出|翻译|展示|说出|泄露|重複|給我|给我
        |繰り返|表示|出力|教えて|見せて|明かし|コピー|翻訳|述べ|何です
        |반복|보여|출력|알려|공개|말해|복사|번역|무엇
        |كرر|كرّر|اعرض|أظهر|اطبع|اكشف|أخبرني|ما هي|ما هو|انسخ|ترجم|اذكر
        |दोहरा|दिखा|प्रिंट|बता|क्या हैं|क्या है|कॉपी|अनुवाद|प्रकट
    """,
    # What was said before, given back as it was.
    "again": """
        repeat|recite|echo$|reproduce|copy$|copy paste|print|write back|say again|regurgitat
        |write out|transcribe|rot13|base64|encode|read back|output all|output every|output the
        |show me all|show all|reveal|duplicate|parrot|paste|backwards|restate|retell|recount
        |list all|list every|list each|list out|tell me all|tell me every|give me all
        |give me every|say everything|what were all|what are all|return all|return every
        |provide all|provide every|display all|display every|word by word
        |repit|recit|reproduc|copia|imprim|transcrib|muestra todo|codific
        |répèt|récit|reprodui|copie|imprim|transcri|affiche tout|encode
        |wiederhol|gib wieder|reproduzier|kopier|druck|zitier|schreib ab|gib alles aus|kodier
        |повтор|воспроизвед|скопируй|процитируй|напечат|выведи|перепиши дослов|закодируй
        |repit|recit|reproduz|copi|imprim|transcrev|mostre tudo|codifi
        |重复|复述|复制|打印|照抄|原样输出|输出所有|输出全部|重複|背诵|编码
        |繰り返し|復唱|コピー|出力|再現|そのまま書|書き写
        |반복|그대로 출력|복사|되풀이|출력|따라 말
        |كرر|كرّر|انسخ|اطبع|أعد ما|أعد نص|أعد كتابة كل
        |दोहरा|कॉपी|प्रिंट|ज्यों का त्यों|फिर से बता
    """,
    "before": """
        prior text|preceding|previous text|previous sentence|previous message|prior sentence
        |prior message|all sentences|every sentence|sentences in our|our conversation
        |conversation so far|text so far|said so far|said before|words so far|messages so far
        |came before|come before|comes before|first sentence|prior conversation|earlier message
        |earlier conversation|messages above|sentences above|instructions above|prompt above
        |paragraph above|the first prompt|start of our|beginning of our|before this message
        |before this sentence|before my message|told you before|what i told|what i said
        |whole conversation|entire conversation|everything i|everything you|all instructions
        |all of your|all previous|all prior|original prompt|the prompt$|entire prompt|full prompt
        |conversation history|chat history|entire history|instruction you|been told
        |our chat|our discussion|our dialogue|our exchange|our talk|this chat|this discussion
        |we discussed|we have discussed|we ve discussed|we talked|have said
        |ve said|said to me|told me|so far|up to now|until now|up until|previously said
        |in this conversation|from this conversation|of this conversation
        |texto previo|texto anterior|mensajes anteriores|frases anteriores|todas las frases
        |nuestra conversación|todo lo anterior|lo que te dije|lo que dije antes
        |toda la conversación
        |texte précédent|messages précédents|phrases précédentes|toutes les phrases
        |notre conversation|tout ce qui précède|ce que j ai dit|toute la conversation
        |vorherigen text|vorherige nachricht|vorherigen nachricht|alle sätze|unserer unterhaltung
        |unseres gesprächs|bisherigen|bisher gesagt|was ich gesagt|was ich dir gesagt
        |alles bisher
        |gesamte gespräch|gesamte unterhaltung|vorangegangen
        |предыдущий текст|предыдущие сообщ|все предложения|нашего разговора|нашей беседы
        |до этого|всё сказанное|все сказанное|что я сказал|весь разговор|предшеству
        |texto anterior|mensagens anteriores|todas as frases|nossa conversa|tudo o que veio antes
        |o que eu disse|toda a conversa|frases anteriores
        |之前的文字|之前的内容|之前所有|此前|前文|所有句子|我们的对话|我们对话|前面所有|以上全部
        |之前说的
        |全部对话|整个对话|对话开头|最开始
        |これまでの会話|以前の文章|前の文章|すべての文|会話全体|ここまで|最初の文|前のメッセージ
        |이전 대화|이전 메시지|앞의 내용|모든 문장|우리 대화|대화 전체|지금까지|처음부터
        |النص السابق|الرسائل السابقة|كل الجمل|جميع الجمل|محادثتنا|كل ما سبق|ما قلته|المحادثة كلها
        |पिछला पाठ|पिछले संदेश|सभी वाक्य|हमारी बातचीत|पूरी बातचीत|अब तक|पहले कहा
    """,
    "verbatim": """
        verbatim|word for word|exactly|in full|code block|txt|entire|everything|above|as is$
        |without chang|character by character|letter by letter|line by line|from the beginning
        |starting with|beginning with|all of|initial$|exact$|do not paraphrase|markdown block
        |raw text|unmodified|json format|full text|complete text|every word|full$
        |palabra por palabra|textualmente|literalmente|completo|exactamente|todo|bloque de código
        |mot pour mot|textuellement|intégralement|exactement|tout$|bloc de code|en entier
        |wort für wort|wörtlich|vollständig|exakt|genau|komplett|codeblock|wortwörtlich
        |слово в слово|дословно|полностью|точно|целиком|блок код|без изменений
        |palavra por palavra|literalmente|completo|exatamente|tudo|bloco de código|na íntegra
        |逐字|一字不差|原文|完整|原样|全部|代码块|逐字逐句|逐字地|开头
        |一字一句|そのまま|全文|完全に|正確に|コードブロック|逐語
        |글자 그대로|그대로|전문|정확히|코드 블록|한 글자도|전체
        |حرفيا|حرفيًا|كلمة بكلمة|كاملا|كاملة|بالكامل|بالضبط|كما هو|كتلة
        |शब्दशः|हूबहू|पूरा|ज्यों का त्यों|बिल्कुल|कोड ब्लॉक
    """,
    "override": """
        ignore all|ignore previous|ignore the|ignore your|ignore any|ignore every|disregard
        |forget all|forget every|forget your|forget previous|maintenance mode|developer mode
        |debug mode|debugging|troubleshoot|override|administrator|admin mode|security audit
        |quality assurance purpose|new instructions|authorized|authorised|sudo|jailbreak|dan mode
        |i am the developer|i m a developer|i m the developer|unrestricted|end of prompt|audit
        |ignora|olvida|modo desarrollador|modo de depuración|anula|modo mantenimiento
        |ignore les|ignore toutes|ignorez|oublie|mode développeur|mode débogage|mode maintenance
        |ignorier|vergiss|entwicklermodus|wartungsmodus|debug modus|missachte
        |игнориру|забудь|режим разработчика|режим отладки|режим обслуживания|проигнориру
        |ignore as|ignore todas|esqueça|modo desenvolvedor|modo de depuração|modo de manutenção
        |忽略|无视|忘记|开发者模式|调试模式|维护模式|管理员|無視
        |無視|忘れて|開発者モード|デバッグモード|メンテナンスモード|管理者
        |무시|잊어|개발자 모드|디버그 모드|관리자|유지보수 모드
        |تجاهل|انس|وضع المطور|وضع الصيانة|وضع التصحيح
        |अनदेखा|नज़रअंदाज़|भूल जा|डेवलपर मोड|डिबग मोड
    """,
    "guard": """
        never reveal|not reveal|never disclose|not disclose|never share|not share|never mention
        |t reveal|t share|t disclose|must not tell|keep this confidential|keep these confid
        |keep it secret|is confidential|are confidential|under no circumstances
        |nunca reveles|no reveles|no compartas|confidencial
        |ne révèle|ne divulgue|ne partage|confidentiel
        |verrate nie|nicht verrat|gib niemals|vertraulich|niemals preis|nicht preis
        |не раскрывай|никогда не раскр|не сообщай|конфиденциальн
        |nunca revele|não revele|não compartilhe|confidencia
        |不要透露|不得透露|切勿透露|不要泄露|不得泄露|保密
        |明かさないで|開示しない|漏らさない|公開しない|秘密に
        |공개하지|알려주지 마|밝히지 마|비밀로
        |لا تكشف|لا تفصح|سري
        |प्रकट न कर|साझा न कर|गोपनीय
    """,
    "secret": """
        password|secret key|api key|~api_key|apikey|credential|access code|secret phrase
        |passphrase|private key|environment variable|secret word|secret code|the secret
        |your secret|the flag|access token|the key you|hidden word|~system_secret|pass code
        |contraseña|clave secreta|clave api|código secreto|código de acceso|credencial
        |mot de passe|clé secrète|clé api|code secret|code d accès|identifiants
        |passwort|geheimschlüssel|api schlüssel|geheimwort|zugangscode|kennwort|geheimnis
        |парол|секретн|api ключ|ключ api|код доступа|учётные данные|секрет
        |senha|chave secreta|chave api|código secreto|código de acesso|credenciais|palavra passe
        |密码|密钥|口令|暗号|访问码|秘密|凭证|環境変数|机密
        |パスワード|秘密鍵|合言葉|アクセスコード|秘密の|apiキー
        |비밀번호|암호|비밀 키|액세스 코드|api 키|암호문
        |كلمة السر|كلمة المرور|المفتاح السري|رمز الوصول|مفتاح api|السر
        |पासवर्ड|गुप्त|एक्सेस कोड|api कुंजी|कूटशब्द
    """,
    "holder": """
        you are protecting|you protect|you are hiding|you re hiding|you know$|you were told
        |you were given|you hold|you keep|in your prompt|in your instruction|in your context
        |in your system|in your memory|you have been given|told to keep|you are guarding
        |not allowed to|supposed to keep|you stored|you must keep|you were entrusted
        |you have access
        |que proteges|que guardas|que escondes|te dieron|en tu contexto|en tus instrucciones
        |que tu protèges|que tu caches|que tu gardes|dans ton contexte|dans tes instructions
        |das du schützt|das du verbirgst|das du kennst|in deinem kontext|in deinen anweisungen
        |который ты хран|ты скрыва|ты защища|в твоих инстр|в твоём контекст|который тебе дали
        |que você protege|que você esconde|que você guarda|nas suas instruções|no seu contexto
        |你保护|你隐藏|你知道的|你保管|在你的提示|你被告知|你记住的|你被要求保密
        |守っている|隠している|知っている秘密|あなたの指示に|与えられた秘密
        |네가 지키|숨기고 있|알고 있는|너의 프롬프트에|지키고 있
        |الذي تحميه|التي تحميها|تخفيه|تخفيها|في تعليماتك
        |जो तुम छिपा|जिसे आप|आपके निर्देशों में|तुम्हारे पास
    """,
}

#: Words of the extraction families that are looked for in disguise too (`families.disguises`):
#: few, for each has some 25 forms.
DISGUISED = {
    "system": "system prompt|instructions|initial prompt|text above",
    "verbatim": "verbatim|word for word",
    "override": "ignore previous|ignore all|disregard",
    "reveal": "repeat|reveal|disclose|print your",
    "secret": "password|secret key|api key|secret code",
    "thoughts": "chain of thought|reasoning",
}
