// Which execution of a conversation may run (I18): under `reject`, `queue` and `interrupt` at most one is admitted at any
// moment. The places are kept by the conversation's shard of the execution index; those of runs that were started under
// `parallel` are none, but such runs keep others waiting. A place that is lost is free at its expiry at the latest.
import type { OnBusy } from "../../contract/config.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { QueuePlace } from "../execution/command.ts";

/** An execution's place in its conversation. */
export interface Place {
  execution_id: string;
  /** `interrupting`: it runs as soon as those that it has superseded have ended. */
  state: "running" | "queued" | "interrupting";
  /** When the place is free at the latest, ms since the epoch. */
  expires: number;
}

/** What a request to run gets. */
export type Admission =
  | { kind: "admitted" }
  | { kind: "queued"; place: QueuePlace }
  /** It runs once these have ended, which are to be cancelled. */
  | { kind: "interrupts"; running: string[] }
  /** `limit`: so many wait already, where that is the reason. */
  | { kind: "busy"; running: string[]; limit?: number };

export interface Entrant {
  execution_id: string;
  on_busy: OnBusy;
  expires: number;
}

/** The places of a conversation, in the order in which they were taken. */
export type Places = readonly Place[];

/** The places that hold at this time. @param now ms since the epoch */
export function heldAt(places: Places, now: number): Places {
  const held = places.filter(({ expires }) => expires > now);
  return held.length === places.length ? places : held;
}

/**
 * An execution asks for its place; one that has it already gets the same answer.
 * @param others runs of the conversation that have no place and have not ended
 */
export function enter(
  places: Places,
  others: readonly string[],
  entrant: Entrant,
): { places: Places; admission: Admission } {
  const { execution_id, on_busy, expires } = entrant;
  const own = places.find((place) => place.execution_id === execution_id);
  if (own !== undefined) return { places, admission: standing(places, others, own) };
  if (on_busy === "parallel") return { places, admission: { kind: "admitted" } };
  const running = runningOf(places, others, execution_id);
  const waiting = places.filter(({ state }) => state !== "running");
  if (running.length === 0 && waiting.length === 0) {
    return {
      places: [...places, { execution_id, state: "running", expires }],
      admission: { kind: "admitted" },
    };
  }
  switch (on_busy) {
    case "reject":
      return { places, admission: { kind: "busy", running: [...running, ...waiting.map(idOf)] } };
    case "queue": {
      if (waiting.length >= LIMITS.QUEUED_RUNS) {
        return { places, admission: { kind: "busy", running, limit: LIMITS.QUEUED_RUNS } };
      }
      const own: Place = { execution_id, state: "queued", expires };
      const entered = [...places, own];
      return { places: entered, admission: standing(entered, others, own) };
    }
    case "interrupt": {
      // An earlier question that has not begun yet is superseded, too.
      const kept = places.filter(({ state }) => state !== "interrupting");
      const own: Place = { execution_id, state: "interrupting", expires };
      if (running.length > 0) return { places: [own, ...kept], admission: { kind: "interrupts", running } };
      return { places: [{ ...own, state: "running" }, ...kept], admission: { kind: "admitted" } };
    }
  }
}

/**
 * An execution has ended, or was never started: its place is free.
 * @returns the execution that runs now in its stead; null where none does
 */
export function leave(
  places: Places,
  others: readonly string[],
  execution_id: string,
): { places: Places; admitted: string | null } {
  return advance(
    places.filter((place) => place.execution_id !== execution_id),
    others.filter((id) => id !== execution_id),
  );
}

/** The next that waits is admitted where nothing runs. */
export function advance(
  places: Places,
  others: readonly string[],
): { places: Places; admitted: string | null } {
  const next =
    places.find(({ state }) => state === "interrupting") ?? places.find(({ state }) => state === "queued");
  if (next === undefined || runningOf(places, others, next.execution_id).length > 0) {
    return { places, admitted: null };
  }
  return {
    places: places.map((place) => (place === next ? { ...place, state: "running" } : place)),
    admitted: next.execution_id,
  };
}

/** What an execution that has a place is answered. */
export function standing(places: Places, others: readonly string[], own: Place): Admission {
  if (own.state === "running") return { kind: "admitted" };
  const running = runningOf(places, others, own.execution_id);
  if (own.state === "interrupting") return { kind: "interrupts", running };
  const ahead = places.slice(0, places.indexOf(own)).filter(({ state }) => state !== "running");
  const behind = ahead.at(-1)?.execution_id ?? running.at(-1) ?? own.execution_id;
  return { kind: "queued", place: { behind, position: ahead.length + 1 } };
}

function runningOf(places: Places, others: readonly string[], own: string): string[] {
  const running = places.filter(({ state }) => state === "running").map(idOf);
  return [...new Set([...others, ...running])].filter((id) => id !== own);
}

function idOf({ execution_id }: Place): string {
  return execution_id;
}
