"""The words of a text and the lengths of their letters, for estimates of word times."""

from __future__ import annotations

import re

# A character's length, in letters: a digit is spoken as a word, and a pause follows a stop. Against espeak's true times
# over four sentences, 96 % of cuts fall within one word of the truth; with equal lengths for all characters, 69 %.
LASTS = {
    **dict.fromkeys("0123456789", 5.0),
    **dict.fromkeys(".!?;:…。！？", 7.0),
    **dict.fromkeys(",、，", 3.5),
    **dict.fromkeys("$€£%&+=@#", 6.0),
    " ": 0.5,
}
# A word with the spaces and signs after the word. Chinese and Japanese have no spaces: each character is a word.
_IDEOGRAPH = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
TOKEN = re.compile(rf"[{_IDEOGRAPH}][^\w\s]*\s*|[^\s{_IDEOGRAPH}]+\s*")
