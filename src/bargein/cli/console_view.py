"""`bargein console`, as a terminal shows it: what was said and decided, line by line, and under it both lanes as they
move."""

from __future__ import annotations

from collections import deque

from rich.console import Console
from rich.console import Group as Lines
from rich.live import Live
from rich.text import Text

from bargein import notices as n
from bargein.foreign import printable

CELLS = 60  # of a lane: 6 s
BLOCKS = 5  # of 20 ms in a cell
BARS = " ▁▂▃▄▅▆▇█"
MOST_CHARS = 500
DECIDED = {"hold": "yellow", "resume": "green", "cut": "red", "drop": "red", "machine": "magenta", "filler": "cyan"}


class Lane:
    """How loud one side was, of late."""

    def __init__(self) -> None:
        self._cells: deque[float] = deque([0.0] * CELLS, maxlen=CELLS)
        self._loudest = 0.0
        self._blocks = 0

    def add(self, level: float) -> None:
        """20 ms, 0..1."""
        self._loudest = max(self._loudest, level)
        self._blocks += 1
        if self._blocks == BLOCKS:
            self._cells.append(self._loudest)
            self._loudest, self._blocks = 0.0, 0

    def drawn(self) -> str:
        return "".join(BARS[min(len(BARS) - 1, int(level * len(BARS)))] for level in self._cells)


class ConsoleView:
    """live: the lanes move at the bottom of a terminal. Otherwise only the lines are written, as for a file."""

    def __init__(self, console: Console, *, live: bool) -> None:
        self._console = console
        self._lanes = {"you": Lane(), "agent": Lane()}
        self._state = "idle"
        self._held = False
        self._words: dict[int, str] = {}
        self._estimate: n.Transcript | None = None  # of the agent, until the client has said what was heard
        self._told: deque[int | None] = deque(maxlen=8)  # replies whose lines are shown
        self._live = (
            Live(console=console, refresh_per_second=10, transient=True, get_renderable=self._drawn) if live else None
        )

    def __enter__(self) -> ConsoleView:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live is not None:
            self._live.stop()

    def level(self, side: str, level: float) -> None:
        """Called for each 20 ms of either side."""
        self._lanes[side].add(level)

    def say(self, text: str, style: str = "") -> None:
        self._console.print(Text(printable(text, MOST_CHARS), style=style))

    def notice(self, notice: n.Notice) -> None:
        """What the call tells."""
        match notice:
            case n.StateChanged(state=state):
                self._state = state
            case n.WordsAdded(reply_id=reply, text=text):
                self._words[reply] = (self._words.get(reply, "") + text)[-MOST_CHARS:]
            case n.Transcript(role="agent", reply_id=reply):
                if self._estimate is not None and self._estimate.reply_id != reply:
                    self._settle()
                self._estimate = notice
                if notice.final and reply not in self._told:
                    self._settle()
            case n.Bye():
                self._settle()
            case n.Transcript(role=role, text=text, final=True):
                self.say(f"you    {text if text is not None else '(no words could be read)'}", _ROLES[role])
            case n.Decision(kind=kind, why=why) if kind in DECIDED:
                self._held = kind == "hold"
                self.say(f"       {kind}: {why}", DECIDED[kind])
            case n.Problem(message=message, advice=advice):
                self.say(f"       {message}. {advice}", "red")
            case _:
                pass

    def _settle(self) -> None:
        said, self._estimate = self._estimate, None
        if said is not None and said.reply_id not in self._told:
            self._told.append(said.reply_id)
            self._agent_said(said.text or "", said.unheard or "")

    def _agent_said(self, heard: str, unheard: str) -> None:
        line = Text("agent  " + printable(heard, MOST_CHARS), "bold")
        if unheard:
            line.append(" " + printable(unheard, MOST_CHARS), "dim strike")
        self._console.print(line)
        self._words.clear()

    def _drawn(self) -> Lines:
        words = next(reversed(self._words.values()), "")
        return Lines(
            Text(f"you   |{self._lanes['you'].drawn()}|", "blue"),
            Text(f"agent |{self._lanes['agent'].drawn()}| {'held' if self._held else self._state}", "green"),
            Text(f"      {printable(words[-CELLS:], CELLS)}", "dim"),
        )


_ROLES = {"user": "bold blue", "backchannel": "blue"}
