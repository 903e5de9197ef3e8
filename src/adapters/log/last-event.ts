// When a log's run began, and whether it has ended, from its first and its last record alone: an isolate could not read
// all logs at once.
import { isTerminal } from "../../core/execution/state.ts";
import type { ExecutionStatus } from "../../contract/execution.ts";
import { decodeStored, parseKey, RECORD_PREFIX, recordKeyFrom } from "./record.ts";

/** The part of DurableObjectStorage that this needs. */
interface LastStorage {
  kv: {
    list(options: {
      prefix: string;
      start?: string;
      reverse?: boolean;
      limit?: number;
    }): Iterable<[string, unknown]>;
  };
}

/** False where there is no log. @throws LogCorrupted */
export function hasEnded({ kv }: LastStorage): boolean {
  const [last] = kv.list({ prefix: RECORD_PREFIX, reverse: true, limit: 1 });
  if (last === undefined) return false;
  const { first } = parseKey(last[0]);
  const chunks = kv.list({ prefix: RECORD_PREFIX, start: recordKeyFrom(first) });
  const event = [...decodeStored(chunks, first)].at(-1);
  // A stage's end has such a status, too; I8: the run's is the last event.
  return event?.stage === undefined && isTerminal(event?.status as ExecutionStatus);
}

/** Ms since the epoch; null where there is no log. @throws LogCorrupted */
export function startedAt({ kv }: LastStorage): number | null {
  for (const event of decodeStored(kv.list({ prefix: RECORD_PREFIX }), 1)) return Date.parse(event.timestamp);
  return null;
}
