"""The spoken form of Markdown: marks and pictures are left out, an address is spoken by its host."""

from __future__ import annotations

import re
from string import punctuation

from bargein.audio.text_map import TextMap
from bargein.spoken_form import html

LINK = 400  # characters in which a link must end
LINE = 120  # characters of a line that may be a mark altogether
_ADDRESSES = ("https://", "http://", "www.", "mailto:")
_ADDRESS = re.compile(r"[!#$%&'()*+,\-./:;=?@\[\]~\w]+", re.ASCII)
_HOST = re.compile(r"(?:https?://(?:[^/?#]*@)?|mailto:)?(?:www\.)?", re.IGNORECASE)
_NAME = re.compile(r"\[[^\]]*\]|[^/?#:]*")
_PICTURE = re.compile(
    "[\U0001f000-\U0001f3fa\U0001f400-\U0001faff\u2600-\u27bf\u2b00-\u2bff\u231a\u231b\u23e9-\u23ff\u25aa\u25ab\u25b6"
    "\u25c0\u25fb-\u25fe\u2934\u2935\u3030\u303d\u3297\u3299]"
)
_OF_PICTURE = re.compile("[\ufe0e\ufe0f\u20e3\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")  # tones, flags, keycaps
_WORD = re.compile(r"[^\W_]+")
_DOTS = "•◦‣▪●○■□◆◇▸►⁃∙"  # of lists, with "・" of Japanese, which needs no space after it
_BULLET = re.compile(rf"(?:[-*+{_DOTS}][ \t]+|・[ \t]*)(?:\[[ xX]\][ \t]+)?")
_PART_OF_BULLET = re.compile(rf"[-*+{_DOTS}・](?:[ \t]+(?:\[(?:[ xX](?:\][ \t]*)?)?)?)?")
_HEADING = re.compile(r"#{1,6}(?P<space>[ \t]+|$)|#{2,6}(?![#\s])")
_MARK_LINE = re.compile(r"[-*_=|:+ \t]*")
_FENCE = re.compile(r"(`{3,}|~{3,})[^\n`]*")


class MarkdownForm:
    """The spoken form of Markdown. The result does not depend on how the text was cut into pieces."""

    def __init__(self, written: TextMap) -> None:
        self._map = written
        self._out: list[str] = []
        self._rest = ""
        self._before = ""  # the character before, " " after a picture
        self._line_begins = True
        self._row = False  # in a row of a table
        self._open = 0  # marks of emphasis that were opened in this line
        self._fence = ""  # of the block of code
        self._code = False  # in code within a line

    def add(self, piece: str, *, final: bool = False) -> str:
        """What is spoken of the text that is certain now."""
        self._rest += piece
        self._rest = self._rest[self._walk(self._rest, final=final) :]
        spoken = "".join(self._out)
        self._out.clear()
        return spoken

    def finish(self) -> str:
        """What is spoken of the rest."""
        return self.add("", final=True)

    def _walk(self, text: str, *, final: bool) -> int:
        at = 0
        while at < len(text):
            taken = self._step(text, at, final)
            if not taken:
                break
            at += taken
        return at

    # -------------------------------------------------------------------------------------------------- results

    def _keep(self, text: str) -> int:
        self._map.keep(text)
        self._out.append(text)
        self._before = text[-1:]
        return len(text)

    def _drop(self, text: str, *, ahead: bool) -> int:
        self._map.drop(text, ahead=ahead)
        self._before = text[-1:] or self._before
        return len(text)

    def _say(self, spoken: str, text: str) -> int:
        self._map.replace(spoken, text)
        self._out.append(spoken)
        self._before = text[-1:]
        return len(text)

    # ---------------------------------------------------------------------------------------------------- steps

    def _step(self, text: str, at: int, final: bool) -> int:
        """Take what stands at a place. Returns how many characters it was. 0: more must come first."""
        if self._line_begins:
            taken = self._line(text, at, final)
            if taken is None:
                return 0
            if taken:
                return taken
            self._line_begins = False
        char = text[at]
        if char == "\n":
            self._line_begins, self._row, self._open, self._code = True, False, 0, False
            return self._keep(char)
        if self._fence or (self._code and char != "`"):
            return self._keep(char)
        if (found := _WORD.match(text, at)) is not None:
            return self._word(text, found, final)
        match char:
            case "`":
                return self._ticks(text, at, final)
            case "*" | "_" | "~":
                return self._emphasis(text, at, final)
            case "[" | "!":
                return self._link(text, at, final)
            case "<":
                return self._in_angles(text, at, final)
            case "|":
                return self._bar(text, at, final)
            case "&":
                return self._entity(text, at, final)
            case "【":
                if (source := html.source(text, at)) is not None:
                    return self._drop(source, ahead=False)
                return 0 if not final and html.may_be_source(text, at) else self._keep(char)
            case "\\":
                return self._escape(text, at, final)
            case _:
                return self._picture(char)

    def _line(self, text: str, at: int, final: bool) -> int | None:
        """Marks at the begin of a line. 0: there is none. None: more must come first."""
        line, newline, _ = text[at:].partition("\n")
        whole = final or bool(newline)
        mark = line.lstrip(" \t")
        indent = line[: len(line) - len(mark)]
        if not mark:
            return None if not whole and len(indent) < LINE else 0
        if mark[0] in "`~" and (len(mark) >= 3 or not whole):
            return self._fenced(line, mark, whole)
        if self._fence or mark[0] not in f"#>-*+|=_:・{_DOTS}":
            return 0
        if len(_MARK_LINE.match(mark).group()) == len(mark) and len(mark) <= LINE:  # type: ignore[union-attr]
            if not whole:
                return None
            return self._drop(line, ahead=False) if _is_rule(mark) else 0
        if mark[0] == "#":
            heading = _HEADING.match(mark)
            if heading is not None and (heading["space"] != "" or not whole):
                if heading.end() == len(mark) and not whole:
                    return None
                self._line_begins = False
                return self._drop(indent + heading.group(), ahead=True)
            return 0
        if mark[0] == ">":
            return self._drop(indent + ">", ahead=True)
        if mark[0] == "|":
            self._line_begins, self._row = False, True
            return self._drop(indent + "|", ahead=True)
        if not whole and _PART_OF_BULLET.fullmatch(mark):
            return None
        if (bullet := _BULLET.match(mark)) is not None:
            self._line_begins = False
            kept = self._keep(indent) if indent else 0
            return kept + self._drop(bullet.group(), ahead=True)
        return 0

    def _fenced(self, line: str, mark: str, whole: bool) -> int | None:
        if self._fence:
            closing = mark.rstrip()
            if set(closing) != {self._fence[0]}:
                return 0
            if not whole:
                return None
            if len(closing) < len(self._fence):
                return 0
            self._fence = ""
            return self._drop(line, ahead=False)
        if not whole and len(mark) <= LINE and (mark in ("`", "``", "~", "~~") or _FENCE.fullmatch(mark)):
            return None
        found = _FENCE.fullmatch(mark)
        if found is None or len(mark) > LINE:
            return 0
        self._fence = found.group(1)
        return self._drop(line, ahead=True)

    def _word(self, text: str, found: re.Match[str], final: bool) -> int:
        at = found.start()
        if not (self._before.isalnum() or self._before == "_"):
            here = text[at : at + 8].lower()
            if any(here.startswith(begin) for begin in _ADDRESSES):
                return self._address(text, at, final)
            if not final and any(begin.startswith(here) for begin in _ADDRESSES):
                return 0
        return self._keep(found.group())

    def _address(self, text: str, at: int, final: bool) -> int:
        found = _ADDRESS.match(text, at)
        address = found.group() if found else text[at]
        if at + len(address) == len(text) and not final:
            return 0
        while address and (address[-1] in ".,:;!?*_~'[&" or _closes(address, "()") or _closes(address, "[]")):
            address = address[:-1]
        prefix = _HOST.match(address).group()  # type: ignore[union-attr]  # which may be empty
        name = address[len(prefix) :]
        if prefix.lower() != "mailto:":
            name = _NAME.match(name).group()  # type: ignore[union-attr]  # which may be empty
        if not name:
            return self._keep(address)
        self._drop(prefix, ahead=True)
        self._keep(name)
        self._drop(address[len(prefix) + len(name) :], ahead=False)
        self._before = address[-1:]
        return len(address)

    def _in_angles(self, text: str, at: int, final: bool) -> int:
        """An address in angles, or a tag of HTML. Any other "<" stays: it is text, or the TTS's own markup."""
        inner = text[at + 1 : at + 9].lower()
        if any(inner.startswith(begin) for begin in _ADDRESSES):
            return self._drop("<", ahead=True)
        if not final and any(begin.startswith(inner) for begin in _ADDRESSES):
            return 0
        if (mail := html.mail(text, at)) is not None:
            self._drop("<", ahead=True)
            self._keep(mail)
            self._drop(">", ahead=False)
            return len(mail) + 2
        if (found := html.tag(text, at)) is not None:
            tag, ends_line, ahead = found
            if not ends_line:
                before = self._before
                self._drop(tag, ahead=ahead)
                self._before = before
                return len(tag)
            if self._before in ("", "\n"):
                self._drop(tag, ahead=False)
            else:
                self._say("\n", tag)
            self._before, self._line_begins, self._row, self._open = "\n", True, False, 0
            return len(tag)
        return 0 if not final and html.may_be_tag(text, at) else self._keep("<")

    def _entity(self, text: str, at: int, final: bool) -> int:
        if (found := html.entity(text, at)) is not None:
            written, sign = found
            self._say(sign, written)
            self._before = sign
            return len(written)
        return 0 if not final and html.may_be_entity(text, at) else self._keep("&")

    def _ticks(self, text: str, at: int, final: bool) -> int:
        run = re.compile("`+").match(text, at)
        ticks = run.group() if run else "`"
        if at + len(ticks) == len(text) and not final:
            return 0
        self._code = not self._code
        return self._drop(ticks, ahead=self._code)

    def _emphasis(self, text: str, at: int, final: bool) -> int:
        char, end = text[at], at
        while end < len(text) and text[end] == char:
            end += 1
        if end == len(text) and not final:
            return 0
        run, before, after = text[at:end], self._before, text[end : end + 1]
        if char == "~" and len(run) != 2:
            return self._keep(run)
        if before.isalnum() and after.isalnum():
            if char == "_":
                return self._say(" ", run)  # a name in code: snake_case
            if before.isdigit() and after.isdigit():
                return self._keep(run)
        touches_before, touches_after = bool(before.strip()), bool(after.strip())
        if not touches_before and not touches_after:
            return self._keep(run) if before and after else self._drop(run, ahead=False)
        if touches_before and touches_after and before.isalnum() == after.isalnum():
            opens = not self._open
        else:
            opens = touches_after and (not touches_before or after.isalnum())
        if not opens and not self._open and before.isdigit() and char == "*":
            return self._keep(run)  # a hotel of 5*
        self._open = self._open + 1 if opens else max(0, self._open - 1)
        return self._drop(run, ahead=opens)

    def _link(self, text: str, at: int, final: bool) -> int:
        """A link is spoken by its text, a picture by its description."""
        begin = at + (text[at] == "!")
        if begin == len(text) and not final:
            return 0
        if text[begin : begin + 1] != "[":
            return self._keep(text[at])
        window = text[at : at + LINK].partition("\n")[0]
        certain = final or len(window) == LINK or "\n" in text[at : at + LINK]
        close = _closing(window, begin - at, "[]")
        if close < 0 or (close + 1 == len(window) and not certain):
            return 0 if not certain else self._keep(text[at : begin + 1])
        following, end = window[close + 1 : close + 2], close
        if following in ("(", "["):
            end = _closing(window, close + 1, "()" if following == "(" else "[]")
            if end < 0:
                return 0 if not certain else self._keep(text[at : begin + 1])
        elif window[begin - at + 1 : begin - at + 2] != "^":  # a note is not spoken
            return self._keep(text[at : begin + 1])
        if window[begin - at + 1 : begin - at + 2] == "^":
            return self._drop(window[: end + 1], ahead=False)
        inner = window[begin - at + 1 : close]
        self._drop(text[at : begin + 1], ahead=True)
        self._walk(inner, final=True)
        self._drop(window[close : end + 1], ahead=False)
        return end + 1

    def _bar(self, text: str, at: int, final: bool) -> int:
        """A bar between the cells of a table is a short pause."""
        end = at + 1
        while end < len(text) and text[end] in " \t":
            end += 1
        if end == len(text) and not final:
            return 0
        if end == len(text) or text[end] == "\n":
            return self._drop("|", ahead=False) if self._row else self._keep("|")
        if self._row or (self._before == " " and end > at + 1):
            return self._say(",", "|")
        return self._keep("|")

    def _escape(self, text: str, at: int, final: bool) -> int:
        if at + 1 == len(text) and not final:
            return 0
        escaped = text[at + 1 : at + 2]
        if escaped == "\n":
            return self._drop("\\", ahead=False)  # a line is broken here
        if escaped and escaped in punctuation:
            return self._drop("\\", ahead=True) + self._keep(escaped)
        return self._keep("\\")

    def _picture(self, char: str) -> int:
        after_picture = self._before == "\x00"
        if _PICTURE.match(char) is not None:
            if self._before.strip() and not after_picture:
                self._say(" ", char)  # it parts two words
            else:
                self._drop(char, ahead=False)
        elif _OF_PICTURE.match(char) is not None or (char == "\u200d" and after_picture):
            before = self._before
            self._drop(char, ahead=False)
            self._before = before
            return 1
        elif char == ">" and self._angle():
            return self._drop(char, ahead=False)
        else:
            return self._keep(char)
        self._before = "\x00"
        return 1

    def _angle(self) -> bool:
        """Whether an address in angles ends here."""
        written = self._map.written
        begin = written.rfind("<")
        return (
            begin >= 0
            and written[begin + 1 :].lower().startswith(_ADDRESSES)
            and not re.search(r"[\s>]", written[begin:])
        )


def _is_rule(mark: str) -> bool:
    """Whether a line of marks is a rule, a bullet without text, or belongs to a table."""
    of_table = "-" in mark and ("|" in mark or mark.count("+") > 1)
    rule = sum(char in "-*_=" for char in mark) >= 3
    return rule or of_table or mark.rstrip() in ("-", "*", "+") or not mark.strip("| \t")


def _closes(address: str, pair: str) -> bool:
    """Whether an address ends with a bracket that it does not open."""
    return address.endswith(pair[1]) and address.count(pair[1]) > address.count(pair[0])


def _closing(text: str, begin: int, pair: str) -> int:
    """Where the bracket at `begin` is closed. -1: nowhere."""
    depth = 0
    for at in range(begin, len(text)):
        if text[at] == pair[0]:
            depth += 1
        elif text[at] == pair[1]:
            depth -= 1
            if not depth:
                return at
    return -1
