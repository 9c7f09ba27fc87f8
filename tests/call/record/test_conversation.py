"""What the model may know, in the order in which the caller heard it."""

from __future__ import annotations

from bargein.call.record.conversation import Conversation
from bargein.protocols import AgentSaid, SaidOver, ToolResult, UserBackchannel, UserSaid


def test_an_interrupted_reply_stands_before_the_words_that_interrupted_it() -> None:
    talk = Conversation()
    talk.agent_begins(1)
    talk.user(1, "wait", SaidOver(1, "once there"))
    talk.agent_heard(1, "once there", "was a fox", "cut", exact=True)
    assert talk.items == [
        AgentSaid(1, "once there", "was a fox", "cut", exact=True),
        UserSaid(1, "wait", SaidOver(1, "once there")),
    ]


def test_a_reply_begins_once() -> None:
    talk = Conversation()
    talk.agent_begins(1)
    talk.agent_begins(1)
    assert talk.items == [AgentSaid(1, "", ended="sounding")]


def test_a_reply_that_never_began_was_never_said() -> None:
    talk = Conversation()
    assert talk.agent_heard(1, "hello", "", "completed", exact=True) is None
    assert talk.agent(1) is None
    assert talk.items == []


def test_a_turn_that_went_on_after_its_answer_is_replaced_whole() -> None:
    talk = Conversation()
    talk.user(1, "what are owls", None)
    talk.user(2, "thanks", None)
    talk.user(1, "what are owls and hawks", None)
    assert [item.text for item in talk.items if isinstance(item, UserSaid)] == ["what are owls and hawks", "thanks"]
    assert (talk.has_turn(1), talk.has_turn(3)) == (True, False)


def test_words_can_be_tried_without_being_written() -> None:
    talk = Conversation()
    talk.user(1, "what", None)
    assert talk.with_user(1, "what are owls", None) == (UserSaid(1, "what are owls"),)
    assert talk.with_user(2, "and", None) == (UserSaid(1, "what"), UserSaid(2, "and"))
    assert talk.items == [UserSaid(1, "what")]


def test_the_result_of_a_tool_replaces_that_it_runs() -> None:
    talk = Conversation()
    talk.tool(ToolResult("a", "book", "{}", None))
    talk.tool(ToolResult("b", "find", "{}", "none", error=True))
    talk.tool(ToolResult("a", "book", "{}", "table 7"))
    assert talk.items == [ToolResult("a", "book", "{}", "table 7"), ToolResult("b", "find", "{}", "none", error=True)]
    assert talk.tool_result("a") == ToolResult("a", "book", "{}", "table 7")
    assert talk.tool_result("c") is None


def test_a_backchannel_is_no_turn() -> None:
    talk = Conversation()
    assert talk.backchannel("mm-hmm", None) == UserBackchannel("mm-hmm")
    assert not talk.has_turn(1)


def test_as_json_each_item_names_its_kind() -> None:
    talk = Conversation()
    talk.user(1, None, None)
    talk.agent_begins(1)
    assert talk.as_dicts() == [
        {"kind": "UserSaid", "turn": 1, "text": None, "over": None},
        {"kind": "AgentSaid", "reply": 1, "text": "", "unheard": "", "ended": "sounding", "exact": True},
    ]
