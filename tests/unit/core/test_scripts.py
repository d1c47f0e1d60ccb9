import pytest

from titer.core.scripts import script


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("plain", "latn"), ("", "latn"), ("déjà vu, Straße", "latn"), ("“quoted” – text", "latn"),
        ("привет", "cyrl"), ("γειά σου", "grek"), ("שלום", "hebr"), ("مرحبا", "arab"),
        ("你好世界", "hani"), ("これはテストです", "jpan"), ("漢字とかな", "jpan"),
        ("안녕하세요", "hang"), ("नमस्ते", "deva"), ("নমস্কার", "beng"), ("வணக்கம்", "taml"),
        ("నమస్కారం", "telu"), ("สวัสดี", "thai"), ("— …", "zyyy"), ("🙂", "zyyy"),
        ("The word 好 means good, and that is all there is to say about it.", "latn"),
    ],
)  # fmt: skip
def test_scripts(text, code):
    assert script(text.encode()) == code
