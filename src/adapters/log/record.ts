// The record: the events of one batch (or of several that were committed together) as bytes, with a checksum, cut
// into chunks. Owns the format and its version; reading verifies every byte or reports what is wrong.
import { concatBytes } from "../../core/bytes.ts";
import { parseDigits, writeJson } from "../../core/json/exact-integer.ts";
import type { LogEvent } from "../../core/execution/log-event.ts";
import { repeatsIn, withoutRepeats, withRepeats } from "../../core/execution/log-format/repeats.ts";
import { TIMINGS } from "../../core/timings.ts";
import { LogCorrupted, LogFormatUnknown } from "../../engine/ports.ts";
import { crc32 } from "./crc32.ts";

const encoder = new TextEncoder();

/** A reader for each format that a released version has written: its logs must be readable for ever. */
const READERS: ReadonlyMap<number, (key: string, payload: Partial<Payload>) => LogEvent[]> = new Map([
  [1, readEvents],
  [2, readEvents],
]);
/** Every event whole. Also of a record that does not carry its format. */
const WHOLE = 1;
/** The terminal event without what it repeats of others. Only such a record has it: an earlier version reads the rest. */
const WITHOUT_REPEATS = 2;
const CHECKSUM_BYTES = 4;
const SEQ_DIGITS = 10;
/** Of a chunk's number and count: the largest context that is allowed, stored in one record, has fewer than 1,000. */
const CHUNK_DIGITS = 4;

interface Payload {
  v: number;
  events: LogEvent[];
  /** The events hold integers that JSON.parse would change. Marked, so that reading the others costs no more. */
  exact?: true;
}

/**
 * What is stored: one entry a chunk. Keys sort by the first `seq` of their record, then by the chunk's number. Storage
 * keeps the whole buffer under a view, so each chunk has a buffer of its own.
 */
export interface Chunk {
  key: string;
  bytes: Uint8Array;
}

export const RECORD_PREFIX = "log/";

/** The chunks of a record that begins with the first event's `seq`. */
export function encodeRecord(events: readonly LogEvent[]): Chunk[] {
  const first = events[0]?.seq ?? 0;
  const v = events.some((event) => repeatsIn(event) !== undefined) ? WITHOUT_REPEATS : WHOLE;
  const payload = { v, events: v === WHOLE ? events : events.map(withoutRepeats) };
  const { json, hasExact } = writeJson(payload);
  const body = encoder.encode(hasExact ? JSON.stringify({ ...payload, exact: true }) : json);
  const bytes = new Uint8Array(CHECKSUM_BYTES + body.byteLength);
  new DataView(bytes.buffer).setUint32(0, crc32(body));
  bytes.set(body, CHECKSUM_BYTES);
  const count = Math.ceil(bytes.byteLength / TIMINGS.RECORD_CHUNK_BYTES);
  if (count === 1) return [{ key: chunkKey(first, 0, 1), bytes }];
  return Array.from({ length: count }, (_, at) => ({
    key: chunkKey(first, at, count),
    bytes: bytes.slice(at * TIMINGS.RECORD_CHUNK_BYTES, (at + 1) * TIMINGS.RECORD_CHUNK_BYTES),
  }));
}

function chunkKey(first: number, at: number, count: number): string {
  const padded = (value: number) => String(value).padStart(CHUNK_DIGITS, "0");
  return `${recordKeyFrom(first)}/${padded(at)}-${padded(count)}`;
}

/** The least key of a record that begins at or after `seq`. */
export function recordKeyFrom(seq: number): string {
  return `${RECORD_PREFIX}${String(seq).padStart(SEQ_DIGITS, "0")}`;
}

/** How records are read. */
export interface Reading {
  /** Called with the first `seq` of each record that was read whole. */
  onRecord?: (first: number) => void;
  /** An event before `from`, for a terminal event that repeats it. */
  earlier?: (seq: number) => LogEvent | undefined;
}

/**
 * The events of consecutive chunks, in order, as readers were sent them.
 * @param from the `seq` that the first of them must have
 * @throws LogCorrupted at a gap, a missing chunk or a bad byte, LogFormatUnknown at a record of a later version
 */
export function* decodeRecords(
  chunks: Iterable<readonly [string, unknown]>,
  from: number,
  { onRecord, earlier }: Reading = {},
): Generator<LogEvent> {
  // A replay holds these events' data anyway.
  const ends = new Map<number, LogEvent>();
  const find = (seq: number) => (seq < from ? earlier?.(seq) : ends.get(seq));
  // Storage has one listing at a time: the next one, for an earlier event, ends this one. So it is taken to its end first.
  let last: LogEvent | undefined;
  for (const event of decodeStored(chunks, from, onRecord)) {
    if (event.type === "stage.completed" || event.type === "stage.failed") ends.set(event.seq, event);
    if (repeatsIn(event) === undefined) yield event;
    else last = event;
  }
  if (last !== undefined) yield whole(last, find);
}

function whole(event: LogEvent, find: (seq: number) => LogEvent | undefined): LogEvent {
  try {
    return withRepeats(event, find);
  } catch (cause) {
    if (cause instanceof RangeError) throw new LogCorrupted(cause.message);
    throw cause;
  }
}

/**
 * As `decodeRecords`, but a terminal event lacks what it repeats of others, so that these need not be read.
 * @throws LogCorrupted, LogFormatUnknown
 */
export function* decodeStored(
  chunks: Iterable<readonly [string, unknown]>,
  from: number,
  onRecord?: (first: number) => void,
): Generator<LogEvent> {
  let parts = new Map<number, Uint8Array>();
  let expected = from;
  for (const [key, value] of chunks) {
    const { first, at, count } = parseKey(key);
    if (!(value instanceof Uint8Array)) throw new LogCorrupted(`${key} is not bytes`);
    if (first !== expected) throw new LogCorrupted(`${key} was found, expected seq ${expected}`);
    if (at >= count || parts.has(at)) throw new LogCorrupted(`${key} is an unexpected chunk`);
    // Keys written before chunk numbers were padded sort as text: chunk 10 comes before chunk 2.
    parts.set(at, value);
    if (parts.size < count) continue;
    const events = decodeBody(
      key,
      Array.from({ length: count }, (_, number) => parts.get(number) as Uint8Array),
    );
    parts = new Map();
    onRecord?.(first);
    for (const event of events) {
      if (event.seq !== expected) {
        throw new LogCorrupted(`${key} holds seq ${event.seq}, expected ${expected}`);
      }
      expected += 1;
      yield event;
    }
  }
  if (parts.size > 0) throw new LogCorrupted("the last record has missing chunks");
}

/** Parses a chunk's key. @throws LogCorrupted */
export function parseKey(key: string): { first: number; at: number; count: number } {
  const match = /^log\/(\d{10})\/(\d+)-(\d+)$/.exec(key);
  if (match === null) throw new LogCorrupted(`${key} is not a valid record key`);
  return { first: Number(match[1]), at: Number(match[2]), count: Number(match[3]) };
}

function decodeBody(key: string, parts: Uint8Array[]): LogEvent[] {
  const bytes = concatBytes(parts);
  if (bytes.byteLength < CHECKSUM_BYTES) throw new LogCorrupted(`${key} is too short`);
  const body = bytes.subarray(CHECKSUM_BYTES);
  const checksum = new DataView(bytes.buffer, bytes.byteOffset, CHECKSUM_BYTES).getUint32(0);
  if (checksum !== crc32(body)) throw new LogCorrupted(`${key} has a wrong checksum`);
  const payload = readPayload(key, body) ?? {};
  const format = payload.v ?? WHOLE;
  const read = READERS.get(format);
  if (read !== undefined) return read(key, payload);
  const evidence = `${key} has the format ${format}, and this version reads format ${[...READERS.keys()].join(", ")}`;
  throw Number.isInteger(format) && format > WITHOUT_REPEATS
    ? new LogFormatUnknown(evidence)
    : new LogCorrupted(evidence);
}

function readEvents(key: string, { events }: Partial<Payload>): LogEvent[] {
  if (!Array.isArray(events)) throw new LogCorrupted(`${key} holds no events`);
  return events;
}

/** Intact bytes may still be another program's. */
function readPayload(key: string, body: Uint8Array): Partial<Payload> | null {
  try {
    const text = new TextDecoder().decode(body);
    const payload = JSON.parse(text) as Partial<Payload> | null;
    return payload?.exact === true ? (parseDigits(text) as Partial<Payload>) : payload;
  } catch {
    throw new LogCorrupted(`${key} is not JSON`);
  }
}
