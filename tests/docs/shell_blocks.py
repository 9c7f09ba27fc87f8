"""The shell blocks of the documentation, and the commands of ours in them and in the text."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import typer.main

from bargein.cli import app

MARK = r"<!-- (?P<mark>not run|file|file of the repository): (?P<about>[^\n]*?) -->\n\n"
BLOCK = re.compile(rf"(?:{MARK})?^```(?P<language>\w+)\n(?P<text>.*?)^```$", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`((?:[\w./]*/)?bargein [^`]+)`")
OURS = re.compile(r"(?:[\w./]*/)?bargein$")
END = {"|", "&&", "||", ";", "&", ">", "2>", "<"}


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block, and what a comment before it says of it."""

    language: str
    text: str
    mark: str
    """ "not run", "file", "file of the repository", or "" for none."""
    about: str
    """Why the block is not run, or the file's name."""


def blocks(page: Path) -> list[Block]:
    found = BLOCK.finditer(page.read_text("utf-8"))
    return [Block(one["language"], one["text"], one["mark"] or "", one["about"] or "") for one in found]


def lines(text: str) -> list[str]:
    """A shell block's commands: continued lines are one, and comments are none."""
    whole = re.sub(r"\\\n\s*", " ", text)
    return [line.strip() for line in whole.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def commands(page: Path) -> Iterator[list[str]]:
    """The words of each command of ours in the page: in shell blocks, and in the text with their options."""
    for block in blocks(page):
        if block.language in ("sh", "bash", "console"):
            for line in lines(block.text):
                yield from _ours(line)
    for span in SPAN.findall(page.read_text("utf-8")):
        yield from _ours(span)


def _ours(line: str) -> Iterator[list[str]]:
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word in END:
            if words and OURS.match(words[0]):
                yield words[1:]
            words = []
        else:
            words.append(word)


def refusal(words: list[str]) -> str:
    """Why the command line does not take these words; "" where it does. Nothing is run."""
    if "..." in words or not words or words[0].isupper():
        return ""  # a text about commands, and no command
    path: tuple[str, ...] = ()
    group = _command(path)
    while hasattr(group, "get_command"):
        if not words or words[0].startswith("-"):
            return ""  # the group itself, or its --help and --version
        path = (*path, words[0])
        words = words[1:]
        group = _command(path)
    told = " ".join(("bargein", *path))
    if group is None:
        return f"there is no command {told}"
    known = {option: param for param in group.params for option in (*param.opts, *param.secondary_opts)}
    left = list(words)
    given = 0
    while left:
        word = left.pop(0)
        option, equals, _ = word.partition("=")
        if option in known:
            if not equals and not getattr(known[option], "is_flag", False) and left:
                left.pop(0)
        elif word.startswith("--") or re.fullmatch(r"-[a-z]", word):
            if word != "--help":
                return f"{told} has no option {word}"
        else:
            given += 1
    most = sum(1 for param in group.params if param.param_type_name == "argument")
    return f"{told} takes {most} arguments: {given} are given" if given > most else ""


@cache
def _command(path: tuple[str, ...]) -> Any:
    """The command or the group of that name. None: there is none."""
    if not path:
        return typer.main.get_command(app)
    group = _command(path[:-1])
    return group.get_command(group.make_context("bargein", [], resilient_parsing=True), path[-1])
