// Where the server is: above this very script, whatever path a proxy or an outer app puts before it.

const BASE = new URL("../../", import.meta.url);

export const at = (path) => new URL(path, BASE);

// The same place for a WebSocket.
export function socketAt(path) {
  const url = at(path);
  url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
  return url;
}
