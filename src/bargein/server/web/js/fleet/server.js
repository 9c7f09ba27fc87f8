// Requests of the server's owner, with the token that the operator typed, kept until the tab is closed.

import { CallError, refusal, unreachable } from "../../client/errors.js";
import { Place } from "../../client/place.js";

const KEPT = "bargein-token"; // in sessionStorage
const PATIENCE_MS = 10000; // for any answer

const place = new Place(new URL("../../../", import.meta.url));

export const token = {
  get: () => sessionStorage.getItem(KEPT),
  set: (text) => sessionStorage.setItem(KEPT, text),
  forget: () => sessionStorage.removeItem(KEPT),
};

// Throws a CallError; one of status 401: the server asks for a token.
export async function ask(method, path, body) {
  const answer = await send(method, path, body);
  return answer.json().catch(() => {
    throw new CallError("What answers here is no voice server.", "Call the page by the address that the server printed.");
  });
}

// A file that the owner may have.
export const fetched = async (path) => (await send("GET", path)).blob();

async function send(method, path, body) {
  const owner = token.get();
  const headers = { ...(owner && { Authorization: `Bearer ${owner}` }), ...(body && { "Content-Type": "application/json" }) };
  const options = { method, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(PATIENCE_MS) };
  const answer = await fetch(place.at(path), options).catch(() => {
    throw unreachable();
  });
  if (!answer.ok) throw await refusal(answer);
  return answer;
}

export const address = (path) => place.at(path);
export const callPath = (id, what = "") => `calls/${encodeURIComponent(id)}${what && `/${what}`}`;

// What comes live of a call. A browser's WebSocket sends no Authorization: a token for this alone goes as a subprotocol.
async function live(id, what) {
  const { token: short } = token.get() ? await ask("POST", "token?audience=operator") : {};
  return new WebSocket(place.socketAt(callPath(id, what)), [`bargein.${what}`, ...(short ? [`token.${short}`] : [])]);
}

export const events = (id) => live(id, "events");
export const audio = (id) => live(id, "listen");
