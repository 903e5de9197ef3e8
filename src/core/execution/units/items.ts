// The result of a stage with `map`: its items in the order of the list, and as much of it as events and views show.
import type { JsonObject } from "../../../contract/json.ts";
import { LIMITS } from "../../../contract/limits.ts";
import type { StageError, StageResult, Usage } from "../../../contract/stage.ts";
import { addUsage, followedBy } from "../../../contract/usage.ts";
import { jsonBytes } from "../../json/weight.ts";
import type { MappedItems, StageState } from "../state.ts";

/** An entry of the result, by its place in the list. */
interface ItemResult {
  index: number;
  status: StageResult["status"];
  data: JsonObject | null;
  error: StageError | null;
  attempts: number;
}

/** What the stages after it get. */
export function gathered({ units }: MappedItems): JsonObject {
  const items = units.map(({ result: { status, data, error, attempts } }, index): ItemResult => {
    return { index, status, data, error, attempts };
  });
  const count = (status: StageResult["status"]) => items.filter((item) => item.status === status).length;
  return { items, completed: count("completed"), failed: count("failed") };
}

const shown = new WeakMap<JsonObject, JsonObject>();

/** The result as readers of the run get it: the data of many large items are in the events of the items alone. */
export function shownItems(data: JsonObject): JsonObject {
  const known = shown.get(data);
  if (known !== undefined) return known;
  // A fork may have been given any data for the stage.
  const items = data.items as ItemResult[] | undefined;
  const isLarge = Array.isArray(items) && jsonBytes(data) > LIMITS.SHOWN_ITEMS_BYTES;
  const short = isLarge
    ? { ...data, items: items.map((item) => ({ ...item, data: null })), truncated: true }
    : data;
  shown.set(data, short);
  return short;
}

/** How the items' calls went, as the stage's own: the tries of the one that needed most of them, and all usage. */
export function totalsOf({ units }: MappedItems): Pick<StageResult, "attempts" | "cached" | "usage"> {
  const used = units.flatMap(({ result }) => (result.usage === null ? [] : [result.usage]));
  return {
    // As many as retry_attempts at most (I5).
    attempts: Math.max(1, ...units.map(({ result }) => result.attempts)),
    cached: units.length > 0 && units.every(({ result }) => result.cached),
    usage: used.length === 0 ? null : used.reduce((sum, usage) => followedBy(sum, usage)),
  };
}

/** The items' calls, delays and waits, as the stage's own once it has ended. */
export function spansOf({
  units,
  begun,
}: MappedItems): Pick<
  StageState,
  "calls" | "waits" | "queued" | "queue_reasons" | "outside" | "answers" | "items_ms"
> {
  return {
    items_ms: units
      .slice(0, begun)
      .map(({ calls, waits }) => [...calls, ...waits].reduce((sum, [from, to]) => sum + to - from, 0)),
    calls: units.flatMap(({ calls }) => calls),
    waits: units.flatMap(({ waits }) => waits),
    queued: units.flatMap(({ queued }) => queued),
    queue_reasons: units.reduce<Usage>((sum, unit) => addUsage(sum, unit.queue_reasons), {}),
    outside: units.flatMap(({ outside }) => outside),
    answers: units.flatMap(({ answers }) => answers),
  };
}
