"""Makes docs/floor.md of the floor's code: `python tools/floor_page.py`. A test keeps the page true.

The transitions are found by letting the machine run through the states of the tests' searches; the texts are the
docstrings of the code.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import get_args

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # for the tests' searches

from bargein.floor import Action, Event, State, rules, state, timers  # noqa: E402
from tests.floor.transitions import Transition, found  # noqa: E402

PAGE = ROOT / "docs" / "floor.md"
HEAD = """\
<!-- Made by tools/floor_page.py from src/bargein/floor and from what its machine does. Change the code, and run the
script. -->

# The floor: who may speak

A call is a floor that two parties share. `Floor.handle(event)` takes what happened, with its time, and returns what is
to be done now; `Floor.deadline` says when to hand in a `Tick`. The floor reads no clock, opens no socket and waits for
nothing, so a recorded call decides the same again.

```python
from bargein.floor import Floor, Policy, SpeechWindow

floor = Floor(Policy.balanced(), language="en")
for action in floor.handle(SpeechWindow(at_ms=1000, until_ms=1032, speech=0.9)):
    print(action.why)
```

The numbers that the rules compare with are in [policy.md](policy.md).
"""
STEPS = """\
From each state, on each event or timer that changes it or orders something. *By* names the action that tells what the
step is; others may stand beside it.

The transitions were found by letting the machine run: through the first states of every search of `tests/floor`, and on
random walks through all events at once. The searches see every reachable state, and fail at a transition that is not
here.
"""
# Of the actions of one step, the one that says what the step is: by the state that it leads to.
MAIN = {
    "idle": ("Cut", "DiscardReply", "CloseTurn"),
    "listening": ("Cut", "DiscardReply", "Listen"),
    "thinking": ("Answer", "Say", "Reprompt", "Resume"),
    "speaking": ("Resume",),
    "barge_in": ("Hold",),
}


def page() -> str:
    """The page, whole."""
    steps = sorted(found())
    texts = _texts_of_members(state, "State")
    return "\n".join(
        [
            HEAD,
            "## States\n",
            _table(["state", "meaning"], [[f"`{each.value}`", texts[each.name]] for each in State]),
            "```mermaid\nstateDiagram-v2\n    [*] --> idle",
            *_arrows(steps),
            "```\n",
            "Each arrow says what is ordered, or else what happened: " + _told(steps) + "\n",
            "## The theory\n",
            _theory(),
            "## Events and their rules\n",
            _table(["event", "what happened", "rule", "may order"], _events(steps)),
            "## Timers\n",
            (inspect.getdoc(timers) or "") + "\n",
            _table(["timer", "falls due in", "what is done", "may order"], _timers(steps)),
            "## Actions\n",
            _table(["action", "what to do", "ordered in"], _actions(steps)),
            "## Every transition\n",
            STEPS,
            _table(["from", "to", "by", "on"], _transitions(steps)),
        ]
    )


def _main(step: Transition) -> str:
    if step.before == step.after and step.orders:
        return step.orders[-1]
    return next((order for order in MAIN[step.after] if order in step.orders), step.cause)


def _arrows(steps: Sequence[Transition]) -> Iterable[str]:
    for before in State:
        for after in State:
            labels = [_main(s) for s in steps if (s.before, s.after) == (before, after) and before is not after]
            if labels:
                yield f"    {before.value} --> {after.value}: {', '.join(_in_order(labels))}"


def _in_order(labels: Iterable[str]) -> list[str]:
    """Actions first, in the order in which actions.py has them, then the rest."""
    known = [kind.__name__ for kind in get_args(Action)]
    return sorted(set(labels), key=lambda label: (known.index(label) if label in known else len(known), label))


def _told(steps: Sequence[Transition]) -> str:
    happened = {_main(s) for s in steps if s.before != s.after} - {kind.__name__ for kind in get_args(Action)}
    return ", ".join(f"`{cause}`" for cause in sorted(happened)) + "."


def _theory() -> str:
    """The theory at the head of rules.py, without its list of files."""
    text = inspect.getdoc(rules) or ""
    return text[text.index("Two steps.") :] + "\n"


def _events(steps: Sequence[Transition]) -> Iterable[list[str]]:
    handled = _handlers()
    for kind in get_args(Event):
        rule = handled[kind.__name__]
        if rule is timers.on_tick:
            may = "what the timer orders"
        else:
            may = _orders(step for step in steps if step.cause == kind.__name__)
        place = inspect.getsourcefile(rule) or ""
        yield [f"`{kind.__name__}`", _line(kind), f"`{rule.__name__}` in `{Path(place).name}`", may]


def _timers(steps: Sequence[Transition]) -> Iterable[list[str]]:
    for name, rule in vars(timers).items():
        mine = [step for step in steps if step.cause == name]
        if mine and callable(rule):
            due = ", ".join(f"`{each.value}`" for each in State if any(s.before == each for s in mine))
            yield [f"`{name}`", due, _line(rule), _orders(mine)]


def _actions(steps: Sequence[Transition]) -> Iterable[list[str]]:
    for kind in get_args(Action):
        where = [each for each in State if any(s.before == each and kind.__name__ in s.orders for s in steps)]
        yield [f"`{kind.__name__}`", _line(kind), ", ".join(f"`{each.value}`" for each in where)]


def _transitions(steps: Sequence[Transition]) -> Iterable[list[str]]:
    for before in State:
        for after in State:
            mine = [s for s in steps if (s.before, s.after) == (before, after) and (before is not after or s.orders)]
            by: dict[str, set[str]] = {}
            for step in mine:
                main = _main(step)
                by.setdefault("" if main == step.cause else main, set()).add(step.cause)
            for main in sorted(by, key=lambda main: (main == "", _in_order(by).index(main))):
                causes = ", ".join(f"`{cause}`" for cause in _in_order(by[main]))
                yield [f"`{before.value}`", f"`{after.value}`", f"`{main}`" if main else "-", causes]


def _orders(steps: Iterable[Transition]) -> str:
    return ", ".join(f"`{order}`" for order in _in_order(o for step in steps for o in step.orders)) or "nothing"


def _handlers() -> dict[str, Callable[..., object]]:
    """Event -> the rule that `Floor.handle` hands it to."""
    handle = ast.parse(inspect.cleandoc("\n" + inspect.getsource(rules.Floor.handle)))
    (match,) = [node for node in ast.walk(handle) if isinstance(node, ast.Match)]
    found: dict[str, Callable[..., object]] = {}
    for case in match.cases:
        call = case.body[0].value if isinstance(case.body[0], ast.Expr) else None
        if isinstance(case.pattern, ast.MatchClass) and isinstance(call, ast.Call):
            event, rule = case.pattern.cls, call.func
            if isinstance(event, ast.Attribute) and isinstance(rule, ast.Name):
                found[event.attr] = getattr(rules, rule.id)
    return found


def _texts_of_members(module: ModuleType, name: str) -> dict[str, str]:
    """The docstrings under the members of a class."""
    (found,) = [
        node
        for node in ast.parse(inspect.getsource(module)).body
        if isinstance(node, ast.ClassDef) and node.name == name
    ]
    texts = {}
    for member, text in zip(found.body, found.body[1:], strict=False):
        if isinstance(member, ast.Assign) and isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant):
            (target,) = member.targets
            if isinstance(target, ast.Name):
                texts[target.id] = str(text.value.value)
    return texts


def _line(thing: object) -> str:
    return " ".join((inspect.getdoc(thing) or "").split())


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
