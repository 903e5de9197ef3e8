// What befell the items and iterations of a run, as the tally names it: by its events, after the observer has seen them.
import type { LogEvent } from "../../../../src/core/execution/log-event.ts";
import type { Observer } from "../observer.ts";
import { unitOf } from "../observed/stage.ts";

/** Null where it is nothing of theirs. */
export function befell(observer: Observer, event: LogEvent): string | null {
  if (event.stage === undefined) return null;
  const stage = observer.of(event.stage);
  const { map, repeat } = stage.spec;
  const unit = observer.of(unitOf(event));
  if (event.type === "stage.started" && (event.data.iteration ?? 0) > 1) {
    return event.internal?.repeated === true ? "iteration: called again" : "iteration: a further one";
  }
  if (event.type === "stage.completed" && repeat !== undefined && unit.iteration === repeat.max) {
    return "iteration: the last one is taken";
  }
  if (map === undefined) return null;
  if (event.item === undefined) {
    if (event.type === "stage.completed")
      return stage.items?.list.length === 0 ? "map: no item" : "map: all items";
    if (event.type !== "stage.failed") return null;
    if (stage.items === null) return `map: no list, ${event.data.error?.code}`;
    return null;
  }
  switch (event.type) {
    case "stage.started":
      return event.internal?.repeated === true ? "item called again" : null;
    case "stage.failed":
      return `item failed in ${map.on_error}`;
    case "stage.cancelled":
      return stage.items?.failed === null ? null : "item aborted by its sibling";
    case "stage.retrying":
      return "item tried again";
    case "stage.fallback":
      return "item falls back";
    case "stage.waiting":
      return "item waits for its callback";
    case "stage.completed":
    case "stage.iterated":
      return event.internal?.answered === undefined ? null : "callback of an item";
    default:
      return null;
  }
}

/** What a crash at this time interrupts of them. */
export function interrupted(observer: Observer): string[] {
  const calling = observer.units().filter(({ phase }) => phase === "calling");
  const found: string[] = [];
  if (calling.some(({ item }) => item !== null)) found.push("crash with items in flight");
  if (calling.some(({ iteration }) => iteration > 1)) found.push("crash between iterations");
  return found;
}
