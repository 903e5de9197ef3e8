// The pages of ListTasks over an index whose own pages are short: of a state that two statuses are, too.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { IndexQuery, Listed, Place } from "../../../../src/engine/worker-ports.ts";
import type { Call } from "../../../../src/http/context.ts";
import { listTasks, readListParams } from "../../../../src/http/facades/a2a/list.ts";

const older = (a: Place, b: Place) => a.start < b.start || (a.start === b.start && a.id < b.id);
const newestFirst = (a: Place, b: Place) => (older(a, b) ? 1 : older(b, a) ? -1 : 0);

/** @param reaches how many rows a query for paused ones, or for any others, looks at, of which not all have its status */
function indexOf(all: readonly Listed[], reaches: readonly [paused: number, others: number]): Call {
  const rows = all.toSorted(newestFirst);
  const list = async (_tenant: string, { status, before, limit }: IndexQuery) => {
    const rest = rows.filter((row) => before === null || older(row, before));
    const reach = reaches[status === "paused" ? 0 : 1];
    const seen = rest.slice(0, reach);
    const fits = seen.filter(({ summary }) => status === undefined || summary.status === status);
    const listed = fits.slice(0, limit);
    const next = fits.length > limit ? listed.at(-1) : rest.length > reach ? seen.at(-1) : undefined;
    return { listed, next: next === undefined ? null : { start: next.start, id: next.id } };
  };
  return { var: { tenant: "local", services: { executionIndex: { list } } } } as unknown as Call;
}

const size = fc.integer({ min: 1, max: 9 });
const executions = fc.uniqueArray(
  fc.record({
    start: fc.integer({ min: 1, max: 20 }),
    id: fc.integer({ min: 10, max: 99 }).map((id) => `e${id}`),
    status: fc.constantFrom("paused", "waiting", "completed"),
  }),
  { selector: ({ id }) => id, maxLength: 30 },
);

test("its pages have every task once, newest first, and the last one their number", async () => {
  const asked = { state: fc.constantFrom(undefined, "TASK_STATE_INPUT_REQUIRED", "TASK_STATE_COMPLETED") };
  await fc.assert(
    fc.asyncProperty(
      executions,
      fc.record({ ...asked, size, reaches: fc.tuple(size, size) }),
      async (given, { state, size: pageSize, reaches }) => {
        const all = given.map(({ start, id, status }): Listed => {
          const start_time = new Date(start).toISOString();
          const summary = { status, conversation_id: "c", start_time, end_time: null };
          return { start, id, summary: summary as unknown as Listed["summary"] };
        });
        const call = indexOf(all, reaches);
        const ids: unknown[] = [];
        let pageToken = "";
        let total: unknown = null;
        do {
          const params = { pageSize, pageToken, ...(state === undefined ? {} : { status: state }) };
          const read = readListParams(params, null);
          if (!read.ok) throw new Error(read.error);
          const page = await listTasks(call, read.value, async () => null);
          const tasks = page["tasks"] as { id: string }[];
          expect(tasks.length).toBeLessThanOrEqual(pageSize);
          ids.push(...tasks.map(({ id }) => id));
          pageToken = String(page["nextPageToken"]);
          total = page["totalSize"];
        } while (pageToken !== "");
        const isAsked = ({ summary: { status } }: Listed) =>
          state === undefined || (status === "completed") === (state === "TASK_STATE_COMPLETED");
        const wanted = all.filter(isAsked).toSorted(newestFirst);
        expect(ids).toEqual(wanted.map(({ id }) => id));
        expect(total).toBe(wanted.length);
      },
    ),
  );
});
