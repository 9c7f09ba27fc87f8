"""How the laboratory's commands report an error: printed in one line, with advice, and exit code 2."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console

from bargein.errors import BargeinError, Unavailable

EXTRAS = {"openai": "openai", "aiortc": "webrtc", "av": "webrtc", "mistralai": "mistral", "espeakng_loader": "espeak"}


@contextmanager
def command_errors(console: Console) -> Iterator[None]:
    """Print a BargeinError of the block, and exit with 2.

    A package that is missing becomes Unavailable, which names the extra to install.
    """
    try:
        try:
            yield
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if not package or package.startswith("bargein"):
                raise  # our defect
            raise missing(package) from error
    except BargeinError as error:
        console.print(f"[red]{type(error).__name__}[/red]: ", end="", highlight=False)
        console.print(str(error), markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(2) from None


def missing(package: str, consequence: str = "") -> Unavailable:
    """The error for a package that is not installed. consequence: what does not work without it."""
    extra = EXTRAS.get(package)
    advice = f"Install the extra: bargein[{extra}]" if extra is not None else f"Install it: pip install {package}"
    what = f"The package {package} is not installed"
    return Unavailable(f"{what}: {consequence}" if consequence else what, advice=advice)
