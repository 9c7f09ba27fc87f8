"""What the model's side has of the conversation, besides sound: what it is told when a session begins or is made anew,
and what it lacks since."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bargein.protocols import AgentSaid, ConversationItem, ToolCall, ToolResult
from bargein.vendors.common.openai_realtime.items import Json, as_items, called, created, late, output
from bargein.vendors.common.openai_realtime.response import OpenAIResponse

NEVER_BEGAN = "not done: the reply was interrupted before this began"


class History:
    """items: the conversation so far; order: sends an event."""

    def __init__(
        self,
        items: Callable[[], Sequence[ConversationItem]],
        language: str,
        order: Callable[[Json], None],
        assistant_text: str = "output_text",
    ) -> None:
        self._items, self._language, self._order = items, language, order
        self._assistant_text = assistant_text  # type of the content in an assistant's message
        self._called: set[str] = set()  # tools' calls that it has
        self._answered: set[str] = set()  # those that have an output
        self._owed: dict[int, OpenAIResponse | None] = {}  # replies that sounded when it was told the rest
        self._newest: OpenAIResponse | None = None

    def anew(self) -> None:
        """A session that knows nothing."""
        items = self._items()
        for made in as_items(items, self._language, self._assistant_text):
            self._order(created(made))
        self._called = {item.id for item in items if isinstance(item, ToolResult)}
        self._answered = set(self._called)
        sounding = (item.reply for item in items if isinstance(item, AgentSaid) and item.ended == "sounding")
        self._owed = dict.fromkeys(sounding, self._newest)

    def begins(self, reply: OpenAIResponse) -> None:
        """A reply is asked for: it is to know all that was heard before."""
        self._newest = reply
        self.catch_up()

    def catch_up(self) -> None:
        """Tell of replies that sounded when the session was made anew, and are over now. One that was cut is retold
        when it is known what was heard of it."""
        if not self._owed:
            return
        for item in self._items():
            if isinstance(item, AgentSaid) and item.ended in ("completed", "failed"):
                reply = self._owed.get(item.reply)
                self.retell(item if reply is None else reply.elsewhere(item))

    def retell(self, said: AgentSaid) -> None:
        """Tell what was heard of one of them."""
        if said.reply in self._owed:
            del self._owed[said.reply]
            for made in as_items([said], self._language, self._assistant_text):
                self._order(created(made))

    def tell(self, said: AgentSaid) -> None:
        """Tell what another voice said in the model's place."""
        self._owed.pop(said.reply, None)
        for made in as_items([said], self._language, self._assistant_text):
            self._order(created(made))

    def never_began(self, call: ToolCall) -> None:
        """A tool's call that is never handed on gets its output: a model waits for one."""
        self.push_tool_result(ToolResult(call.id, call.tool, call.arguments, NEVER_BEGAN, error=True))

    def calls(self, call: str) -> None:
        """The model called a tool."""
        self._called.add(call)

    def push_tool_result(self, used: ToolResult) -> None:
        """What a tool has come to; again, when more is known."""
        if used.id not in self._answered:
            if used.id not in self._called:  # it was called in a session that is gone
                self._order(created(called(used)))
            self._called.add(used.id)
            self._answered.add(used.id)
            self._order(created(output(used)))
        elif used.result is not None:
            self._order(created(late(used, self._language)))
