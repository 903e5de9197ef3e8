// Headers with which an execution's object passes the terms of a stream's reader to the Worker. They come from the
// run's config, which only the object knows.
import { TIMINGS } from "../../core/timings.ts";
import type { RunSpec } from "../../core/execution/run-spec.ts";

export interface StreamTerms {
  /** A comment line after this long without an event; detects disconnected readers. */
  heartbeat_ms: number;
  /** Events buffered for a slow reader. */
  buffer_events: number;
  /** How long a reader may stall while that buffer is full; 0: not at all. */
  stall_ms: number;
}

export const TERMS_HEADER = "x-stream-terms";

/** The terms for readers of this run. */
export function termsOf(spec: RunSpec): StreamTerms {
  const { stream_buffer_size, stream_timeout_ms, enable_backpressure } = spec.config;
  return {
    heartbeat_ms: spec.on_disconnect === "cancel" ? TIMINGS.HEARTBEAT_WATCHED_MS : TIMINGS.HEARTBEAT_MS,
    buffer_events: stream_buffer_size,
    stall_ms: enable_backpressure ? stream_timeout_ms : 0,
  };
}

/** The terms that a response of the object carries. */
export function readTerms(response: Response): StreamTerms {
  return JSON.parse(response.headers.get(TERMS_HEADER) ?? "") as StreamTerms;
}
