// Where the server is: above this very script, whatever path a proxy or an outer app puts before it.

const BASE = new URL("../../", import.meta.url);
const ANY = new URL(BASE.href.replace(/\/n\/[a-z0-9][a-z0-9-]*\/$/, "/")); // without the node that this page came from

export const at = (path) => new URL(path, BASE);

// Where a server is that another one names: an address, or a path before the server's paths. null: where the page came
// from. Raises TypeError for anything but that.
export function placeOf(named) {
  if (!named) return BASE;
  const place = named.startsWith("/") ? new URL(named.slice(1), ANY) : new URL(named);
  if (!/^https?:$/.test(place.protocol)) throw new TypeError(`No server can be at ${named}`);
  if (!place.pathname.endsWith("/")) place.pathname += "/";
  return place;
}

// A path of such a server, for a WebSocket.
export function socketAt(path, named = null) {
  const url = new URL(path, placeOf(named));
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url;
}
