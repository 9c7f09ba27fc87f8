// What fails, each told as what it is, with the remedy: a server's own refusal, a proxy's, and no answer at all.

export class CallError extends Error {
  name = "CallError";

  // code: what failed, for a program (docs/client.md lists the codes); status: of an HTTP answer, 0: there was none; fatal: it
  // ends the call; source: "server", if a message of the call said so, else "client".
  constructor(message, advice = "", { status = 0, code = "failed", fatal = false, source = "client" } = {}) {
    super(message);
    this.code = code;
    this.advice = advice;
    this.status = status;
    this.fatal = fatal;
    this.source = source;
  }
}

const PROXY = {
  400: ["The request was not understood", "Look at the proxy before the server"],
  401: ["A proxy before the server asks for a password", "Log in there, then reload the page"],
  403: ["A proxy before the server refuses this page (403)", "Let it pass on this address"],
  404: ["There is no voice server at this address (404)", "Call the page by the address that the server printed; behind a proxy that passes a path on, set --root-path"],
  405: ["What answers here is no voice server (405)", "Call the page by the address that the server printed"],
  413: ["The request is too large for a proxy before the server", "Say less in it"],
  429: ["Too many requests came from here (429)", "Wait a little, and try again"],
  502: ["The proxy answers, but the server behind it does not (502)", "Start the server again"],
  503: ["The server takes no calls now (503)", "Try again a little later"],
  504: ["The server behind the proxy is too slow (504)", "Try again a little later"],
};

const CODES = { 404: "not_a_server", 405: "not_a_server", 429: "too_many", 502: "unreachable", 503: "busy", 504: "unreachable" };

const sentence = (text) => (!text || /[.!?…]$/.test(text) ? (text ?? "") : `${text}.`);

// Of an answer that is not ok.
export async function refusal(answer) {
  const { status } = answer;
  const told = await answer.json().then((body) => body.error ?? null, () => null);
  const wait = Number(answer.headers.get("retry-after"));
  const later = wait > 0 ? ` Try again in ${wait} s.` : "";
  if (told?.message) return new CallError(sentence(told.message), sentence(told.advice) + later, { status, code: told.code ?? "refused" });
  const [message, advice] = PROXY[status] ?? [`The server answered ${status}`, "Look into its log"];
  return new CallError(sentence(message), sentence(advice) + later, { status, code: CODES[status] ?? "refused" });
}

// No answer came.
export function unreachable() {
  return navigator.onLine === false
    ? new CallError("This device is offline.", "Connect it, and try again.", { code: "offline" })
    : new CallError("The server does not answer.", "Start it again, or look whether this device can reach it.", { code: "unreachable" });
}
