// A React hook for a call. React is the application's own: it is imported by its name.

import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { CallStore } from "./index.js";

// options: of a BargeinCall, read when a call starts. The call ends with the component.
export function useBargein(options = {}) {
  const newest = useRef(options);
  useEffect(() => {
    newest.current = options;
  });
  const [store] = useState(() => new CallStore(() => newest.current));
  useEffect(() => () => void store.stop(), [store]);
  const value = useSyncExternalStore(store.subscribe, store.snapshot, store.snapshot);
  const [acts] = useState(() => ({
    start: () => store.start(),
    stop: () => store.stop(),
    interrupt: () => store.interrupt(),
    say: (text) => store.say(text),
    mute: (on) => store.mute(on),
    consent: (on) => store.consent(on),
  }));
  return { ...value, ...acts, call: store.call };
}
