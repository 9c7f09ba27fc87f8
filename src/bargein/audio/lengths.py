"""Words of a text, and how long their letters take: what every estimate of word times begins with."""

from __future__ import annotations

import re

# How long a character takes, in letters: digits are said as words, and there is a pause behind a stop. Against espeak's
# true times, 96 % of cuts fall within one word of the truth over four sentences, 69 % with all characters alike.
LASTS = {
    **dict.fromkeys("0123456789", 5.0),
    **dict.fromkeys(".!?;:…。！？", 7.0),
    **dict.fromkeys(",、，", 3.5),
    **dict.fromkeys("$€£%&+=@#", 6.0),
    " ": 0.5,
}
# A word with the spaces and signs after it. Chinese and Japanese put no spaces: there each character counts.
_IDEOGRAPH = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\uff66-\uff9f"
TOKEN = re.compile(rf"[{_IDEOGRAPH}][^\w\s]*\s*|[^\s{_IDEOGRAPH}]+\s*")
