// Where a server is, and the servers beside it that it names.

import { CallError } from "./errors.js";

// This module's own server, if it came from one.
const HOME = new URL(import.meta.url).pathname.endsWith("/web/client/place.js") ? new URL("../../", import.meta.url) : null;

export class Place {
  // url: of the server, as the page has it (with a path, if a proxy or an outer app puts one before the server's own). Without
  // one: the server that this module came from. Raises CallError (bad_url).
  constructor(url) {
    this.base = url ? read(url) : HOME;
    if (!this.base) throw new CallError("No voice server is named.", "Give the address of yours: url.", { code: "bad_url" });
    this.any = new URL(this.base.href.replace(/\/n\/[a-z0-9][a-z0-9-]*\/$/, "/")); // without the node that it names
  }

  at(path) {
    return new URL(path, this.base);
  }

  // Where a server is that another one names: an address, or a path before the server's paths. null: this place itself.
  // Raises TypeError for anything but that.
  of(named) {
    if (!named) return this.base;
    const place = named.startsWith("/") ? new URL(named.slice(1), this.any) : new URL(named);
    if (!/^https?:$/.test(place.protocol)) throw new TypeError(`No server can be at ${named}`);
    if (!place.pathname.endsWith("/")) place.pathname += "/";
    return place;
  }

  // A path of such a server, for a WebSocket.
  socketAt(path, named = null) {
    const url = new URL(path, this.of(named));
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    return url;
  }
}

function read(given) {
  try {
    const url = new URL(String(given).replace(/^ws(s?:)/i, "http$1"), document.baseURI);
    if (!/^https?:$/.test(url.protocol)) throw new TypeError(url.protocol);
    url.search = url.hash = "";
    if (!url.pathname.endsWith("/")) url.pathname += "/";
    return url;
  } catch {
    throw new CallError(`No voice server can be at ${String(given).slice(0, 200)}`, "Give an address that begins with https:, or a path: url.", { code: "bad_url" });
  }
}
