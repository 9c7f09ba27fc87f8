/** Calls with a voice agent of Bargein, from any page. See docs/client.md. */

export type CallState = "off" | "connecting" | "waiting" | "reconnecting" | "idle" | "listening" | "thinking" | "speaking" | "barge_in";
export type Transport = "auto" | "websocket" | "webrtc";

export interface PartChoice {
  name: string;
  options?: Record<string, unknown>;
}

/** Parts that an agent is made of for one call. `GET /parts` of the server lists them. */
export interface Choice {
  transcriber?: PartChoice;
  model?: PartChoice;
  voice?: PartChoice;
  language?: string;
  instructions?: string;
  greeting?: string;
  preset?: string;
}

export interface PolicyChange {
  /** A preset's name. */
  policy?: string;
  /** Single numbers of the policy, by their names. */
  settings?: Record<string, number | boolean | string | null>;
}

/** A page's token, or a function that gets one each time that one is needed. */
export type Token = string | (() => string | Promise<string>);

export interface CallOptions extends PolicyChange {
  /** Address of the server. Without one: the server that the module came from. */
  url?: string;
  token?: Token | null;
  /** Instead of url and token. */
  server?: Server;
  /** The agent's name. Without one: the server's first. */
  agent?: string;
  /** The user's language, as a BCP 47 tag. */
  language?: string;
  choice?: Choice | null;
  /** Default: auto. */
  transport?: Transport | null;
  /** false: without one. "later": the call is typed, and the obstacle's `act` opens one. Default: true. */
  microphone?: boolean | "later";
  /** The sound goes straight to a realtime model that can. */
  direct?: boolean;
  /** The page may fall silent before the server has answered. Default: true. */
  localHold?: boolean;
  /** The user agrees to a recording of the call on the server, or refuses it. Without it: the user was not asked. */
  consent?: boolean;
  /** A folder of the page's own site that has the worklets and the worker, where its policy forbids blob:. */
  assets?: string;
}

/** What fails. `code` is for a program, the message and `advice` are for a person. */
export class CallError extends Error {
  constructor(message: string, advice?: string, more?: { status?: number; code?: string; fatal?: boolean; source?: "client" | "server" });
  readonly name: "CallError";
  readonly code: CallErrorCode;
  readonly advice: string;
  /** Of an HTTP answer; 0: there was none. */
  readonly status: number;
  /** It ends the call, or there is none. */
  readonly fatal: boolean;
  readonly source: "client" | "server";
}

/** The client's own codes; a server's codes (docs/protocol.md) come as they are. */
export type CallErrorCode =
  | "bad_url" | "unreachable" | "offline" | "not_a_server" | "refused" | "foreign_origin" | "no_token" | "busy" | "too_many"
  | "no_websocket" | "no_welcome" | "sent_around" | "model_unreachable"
  | "insecure" | "browser_too_old" | "no_audio" | "no_worklet" | "overflow"
  | "microphone_refused" | "microphone_missing" | "microphone_busy" | "microphone_failed" | "microphone_lost"
  | "lost" | "gone" | "server_stopped" | "server_failed" | "too_slow" | "failed"
  | (string & {});

export interface Ending {
  /** left: hung up here. agent_left, operator_left, ended: by the others. gone: the server has the call no more. Else as an error's. */
  code: "left" | "agent_left" | "operator_left" | "ended" | CallErrorCode;
  text: string;
  advice: string;
  /** It is worth a complaint. */
  fault: boolean;
}

/** What stands in a call's way. */
export interface Obstacle {
  code?: CallErrorCode;
  text: string;
  advice?: string;
  /** What the button says that does `act`. */
  action?: string;
  act?: () => unknown;
}

export interface AgentParts {
  name: string;
  stt: string;
  llm: string;
  tts: string;
  scripted: boolean;
  simulated?: boolean;
}

export interface Welcome {
  call_id: string;
  conversation_id: string;
  agent: AgentParts;
  policy: Record<string, unknown>;
  /** This call was taken up again. */
  resumed: boolean;
  /** By another server, after its own was gone. */
  restored: boolean;
}

export interface HeardWords {
  reply: number;
  /** What has left the loudspeaker, so far. */
  text: string;
  /** What never will. */
  unheard: string;
  /** The record's last word. */
  final: boolean;
}

/** Of each event the `detail`. */
export interface CallEvents {
  state: { state: CallState };
  welcome: Welcome;
  heard: HeardWords;
  transcript: { role: "user" | "agent" | "backchannel"; turn?: number; reply_id?: number; text: string | null; unheard?: string; final: boolean; over?: string };
  interrupted: { reply: number; text: string; ms: number };
  words: { reply_id: number; text: string; words: [start_ms: number, end_ms: number, begin: number, end: number][]; exact: boolean };
  sounding: { reply: number; ms: number };
  decision: { kind: string; reply_id?: number; at_ms: number; onset_ms?: number | null; why: string };
  policy: { numbers: Record<string, unknown> };
  /** The server records the call from now on, or no longer does. Tell the user. */
  recording: { on: boolean };
  level: { side: "you" | "agent"; level: number };
  way: { name: "websocket" | "webrtc"; rtt: number | null; jitter: number | null; loss: number | null; note: "blocked" | "lossy" | null };
  waiting: { ms: number };
  obstacle: { kind: "sound" | "microphone"; line: Obstacle | null; only?: Obstacle };
  typed: { on: boolean };
  muted: { on: boolean };
  local_hold: { ms: number };
  error: CallError;
  ended: Ending;
  /** Every message of the server, as docs/protocol.md has it. */
  message: { type: string; [field: string]: unknown };
  /** A realtime model's own events, with `direct`. */
  model: { type: string; [field: string]: unknown };
}

/** One call: one object. */
export class BargeinCall extends EventTarget {
  constructor(options?: CallOptions);
  readonly state: CallState;
  readonly id: string | undefined;
  readonly agent: AgentParts | null;
  readonly ended: Ending | null;
  readonly muted: boolean;
  /** The server records the call. */
  readonly recorded: boolean;
  readonly over: boolean;
  /** When the microphone and the sound are free again. */
  readonly released: Promise<void>;
  /** Hears what happens. Returns a function that ends it. */
  on<T extends keyof CallEvents>(type: T, listener: (detail: CallEvents[T]) => void): () => void;
  /** true: the call has begun. false: it was hung up before. Rejects with a CallError, of which the event `error` tells, too. */
  start(): Promise<boolean>;
  stop(): Promise<void>;
  interrupt(): void;
  /** The user's turn as text. */
  say(text: string): void;
  change(change: PolicyChange): void;
  mute(on?: boolean): void;
  /** The user agrees to a recording of the call on the server, or refuses it. */
  consent(on?: boolean): void;
  holdHere(on: boolean): void;
}

/** A server, and a page's token for it. */
export class Server {
  constructor(options?: { url?: string; token?: Token | null; eager?: boolean });
  request(path: string | URL, options?: RequestInit): Promise<Response>;
  ask(path: string, body?: unknown): Promise<any>;
}

/** Space interrupts, Esc hangs up. Returns a function that ends it. */
export function keys(target: EventTarget, acts: { interrupt: () => void; hangUp: () => void }): () => void;

/** What keeps this page from having sound at all. null: nothing does. */
export function unfit(): { code: CallErrorCode; text: string; advice: string } | null;

export interface TranscriptEntry {
  id: string;
  role: "user" | "agent" | "backchannel";
  text: string;
  unheard: string;
  final: boolean;
}

export interface CallSnapshot {
  state: CallState;
  callId: string | null;
  agent: AgentParts | null;
  muted: boolean;
  typed: boolean;
  recorded: boolean;
  transcript: readonly TranscriptEntry[];
  obstacle: Obstacle | null;
  error: CallError | null;
  ended: Ending | null;
}

/** One call after another, as a value that changes: for a framework that has no hook of ours. */
export class CallStore {
  constructor(options: CallOptions | (() => CallOptions), each?: (call: BargeinCall) => void);
  readonly call: BargeinCall | null;
  readonly value: CallSnapshot;
  readonly running: boolean;
  readonly subscribe: (listener: () => void) => () => void;
  readonly snapshot: () => CallSnapshot;
  start(): Promise<boolean>;
  stop(): Promise<void>;
  interrupt(): void;
  say(text: string): void;
  mute(on?: boolean): void;
  consent(on?: boolean): void;
}
