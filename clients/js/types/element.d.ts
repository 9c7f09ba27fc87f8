import type { BargeinCall, CallEvents, CallOptions, CallState } from "./index.js";

export interface ElementLabels {
  start: string;
  stop: string;
  interrupt: string;
  mute: string;
  unmute: string;
  recorded: string;
  unrecord: string;
  transcript: string;
  unknown: string;
  off: string;
  connecting: string;
  waiting: string;
  reconnecting: string;
  idle: string;
  listening: string;
  thinking: string;
  speaking: string;
  barge_in: string;
  /** Of an error, an obstacle or an ending, by its code, in place of the client's English. */
  [code: string]: string;
}

/** `<bargein-call url agent>`: attributes url, agent, token, transport, policy, language, assets, labels (JSON), no-transcript. */
export class BargeinCallElement extends HTMLElement {
  labels: ElementLabels;
  get options(): CallOptions;
  set options(more: CallOptions);
  readonly call: BargeinCall | null;
  readonly state: CallState;
  start(): Promise<boolean>;
  stop(): Promise<void>;
  interrupt(): void;
  say(text: string): void;
  mute(on?: boolean): void;
}

type Told = "state" | "welcome" | "heard" | "transcript" | "interrupted" | "error" | "ended" | "muted" | "recording";
type ElementEvents = { [T in Told as `bargein-${T}`]: CustomEvent<CallEvents[T]> };

declare global {
  interface HTMLElementTagNameMap {
    "bargein-call": BargeinCallElement;
  }
  interface HTMLElementEventMap extends ElementEvents {}
}
