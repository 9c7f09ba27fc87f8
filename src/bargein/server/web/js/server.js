// Requests to the server, with a token where it wants one. Each throws a Refused, with its remedy.

import { at, placeOf } from "./base.js";
import { Refused, refusal, unreachable } from "./refusals.js";

const KEPT = "bargein-token"; // in sessionStorage
const PATIENCE_MS = 30000; // for any answer

let auth = false; // the server wants a token

export async function request(path, options = {}) {
  return fetch(path instanceof URL ? path : at(path), { signal: AbortSignal.timeout(PATIENCE_MS), ...options }).catch(() => {
    throw unreachable();
  });
}

export async function tokenIfWanted() {
  return auth ? pageToken() : null;
}

const bearer = (token) => (token ? { Authorization: `Bearer ${token}` } : {});

// Asks the server (with a body: by POST).
export async function ask(path, body) {
  const once = async () =>
    request(path, {
      method: body ? "POST" : "GET",
      headers: { ...bearer(await tokenIfWanted()), ...(body && { "Content-Type": "application/json" }) },
      body: body && JSON.stringify(body),
    });
  let answer = await once();
  if (!auth && answer.status === 401 && answer.headers.get("www-authenticate") === "Bearer") {
    auth = true;
    answer = await once();
  }
  if (!answer.ok) throw await refusal(answer);
  return answer.json().catch(() => {
    throw new Refused("What answers here is no voice server.", "Call the page by the address that the server printed.");
  });
}

// Why a WebSocket did not open: browsers hide the answer that it got.
export async function whyNoCall(token) {
  try {
    const answer = await request("calls/browser", { method: "POST", headers: bearer(token) });
    if (!answer.ok) return await refusal(answer);
    return new Refused(
      "The server takes calls, but the WebSocket does not open.",
      "A proxy before the server must pass on WebSockets (the headers Upgrade and Connection); an extension may block them, too.",
    );
  } catch (error) {
    return error;
  }
}

// Asks for a call between this page and the model: an offer for an answer, and the name to claim it by.
export async function askCall(offer, agent) {
  const headers = { "Content-Type": "application/sdp", ...bearer(await tokenIfWanted()) };
  const path = `openai/calls?${new URLSearchParams(agent ? { agent } : {})}`;
  const answer = await request(path, { method: "POST", headers, body: offer });
  if (!answer.ok) throw await refusal(answer);
  // The call waits on the server that made it: the address that it is named by leads there.
  const [, place, name] = answer.headers.get("location").match(/^(.*\/)openai\/calls\/([^/]+)$/);
  return { answer: await answer.text(), name, at: new URL(place, at("")).href };
}

// Offers a call by WebRTC to the server at that place. resource: its address there, to end it by.
export async function offerCall(offer, place, token) {
  const headers = { "Content-Type": "application/json", ...bearer(token) };
  const answer = await request(new URL("webrtc/offer", place), { method: "POST", headers, body: JSON.stringify({ sdp: offer, type: "offer" }) });
  if (!answer.ok) throw await refusal(answer);
  const { sdp, id } = await answer.json();
  // The connection is at the node that answered. What a proxy puts before the node's path, only this page knows.
  const [node] = /\/n\/[a-z0-9][a-z0-9-]*(?=\/webrtc\/)/.exec(answer.headers.get("location") ?? "") ?? [];
  return { sdp, resource: new URL(`webrtc/${id}`, node ? placeOf(node) : place) };
}

// A page's token, for the server's own, which the person types once.
async function pageToken() {
  let owner = sessionStorage.getItem(KEPT);
  if (!owner) {
    owner = prompt("This server asks for its token (BARGEIN_TOKEN):")?.trim() ?? "";
    if (!owner) throw new Refused("This server asks for its token.", "Reload the page, and type the server's BARGEIN_TOKEN.", { status: 401 });
    sessionStorage.setItem(KEPT, owner);
  }
  const answer = await request("token", { method: "POST", headers: bearer(owner) });
  if (answer.ok) return (await answer.json()).token;
  if (answer.status !== 401) throw await refusal(answer);
  sessionStorage.removeItem(KEPT);
  throw new Refused("That token was not accepted.", "Try again with the server's BARGEIN_TOKEN.", { status: 401 });
}
