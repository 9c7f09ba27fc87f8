// The units in which a text is shown and heard: the same rules as bargein/units.py. All positions are code points, as on
// the wire; JavaScript's own string positions are UTF-16 units, of which an emoji has two or more.

const BLOCKS = [
  [0x0e00, 0x0eff], [0x0f00, 0x0fff], [0x1000, 0x109f], [0x1780, 0x17ff], [0x1950, 0x19df], [0x1a20, 0x1aaf],
  [0x3005, 0x3007], [0x3021, 0x302f], [0x3031, 0x303c], [0x3041, 0x30ff], [0x3105, 0x312f], [0x31a0, 0x31bf],
  [0x31f0, 0x31ff], [0x3400, 0x4dbf], [0x4e00, 0x9fff], [0xa9e0, 0xa9ff], [0xaa60, 0xaadf], [0xf900, 0xfaff],
  [0xff66, 0xff9f], [0x1aff0, 0x1b16f], [0x20000, 0x3fffd],
];
const range = ([first, last]) => `\\u{${first.toString(16)}}-\\u{${last.toString(16)}}`;
const small = BLOCKS.filter(([first, last]) => last - first < 0x400);
const TRAILING = "\\u0e33\\u0eb3\\uff9e\\uff9f";
const MARKED = [...small, [0x0300, 0x036f], [0x20d0, 0x20ff], [0x3099, 0x309a]].map(range).join("");
const SPACE = "[\\s\\x1c-\\x1f\\x85]";
const NOT_SPACE = "[^\\s\\x1c-\\x1f\\x85]";
const WORD = "[\\p{L}\\p{N}_]";
const MARK = `(?:(?=\\p{M})[${MARKED}]|[${TRAILING}\\u200c\\u200d\\ufe00-\\ufe0f\\u{e0100}-\\u{e01ef}])`;
const LETTER = `(?:(?![${TRAILING}])(?=[\\p{L}\\p{Nl}\\p{No}])[${BLOCKS.map(range).join("")}])`;
const OPENERS = "\\(\\[\\{（［｛「『【〔〖《〈“‘„«‹¿¡｢⟨";
const AHEAD = `[${OPENERS}$€£¥￥₩₹฿#＃@＠+＋−\\-]{1,4}${WORD}`;
const SIGN = `(?:(?!${AHEAD})[^\\p{L}\\p{N}_\\s\\x1c-\\x1f\\x85])`;
const CHARACTER = `${LETTER}(?:${MARK}|(?<=[\\u17d2\\u1039\\u1a60])${LETTER})*`;
const TOKEN = new RegExp(
  `[${OPENERS}]{0,4}${CHARACTER}${SIGN}*|(?:(?![${OPENERS}]{0,4}${LETTER})${NOT_SPACE})+|${NOT_SPACE}`,
  "gu",
);
const SPOKEN = /[\p{L}\p{N}_$€£¥￥₩₹฿%&+=@#]/u;
const SPACES = new RegExp(`^${SPACE}+|${SPACE}+$`, "gu");

// Begin and end of each unit, in order, without the spaces between them.
export function spans(text) {
  const found = [];
  let at = 0, read = 0; // code points and UTF-16 units so far
  const place = (index) => {
    at += Array.from(text.slice(read, index)).length;
    read = index;
    return at;
  };
  for (const match of text.matchAll(TOKEN)) {
    const begin = place(match.index);
    const end = place(match.index + match[0].length);
    if (SPOKEN.test(match[0])) found.push([begin, end]);
    else if (found.length) found[found.length - 1][1] = end;
  }
  const stripped = text.replace(SPACES, "");
  if (!found.length && stripped) {
    const begin = Array.from(text.slice(0, text.indexOf(stripped))).length;
    return [[begin, begin + Array.from(stripped).length]];
  }
  return found;
}

// The last units of a text.
export function lastUnits(text, count) {
  const here = spans(text).slice(-count);
  return here.length ? Array.from(text).slice(here[0][0]).join("").replace(SPACES, "") : "";
}
