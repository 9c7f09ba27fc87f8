"""Whole stretches of speech, read by a server with OpenAI's audio transcriptions: what the adapters for it share.

Whisper writes words for audio without speech: it was taught on films with subtitles, so a cough or a hum may become
"Thank you." or "Thanks for watching!". Some servers tell how sure the model was (verbose_json, which Whisper's own
models give). There such a segment is left out by one of two rules:

- Any words, when both of Whisper's own marks are bad: more than 0.6 that there is no speech, and less than -1 as the
  words' mean log probability. Its makers drop these by the same numbers, but not every server does.
- Words that subtitles are full of, when it holds silence for the likelier (more than 0.5), however sure it is of the
  words: of these it always is. A caller who really says "thank you" stands far below that, and is not dropped.

Nothing is left out on the words alone, since losing what was said is worse than answering a hum.
"""

from __future__ import annotations

import asyncio
import io
import wave
from collections.abc import Iterable

from pydantic import SecretStr

from bargein.audio.pcm import Pcm
from bargein.errors import AudioShapeError, Unavailable, VendorLost, VendorRefused
from bargein.protocols import BatchTranscript
from bargein.units import joined

try:
    import openai
    from openai.types.audio import Transcription, TranscriptionVerbose

    INSTALLED = True
except ImportError:  # the extra "openai" is not there: `Transcriptions` says so when it is made
    INSTALLED = False

RATE = 16_000  # what Whisper hears; more would be sent for nothing
SHORTEST_MS = 100  # OpenAI refuses less, and nothing shorter is a word
LONGEST_MS = 600_000  # of a longer stretch the end is read: a request may have 25 MB, which is 13 minutes
MOST_WAITING = 4
NO_KEY = "none"  # local servers take any key, the SDK insists on one

NO_SPEECH, UNSURE = 0.6, -1.0  # Whisper's own marks for a segment without speech
NO_SPEECH_STOCK = 0.5  # the same, for words that it makes up
STOCK = frozenset(
    (
        "you",
        "bye",
        "bye bye",
        "thank you",
        "thank you very much",
        "thank you so much",
        "thanks for watching",
        "thank you for watching",
        "please subscribe",
        "subtitles by the amara.org community",
    )
)


class Transcriptions:
    """One server and one model of it. vendor: its name for people; verbose: it tells how sure it was; most_waiting:
    requests under way at once, beyond which it is busy. The rest as in the adapters.

    Raises Unavailable where the SDK is not installed, with `extra` as the one to install.
    """

    def __init__(
        self,
        model: str,
        *,
        vendor: str,
        extra: str,
        api_key: SecretStr | str | None,
        base_url: str,
        language: str | None,
        prompt: str | None,
        verbose: bool,
        most_waiting: int,
    ) -> None:
        if not INSTALLED:
            raise Unavailable("The package openai is not installed", advice=f"Install the extra: bargein[{extra}]")
        key = api_key.get_secret_value() if isinstance(api_key, SecretStr) else api_key
        self._model, self._vendor, self._most = model, vendor, most_waiting
        self._verbose = verbose
        # ISO 639-1 only: "en-US" is refused.
        self._language = language.partition("-")[0].lower() if language else openai.omit
        self._prompt = prompt or openai.omit
        self._running = 0
        self._client = openai.AsyncOpenAI(
            base_url=base_url, api_key=key or NO_KEY, timeout=None, max_retries=0
        )  # the caller's deadline is the only one, and a retry of the SDK's would outlast it

    async def read(self, pcm: Pcm, deadline_ms: float) -> BatchTranscript:
        """protocols.BatchSTT.read. `from None`: what the SDK's errors quote may hold the key."""
        if pcm.rate != RATE:
            raise AudioShapeError(f"{self._vendor} got {pcm.rate} Hz", advice=f"Resample to {RATE} Hz")
        if pcm.ms < SHORTEST_MS:
            return BatchTranscript("")
        if self._running >= self._most:
            raise VendorLost(
                f"{self._vendor} is busy with {self._running} readings", advice="Go on without words, or allow more"
            )
        self._running += 1
        try:
            async with asyncio.timeout(deadline_ms / 1000):
                return BatchTranscript(await self._words(pcm))
        except TimeoutError:
            raise VendorLost(
                f"{self._vendor} did not read in {deadline_ms:g} ms", advice="Go on without words, or allow more time"
            ) from None
        except openai.APIStatusError as error:
            raise self._answered_no(error.status_code, error.code) from None
        except openai.APIConnectionError:
            raise self._lost("could not be reached, or broke off") from None
        except (openai.OpenAIError, ValueError, AttributeError, TypeError):
            # The last three: what is no JSON, or not of the shape that the SDK reads.
            raise self._lost("sent something that is no answer") from None
        finally:
            self._running -= 1

    async def _words(self, pcm: Pcm) -> str:
        """One request. Raises VendorLost, and what the SDK raises."""
        file = ("speech.wav", _wav(pcm), "audio/wav")
        create = self._client.audio.transcriptions.create
        answer: Transcription | TranscriptionVerbose
        if self._verbose:
            answer = await create(
                model=self._model,
                file=file,
                response_format="verbose_json",
                language=self._language,
                prompt=self._prompt,
            )
        else:
            answer = await create(
                model=self._model, file=file, response_format="json", language=self._language, prompt=self._prompt
            )
        # The SDK does not check what it is given: a page of a proxy's comes as a str, a list as a list.
        text = getattr(answer, "text", None)
        if not isinstance(text, str):
            raise self._lost("sent something that is no answer")
        segments = getattr(answer, "segments", None)
        return _spoken(text, segments) if isinstance(segments, list) else text.strip()

    def _answered_no(self, status: int, code: str | None) -> VendorRefused | VendorLost:
        """401 and the like: no retry helps. 408, 409, 429 without a spent quota, and 5xx: one may."""
        if status >= 500 or status in (408, 409) or (status == 429 and code != "insufficient_quota"):
            return self._lost(f"answered {status}")
        advice = {
            401: "Check the API key",
            403: "Check what the API key may do",
            404: "Check the model's name and the base URL",
            429: "The account's quota is used up: check its billing",
        }.get(status, "Check the model's name, the language and the prompt")
        return VendorRefused(f"{self._vendor} refused {self._model} with {status}", advice=advice)

    def _lost(self, what: str) -> VendorLost:
        return VendorLost(f"{self._vendor} {what}", advice="Go on without words; try again at the next turn")

    async def aclose(self) -> None:
        """Close the connections that are kept open between readings."""
        await self._client.close()


def _wav(pcm: Pcm) -> bytes:
    """A whole WAV file, in memory."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(pcm.rate)
        out.writeframes(Pcm(pcm.samples[-LONGEST_MS * pcm.rate // 1000 :], pcm.rate).to_bytes())
    return file.getvalue()


def _spoken(text: str, segments: Iterable[object]) -> str:
    """The text, without the segments that were made up. Without any of those, as the server joined it."""
    pieces = [(str(getattr(segment, "text", "")), _made_up(segment)) for segment in segments]
    if not any(made_up for _, made_up in pieces):
        return text.strip()
    return joined(piece for piece, made_up in pieces if not made_up)


def _made_up(segment: object) -> bool:
    """By the rules at the head of this file. Marks that are missing speak for the segment."""
    silent, sure = getattr(segment, "no_speech_prob", None), getattr(segment, "avg_logprob", None)
    if not isinstance(silent, int | float):
        return False
    words = "".join(c for c in str(getattr(segment, "text", "")).lower().replace("-", " ") if c not in ",!?…").strip()
    if silent > NO_SPEECH_STOCK and words.rstrip(".") in STOCK:
        return True
    return silent > NO_SPEECH and isinstance(sure, int | float) and sure < UNSURE
