// Why a call is over, in a code and in words: by whom, or by what. `fault`: worth a complaint, and not only a line.

// By the server's own reason.
const SAID = {
  "the client hung up": ["left", "You hung up."],
  "the agent hung up": ["agent_left", "The agent hung up."],
  "the operator hung up": ["operator_left", "An operator hung up."],
  "the server stopped": ["server_stopped", "The server stopped, and with it the call."],
  "the server closes": ["server_stopped", "The server stopped, and with it the call."],
  "the connection is lost": ["lost", "The connection to the server was lost."],
  "the client does not read": ["too_slow", "This page could not keep up: the connection is too slow, or the tab slept."],
};
const FAULTS = new Set(["the server stopped", "the server closes", "the connection is lost", "the client does not read", "an error of ours", "an internal error"]);
const AGAIN = "Press the button to call again.";
// By the code of the close.
const CODES = {
  1001: ["server_stopped", "The server stopped, and with it the call.", "Call again when it runs again."],
  1006: ["lost", "The connection to the server was lost.", "Look whether the server runs and this device is online, then call again."],
  1008: ["too_much", "The server ended the call: this page sent too much.", "Reload the page."],
  1009: ["too_long", "The server ended the call: a message was too long.", "Say it in pieces."],
  1011: ["server_failed", "The server ended the call: something failed there.", "Call again, and send the server's log to its owner."],
  1012: ["server_stopped", "The server stopped, and with it the call.", "Call again when it runs again."],
  4003: ["not_moved", "The call could not be moved to another server.", AGAIN],
  1013: ["busy", "The server takes no more calls now.", "Call again a little later."],
};
const GONE = "The connection was lost for too long, and with it the call.";

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

// bye: the server's own reason; code, reason: of the close frame; left: it was hung up here; gone: the servers have it no more;
// problem: the last fatal error.
export function ending({ bye = null, code = 1000, reason = "", left = false, gone = false, problem = null }) {
  if (problem) return { code: problem.code ?? "failed", text: problem.message, advice: problem.advice ?? AGAIN, fault: true };
  if (left) return { code: "left", text: "You hung up.", advice: AGAIN, fault: false };
  if (gone) return { code: "gone", text: GONE, advice: AGAIN, fault: true };
  if (bye) {
    const [code, text] = SAID[bye] ?? ["ended", `The call is over: ${sentence(bye)}`];
    return { code, text, advice: AGAIN, fault: FAULTS.has(bye) };
  }
  const [name, text, advice] = CODES[code] ?? ["lost", "The call broke off.", AGAIN];
  if (code === 1000 || code === 1005) return { code: "ended", text: reason ? sentence(reason) : "The call is over.", advice: AGAIN, fault: false };
  return { code: name, text: reason && code >= 1008 && code !== 1012 ? `${text} (${reason})` : text, advice, fault: true };
}
