// How <bargein-call> looks and what it says. Colours and sizes are custom properties, so that a page sets its own;
// light or dark is what the page's own color-scheme says.

export const LABELS = {
  start: "Call",
  stop: "Hang up",
  interrupt: "Interrupt",
  mute: "Mute",
  unmute: "Unmute",
  recorded: "This call is recorded.",
  unrecord: "Do not record",
  transcript: "What was heard",
  unknown: "(speech, words unknown)",
  off: "Press the button, and talk.",
  connecting: "Connecting …",
  waiting: "All lines are busy. The next try comes by itself.",
  reconnecting: "The connection is lost. Reconnecting …",
  idle: "Your turn: say something.",
  listening: "Listening to you.",
  thinking: "Thinking.",
  speaking: "Speaking. Talk over it.",
  barge_in: "Silent: was that for me?",
};

export const STYLE = `
:host {
  --accent: var(--bargein-accent, light-dark(#1746c9, #9db8ff));
  --on-accent: var(--bargein-on-accent, light-dark(#fff, #0b1020));
  --ink: var(--bargein-ink, light-dark(#16181d, #eceef2));
  --ground: var(--bargein-background, light-dark(#fff, #15171c));
  --line: var(--bargein-line, light-dark(#5f6673, #8d95a5));
  --soft: var(--bargein-soft, light-dark(#565c68, #a9b0bd));
  --alert: var(--bargein-alert, light-dark(#a1121f, #ff9d9d));
  display: block;
  max-width: 30rem;
  font: inherit;
}
:host([hidden]), [hidden] { display: none !important; }
.call { padding: 1rem; border: 1px solid var(--line); border-radius: var(--bargein-radius, 0.75rem); background: var(--ground); color: var(--ink); }
.buttons { display: flex; flex-wrap: wrap; gap: 0.5rem; }
button { min-height: 2.75rem; padding: 0 1.1rem; border: 1px solid var(--accent); border-radius: 999px; background: none; color: var(--accent); font: inherit; cursor: pointer; }
#main { background: var(--accent); color: var(--on-accent); }
button:focus-visible, [role="log"]:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
p { margin: 0.75rem 0 0; }
#status { color: var(--soft); }
#error { color: var(--alert); }
[role="log"] { max-height: 14rem; margin-top: 0.75rem; overflow-y: auto; overflow-wrap: anywhere; }
ol { margin: 0; padding: 0; list-style: none; }
li { margin: 0.25rem 0; }
.user, .backchannel { color: var(--soft); text-align: end; }
s { color: var(--soft); }
`;
