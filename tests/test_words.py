"""One idea, one name: the retired words stay out, and a public class name stands once in the tree."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[1]
CODE = ("src", "benchmarks", "examples")
KINDS = (".py", ".js", ".html", ".toml")

# Retired word -> the word to write. A word counts wherever it stands: in names, comments, docstrings and texts.
RETIRED = {
    "mind": "llm",
    "minds": "llm",
    "ears": "stt",
    "transcriber": "stt",
    "transcribers": "stt",
    "seat": "responder",
    "desk": "CallContext",
    "workshop": "AgentBuilder",
    "stopgap": "fallback",
    "spare": "fallback",
    "outbox": "send queue",
    "upward": "audio upload",
    "toolbox": "ToolRunner",
    "leaver": "CallEnding",
    "sayings": "UtteranceQueue",
    "scenery": "scenarios",
    "mouth": "caller audio",
    "misuse": "UsageError",
    "nonsense": "ProtocolError",
    "nobody": "name the subject",
    "whoever": "name the subject",
    "somebody": "name the subject",
    "trying": "probe",
}
# What may stay: names that others rely on (the wire, the CLI, a vendor's SDK), by the text around the word.
ALLOWED = re.compile(
    r"""
    ears_lost | ears-drop | ears-error | ears-stall      # codes of bargein.v1, and names of faults
  | alias="transcriber" | stt:\ "transcriber" | names\ transcriber,\ model\ and\ voice  # a hello's choice in bargein.v1
  | trust_transcriber_turns                              # a number's name in bargein.v1
  | "EarsChanged":                                       # an event's name in records of version 1
  | moonshine_voice\.transcriber\ import\ Transcriber     # the vendor's module and class
  | "model-nonsense"                                     # a simulated fault's id
  | "Trying" | 100\ Trying                                # SIP's reason phrase of 100
  | front[- ]desk
    """,
    re.VERBOSE,
)


def words(line: str) -> set[str]:
    """All words of a line, names taken apart: "_spareVoice" holds "spare" and "voice"."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", line)
    return {word.lower() for word in re.findall(r"[A-Za-z]+", apart)}


def test_no_retired_word_is_in_the_tree() -> None:
    found = []
    for folder in CODE:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix not in KINDS:
                continue
            for number, line in enumerate(path.read_text().splitlines(), 1):
                for word in sorted(words(ALLOWED.sub("", line)) & RETIRED.keys()):
                    found.append(f"{path.relative_to(ROOT)}:{number}: {word} (write: {RETIRED[word]})")
    assert not found, f"{len(found)} retired words:\n" + "\n".join(found[:80])


def test_a_public_class_name_stands_once() -> None:
    where: defaultdict[str, list[str]] = defaultdict(list)
    for folder in ("src", "benchmarks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    where[node.name].append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in where.items() if len(paths) > 1} == {}


def test_no_file_is_longer_than_one_reading() -> None:
    long = []
    for folder in (*CODE, "tests"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".py", ".js") and (lines := len(path.read_text().splitlines())) > 400:
                long.append(f"{path.relative_to(ROOT)}: {lines} lines")
    assert long == []
