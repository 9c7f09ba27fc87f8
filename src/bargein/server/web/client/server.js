// Requests to a server, with a token where it wants one. Each throws a CallError, with its remedy.

import { CallError, refusal, unreachable } from "./errors.js";
import { Place } from "./place.js";

const PATIENCE_MS = 30000; // for any answer

const bearer = (token) => (token ? { Authorization: `Bearer ${token}` } : {});

export class Server {
  // token: a page's token, or a function that gets one, each time that one is needed. eager: it is sent from the first
  // request on; else once the server has asked for one.
  constructor({ url, token = null, eager = true } = {}) {
    this.place = new Place(url);
    this.token = token;
    this.wanted = eager;
  }

  async request(path, options = {}) {
    const url = path instanceof URL ? path : this.place.at(path);
    return fetch(url, { signal: AbortSignal.timeout(PATIENCE_MS), ...options }).catch(() => {
      throw unreachable();
    });
  }

  // null: none is needed, as far as is known.
  async tokenIfWanted() {
    if (!this.wanted || !this.token) return null;
    if (typeof this.token !== "function") return this.token;
    try {
      return await this.token();
    } catch (error) {
      if (error instanceof CallError) throw error;
      throw new CallError(`No token came for the voice server. (${error?.message ?? error})`, "Look at the function that gets it: token.", { code: "no_token" });
    }
  }

  // Asks the server (with a body: by POST).
  async ask(path, body) {
    const once = async () =>
      this.request(path, {
        method: body ? "POST" : "GET",
        headers: { ...bearer(await this.tokenIfWanted()), ...(body && { "Content-Type": "application/json" }) },
        body: body && JSON.stringify(body),
      });
    let answer = await once();
    if (!this.wanted && this.token && answer.status === 401 && answer.headers.get("www-authenticate") === "Bearer") {
      this.wanted = true;
      answer = await once();
    }
    if (!answer.ok) throw await refusal(answer);
    return answer.json().catch(() => {
      throw new CallError("What answers here is no voice server.", "Call the page by the address that the server printed.", { code: "not_a_server" });
    });
  }

  // Why a WebSocket did not open: browsers hide the answer that it got.
  async whyNoCall(token) {
    try {
      const answer = await this.request("calls/browser", { method: "POST", headers: bearer(token) });
      if (!answer.ok) return await refusal(answer);
      return new CallError(
        "The server takes calls, but the WebSocket does not open.",
        "A proxy before the server must pass on WebSockets (the headers Upgrade and Connection); an extension may block them, too.",
        { code: "no_websocket" },
      );
    } catch (error) {
      return error;
    }
  }

  // Asks for a call between this page and the model: an offer for an answer, and the name to claim it by.
  async askCall(offer, agent) {
    const headers = { "Content-Type": "application/sdp", ...bearer(await this.tokenIfWanted()) };
    const path = `openai/calls?${new URLSearchParams(agent ? { agent } : {})}`;
    const answer = await this.request(path, { method: "POST", headers, body: offer });
    if (!answer.ok) throw await refusal(answer);
    // The call waits on the server that made it: the address that it is named by leads there.
    const [, place, name] = answer.headers.get("location").match(/^(.*\/)openai\/calls\/([^/]+)$/);
    return { answer: await answer.text(), name, at: new URL(place, this.place.base).href };
  }

  // Offers a call by WebRTC to the server at that place. resource: its address there, to end it by.
  async offerCall(offer, place, token) {
    const headers = { "Content-Type": "application/json", ...bearer(token) };
    const answer = await this.request(new URL("webrtc/offer", place), { method: "POST", headers, body: JSON.stringify({ sdp: offer, type: "offer" }) });
    if (!answer.ok) throw await refusal(answer);
    const { sdp, id } = await answer.json();
    // The connection is at the node that answered. What a proxy puts before the node's path, only this page knows.
    const [node] = /\/n\/[a-z0-9][a-z0-9-]*(?=\/webrtc\/)/.exec(answer.headers.get("location") ?? "") ?? [];
    return { sdp, resource: new URL(`webrtc/${id}`, node ? this.place.of(node) : place) };
  }
}
