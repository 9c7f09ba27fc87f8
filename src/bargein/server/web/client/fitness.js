// What keeps a page from having sound at all.

export const UNFIT = ["This browser cannot play what the page plays.", "Use a recent Chrome, Edge, Firefox or Safari."];

// { code, text, advice }; null: nothing does. Browsers give neither microphone nor worklets to plain http from elsewhere.
export function unfit() {
  if (isSecureContext && window.AudioContext && window.AudioWorkletNode) return null;
  if (isSecureContext) return { code: "browser_too_old", text: UNFIT[0], advice: UNFIT[1] };
  const { hostname, protocol } = location;
  const port = location.port || 80;
  const local = `http://localhost${port === 80 ? "" : `:${port}`}`;
  return {
    code: "insecure",
    text: `This page came by plain ${protocol.replace(":", "")} from ${hostname}, and browsers give such pages neither microphone nor sound.`,
    advice: `Open it by https, or on the server's own machine as ${local}. From here a tunnel does: ssh -L ${port}:localhost:${port} ${hostname}, then ${local}.`,
  };
}
