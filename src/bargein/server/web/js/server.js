// Requests to the server, with a token where it wants one.

import { pageToken } from "./connection.js";

let auth = false; // the server wants a token

export async function tokenIfWanted() {
  return auth ? pageToken() : null;
}

// Asks the server (with a body: by POST), with a token where it wants one. Throws an Error, with its advice.
export async function ask(path, body) {
  const request = (headers) =>
    fetch(path, {
      method: body ? "POST" : "GET",
      headers: { ...headers, ...(body && { "Content-Type": "application/json" }) },
      body: body && JSON.stringify(body),
    });
  const tokened = async () => request({ Authorization: `Bearer ${await pageToken()}` });
  let answer = auth ? await tokened() : await request({});
  if (!auth && (answer.status === 401 || answer.status === 403)) {
    auth = true;
    answer = await tokened();
  }
  const said = await answer.json();
  if (answer.ok) return said;
  throw Object.assign(new Error(`${said.error.message}.`), { advice: `${said.error.advice}.` });
}

// Asks for a call between this page and the model: an offer for an answer, and the name to claim it by.
export async function askCall(offer, agent) {
  const headers = { "Content-Type": "application/sdp", ...(auth && { Authorization: `Bearer ${await pageToken()}` }) };
  const answer = await fetch(`openai/calls?${new URLSearchParams(agent ? { agent } : {})}`, { method: "POST", headers, body: offer });
  if (!answer.ok) {
    const said = await answer.json();
    throw new Error(`${said.error.message}. ${said.error.advice}.`);
  }
  return { answer: await answer.text(), name: answer.headers.get("location").split("/").pop() };
}
