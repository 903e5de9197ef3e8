// The items of a stage with `map`, as a table: the first hundred of interest, and how many more there are.
import "../style/nested.css";
import type { RunView, StageView } from "../../client/index.ts";
import { RunLink } from "../forks/lineage.tsx";
import { plural } from "../lib/format.ts";
import { Status } from "../ui/parts.tsx";

interface Item {
  index: number;
  status: StageView["status"];
  attempts: number;
  error: string | null;
  /** The execution that it runs. */
  child: string | null;
}

const ROWS = 100;

export function Items({ runView, stage }: { runView: RunView; stage: StageView }) {
  const items = itemsOf(runView, stage);
  const total = stage.items?.total ?? items.length;
  if (total === 0) return <p class="quiet">Its list is empty.</p>;
  const shown = firstOf(items);
  const hidden = items.length - shown.length;
  const hasChildren = items.some(({ child }) => child !== null);
  return (
    <div class="items">
      <table>
        <caption class="sr-only">Items of {stage.name}</caption>
        <thead>
          <tr>
            <th scope="col">Item</th>
            <th scope="col">Status</th>
            <th scope="col">Attempts</th>
            {hasChildren && <th scope="col">Execution</th>}
            <th scope="col">Error</th>
          </tr>
        </thead>
        <tbody>
          {shown.map(({ index, status, attempts, error, child }) => (
            <tr key={index}>
              <td>{index}</td>
              <td>
                <Status status={status} />
              </td>
              <td>{attempts}</td>
              {hasChildren && <td>{child !== null && <RunLink id={child} />}</td>}
              <td class="items-error">{error}</td>
            </tr>
          ))}
        </tbody>
      </table>
      {hidden > 0 && <p class="quiet">{plural(hidden, "more item")} not shown, none of which has failed.</p>}
      {total > items.length && <p class="quiet">{plural(total - items.length, "item")} not begun.</p>}
    </div>
  );
}

/** Of many, those that have failed or are at work come before others; in the order of the list. */
function firstOf(items: readonly Item[]): readonly Item[] {
  if (items.length <= ROWS) return items;
  const rank = ({ status }: Item) => (status === "failed" ? 0 : status === "completed" ? 2 : 1);
  return items
    .toSorted((a, b) => rank(a) - rank(b))
    .slice(0, ROWS)
    .toSorted((a, b) => a.index - b.index);
}

/** Those that have begun, by their events; where there are none, a fork has taken the result over. */
function itemsOf({ events }: RunView, { name, result }: StageView): Item[] {
  const items = new Map<number, Item>();
  for (const event of events) {
    if (event.stage !== name || event.item === undefined) continue;
    const { item: index, attempt } = event;
    const before = items.get(index) ?? { index, status: "pending", attempts: 0, error: null, child: null };
    const now: Item = { ...before, attempts: Math.max(before.attempts, attempt ?? 0) };
    if (event.type === "stage.started") {
      Object.assign(now, { status: "running", child: event.data.child_execution_id ?? before.child });
    } else if (event.type === "stage.completed" || event.type === "stage.failed") {
      const { status, attempts, error } = event.data;
      Object.assign(now, { status, attempts, error: error?.message ?? null });
    } else if (event.type === "stage.retrying") {
      Object.assign(now, { status: "retrying", error: event.data.error.message });
    } else if (event.type === "stage.waiting") now.status = "waiting";
    else if (event.type === "stage.cancelled") now.status = "cancelled";
    else now.status = "running";
    items.set(index, now);
  }
  const found = [...items.values()].toSorted((a, b) => a.index - b.index);
  return found.length > 0 ? found : takenOver(result?.data?.["items"]);
}

/** A fork's results may be any data. */
function takenOver(items: unknown): Item[] {
  if (!Array.isArray(items)) return [];
  return items.flatMap((item: Partial<Record<keyof Item, unknown>> | null, index) => {
    const status = STATUSES.find((each) => each === item?.status);
    if (status === undefined) return [];
    const { message } = (item?.error ?? {}) as { message?: unknown };
    return [
      {
        index,
        status,
        attempts: Number(item?.attempts ?? 0),
        error: typeof message === "string" ? message : null,
        child: null,
      },
    ];
  });
}

const STATUSES = ["completed", "failed", "cancelled"] as const;
