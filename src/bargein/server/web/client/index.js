// @bargein/client: calls with an agent of Bargein, from any page. docs/client.md has all of it.

export { BargeinCall } from "./call.js";
export { CallError } from "./errors.js";
export { keys } from "./keys.js";
export { Server } from "./server.js";
export { CallStore } from "./store.js";
export { unfit } from "./fitness.js";
