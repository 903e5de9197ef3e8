// What is counted, by class, and which objects are kept in memory meanwhile. Needs the compatibility flag `nodejs_als`:
// a timer is counted for the object in whose call it was set.
//
// An object is kept in memory while a call of it is answered (its body included), while one of its timers is pending,
// and while it waits for a fetch or for another object.
import { AsyncLocalStorage } from "node:async_hooks";

/** Of one class, since it was last asked. */
export interface ClassCounts {
  requests: number;
  rows: number;
  /** Milliseconds, of all its objects together. */
  held_ms: number;
  /** The same requests by method, and the same rows by what wrote them. */
  details: Record<string, number>;
}

/** One object in memory. */
export interface Owner {
  kind: string;
  id: string;
  /** Reasons for which it is in memory now, and since when there is one. */
  depth: number;
  since: number;
}

type Cursor = SqlStorageCursor<Record<string, SqlStorageValue>>;

/** In whose call this is. */
export const current = new AsyncLocalStorage<Owner>();
const counts = new Map<string, ClassCounts>();
const held = new Set<Owner>();
/** Statements whose cursors may still be read: what they wrote is asked for when the counts are. */
let cursors: { owner: Owner; cursor: Cursor; what: string }[] = [];

function countsOf(kind: string): ClassCounts {
  const known = counts.get(kind);
  if (known !== undefined) return known;
  const made: ClassCounts = { requests: 0, rows: 0, held_ms: 0, details: {} };
  counts.set(kind, made);
  return made;
}

export function add({ kind }: Owner, key: "requests" | "rows", what: string, count = 1): void {
  if (count === 0) return;
  const of = countsOf(kind);
  of[key] += count;
  of.details[what] = (of.details[what] ?? 0) + count;
}

/** The rows of a statement. */
export function addCursor(owner: Owner, what: string, cursor: Cursor): void {
  cursors.push({ owner, cursor, what });
}

export function enter(owner: Owner): void {
  if (owner.depth === 0) {
    owner.since = performance.now();
    held.add(owner);
  }
  owner.depth += 1;
}

export function leave(owner: Owner): void {
  owner.depth -= 1;
  if (owner.depth > 0) return;
  held.delete(owner);
  countsOf(owner.kind).held_ms += performance.now() - owner.since;
}

/** The owner is held until this settles. */
export function holdUntil(owner: Owner | undefined, promise: PromiseLike<unknown>): void {
  if (owner === undefined) return;
  enter(owner);
  const over = () => leave(owner);
  promise.then(over, over);
}

/** What each class did since this was last asked. */
export function takeCounts(): Record<string, ClassCounts> {
  for (const { owner, cursor, what } of cursors) add(owner, "rows", what, cursor.rowsWritten);
  cursors = [];
  const now = performance.now();
  for (const owner of held) {
    countsOf(owner.kind).held_ms += now - owner.since;
    owner.since = now;
  }
  const taken = Object.fromEntries(counts);
  counts.clear();
  return taken;
}
