// How an application uses the package: its types are right if this compiles.

import { BargeinCall, CallError, CallStore, keys, type CallOptions } from "@bargein/client";
import "@bargein/client/element";
import { useBargein } from "@bargein/client/react";

const options: CallOptions = { url: "https://voice.example.com", agent: "guide", token: async () => "a-token", transport: "webrtc" };

export async function talk(): Promise<string> {
  const call = new BargeinCall({ ...options, settings: { quiet_ms: 700 } });
  const off = call.on("heard", ({ reply, text, unheard, final }) => console.log(reply.toFixed(), text.length, unheard, final));
  call.on("state", ({ state }) => state === "barge_in");
  call.on("error", (error) => error.code === "microphone_refused" && error.advice);
  call.on("ended", ({ fault, text }) => fault && text);
  // @ts-expect-error: there is no such event
  call.on("silence", () => {});
  // @ts-expect-error: a state is none of the call's
  call.on("state", ({ state }) => state === "asleep");
  // @ts-expect-error: no such way
  new BargeinCall({ transport: "pigeon" });
  try {
    await call.start();
  } catch (error) {
    if (error instanceof CallError) return error.advice;
    throw error;
  }
  call.mute();
  call.change({ policy: "patient" });
  const unbind = keys(window, { interrupt: () => call.interrupt(), hangUp: () => void call.stop() });
  unbind();
  off();
  await call.stop();
  return call.ended?.text ?? "";
}

export function Talk() {
  const { state, transcript, error, start, stop, muted, mute } = useBargein(options);
  return (
    <div>
      <button onClick={() => void (state === "off" ? start() : stop())}>{state}</button>
      <button aria-pressed={muted} onClick={() => mute(!muted)}>Mute</button>
      {error && <p role="alert">{error.message} {error.advice}</p>}
      <bargein-call url="https://voice.example.com" agent="guide" no-transcript="" />
      <ol>{transcript.map((entry) => <li key={entry.id}>{entry.text} <s>{entry.unheard}</s></li>)}</ol>
    </div>
  );
}

const element = document.createElement("bargein-call");
element.options = { token: () => "a-token" };
element.addEventListener("bargein-heard", ({ detail }) => detail.text);
void new CallStore(options).snapshot().transcript[0]?.role;
