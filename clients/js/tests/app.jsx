// A React application of its own, as the tests of the package run it: `useBargein` in a component that comes and goes.

import { StrictMode, useState } from "react";
import { createRoot } from "react-dom/client";
import { useBargein } from "@bargein/client/react";

function Talk({ options }) {
  const { state, transcript, error, muted, start, stop, interrupt, mute, call } = useBargein(options);
  window.call = call;
  return (
    <div data-state={state}>
      <button onClick={() => (state === "off" ? start() : stop())}>{state === "off" ? "Talk" : "Leave"}</button>
      <button onClick={interrupt}>Stop it</button>
      <button aria-pressed={muted} onClick={() => mute(!muted)}>Mute</button>
      {error && <p role="alert">{`${error.code}: ${error.message} ${error.advice}`}</p>}
      <ol>
        {transcript.map(({ id, role, text, unheard }) => (
          <li key={id} className={role}>{text} <s>{unheard}</s></li>
        ))}
      </ol>
    </div>
  );
}

function App() {
  const [there, setThere] = useState(true);
  return (
    <>
      <button onClick={() => setThere(!there)}>{there ? "Away" : "Back"}</button>
      {there && <Talk options={window.options} />}
    </>
  );
}

createRoot(document.getElementById("root")).render(<StrictMode><App /></StrictMode>);
