// Why a call is over, in words: by whom, or by what. `fault`: worth a complaint, and not only a line.

const SAID = {
  "the client hung up": "You hung up.",
  "the agent hung up": "The agent hung up.",
  "the operator hung up": "An operator hung up.",
  "the server stopped": "The server stopped, and with it the call.",
  "the server closes": "The server stopped, and with it the call.",
  "the connection is lost": "The connection to the server was lost.",
  "the client does not read": "This page could not keep up: the connection is too slow, or the tab slept.",
};
const FAULTS = new Set(["the server stopped", "the server closes", "the connection is lost", "the client does not read", "an error of ours", "an internal error"]);
const AGAIN = "Press the button to call again.";
const CODES = {
  1001: ["The server stopped, and with it the call.", "Call again when it runs again."],
  1006: ["The connection to the server was lost.", "Look whether the server runs and this device is online, then call again."],
  1008: ["The server ended the call: this page sent too much.", "Reload the page."],
  1009: ["The server ended the call: a message was too long.", "Say it in pieces."],
  1011: ["The server ended the call: something failed there.", "Call again, and send the server's log to its owner."],
  1012: ["The server stopped, and with it the call.", "Call again when it runs again."],
  4003: ["The call could not be moved to another server.", AGAIN],
  1013: ["The server takes no more calls now.", "Call again a little later."],
};

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? "" : "."}`;

// bye: the server's own reason; code, reason: of the close frame; left: it was hung up here; problem: the last fatal error.
export function ending({ bye = null, code = 1000, reason = "", left = false, problem = null }) {
  if (problem) return { text: problem.message, advice: problem.advice ?? AGAIN, fault: true };
  if (left) return { text: "You hung up.", advice: AGAIN, fault: false };
  if (bye) {
    const text = SAID[bye] ?? `The call is over: ${sentence(bye)}`;
    return { text, advice: AGAIN, fault: FAULTS.has(bye) };
  }
  const [text, advice] = CODES[code] ?? ["The call broke off.", AGAIN];
  if (code === 1000 || code === 1005) return { text: reason ? sentence(reason) : "The call is over.", advice: AGAIN, fault: false };
  return { text: reason && code >= 1008 && code !== 1012 ? `${text} (${reason})` : text, advice, fault: true };
}
