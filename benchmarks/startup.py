"""How long one waits for `import bargein` and for `bargein --help`: `python -m benchmarks.startup`.

Each is a fresh Python; of nine runs the median is shown, and the fastest and slowest beside it.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from rich.console import Console
from rich.table import Table

RUNS = 9
COMMANDS: dict[str, list[str]] = {
    "python alone": ["-c", ""],
    "import bargein": ["-c", "import bargein"],
    "from bargein import Agent, serve, tool": ["-c", "from bargein import Agent, serve, tool"],
    "bargein --version": ["-m", "bargein", "--version"],
    "bargein --help": ["-m", "bargein", "--help"],
    "bargein serve --help": ["-m", "bargein", "serve", "--help"],
    "the server's modules": ["-c", "import bargein.server.serve"],
}


def seconds(words: list[str]) -> list[float]:
    """How long each run took, from the start of the process to its end."""
    took = []
    for _ in range(RUNS):
        began = time.perf_counter()
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)
        took.append(time.perf_counter() - began)
    return took


def main() -> None:
    table = Table("s", "median", "fastest", "slowest", box=None, pad_edge=False)
    for name, words in COMMANDS.items():
        subprocess.run([sys.executable, *words], check=True, stdout=subprocess.DEVNULL)  # its bytecode is compiled
        took = seconds(words)
        table.add_row(name, *(f"{value:.2f}" for value in (statistics.median(took), min(took), max(took))))
    Console().print(table)


if __name__ == "__main__":
    main()
