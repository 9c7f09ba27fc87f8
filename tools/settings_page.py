"""Makes docs/settings.md of the server's settings and of our vendors: `python tools/settings_page.py`. A test keeps the
page true."""

from __future__ import annotations

import importlib
import inspect
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from annotated_types import Ge, Gt, Le

from bargein.cli.serve import serve
from bargein.server.settings import Settings
from bargein.vendors.common.vendor import Part, Vendor

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "settings.md"
OPTIONS = {"origin": "origins"}  # options of `bargein serve` that are named otherwise than their setting
HEAD = """\
<!-- Made by tools/settings_page.py from src/bargein/server/settings.py and the vendors' declarations. Change those, and
run the script. -->

# Settings

Every setting is a variable of the environment. Where `bargein serve` has an option for it, or `serve()` and
`create_app()` an argument ([embedding.md](embedding.md)), that goes before the variable. A variable that is set to
nothing is not set, and white space around a value is dropped. `bargein serve`, `dev`, `demo` and `doctor` read the file
`.env` beside the agent's file (else in the working directory); the environment's own variables go before it. How
readily the agent yields is no setting of the server: see [policy.md](policy.md).

## The server

"""
VENDORS = """
## Vendors

Keys, addresses, and what single parts need. A part in Python takes the same as arguments
([cascade.md](cascade.md#parts)). A vendor's address is its own, unless the variable names another: a proxy, a server of
yours, or a simulator. `bargein doctor` says which are set.

"""
REST = """
## Others

| variable | for |
| --- | --- |
| `BARGEIN_MOONSHINE_MODEL` | Moonshine: the folder of a model of your own |
| `BARGEIN_SMART_TURN_MODEL` | smart-turn v3: its `.onnx` file, for `local.SmartTurn()`; unset: that of pipecat-ai |
| `BARGEIN_BENCH_KEY` | `bargein bench`: the key or token that the target demands |
| `BARGEIN_TEST_AUDIO` | `bargein bench`: folder of recordings that are played, too ([benchmarks.md](benchmarks.md)) |
| `BARGEIN_VOICE_MODEL` | folder of a model of voices ([verdicts.md](verdicts.md)) |
"""


def page() -> str:
    """The page, whole."""
    known = {OPTIONS.get(name, name): name for name in inspect.signature(serve).parameters}
    rows = [_setting(name, field, known.get(name)) for name, field in Settings.model_fields.items()]
    server = _table(["variable", "option", "default", "range", "what it decides"], rows)
    return HEAD + server + VENDORS + _table(["vendor", "key", "address", "others"], map(_vendor, _vendors())) + REST


def _setting(name: str, field: FieldInfo, option: str | None) -> list[str]:
    about = " ".join((field.description or "").split())
    return [
        f"`{Settings.variable(name)}`",
        f"`--{option.replace('_', '-')}`" if option else "",
        _value(field.default),
        _range(field),
        about,
    ]


def _value(value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value is None or value == () else f"`{value}`"


def _range(field: FieldInfo) -> str:
    bounds = {type(bound): bound for bound in field.metadata}
    if Gt in bounds:
        return f"over {bounds[Gt].gt}"
    least, most = (getattr(bounds.get(kind), name, "") for kind, name in ((Ge, "ge"), (Le, "le")))
    return f"{least}..{most}" if Ge in bounds else ""


def _vendors() -> Iterator[Vendor]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    for target in project["entry-points"]["bargein.vendors"].values():
        module, _, attribute = target.partition(":")
        vendor: Vendor = getattr(importlib.import_module(module), attribute)
        if vendor.key is not None or any(part.settings for part in vendor.parts):
            yield vendor


def _vendor(vendor: Vendor) -> list[str]:
    keys = vendor.key.variables if vendor.key is not None else ()
    others = [_others(part, keys) for part in vendor.parts]
    address = f"`{vendor.url_variable}`" if vendor.key is not None else ""
    return [vendor.title, " or ".join(f"`{key}`" for key in keys), address, "; ".join(filter(None, others))]


def _others(part: Part, keys: Sequence[str]) -> str:
    """What a part reads besides its vendor's key and address."""
    names = ", ".join(f"`{setting.variable}`" for setting in part.settings if setting.variable not in keys)
    return f"{names} ({part.kind} `{part.name}`)" if names else ""


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
