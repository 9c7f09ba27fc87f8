// Times and elements, as every part of a call's page writes them. All times are milliseconds on the call's clock.

const two = (n) => String(n).padStart(2, "0");

// 62 340 -> "1:02.3"
export function clock(ms) {
  const tenths = Math.max(0, Math.floor(ms / 100));
  const s = Math.floor(tenths / 10);
  const rest = `${two(s % 60)}.${tenths % 10}`;
  return s < 3600 ? `${Math.floor(s / 60)}:${rest}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${rest}`;
}

export const span = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(2)} s`);

export const plain = (kind) => kind.replaceAll("_", " ");

// Children that are texts stay texts, whatever they hold.
export function make(name, fields = {}, ...children) {
  const { dataset, aria, ...rest } = fields;
  const element = Object.assign(document.createElement(name), rest);
  if (dataset) Object.assign(element.dataset, dataset);
  for (const [key, value] of Object.entries(aria ?? {})) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// The first place in a sorted list whose time is beyond ms.
export function beyond(list, ms, time) {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (time(list[middle]) <= ms) low = middle + 1;
    else high = middle;
  }
  return low;
}

// Rows of a long list, made in slices, so that the first of them are seen at once.
export class SlicedList {
  // build(thing, place): an element
  constructor(list, build, slice = 80) {
    Object.assign(this, { list, build, slice });
    this.things = [];
    this.made = 0;
    this.timer = null;
  }

  show(things) {
    clearTimeout(this.timer);
    this.things = things;
    this.made = 0;
    this.list.replaceChildren();
    this.more();
  }

  more(until = this.made + this.slice) {
    clearTimeout(this.timer);
    const rows = this.things.slice(this.made, until).map((thing, at) => this.build(thing, this.made + at));
    this.made += rows.length;
    this.list.append(...rows);
    if (this.made < this.things.length) this.timer = setTimeout(() => this.more(), 8);
  }

  // The row of a thing, made now if it was not.
  row(place) {
    if (place >= this.made) this.more(place + 1);
    return this.list.children[place] ?? null;
  }
}

// Scrolls a list so that one of its rows is seen; the page itself stays where it is.
export function reveal(list, row) {
  if (!row) return;
  const [box, at] = [list.getBoundingClientRect(), row.getBoundingClientRect()];
  if (at.top < box.top || at.bottom > box.bottom) list.scrollTop += at.top - box.top - list.clientHeight / 3;
}
