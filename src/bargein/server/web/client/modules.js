// Where the code lies that runs beside a page's own: the audio worklets, and the worker that decodes WebRTC's packets. In the
// package for npm another file stands in this one's place, which has their text (clients/js/embedded.js).

import { inFolder } from "./folders.js";

// name: of a worklet ("worklets/capture"), or of the worker ("webrtc/worker"). assets: a folder of the page's own that has them.
export const moduleAt = (name, assets) => (assets ? inFolder(name, assets) : new URL(`./${name}.js`, import.meta.url));
