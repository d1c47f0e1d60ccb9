# ruff: noqa: RUF001 - other scripts than Latin are the point
"""More languages for chat, so that a world has more than ten scripts; see `generators.tongues`."""

from __future__ import annotations

from titer.lab.generators.grammar import Rules

_TEXT = """
@language el
@rule t
τον φόρο εισοδήματος
τον πόνο στη μέση
τα φυτά εσωτερικού χώρου
το σκάκι
την αϋπνία
@rule p
την Πάτρα
τα Χανιά
τον Βόλο
τη Λάρισα
@rule ask
Τι πρέπει να ξέρω για {t};
Εξήγησέ μου απλά {t}, σε {n:3-9} προτάσεις.
Πόσο κοστίζει να ζει κανείς στην περιοχή γύρω από {p};
Γράψε ένα σύντομο μήνυμα στον γείτονα για {t}.
@rule more
Γιατί;
Πιο σύντομα, παρακαλώ.
Και για {p};
@language he
@rule t
מס הכנסה
כאבי גב
צמחי בית
שחמט
נדודי שינה
@rule p
חיפה
באר שבע
נתניה
אילת
@rule ask
הסבר לי בפשטות על {t}.
כמה עולה לגור ב{p}?
כתוב מכתב קצר לשכן על {t}.
תן לי {n:3-9} עצות על {t} למי שגר ב{p}.
@rule more
למה?
יותר קצר בבקשה.
ומה לגבי {p}?
@language th
@rule t
ภาษีเงินได้
ปวดหลัง
ต้นไม้ในบ้าน
หมากรุก
นอนไม่หลับ
@rule p
เชียงใหม่
ขอนแก่น
ภูเก็ต
สงขลา
@rule ask
ช่วยอธิบายเรื่อง {t} แบบง่าย ๆ หน่อย
ค่าครองชีพที่ {p} เดือนละเท่าไร
เขียนข้อความสั้น ๆ ถึงเพื่อนบ้านเรื่อง {t}
ขอคำแนะนำ {n:3-9} ข้อเกี่ยวกับ {t}
@rule more
ทำไม
สั้นกว่านี้ได้ไหม
แล้วที่ {p} ล่ะ
@language bn
@rule t
আয়কর
কোমর ব্যথা
ঘরের গাছ
দাবা
অনিদ্রা
@rule p
খুলনা
সিলেট
রাজশাহী
বরিশাল
@rule ask
{t} সম্পর্কে সহজ করে বুঝিয়ে বলুন।
{p} শহরে থাকতে মাসে কত খরচ হয়?
{t} নিয়ে প্রতিবেশীকে একটি ছোট চিঠি লিখুন।
{t} বিষয়ে {n:3-9}টি পরামর্শ দিন।
@rule more
কেন?
আরও ছোট করুন।
আর {p} হলে?
@language ta
@rule t
வருமான வரி
முதுகு வலி
வீட்டுச் செடிகள்
சதுரங்கம்
தூக்கமின்மை
@rule p
மதுரை
கோவை
சேலம்
திருச்சி
@rule ask
{t} பற்றி எளிமையாக விளக்குங்கள்.
{p} நகரில் வாழ மாதம் எவ்வளவு செலவாகும்?
{t} குறித்து {n:3-9} குறிப்புகள் தாருங்கள்.
{t} பற்றி அண்டை வீட்டாருக்கு ஒரு சிறு கடிதம் எழுதுங்கள்.
@rule more
ஏன்?
இன்னும் சுருக்கமாக.
{p} என்றால்?
@language ka
@rule t
საშემოსავლო გადასახადი
წელის ტკივილი
ოთახის მცენარეები
ჭადრაკი
უძილობა
@rule p
ბათუმში
ქუთაისში
თელავში
გორში
@rule ask
მარტივად ამიხსენი: {t}.
რა ღირს ცხოვრება {p}?
დამიწერე მოკლე წერილი მეზობლისთვის, თემა: {t}.
მომეცი {n:3-9} რჩევა, თემა: {t}.
@rule more
რატომ?
უფრო მოკლედ.
და {p}?
@language am
@rule t
የገቢ ግብር
የጀርባ ህመም
የቤት ውስጥ ተክሎች
ቼዝ
እንቅልፍ ማጣት
@rule p
ባሕር ዳር
ጎንደር
ሐዋሳ
አዳማ
@rule ask
ስለ {t} በቀላሉ አስረዳኝ።
በ{p} ለመኖር በወር ምን ያህል ያስፈልጋል?
ስለ {t} {n:3-9} ምክሮች ስጠኝ።
ስለ {t} ለጎረቤቴ አጭር ደብዳቤ ጻፍልኝ።
@rule more
ለምን?
አጠር አድርገው።
{p} ቢሆንስ?
@language hy
@rule t
եկամտահարկ
մեջքի ցավ
սենյակային բույսեր
շախմատ
անքնություն
@rule p
Գյումրի
Վանաձոր
Դիլիջան
Գորիս
@rule ask
Պարզ բառերով բացատրիր՝ {t}։
Որքա՞ն արժե ապրել {p} քաղաքում։
Գրիր կարճ նամակ հարևանիս, թեման՝ {t}։
Տուր {n:3-9} խորհուրդ, թեման՝ {t}։
@rule more
Ինչո՞ւ։
Ավելի կարճ։
Իսկ {p}՞։
@language uk
@rule t
податкова знижка
біль у спині
кімнатні рослини
шахи
безсоння
@rule p
Львові
Одесі
Полтаві
Чернівцях
@rule ask
Поясни простими словами: {t}.
Скільки коштує жити у {p}?
Напиши короткого листа сусідові, тема: {t}.
Назви {n:3-9} поширених помилок, тема: {t}.
@rule more
Чому?
Коротше, будь ласка.
А у {p}?
@language tr
@rule t
gelir vergisi
bel ağrısı
ev bitkileri
satranç
uykusuzluk
@rule p
Bursa
Trabzon
Antalya
Konya
@rule ask
{t} hakkında ne bilmeliyim?
{p} şehrinde yaşamak ayda ne kadar tutar?
Komşuma {t} hakkında kısa bir mektup yaz.
{t} için {n:3-9} öneri ver.
@rule more
Neden?
Daha kısa lütfen.
Peki ya {p}?
@language vi
@rule t
thuế thu nhập
đau lưng
cây trong nhà
cờ vua
mất ngủ
@rule p
Huế
Đà Lạt
Cần Thơ
Vinh
@rule ask
Giải thích đơn giản về {t} giúp tôi.
Sống ở {p} một tháng hết bao nhiêu?
Viết một tin nhắn ngắn cho hàng xóm về {t}.
Cho tôi {n:3-9} lời khuyên về {t}.
@rule more
Tại sao?
Ngắn hơn nữa.
Còn ở {p} thì sao?
@language pl
@rule t
podatek dochodowy
ból pleców
rośliny doniczkowe
szachy
bezsenność
@rule p
Lublinie
Toruniu
Gdyni
Opolu
@rule ask
Wyjaśnij mi prosto: {t}.
Ile kosztuje życie w {p} dla {n:2-5} osób?
Napisz krótki list do sąsiada, temat: {t}.
Podaj {n:3-9} częstych błędów, temat: {t}.
@rule more
Dlaczego?
Krócej proszę.
A w {p}?
"""


def _parse(text: str) -> dict[str, Rules]:
    """`@language NAME`, then `@rule NAME` and its productions, one a line."""
    languages: dict[str, dict[str, list[str]]] = {}
    rules: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.strip().split("\n"):
        if line.startswith("@language "):
            rules = languages.setdefault(line.split()[1], {})
        elif line.startswith("@rule "):
            lines = rules.setdefault(line.split()[1], [])
        else:
            lines.append(line)
    return {name: dict(found) for name, found in languages.items()}


SCRIPTS: dict[str, Rules] = _parse(_TEXT)
