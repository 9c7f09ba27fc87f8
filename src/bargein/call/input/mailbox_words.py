"""What mailboxes say, and people who answer a telephone do not."""

from __future__ import annotations

import re

# Of every language at once: a mailbox speaks its network's language, whatever the agent speaks.
_PHRASES = (
    # English
    "after the tone", "after the beep", "at the tone", "at the beep", "leave a message", "leave your message",
    "leave me a message", "leave your name and", "record your message", "voicemail", "voice mail", "voice mailbox",
    "the mailbox of", "the person you are calling", "the number you have dialed", "the number you have dialled",
    # German
    "nach dem signalton", "nach dem ton", "nach dem piep", "hinterlassen sie", "hinterlasst", "ihre nachricht nach",
    "die mailbox von", "sprachmailbox", "anrufbeantworter", "der gewünschte gesprächspartner",
    # Spanish
    "después de la señal", "después del tono", "deje su mensaje", "deje un mensaje", "deja tu mensaje", "buzón de voz",
    "contestador",
    # French
    "après le bip", "après le signal", "laissez un message", "laissez votre message", "laisser un message",
    "messagerie vocale", "répondeur",
    # Italian, Portuguese, Dutch
    "dopo il segnale", "lasciate un messaggio", "lasci un messaggio", "segreteria telefonica", "após o sinal",
    "após o bip", "deixe a sua mensagem", "deixe sua mensagem", "deixe seu recado", "caixa postal", "na de piep",
    "na de toon", "spreek een bericht", "spreek uw bericht",
    # Hebrew, Hindi, Japanese, Chinese
    "לאחר הצפצוף", "אחרי הצפצוף", "השאירו הודעה", "תא קולי", "बीप के बाद", "संदेश छोड़", "発信音の後", "ピーという",
    "留守番電話", "请在嘟", "提示音后", "请留言", "语音信箱",
)  # fmt: skip
_SPACES = re.compile(r"[\s,.;:!?¡¿-]+")


def mailbox_phrase(text: str) -> str:
    """The phrase in a text that only a mailbox says; "": there is none."""
    folded = f" {_SPACES.sub(' ', text.casefold())} "
    return next((phrase for phrase in _PHRASES if phrase in folded), "")
