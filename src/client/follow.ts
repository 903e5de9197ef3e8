// Streams an execution: one iteration over its events across reconnects. Reconnects by Last-Event-ID, drops what it
// has already received, applies the delta rule, and ends at the terminal event.
import { createParser } from "eventsource-parser";
import { CoordinatorClientError, errorOf, networkError } from "./errors.ts";
import { isTerminalEvent, type StreamUpdate, UpdateReader, type WireEvent } from "./events.ts";
import { LONGEST_TIMER_MS } from "../contract/timer.ts";

/**
 * How `stream` follows an execution.
 *
 * @example
 * const options: FollowOptions = { after: 7, maxRetries: 3, signal: AbortSignal.timeout(60_000) };
 * for await (const { type } of client.stream(execution_id, options)) console.log(type);
 */
export interface FollowOptions {
  /** Ends the iteration by throwing its reason. */
  signal?: AbortSignal;
  /** The last `seq` that is known already; 0 begins at the beginning. */
  after?: number;
  /** Tries in a row that bring no event before the last error is thrown. */
  maxRetries?: number;
}

/** Opens the stream after `after`; null if no event is known. Rejects if there is no response. */
type OpenStream = (after: number | null, signal: AbortSignal) => Promise<Response>;

const DEFAULTS = {
  maxRetries: 10,
  /** Until the server names another. */
  retryMs: 1_000,
  longestRetryMs: 30_000,
  /** Delay before a stream that broke off after at least one event is reattached. */
  resumeMs: 100,
  /** The coordinator writes at least every 15 s: a connection that is silent for longer is dead. */
  silenceMs: 45_000,
};

/** Every event after `options.after`, until the terminal one. @throws CoordinatorClientError, or the signal's reason */
export async function* follow(
  open: OpenStream,
  options: FollowOptions = {},
): AsyncGenerator<StreamUpdate, void, undefined> {
  const { signal, maxRetries = DEFAULTS.maxRetries } = options;
  const reader = new UpdateReader();
  let seq = options.after ?? 0;
  let retryMs = DEFAULTS.retryMs;
  let failures = 0;
  for (;;) {
    signal?.throwIfAborted();
    const connection = new AbortController();
    const leave = () => connection.abort(signal?.reason);
    signal?.addEventListener("abort", leave, { once: true });
    let failure: CoordinatorClientError;
    let received = false;
    try {
      const response = await open(seq === 0 ? null : seq, connection.signal);
      if (response.status === 204) return;
      if (!isStream(response)) throw await errorOf(response);
      for await (const event of eventsOf(response, connection, (ms) => (retryMs = ms))) {
        received = true;
        failures = 0;
        if ("seq" in event) {
          if (event.seq <= seq) continue;
          seq = event.seq;
        }
        const update = reader.update(event);
        yield update;
        if (isTerminalEvent(update)) return;
      }
      failure = new CoordinatorClientError("NETWORK_ERROR", "the stream ended before the execution did");
    } catch (cause) {
      signal?.throwIfAborted();
      failure = cause instanceof CoordinatorClientError ? cause : networkError(cause);
      if (!failure.isTransient) throw failure;
    } finally {
      signal?.removeEventListener("abort", leave);
      connection.abort();
    }
    if (failures >= maxRetries) throw failure;
    // The coordinator responded since the last failure, so it reconnects without delay.
    const wait = received
      ? Math.random() * DEFAULTS.resumeMs
      : Math.max(
          (failure.retryAfterSeconds ?? 0) * 1_000,
          Math.min(DEFAULTS.longestRetryMs, retryMs * 2 ** failures),
        );
    failures += 1;
    await pause(wait, signal);
  }
}

/** Waits; throws the signal's reason as soon as it aborts. */
export async function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  await new Promise<void>((resolve) => {
    const timer = setTimeout(done, Math.min(ms, LONGEST_TIMER_MS));
    function done() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    }
    signal?.addEventListener("abort", done, { once: true });
  });
  signal?.throwIfAborted();
}

function isStream(response: Response): boolean {
  return response.ok && (response.headers.get("content-type") ?? "").startsWith("text/event-stream");
}

/** The events of one connection; aborts it when it is silent for too long. Leaving the iteration closes it. */
async function* eventsOf(
  response: Response,
  connection: AbortController,
  onRetry: (ms: number) => void,
): AsyncGenerator<WireEvent, void, undefined> {
  const ready: WireEvent[] = [];
  const parser = createParser({
    onEvent: ({ data }) => ready.push(JSON.parse(data) as WireEvent),
    onRetry,
  });
  const reader = response.body?.getReader();
  if (reader === undefined) return;
  const decoder = new TextDecoder();
  try {
    for (;;) {
      const silence = setTimeout(() => connection.abort(), DEFAULTS.silenceMs);
      const { done, value } = await reader.read().finally(() => clearTimeout(silence));
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      yield* ready.splice(0);
    }
  } finally {
    void reader.cancel().catch(() => {});
  }
}
