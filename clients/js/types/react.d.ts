import type { DetailedHTMLProps, HTMLAttributes } from "react";
import type { BargeinCallElement } from "./element.js";
import type { BargeinCall, CallOptions, CallSnapshot } from "./index.js";

interface ElementAttributes extends HTMLAttributes<BargeinCallElement> {
  url?: string;
  agent?: string;
  token?: string;
  transport?: string;
  policy?: string;
  language?: string;
  assets?: string;
  labels?: string;
  "no-transcript"?: boolean | "";
}

declare module "react" {
  namespace JSX {
    interface IntrinsicElements {
      "bargein-call": DetailedHTMLProps<ElementAttributes, BargeinCallElement>;
    }
  }
}

export interface UseBargein extends CallSnapshot {
  readonly call: BargeinCall | null;
  start(): Promise<boolean>;
  stop(): Promise<void>;
  interrupt(): void;
  say(text: string): void;
  mute(on?: boolean): void;
  consent(on?: boolean): void;
}

/** A call of a component. The options are read when a call starts; the call ends with the component. */
export function useBargein(options?: CallOptions): UseBargein;
