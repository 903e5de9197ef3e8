// A2A's ListTasks: the list of executions, newest first, in pages, by state, context and time of the state.
import type { JsonObject } from "../../../contract/json.ts";
import { err, ok, type Result } from "../../../contract/problem.ts";
import * as z from "../../../contract/zod.ts";
import { statusesOf, taskState } from "../../../core/dialects/a2a/task.ts";
import type { IndexQuery, Listed, Place } from "../../../engine/worker-ports.ts";
import type { Call } from "../../context.ts";
import { placeIn, placeText } from "../../request/list-place.ts";
import { faultOf } from "./rpc.ts";

const PAGE = 50;
/** With their artifacts: each is read of its own object, and may be large. */
const MOST_WHOLE = 10;
/** The latter is what the official client of JavaScript writes where its caller leaves the state out. */
const ANY_STATE: ReadonlySet<string> = new Set(["", "TASK_STATE_UNSPECIFIED", "UNRECOGNIZED"]);

const Params = z.lazy(() =>
  z.looseObject({
    contextId: z.nullish(z.string()),
    status: z.nullish(z.string()),
    pageSize: z.nullish(z.number().check(z.int(), z.gte(1), z.lte(100))),
    pageToken: z.nullish(z.string()),
    statusTimestampAfter: z.nullish(z.iso.datetime({ offset: true })),
    includeArtifacts: z.nullish(z.boolean()),
  }),
);

export interface ListAsked {
  query: IndexQuery;
  /** Null is every state. */
  statuses: readonly NonNullable<IndexQuery["status"]>[] | null;
  /** Of the state, ms since the epoch. */
  since: number;
  /** How many the pages before have listed. */
  listed: number;
  includeArtifacts: boolean;
}

/** @param pipeline of the endpoint; null where it has all of them */
export function readListParams(params: JsonObject, pipeline: string | null): Result<ListAsked, string> {
  const read = Params.safeParse(params);
  if (!read.success) return err(faultOf(read.error));
  const { contextId, status, pageSize, pageToken, statusTimestampAfter, includeArtifacts } = read.data;
  const statuses = ANY_STATE.has(status ?? "") ? null : statusesOf(status ?? "");
  if (statuses === undefined) return err(`/params/status ${JSON.stringify(status)} is no state of a task`);
  const [, listed = "", place = ""] = /^([0-9a-z]{1,6})\.(.+)$/.exec(pageToken ?? "") ?? [];
  const before = placeIn(place);
  if (pageToken && before === null) return err("/params/pageToken is no nextPageToken of this list");
  const limit = pageSize ?? PAGE;
  return ok({
    query: {
      limit: includeArtifacts === true ? Math.min(MOST_WHOLE, limit) : limit,
      before,
      ...(contextId ? { conversation_id: contextId } : {}),
      ...(pipeline === null ? {} : { pipeline }),
    },
    statuses,
    since: statusTimestampAfter ? Date.parse(statusTimestampAfter) : 0,
    listed: before === null ? 0 : Number.parseInt(listed, 36),
    includeArtifacts: includeArtifacts === true,
  });
}

/** @param whole reads a task with its artifacts; null where it is not there any more */
export async function listTasks(
  call: Call,
  { query, statuses, since, listed: before, includeArtifacts }: ListAsked,
  whole: (id: string) => Promise<JsonObject | null>,
): Promise<JsonObject> {
  const { services, tenant } = call.var;
  const filters = statuses === null ? [{}] : statuses.map((status) => ({ status }));
  const parts = await Promise.all(
    filters.map((filter) => services.executionIndex.list(tenant, { ...query, ...filter })),
  );
  const { listed, next } = pageOf(parts, query.limit);
  const found = listed.filter(({ summary }) => Date.parse(timeOf(summary)) >= since);
  const tasks = await Promise.all(
    found.map(async ({ id, summary }): Promise<JsonObject> => {
      const read = includeArtifacts ? await whole(id) : null;
      const status = { state: taskState(summary.status), timestamp: timeOf(summary) };
      return read ?? { id, contextId: summary.conversation_id, status };
    }),
  );
  // Tasks are not counted beyond this page.
  const totalSize = before + tasks.length;
  const nextPageToken = next === null ? "" : `${totalSize.toString(36)}.${placeText(next)}`;
  return { tasks, nextPageToken, pageSize: query.limit, totalSize };
}

function timeOf({ start_time, end_time }: Listed["summary"]): string {
  return end_time ?? start_time;
}

type Page = { listed: readonly Listed[]; next: Place | null };

/** The page that the pages of several statuses are together: as far as each of them has been read. */
function pageOf(parts: readonly Page[], limit: number): Page {
  const [floor = null] = parts.flatMap(({ next }) => (next === null ? [] : [next])).toSorted(newestFirst);
  // A status may change between two of them.
  const all = new Map(parts.flatMap(({ listed }) => listed.map((one) => [one.id, one] as const)));
  const found = [...all.values()]
    .filter((one) => floor === null || newestFirst(one, floor) <= 0)
    .toSorted(newestFirst);
  return { listed: found.slice(0, limit), next: found.length > limit ? (found[limit - 1] ?? null) : floor };
}

function newestFirst(a: Place, b: Place): number {
  return b.start - a.start || (a.id < b.id ? 1 : a.id > b.id ? -1 : 0);
}
