// How the client starts a run, of a pipeline or as a fork: under a key, so that a start without an answer is repeated and
// the run is still one; followed to its end, waited for, or left to itself.
import { CoordinatorClientError } from "./errors.ts";
import { isTerminalEvent } from "./events.ts";
import { follow, pause } from "./follow.ts";
import type { ExecuteOptions, Execution, StartOptions } from "./requests.ts";
import type { Send, Transport } from "./transport.ts";

/** Tries of a start that got no answer. */
const START_TRIES = 5;

/** What starts a run: a POST. */
interface Start {
  path: string;
  body: { execution_id?: string | undefined };
}

/** Resolves with the run as it is at its end; with callbacks, each event goes to them on the way. */
export async function executeRun(http: Transport, start: Start, options: ExecuteOptions): Promise<Execution> {
  const { onUpdate, streamCallback, signal } = options;
  const callbacks = [onUpdate, streamCallback].filter((callback) => callback !== undefined);
  const send = sendOf(start, options);
  if (callbacks.length === 0) return repeated(http, start.path, send);
  const open = (after: number | null, cut: AbortSignal) =>
    http.open(start.path, { ...send, headers: { ...send.headers, ...followHeaders(after) }, signal: cut });
  for await (const update of follow(open, signal === undefined ? {} : { signal })) {
    for (const callback of callbacks) await callback(update);
    if (!isTerminalEvent(update)) continue;
    return update.data.truncated === true
      ? http.json(executionPath(update.execution_id), { signal })
      : update.data;
  }
  throw new CoordinatorClientError("INVALID_RESPONSE", "the stream ended without a terminal event");
}

/** Resolves with the run as it begins. */
export async function startRun(http: Transport, start: Start, options: StartOptions): Promise<Execution> {
  const send = sendOf(start, options);
  return repeated(http, start.path, { ...send, headers: { ...send.headers, prefer: "respond-async" } });
}

export function followHeaders(after: number | null): Record<string, string | undefined> {
  return { accept: "text/event-stream", "last-event-id": after === null ? undefined : String(after) };
}

export function executionPath(execution_id: string): string {
  return `/v1/executions/${encodeURIComponent(execution_id)}`;
}

function sendOf({ body }: Start, options: StartOptions): Send {
  const key = options.idempotencyKey ?? (body.execution_id === undefined ? crypto.randomUUID() : undefined);
  return { method: "POST", body, headers: { "idempotency-key": key }, signal: options.signal };
}

/** May be repeated: its key names the run. */
async function repeated(http: Transport, path: string, send: Send): Promise<Execution> {
  for (let tried = 1; ; tried += 1) {
    try {
      return await http.json<Execution>(path, send);
    } catch (cause) {
      const again = cause instanceof CoordinatorClientError && cause.code === "NETWORK_ERROR";
      if (!again || tried === START_TRIES) throw cause;
      await pause(100 * 2 ** tried, send.signal);
    }
  }
}
