"""A call as chat messages, as OpenAI's API takes them: what the user said, what the caller heard of the agent, and the
tools that ran. What was written and not heard is not there: a model that is given these messages knows what the caller
knows."""

from __future__ import annotations

from typing import Any

from bargein.recorder.story.call_story import CallStory, StoryReply, StoryTool

UNKNOWN = "(The words were not understood.)"
NO_RESULT = "(No result came.)"

Message = dict[str, Any]


def messages(story: CallStory) -> list[Message]:
    """In the order in which the caller and the agent were heard."""
    told: list[tuple[float, int, list[Message]]] = []  # when, and which comes first at the same moment
    for turn in story.turns:
        content = turn.text if turn.text is not None else UNKNOWN
        if content.strip():
            told.append((turn.from_ms, 0, [{"role": "user", "content": content}]))
    for reply in story.replies:
        if reply.text.strip():
            told.append((_began_ms(reply), 2, [{"role": "assistant", "content": reply.text}]))
    for at_ms, tools in _rounds(story).items():
        told.append((at_ms, 1, _called(tools)))
    return [message for _, _, group in sorted(told, key=lambda entry: entry[:2]) for message in group]


def _began_ms(reply: StoryReply) -> float:
    return reply.asked_ms if reply.started_ms is None else reply.started_ms


def _rounds(story: CallStory) -> dict[float, list[StoryTool]]:
    """Tools by the moment at which a reader meets them: before the words of the reply that called them, or, where they
    ran after it, when they ran."""
    replies = {reply.reply: reply for reply in story.replies}
    rounds: dict[float, list[StoryTool]] = {}
    for tool in story.tools:
        reply = replies.get(tool.reply or 0)
        at_ms = tool.began_ms if tool.began_ms is not None else tool.ended_ms
        if reply is not None and (at_ms is None or reply.ended_ms is None or at_ms < reply.ended_ms):
            at_ms = _began_ms(reply)
        rounds.setdefault(at_ms or 0.0, []).append(tool)
    return rounds


def _called(tools: list[StoryTool]) -> list[Message]:
    """One message with the calls, and one for each result, as the API demands."""
    calls: list[Message] = []
    results: list[Message] = []
    for number, tool in enumerate(tools):
        call_id = tool.id or f"call_{number}"
        function = {"name": tool.tool, "arguments": tool.arguments or "{}"}
        calls.append({"id": call_id, "type": "function", "function": function})
        results.append({"role": "tool", "tool_call_id": call_id, "content": tool.result or NO_RESULT})
    return [{"role": "assistant", "content": None, "tool_calls": calls}, *results]
