// The types say of the sources what they are: each class of ours is one of theirs.

import * as sources from "../../../src/bargein/server/web/client/index.js";
import type * as types from "../types/index.js";

type Members<T> = { [K in keyof T]: unknown };

export const call: Members<types.BargeinCall> = new sources.BargeinCall();
export const error: Members<types.CallError> = new sources.CallError("");
export const server: Members<types.Server> = new sources.Server();
export const store: Members<types.CallStore> = new sources.CallStore({});
export const front: Members<typeof types> = sources;
export const stop: types.BargeinCall["stop"] = sources.BargeinCall.prototype.stop;
export const start: types.BargeinCall["start"] = sources.BargeinCall.prototype.start;
export const bind: typeof types.keys = sources.keys;
export const lack: typeof types.unfit = sources.unfit;
