// The bytes of an event in a stream (WHATWG HTML, section 9.2). LF only; JSON has no raw line break, so one data line
// is enough.
import type { StageDelta, StageProgress } from "../../contract/event.ts";

const encoder = new TextEncoder();
/**
 * A lifecycle event. Its id is last: a well-known client (fetch-event-source) treats an event as received as soon as
 * it has read the id, and would lose one that is truncated after it.
 * @param json its bytes in the log
 */
export function encodeEvent(seq: number, type: string, json: string): Uint8Array {
  return encoder.encode(`event: ${type}\ndata: ${json}\nid: ${seq}\n\n`);
}

/** An event that is not logged. */
export function encodeTransient(event: StageDelta | StageProgress): Uint8Array {
  return encoder.encode(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
}
