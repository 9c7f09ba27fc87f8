"""docs/asterisk.md: its examples are what Asterisk and this server take."""

from __future__ import annotations

import configparser
import json
import re
import shlex
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from bargein.server.settings import Settings
from bargein.server.telephone.asterisk import MEDIA, TRANSFER_VARIABLE
from bargein.server.telephone.asterisk_dialling import DialAsterisk
from bargein.transports.telephone.asterisk import FORMATS

PAGE = (Path(__file__).parents[3] / "docs" / "asterisk.md").read_text()
BLOCKS = re.findall(r"```(\w+)\n(.*?)```", PAGE, re.S)
INI = [text for kind, text in BLOCKS if kind == "ini"]
SHELL = [text.replace("\\\n", " ") for kind, text in BLOCKS if kind == "sh"]
PARAMETERS = {"agent", "policy", "language", "channel", "from", "to", "answer"}


def dialplan() -> list[str]:
    """The applications of all extensions, in order."""
    found = []
    for text in INI:
        for line in text.splitlines():
            if match := re.fullmatch(r"(?:exten => [^,]+,1|\s*same => n(?:\(\w+\))?),(.+)", line):
                found.append(match[1])
    return found


def test_every_line_of_the_dialplan_has_the_dialplans_form() -> None:
    for text in INI:
        for line in text.splitlines():
            if line.startswith(("exten", " same")):
                assert re.fullmatch(r"exten => [^,]+,1,\w+\(.*\)| same => n(\(\w+\))?,\w+\(.*\)", line), line
                assert line.count("(") == line.count(")"), line
                assert line.count("{") == line.count("}"), line
                assert line.count("[") == line.count("]"), line
    assert len(dialplan()) >= 9


def test_the_sections_of_the_clients_file_are_those_of_the_dial_strings() -> None:
    (text,) = [each for each in INI if "websocket_client" in each]
    parser = configparser.ConfigParser()
    parser.read_string(text)
    named = {match for line in dialplan() for match in re.findall(r"Dial\(WebSocket/(\w+)/", line)}
    assert named == {*parser.sections(), "INCOMING"}
    for section in parser.sections():
        client = parser[section]
        assert (client["type"], client["connection_type"], client["protocols"]) == (
            "websocket_client",
            "per_call_config",
            "media",
        )
        assert urlsplit(client["uri"]).path == MEDIA


def test_the_options_of_each_dial_string_are_known() -> None:
    strings = [match for line in dialplan() for match in re.findall(r"Dial\(WebSocket/\w+/(.+?)\)(?:,|$)", f"{line},")]
    assert len(strings) == 2
    for options in strings:
        codec = re.search(r"c\((\w+)\)", options)
        assert codec is not None
        assert codec[1] in FORMATS
        assert "f(json)" in options
        if given := re.search(r"v\((.*)\)", options):
            names = {pair.partition("=")[0] for pair in re.split(r",(?=\w+=)", given[1])}
            assert names <= PARAMETERS


def test_the_transfer_of_the_dialplan_reads_the_variable_that_we_write() -> None:
    reads = [line for line in dialplan() if "GLOBAL(" in line]
    assert reads
    assert all(f"GLOBAL({TRANSFER_VARIABLE}${{FILTER(0-9,${{UNIQUEID}})}})" in line for line in reads)
    context = Settings.model_fields["asterisk_context"].default
    assert any(f"Goto({context}," in line for line in reads)
    assert any(f"[{context}]" in text for text in INI)


def test_the_requests_are_ones_that_are_taken() -> None:
    (ours,) = [text for text in SHELL if "/asterisk/calls" in text]
    words = shlex.split(ours)
    told = DialAsterisk.model_validate(json.loads(words[words.index("-d") + 1]))
    assert told.answer
    (ari,) = [text for text in SHELL if "externalMedia" in text]
    url = next(word for word in shlex.split(ari) if word.startswith("http"))
    query = {name: value[0] for name, value in parse_qs(urlsplit(url).query, strict_parsing=True).items()}
    assert query["format"] in FORMATS
    assert (query["transport"], query["encapsulation"], query["transport_data"]) == ("websocket", "none", "f(json)")


@pytest.mark.parametrize("variable", sorted(set(re.findall(r"BARGEIN_[A-Z_]+(?![A-Z_])", PAGE))))
def test_every_variable_of_the_page_is_a_setting_or_one_of_the_dialplan(variable: str) -> None:
    settings = {Settings.variable(name) for name in Settings.model_fields}
    dialplans = {TRANSFER_VARIABLE, "BARGEIN_AGENT", "BARGEIN_POLICY", "BARGEIN_LANGUAGE"}
    assert variable in settings | dialplans
