"""The child process that speaks. The only file that touches libespeak-ng.

espeak-ng is GPL-3 or later. It is loaded here, at run time, from the optional extra `espeakng-loader`, in a process of
its own; the rest of Bargein talks to this process over a pipe. It also has one global state and is not reentrant, so
one such process speaks for every call, a clause at a time: 900 times faster than real time.

Frames it gives: AUDIO (16-bit PCM, RATE Hz, about BUFFER_MS each) and WORDS (JSON: [[text position in characters, from
0, sample of the clause], ...]).
"""

from __future__ import annotations

import ctypes
import json
import logging
from collections.abc import Callable, Iterator

from bargein.vendors.local.worker_process import OWN, Ask, Frame, WorkerRefused, serve

try:
    import espeakng_loader
except ImportError:  # told to the parent below
    espeakng_loader = None

AUDIO, WORDS = OWN, OWN + 1
RATE = 22_050  # Hz, of every voice that it makes itself

# From espeak-ng's public header speak_lib.h
AUDIO_OUTPUT_SYNCHRONOUS = 2
DONT_EXIT = 0x8000  # without it the library calls exit() where its data is missing
CHARS_UTF8 = 1
END_PAUSE = 0x1000  # without it the last 90 ms of a text, its decay, are cut off with the pause behind it
POS_CHARACTER = 1
EVENT_END, EVENT_WORD = 0, 1
PARAM_RATE, PARAM_PITCH, PARAM_WORDGAP = 1, 3, 7
BUFFER_MS = 60
STOP = 1

ALIASES = {"zh": "cmn"}  # languages that it has under another name


class _EventId(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _EventId),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class EspeakSpeech:
    """libespeak-ng, loaded once."""

    def __init__(self) -> None:
        if espeakng_loader is None:
            raise WorkerRefused("espeak-ng is not installed", "Install the extra: pip install 'bargein[espeak]'")
        self._lib = ctypes.CDLL(espeakng_loader.get_library_path())
        data = espeakng_loader.get_data_path().encode()
        rate = int(self._lib.espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, BUFFER_MS, data, DONT_EXIT))
        if rate != RATE:
            raise WorkerRefused(
                "espeak-ng found no data, or not its own", "Install the extra again: pip install 'bargein[espeak]'"
            )
        self._voice = ""

    def handle(self, ask: Ask) -> Iterator[Frame]:
        """One clause: payload text, voice, words_per_minute, pitch."""
        want = ask.payload
        self._choose(str(want["voice"]))
        self._lib.espeak_SetParameter(PARAM_RATE, int(str(want["words_per_minute"])), 0)
        self._lib.espeak_SetParameter(PARAM_PITCH, int(str(want["pitch"])), 0)
        frames: list[Frame] = []

        def heard(wav: ctypes._Pointer[ctypes.c_short], count: int, events: ctypes._Pointer[_Event]) -> int:
            words = []
            i = 0
            while events[i].type != EVENT_END:
                if events[i].type == EVENT_WORD:
                    words.append([events[i].text_position - 1, events[i].sample])
                i += 1
            if words:
                frames.append((WORDS, json.dumps(words).encode()))
            if count > 0:  # at the end wav is NULL and count 0
                frames.append((AUDIO, ctypes.string_at(wav, count * 2)))
            return STOP if ask.cancelled() else 0

        callback = _Callback(heard)
        self._lib.espeak_SetSynthCallback(callback)
        # One character for one, or the positions would shift: half a surrogate becomes "?", and a NUL, which would end
        # the text, a space.
        text = str(want["text"]).replace("\0", " ").encode(errors="replace")
        self._lib.espeak_Synth(text, len(text) + 1, 0, POS_CHARACTER, 0, CHARS_UTF8 | END_PAUSE, None, None)
        yield from frames

    def _choose(self, voice: str) -> None:
        if voice == self._voice:
            return
        # It knows "en" and "en-us", but not "en-gb" or "fr-fr": the language alone stands in for the country's.
        language, plus, variant = voice.partition("+")
        base = language.split("-", 1)[0]
        names = (voice, f"{ALIASES.get(base, base)}{plus}{variant}")
        if not any(self._lib.espeak_SetVoiceByName(name.encode()) == 0 for name in names):
            raise WorkerRefused(
                f"espeak-ng has no voice {voice!r}", "Give a language it knows, like en-us, de, fr-fr, es, hi"
            )
        self._voice = voice


def prepare() -> Callable[[Ask], Iterator[Frame]]:
    return EspeakSpeech().handle


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    serve(prepare)
