"""The folder tree is the architecture: imports point one way."""

from __future__ import annotations

import ast
from pathlib import Path

import bargein

ROOT = Path(bargein.__file__).parent
SRC = ROOT.parent

# room -> rooms it may import. Modules at the top level count as rooms of their own name.
MAY: dict[str, set[str]] = {
    "foreign": set(),
    "errors": {"foreign"},
    "clock": set(),
    "notices": set(),
    "units": set(),
    "floor": {"errors", "units"},
    "audio": {"errors", "protocols", "units"},  # words.py speaks of the protocols' Word and SpeechChunk
    "protocols": {"audio", "floor", "notices", "errors"},
    "spoken_form": {"audio"},
    "agent": {"protocols", "floor", "spoken_form", "errors"},
    "tools": {"protocols", "errors"},
    "call": {"agent", "protocols", "notices", "audio", "floor", "spoken_form", "errors", "foreign", "clock", "units"},
    "transports": {"protocols", "notices", "audio", "errors", "foreign", "clock", "sip"},
    "vendors": {"protocols", "audio", "errors", "foreign", "clock", "units"},
    "llms": {"protocols", "vendors", "errors"},  # of vendors only what is common: the conversation as a model reads it
    "fleet": {"protocols", "errors", "foreign", "clock"},
    "tracing": {"protocols", "floor", "recorder", "agent", "errors"},
    "recorder": {"protocols", "floor", "errors", "audio", "units"},
    "sip": {"errors", "foreign", "clock"},
}
# The wiring may know everybody.
ANY = {"server", "cli", "__main__", "testing", "run", "standalone_call", "integrations", ""}
LABORATORY = {"bargein_bench", "bargein_simulators"}


def room(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return "" if parts == ("__init__",) else parts[0]


def modules(path: Path) -> set[str]:
    """What a file imports, names of members included ("bargein.floor.Policy")."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_every_import_points_the_way_the_architecture_says() -> None:
    wrong = []
    for path in sorted(ROOT.rglob("*.py")):
        here = room(path)
        if here in ANY:
            continue
        assert here in MAY, f"{path}: a room that the architecture does not know"
        there = {name.split(".")[1] for name in modules(path) if name.startswith("bargein.")}
        wrong += [f"{path.relative_to(ROOT)} -> {name}" for name in sorted(there - {here} - MAY[here])]
    assert wrong == []


def test_the_product_never_imports_its_laboratory() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} -> {name}"
        for path in sorted(ROOT.rglob("*.py"))
        for name in sorted(modules(path))
        if name.split(".")[0] in LABORATORY
    ]
    assert wrong == []


def test_the_simulators_never_import_the_bench() -> None:
    wrong = [
        f"{path.name} -> {name}"
        for path in sorted((SRC / "bargein_simulators").rglob("*.py"))
        for name in sorted(modules(path))
        if name.startswith("bargein_bench")
    ]
    assert wrong == []


def test_a_vendor_never_knows_another_vendor() -> None:
    wrong = []
    vendors = ROOT / "vendors"
    for path in sorted(vendors.rglob("*.py")):
        own = path.relative_to(vendors).parts[0]
        for name in sorted(modules(path)):
            parts = name.split(".")
            if parts[:2] == ["bargein", "vendors"] and len(parts) > 2 and parts[2] not in (own, "common"):
                wrong.append(f"{path.relative_to(vendors)} -> {name}")
    assert wrong == []


def imported(name: str, known: dict[str, Path]) -> str | None:
    """The module behind an imported name ("bargein.floor.Policy" -> "bargein.floor"). None: it is not ours."""
    if name in known:
        return name
    package = name.rpartition(".")[0]
    return package if package in known else None


def test_no_modules_import_each_other_in_a_circle() -> None:
    """Imports for type checking count, too: a circle is a boundary in the wrong place."""
    known = {
        ".".join(path.relative_to(SRC).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(SRC.rglob("*.py"))
    }
    arrows: dict[str, set[str]] = {}
    for module, path in known.items():
        found = {imported(name, known) for name in modules(path)}
        # A package's own __init__ shows what is inside it: that is no arrow back.
        arrows[module] = {there for there in found if there and there != module and not module.startswith(f"{there}.")}
    left = dict(arrows)
    while free := {module for module, there in left.items() if not there & left.keys()}:
        left = {module: there for module, there in left.items() if module not in free}
    circle = {module: sorted(there & left.keys()) for module, there in left.items()}
    assert circle == {}
