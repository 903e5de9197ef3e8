// The JSON list of a run's events, for callers who do not stream: page by page from the log, so that a list of many
// megabytes is never in memory as a whole.
import { type LogEvent, wireJson } from "../../core/execution/log-event.ts";
import { traceEvent } from "../../core/monitoring/tracing/trace.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { ExecutionDriver } from "../run/driver.ts";

/** The pieces of `{"data": [event…]}`: the durable events after `seq`, as readers of the stream get them. */
export function eventListPieces(driver: ExecutionDriver, after: number): Generator<string> {
  return listPieces(driver, after, '{"data":[', wireJson);
}

/** The pieces of `{"execution_id": …, "events": [event…]}`: the trace so far. */
export function tracePieces(driver: ExecutionDriver, execution_id: string): Generator<string> {
  const head = `{"execution_id":${JSON.stringify(execution_id)},"events":[`;
  return listPieces(driver, 0, head, (event) => JSON.stringify(traceEvent(event)));
}

function* listPieces(
  driver: ExecutionDriver,
  after: number,
  head: string,
  encode: (event: LogEvent) => string,
): Generator<string> {
  // What becomes durable while the list is read belongs to a later one.
  const last = driver.durableSeq;
  let cursor = after;
  let separator = head;
  while (cursor < last) {
    const page = pageAfter(driver, cursor, last, encode);
    // The execution was deleted meanwhile: a list that ends early must not seem complete.
    if (page.length === 0) throw new Error(`the log ends before seq ${last}`);
    for (const text of page) {
      yield separator + text;
      separator = ",";
    }
    cursor += page.length;
  }
  yield separator === head ? `${head}]}` : "]}";
}

/** The encoded events after `seq`, up to a chunk of text. Storage is not read across turns of the event loop. */
function pageAfter(
  driver: ExecutionDriver,
  seq: number,
  last: number,
  encode: (event: LogEvent) => string,
): string[] {
  const page: string[] = [];
  let chars = 0;
  for (const event of driver.eventsAfter(seq)) {
    if (event.seq > last || chars >= TIMINGS.STREAM_CHUNK_BYTES) break;
    const text = encode(event);
    page.push(text);
    chars += text.length;
  }
  return page;
}
