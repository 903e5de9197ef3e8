// Which execution of a conversation may run (I18): under `reject`, `queue` and `interrupt` at most one is admitted at any
// moment. The places are kept by the conversation's shard of the execution index; runs that were started under `parallel`
// have none, but keep others waiting. One that waits is admitted by its own question (`claim`), never without it: a run
// whose start was lost takes no place. A place that is lost is free at its expiry at the latest.
import type { OnBusy } from "../../contract/config.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { QueuePlace } from "../execution/command.ts";
import { TIMINGS } from "../timings.ts";

/** An execution's place in its conversation. */
export interface Place {
  execution_id: string;
  /**
   * `interrupting`: it runs as soon as those that it supersedes have ended. `moved`: it has its place in another shard,
   * and no other takes one here.
   */
  state: "running" | "queued" | "interrupting" | "moved";
  /** The time of the request that took it, ms since the epoch. */
  start: number;
  /** When the place is free at the latest, ms since the epoch. */
  expires: number;
  /** The execution is known to have started. */
  isThere?: true;
  /** Its end is reported to a former shard of the conversation: until its object says that it has ended, it runs. */
  isElsewhere?: true;
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
  /** When it was asked for, ms since the epoch. */
  start: number;
  /** When its place is free at the latest: where it runs, where it waits, ms since the epoch. */
  runs_until: number;
  waits_until: number;
}

/** The places of a conversation, in the order in which they were taken. */
export type Places = readonly Place[];

/** The places that hold at this time. @param now ms since the epoch */
export function heldAt(places: Places, now: number): Places {
  const held = places.filter(({ expires, isElsewhere }) => isElsewhere === true || expires > now);
  return held.length === places.length ? places : held;
}

/** Places whose objects say whether there is still a run: their end is reported elsewhere, or they may never have begun. */
export function unproved(places: Places, now: number): Places {
  return places.filter(
    ({ state, isElsewhere, isThere, start }) =>
      state !== "moved" &&
      (isElsewhere === true || (isThere !== true && start + TIMINGS.START_LOST_MS <= now)),
  );
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
  const { execution_id, on_busy, start, runs_until, waits_until } = entrant;
  const own = ownPlace(places, execution_id);
  if (own !== undefined) return { places, admission: standing(places, others, own) };
  if (on_busy === "parallel") return { places, admission: { kind: "admitted" } };
  const moved = places.filter(({ state }) => state === "moved").map(idOf);
  if (moved.length > 0) return { places, admission: { kind: "busy", running: moved } };
  const running = runningOf(places, others, execution_id);
  const waiting = places.filter(isWaiting);
  if (running.length === 0 && waiting.length === 0) {
    const own: Place = { execution_id, state: "running", start, expires: runs_until };
    return { places: [...places, own], admission: { kind: "admitted" } };
  }
  switch (on_busy) {
    case "reject":
      return { places, admission: { kind: "busy", running: [...running, ...waiting.map(idOf)] } };
    case "queue": {
      if (waiting.length >= LIMITS.QUEUED_RUNS) {
        return { places, admission: { kind: "busy", running, limit: LIMITS.QUEUED_RUNS } };
      }
      const own: Place = { execution_id, state: "queued", start, expires: waits_until };
      const entered = [...places, own];
      return { places: entered, admission: standing(entered, others, own) };
    }
    case "interrupt": {
      // An earlier question that has not begun yet is superseded, too.
      const kept = places.filter(({ state }) => state !== "interrupting");
      const own: Place = { execution_id, state: "interrupting", start, expires: waits_until };
      if (running.length > 0) return { places: [own, ...kept], admission: { kind: "interrupts", running } };
      return {
        places: [{ ...own, state: "running", expires: runs_until }, ...kept],
        admission: { kind: "admitted" },
      };
    }
  }
}

/**
 * An execution that waits asks whether it may run, and does where it is the next and nothing runs. One that is not known
 * any more is the last of those that wait, of any number.
 */
export function claim(
  places: Places,
  others: readonly string[],
  entrant: Entrant,
): { places: Places; admission: Admission } {
  const { execution_id, start, runs_until, waits_until } = entrant;
  const known = ownPlace(places, execution_id);
  if (known === undefined) {
    const last: Place = { execution_id, state: "queued", start, expires: waits_until };
    return claim([...places, last], others, entrant);
  }
  const isNext = nextOf(places, others) === execution_id;
  // It is the run itself that asks where it waits in the queue.
  const seen: Place = known.state === "queued" ? { ...known, isThere: true } : known;
  const own: Place = isNext ? { ...seen, state: "running", expires: runs_until } : seen;
  const isSame = !isNext && known.isThere === own.isThere;
  const changed = isSame ? places : places.map((place) => (place === known ? own : place));
  return { places: changed, admission: standing(changed, others, isSame ? known : own) };
}

/** An execution has ended, or was never started: its place is free. */
export function leave(places: Places, execution_id: string): Places {
  const left = places.filter((place) => place.execution_id !== execution_id);
  return left.length === places.length ? places : left;
}

/** The execution that waits and may run now; null where there is none. */
export function nextOf(places: Places, others: readonly string[]): string | null {
  const next =
    places.find(({ state }) => state === "interrupting") ?? places.find(({ state }) => state === "queued");
  if (next === undefined || runningOf(places, others, next.execution_id).length > 0) return null;
  return next.execution_id;
}

/** The place of an execution. */
export function ownPlace(places: Places, execution_id: string): Place | undefined {
  return places.find((place) => place.execution_id === execution_id && place.state !== "moved");
}

function standing(places: Places, others: readonly string[], own: Place): Admission {
  if (own.state === "running") return { kind: "admitted" };
  const running = runningOf(places, others, own.execution_id);
  if (own.state === "interrupting") return { kind: "interrupts", running };
  const ahead = places.slice(0, places.indexOf(own)).filter(isWaiting);
  const behind = ahead.at(-1)?.execution_id ?? running.at(-1) ?? own.execution_id;
  return { kind: "queued", place: { behind, position: ahead.length + 1 } };
}

function runningOf(places: Places, others: readonly string[], own: string): string[] {
  const running = places.filter(({ state }) => state === "running").map(idOf);
  return [...new Set([...others, ...running])].filter((id) => id !== own);
}

function isWaiting({ state }: Place): boolean {
  return state === "queued" || state === "interrupting";
}

function idOf({ execution_id }: Place): string {
  return execution_id;
}
