// The server that this page came from, whatever path a proxy or an outer app puts before it, and the person's token for it.

import { CallError, Server } from "../client/index.js";
import { refusal } from "../client/errors.js";

const KEPT = "bargein-token"; // in sessionStorage

export const server = new Server({ url: new URL("../../", import.meta.url).href, token: pageToken, eager: false });

// A page's token, for the server's own, which the person types once.
async function pageToken() {
  let owner = sessionStorage.getItem(KEPT);
  if (!owner) {
    owner = prompt("This server asks for its token (BARGEIN_TOKEN):")?.trim() ?? "";
    if (!owner) throw new CallError("This server asks for its token.", "Reload the page, and type the server's BARGEIN_TOKEN.", { status: 401, code: "no_token" });
    sessionStorage.setItem(KEPT, owner);
  }
  const answer = await server.request("token", { method: "POST", headers: { Authorization: `Bearer ${owner}` } });
  if (answer.ok) return (await answer.json()).token;
  if (answer.status !== 401) throw await refusal(answer);
  sessionStorage.removeItem(KEPT);
  throw new CallError("That token was not accepted.", "Try again with the server's BARGEIN_TOKEN.", { status: 401, code: "no_token" });
}
