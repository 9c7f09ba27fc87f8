import type { BargeinCall, CallOptions, CallSnapshot } from "./index.js";

export interface UseBargein extends CallSnapshot {
  readonly call: BargeinCall | null;
  start(): Promise<boolean>;
  stop(): Promise<void>;
  interrupt(): void;
  say(text: string): void;
  mute(on?: boolean): void;
}

/** A call of a component. The options are read when a call starts; the call ends with the component. */
export function useBargein(options?: CallOptions): UseBargein;
