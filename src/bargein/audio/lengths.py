"""The words of a text, and how long each character takes to say. Estimates of word times are made of these."""

from __future__ import annotations

import re

# How long a character takes, in letters: digits are said as words, and a pause follows a stop. Against espeak's
# true times, over four sentences: 96 % of cuts fall within one word of the truth; with all characters alike, 69 %.
LASTS = {
    **dict.fromkeys("0123456789", 5.0),
    **dict.fromkeys(".!?;:…。！？", 7.0),
    **dict.fromkeys(",、，", 3.5),
    **dict.fromkeys("$€£%&+=@#", 6.0),
    " ": 0.5,
}
# A word with the spaces and signs after it. Chinese and Japanese have no spaces: each character is a word.
_IDEOGRAPH = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
TOKEN = re.compile(rf"[{_IDEOGRAPH}][^\w\s]*\s*|[^\s{_IDEOGRAPH}]+\s*")
