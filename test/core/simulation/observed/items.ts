// What the observer knows of a stage with `map`: its list, and each item as a unit of its own. A model of its own that
// shares nothing with the core.
import type { LogEvent, LogEventOf } from "../../../../src/core/execution/log-event.ts";
import { hasInput, listOf } from "../mapped/expressions.ts";
import { hold } from "./hold.ts";
import { holdPlace } from "./places.ts";
import { isAtWork, type Observed, type Sight, unseen } from "./stage.ts";

/** The list as the definition says; null where it gives none. */
function expectedList(observer: Sight, { spec }: Observed): unknown[] | null {
  const dataOf = (stage: string) => observer.stages.get(stage)?.result?.data ?? null;
  return listOf(spec.map?.over ?? "", observer.context, dataOf);
}

/** The stage begins: its list is what its expression gives at this time. */
export function mapBegan(observer: Sight, stage: Observed, event: LogEventOf<"stage.started">): void {
  const { name, map } = stage.spec;
  const { over = [], bytes = 0 } = event.internal ?? {};
  const list = expectedList(observer, stage);
  hold("map", list !== null, () => `${name} maps what is no list`);
  hold("map", JSON.stringify(over) === JSON.stringify(list), () => `${name} maps another list`);
  hold("map", event.data.items === over.length, () => `${name} has ${event.data.items} items`);
  hold("map", over.length <= (map?.max_items ?? 0), () => `${name} maps ${over.length} items`);
  stage.items = { list: over, begun: [], failed: null };
  stage.phase = "mapping";
  stage.shown = true;
  observer.bytes += bytes;
  observer.recoveriesWithoutProgress = 0;
}

/** A stage with `map` has failed before it began: its list cannot be mapped, unless its condition is at fault. */
export function couldNotMap(observer: Sight, stage: Observed, { data }: LogEventOf<"stage.failed">): void {
  const { name, map } = stage.spec;
  if (map === undefined || data.error?.message.startsWith("map.over: ") !== true) return;
  const list = expectedList(observer, stage);
  const isLong = list !== null && list.length > map.max_items;
  const limit = Math.floor(observer.spec.config.memory_limit_mb * 1_048_576);
  const isLarge = observer.bytes + Buffer.byteLength(JSON.stringify(list)) > limit;
  hold("map", list === null || isLong || isLarge, () => `${name} failed, and has a list`);
  const code = list === null ? "INVALID_PIPELINE_CONFIG" : "RESOURCE_EXHAUSTED";
  hold("I12", data.error.code === code, () => `${name} has no list, and failed with ${data.error?.code}`);
}

/** The item that an event is of. It begins with its first one. */
export function itemOf(observer: Sight, stage: Observed, at: number, item: number): Observed {
  const { name, map } = stage.spec;
  const { items } = stage;
  hold(
    "I4",
    stage.phase === "mapping" && items !== null,
    () => `${name}[${item}] is at work, ${name} is not`,
  );
  if (items === null) throw new RangeError();
  const known = items.begun[item];
  if (known !== undefined) return known;
  hold("map", item === items.begun.length && item < items.list.length, () => `${name}[${item}] has begun`);
  const open = items.begun.filter(isAtWork).length;
  hold("I10", open < (map?.concurrency ?? 0), () => `${name}[${item}] has begun beside ${open} items`);
  hold("I12", items.failed === null, () => `${name}[${item}] has begun after another had failed ${name}`);
  hold("I11", observer.status === "running", () => `${name}[${item}] began while ${observer.status}`);
  hold("I11", at < observer.deadline, () => `${name}[${item}] began after the deadline`);
  if (stage.outside.displaced) holdPlace(observer, stage);
  const begun = unseen(stage.spec, stage.at, stage.exclusive, item);
  items.begun.push(begun);
  return begun;
}

/** After an event of an item: whether the stage keeps its place, and whether it has failed. */
export function itemMoved(stage: Observed, item: Observed): void {
  const { items } = stage;
  if (items === null) return;
  const open = items.begun.filter(isAtWork);
  // One that has left its place for callbacks does not have it again because of them.
  if (open.length > 0) stage.outside.displaced = open.every(({ outside }) => outside.displaced);
  if (item.outcome === "failed" && stage.spec.map?.on_error === "fail") items.failed ??= item;
}

/** True where a further item may begin, if there is a place. */
export function hasRoom({ phase, items, spec }: Observed): boolean {
  if (phase !== "mapping" || items === null) return false;
  return (
    items.begun.length < items.list.length &&
    items.begun.filter(isAtWork).length < (spec.map?.concurrency ?? 0)
  );
}

/** The stage has ended, and with it all of its items: what its result must be. */
export function mapEnded(stage: Observed, event: LogEvent): void {
  const { name, map } = stage.spec;
  const { list = [], begun = [], failed = null } = stage.items ?? {};
  hold("I12", !begun.some(isAtWork), () => `${name} has ended before its items`);
  hold("I5", event.attempt === 1, () => `${event.type} of ${name}, which maps, names try ${event.attempt}`);
  stage.tries = Math.max(1, ...begun.map(({ tries }) => tries));
  if (event.type === "stage.cancelled") return;
  if (event.type === "stage.failed") {
    const { error } = event.data;
    hold("I12", map?.on_error === "fail" && failed !== null, () => `${name} failed, and none of its items`);
    hold("I12", error?.code === failed?.result?.error?.code, () => `${name} failed with ${error?.code}`);
    const heading = `item ${failed?.item}: `;
    hold("I12", error?.message.startsWith(heading) === true, () => `${name} failed by "${error?.message}"`);
    return;
  }
  hold("I12", event.type === "stage.completed", () => `${event.type} of ${name}, which maps`);
  hold("I12", failed === null, () => `${name} completed although an item failed`);
  hold("map", begun.length === list.length, () => `${name} completed after ${begun.length} of its items`);
  const items = begun.map(({ outcome, result, tries }, index) => {
    const { data = null, error = null } = result ?? {};
    return { index, status: outcome, data, error, attempts: tries };
  });
  const count = (status: string) => items.filter((item) => item.status === status).length;
  const expected = JSON.stringify({ items, completed: count("completed"), failed: count("failed") });
  const given = JSON.stringify("data" in event.data ? event.data.data : null);
  hold("map", given === expected, () => `${name} has the items ${given}, not ${expected}`);
}

/** How long the agents of a stage worked, and how many calls that were. */
export function workOf({ calls, worked, items }: Observed): { calls: number; worked: number } {
  const all = items === null ? [{ calls, worked }] : items.begun;
  return {
    calls: all.reduce((sum, of) => sum + of.calls, 0),
    worked: all.reduce((sum, of) => sum + of.worked, 0),
  };
}

/**
 * A condition or a list that cannot be evaluated fails a stage before it is called, a prompt before it is shown, an input
 * an item.
 */
export function failsUncalled(observer: Sight, { spec, item, phase, question }: Observed): boolean {
  if (phase !== "pending") return false;
  if (item !== null) return !hasInput(spec, observer.stages.get(spec.name)?.items?.list[item]);
  return spec.when !== undefined || spec.map !== undefined || question?.prompt !== undefined;
}
