"""The folder tree is the architecture: imports point one way."""

from __future__ import annotations

import ast
from pathlib import Path

import bargein

ROOT = Path(bargein.__file__).parent

# room -> rooms it may import. Modules at the top level count as rooms of their own name.
MAY: dict[str, set[str]] = {
    "errors": set(),
    "clock": set(),
    "floor": {"errors"},
    "audio": {"errors", "contracts"},  # words.py speaks of the contracts' Word and Spoken
    "keys": set(),
    "notices": set(),
    "contracts": {"audio", "floor", "notices", "errors"},
    "worker": {"errors", "clock"},
    "call": {"contracts", "notices", "audio", "floor", "errors", "clock"},
    "transports": {"contracts", "notices", "audio", "errors", "clock"},
    "stt": {"keys", "contracts", "audio", "errors", "clock", "worker"},
    "llm": {"keys", "contracts", "audio", "errors", "clock", "worker"},
    "tts": {"keys", "contracts", "audio", "errors", "clock", "worker"},
    "prompting": {"contracts"},
    "realtime": {"keys", "contracts", "prompting", "audio", "errors", "clock"},
    "recorder": {"contracts", "floor", "errors"},
    "tools": {"contracts", "errors"},
    # A simulated voice speaks with espeak, and simulated ears may read with Moonshine.
    "simulators": {"audio", "contracts", "errors", "clock", "tts", "stt"},
}
ANY = {"server", "bench", "cli", "__main__", ""}  # the wiring may know everybody


def room(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return "" if parts == ("__init__",) else parts[0]


def imports(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{a.name}" for a in node.names] if node.module == "bargein" else [node.module or ""]
        found |= {n.split(".")[1] for n in names if n.startswith("bargein.")}
    return found


def test_every_import_points_the_way_the_architecture_says() -> None:
    wrong = []
    for path in sorted(ROOT.rglob("*.py")):
        here = room(path)
        if here in ANY:
            continue
        assert here in MAY, f"{path}: a room that the architecture does not know"
        wrong += [f"{path.relative_to(ROOT)} -> {there}" for there in imports(path) - {here} - MAY[here]]
    assert wrong == []


def test_an_adapter_never_knows_another_adapter_file() -> None:
    shared = {
        "llm": {"messages", "turns", "requests"},
        "tts": {"clauses", "pool", "contexts", "timed_text", "speech_requests"},
        "stt": {"transcriptions"},
        "transports": {"bucket", "telephone"},
    }
    wrong = []
    for name, helpers in shared.items():
        for path in sorted((ROOT / name).glob("*.py")):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"bargein.{name}."):
                    other = (node.module or "").split(".")[2]
                    own = path.stem.split("_")[0]
                    if other not in helpers and not other.startswith(own):
                        wrong.append(f"{path.relative_to(ROOT)} -> {other}")
    assert wrong == []
