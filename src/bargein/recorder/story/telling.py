"""Tells a call's record, whatever is left of it."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bargein.errors import UsageError
from bargein.recorder.audio_reading import read_audio
from bargein.recorder.journal import FILE, Header
from bargein.recorder.reading import Recording, RecordStream
from bargein.recorder.record_file import is_written
from bargein.recorder.retention import parts_of
from bargein.recorder.story.call_story import (
    CallStory,
    StoryMeasures,
    StoryRecording,
    StoryReply,
    StoryTurn,
)
from bargein.recorder.story.teller import Teller
from bargein.recorder.story.word_times import Stretch

MOST_GAPS = 3  # that are named


def tell(record: Path | Recording) -> CallStory:
    """record: a call's folder, its journal, or a journal that was read. A record that is torn or cut is told as far
    as it goes, and `missing` says what lacks. Raises UsageError where there is neither a journal nor a recording."""
    teller = Teller()
    if isinstance(record, Recording):
        for entry in record.entries:
            teller.feed(entry)
        return _story(record.header.call, record.header, teller, record.torn, [])
    folder = record if record.is_dir() else record.parent
    sound = recording_in(folder)
    try:
        stream = RecordStream(record)
    except UsageError:
        if sound is None:
            raise
        missing = ["There is no journal: the sound is all that was kept of this call."]
        return _story(folder.name, None, teller, 0, missing, sound=sound)
    missing = []
    header: Header | None = None
    with stream:
        try:
            header = stream.header()
        except UsageError as error:
            missing.append(f"The journal's first line cannot be read: {error.message}.")
        seen = 0
        for entry in stream.entries():
            if stream.torn != seen:
                teller.gaps.append((teller.last_ms, max(teller.last_ms, entry.at_ms)))
                seen = stream.torn
            teller.feed(entry)
        torn, live = stream.torn, is_written(stream.path)
    if header is None and not teller.told and sound is None:
        raise UsageError(f"{stream.path} is no record of a call", advice=f"Name the {FILE} of a call, or its folder")
    story = _story(folder.name, header, teller, torn, missing, live=live, sound=sound)
    # The note has the call's own name; a record of a later server has a number after it.
    others = parts_of(folder.parent, teller.notes.call) if teller.notes.call else []
    return msgspec.structs.replace(story, parts=tuple(part.name for part in others if part != folder))


def _story(
    name: str,
    header: Header | None,
    teller: Teller,
    torn: int,
    missing: list[str],
    *,
    live: bool = False,
    sound: StoryRecording | None = None,
) -> CallStory:
    teller.place_keys()
    notes, end_ms = teller.notes, teller.last_ms
    numbers = header.policy.numbers() if header else {}
    turns = [draft.finish(teller.speech, end_ms) for draft in teller.turns.values()]
    by_turn = {turn.turn: turn for turn in turns}
    replies = [
        draft.finish(None if draft.turn is None else by_turn.get(draft.turn), end_ms)
        for draft in teller.replies.values()
    ]
    speech = tuple(teller.speech.between(0.0, float("inf")))
    lasted_ms = end_ms if sound is None else max(end_ms, sound.lasted_ms)
    return CallStory(
        call=(header.call if header else notes.call) or name,
        agent=header.agent if header else notes.agent,
        language=header.language if header else "",
        preset=header.policy.preset if header else "",
        policy={n: list(v) if isinstance(v, tuple) else v for n, v in numbers.items()},
        started_s=header.started_s if header else None,
        lasted_ms=lasted_ms,
        ended_why=notes.ended_why,
        live=live,
        facts=notes.facts,
        missing=(*missing, *_missing(teller, torn, live=live, journal=header is not None or teller.told)),
        recording=sound,
        turns=tuple(sorted(turns, key=lambda turn: turn.from_ms)),
        replies=tuple(sorted(replies, key=lambda reply: reply.asked_ms)),
        backchannels=tuple(teller.backchannels),
        decisions=tuple(teller.decisions),
        tools=tuple(notes.tools.values()),
        vendor_calls=tuple(sorted(notes.vendor_calls, key=lambda call: call.asked_ms)),
        faults=tuple(teller.faults),
        events=tuple(teller.events),
        speech=speech,
        measures=_measures(turns, replies, speech, len(notes.tools), len(teller.faults)),
    )


def _missing(teller: Teller, torn: int, *, live: bool, journal: bool) -> list[str]:
    """What the journal lacks."""
    notes = teller.notes
    missing = []
    if torn:
        missing.append(f"{_lines(torn)} of the journal cannot be read{_between(teller.gaps)}.")
    if notes.lost:
        missing.append(f"{_lines(notes.lost)} of the journal never reached the disk.")
    if notes.full:
        missing.append(f"The journal was full at {teller.last_ms / 1000:.1f} s; the rest of the call is not in it.")
    elif journal and notes.ended_why is None and not live:
        missing.append(f"The journal ends at {teller.last_ms / 1000:.1f} s, before the call did.")
    if any(draft.text and not draft.texts for draft in teller.replies.values()):
        missing.append("The journal does not say when each word of the agent sounded; the times are estimated.")
    return missing


def _between(gaps: list[Stretch]) -> str:
    """Where the lines were, by those around them."""
    if not gaps:
        return ""
    told = [f"{from_ms / 1000:.1f} and {until_ms / 1000:.1f} s" for from_ms, until_ms in gaps[:MOST_GAPS]]
    more = f", and {len(gaps) - MOST_GAPS} times more" if len(gaps) > MOST_GAPS else ""
    return f": what happened between {', between '.join(told)}{more} is not all told"


def _lines(count: int) -> str:
    return "1 line" if count == 1 else f"{count} lines"


def _measures(
    turns: list[StoryTurn], replies: list[StoryReply], speech: tuple[Stretch, ...], tools: int, faults: int
) -> StoryMeasures:
    holds = [hold for reply in replies for hold in reply.holds]
    spoke_ms = sum((r.ended_ms or r.started_ms) - r.started_ms for r in replies if r.started_ms is not None)
    held_ms = sum(hold.until_ms - hold.at_ms for hold in holds)
    return StoryMeasures(
        turns=len(turns),
        replies=sum(reply.started_ms is not None for reply in replies),
        holds=len(holds),
        resumes=sum(hold.verdict == "resume" for hold in holds),
        cuts=sum(reply.ended == "cut" for reply in replies),
        tools=tools,
        faults=faults,
        user_spoke_ms=sum(b - a for a, b in speech),
        agent_spoke_ms=max(0.0, spoke_ms - held_ms),
        response_ms=tuple(reply.response_ms for reply in replies if reply.response_ms is not None),
        onset_to_hold_ms=tuple(max(0.0, hold.at_ms - hold.onset_ms) for hold in holds),
        hold_ms=tuple(hold.until_ms - hold.at_ms for hold in holds),
        words_made=sum(len(reply.words) for reply in replies),
        words_heard=sum(word.heard for reply in replies for word in reply.words),
    )


def recording_in(folder: Path) -> StoryRecording | None:
    """The sound that is kept in a call's folder. None: there is none."""
    audio = read_audio(folder)
    if audio is None:
        return None
    return StoryRecording(rate=audio.rate, lasted_ms=audio.ms, fault=audio.fault)
