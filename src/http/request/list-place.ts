// A position in the list of executions as a caller has it: the opaque text of its cursor.
import type { Place } from "../../engine/worker-ports.ts";

export function placeText({ start, id }: Place): string {
  return `${start.toString(36)}.${id}`;
}

/** Null for a text that is no position. */
export function placeIn(cursor: string): Place | null {
  const [, start = "", id = ""] = /^([0-9a-z]{1,10})\.([A-Za-z0-9_-]{1,64})$/.exec(cursor) ?? [];
  return id === "" ? null : { start: Number.parseInt(start, 36), id };
}
