"""Who takes a call's audio: its recording, and those who listen. Any number may come and go while the call runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from bargein.audio.pcm import Samples
from bargein.call.input.user_audio import UserAudio
from bargein.call.output.client_playout import ClientPlayout
from bargein.call.output.playout import Playout
from bargein.protocols import AudioOut, AudioTaker, OpensAudio, ReplyAudio

T = TypeVar("T", bound=AudioTaker)


class AudioTaps:
    """protocols.AudioTaker by shape, towards the parts that have the audio: it gives that on to all who take it.
    Without one of those it is connected to nothing. agent_rate: Hz of the replies' audio."""

    def __init__(self, user_audio: UserAudio, playout: Playout | ClientPlayout, agent_rate: int) -> None:
        self._user_audio = user_audio
        self._playout = playout if isinstance(playout, Playout) else None
        self._agent_rate = agent_rate if self._playout is not None else None
        self._takers: tuple[AudioTaker, ...] = ()

    @property
    def used(self) -> bool:
        """At least one part takes the audio."""
        return bool(self._takers)

    def open(self, opens: OpensAudio[T], now_ms: float) -> T:
        """One more taker, from now on."""
        user_audio = self._user_audio
        taker = opens(rate=user_audio.rate, agent_rate=self._agent_rate, at=user_audio.at, now_ms=now_ms)
        self._take((*self._takers, taker))
        track = self._playout.track if self._playout is not None else None
        if track is not None:
            both = track.record if isinstance(track.record, _ReplyTaps) else _ReplyTaps({})
            both.takers[taker] = taker.reply(track.reported)
            both.takers[taker].hide(track.digits)
            track.record = both
        return taker

    def remove(self, taker: AudioTaker) -> bool:
        """It takes nothing any more. False: it took nothing already."""
        if taker not in self._takers:
            return False
        self._take(tuple(each for each in self._takers if each is not taker))
        track = self._playout.track if self._playout is not None else None
        if track is not None and isinstance(track.record, _ReplyTaps):
            track.record.takers.pop(taker, None)
        return True

    def close(self, now_ms: float) -> None:
        """The call is over."""
        takers = self._takers
        self._take(())
        for taker in takers:
            taker.close(now_ms)

    def tick(self, now_ms: float) -> None:
        """Time passes."""
        for taker in self._takers:
            taker.tick(now_ms)

    def user(self, first: int, samples: Samples) -> None:
        """Audio of the user, as it came."""
        for taker in self._takers:
            taker.user(first, samples)

    def replaced(self, first: int, samples: Samples) -> None:
        """Audio of the user that came late."""
        for taker in self._takers:
            taker.replaced(first, samples)

    def reply(self, heard: int = 0) -> ReplyAudio:
        """One more reply of the agent."""
        return _ReplyTaps({taker: taker.reply(heard) for taker in self._takers})

    def _take(self, takers: tuple[AudioTaker, ...]) -> None:
        self._takers = takers
        self._user_audio.record = self if takers else None
        if self._playout is not None:
            self._playout.record = self if takers else None


class _ReplyTaps:
    """protocols.ReplyAudio by shape: gives on to all who take it."""

    def __init__(self, takers: dict[AudioTaker, ReplyAudio]) -> None:
        self.takers = takers

    def sent(self, frame: AudioOut) -> None:
        for reply in self.takers.values():
            reply.sent(frame)

    def at(self, at_ms: float, samples: int, *, playing: bool, reported: bool, final: bool, paced: bool) -> None:
        for reply in self.takers.values():
            reply.at(at_ms, samples, playing=playing, reported=reported, final=final, paced=paced)

    def over(self, samples: int) -> None:
        for reply in self.takers.values():
            reply.over(samples)

    def hide(self, digits: Callable[[], Sequence[tuple[int, int]]]) -> None:
        for reply in self.takers.values():
            reply.hide(digits)
