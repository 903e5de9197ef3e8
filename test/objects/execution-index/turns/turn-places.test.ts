// Turns that are replaced, in a shard of the index over SQLite in memory: in whatever order their runs report, one has
// the turn, and it is where the first one was.
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { IndexReport } from "../../../../src/adapters/durable/execution-index-client.ts";
import { TIMINGS } from "../../../../src/core/timings.ts";
import { mergeTurns } from "../../../../src/core/monitoring/ended-turns.ts";
import { beginning, NOW, reportOf, type Run, ShardDisk } from "../../../support/objects/index-shard.ts";

vi.mock("cloudflare:workers", () => ({
  DurableObject: class {
    ctx: unknown;
    env: unknown;
    constructor(ctx: unknown, env: unknown) {
      this.ctx = ctx;
      this.env = env;
    }
  },
}));

const { LedgerObject } = await import("../../../../src/objects/execution-index/execution-index.ts");

let disk: ShardDisk;

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  disk = new ShardDisk();
});

afterEach(() => {
  vi.useRealTimers();
  disk.database.close();
});

const open = () => new LedgerObject(...disk.instance());
type Shard = ReturnType<typeof open>;

const before: Run = { id: "before", start: NOW - 9_000 };
const first: Run = { id: "first", start: NOW - 8_000 };
const after: Run = { id: "after", start: NOW - 7_000 };
const PLACE = { execution_id: "first", start: NOW - 8_000, at: NOW - 7_900 };

async function report(shard: Shard, entry: IndexReport): Promise<void> {
  await Promise.all([shard.report(entry), vi.advanceTimersByTimeAsync(TIMINGS.INDEX_BUFFER_MS)]);
}

/** The report of a fork whose answer takes the turn of `first`. */
function replacing(id: string, end: number): IndexReport {
  return { ...reportOf({ id, start: NOW - 5_000, end }), replaces: PLACE };
}

/** Who has the turns, in their order. */
async function history(shard: Shard): Promise<string[]> {
  const turns = JSON.parse(await shard.begin(beginning({ id: "next" }, {}, 9))) as {
    answer: { of: string };
  }[];
  return turns.map(({ answer }) => answer.of);
}

const page = (shard: Shard) => shard.turns({ conversation_id: "c", after: null, limit: 10 });

function permutations<T>(list: readonly T[]): T[][] {
  if (list.length < 2) return [[...list]];
  return list.flatMap((each, at) => permutations(list.toSpliced(at, 1)).map((rest) => [each, ...rest]));
}

const LATE = replacing("late", NOW - 1_000);
const EARLY = replacing("early", NOW - 2_000);

test.each(permutations([reportOf(first), EARLY, LATE]))(
  "the fork that ended last has the turn, reported as %#, each once and again",
  async (...reports) => {
    const shard = open();
    for (const each of [reportOf(before), reportOf(after), ...reports, ...reports]) await report(shard, each);
    expect(await history(shard)).toEqual(["before", "late", "after"]);
    expect((await page(open())).map(({ id, of, replaced }) => [id, of, replaced])).toEqual([
      ["before", "before", []],
      ["late", "first", ["first", "early"]],
      ["after", "after", []],
    ]);
    // Each is counted as the run that it is.
    const { by_pipeline } = await shard.metrics({ period: "ever", shapes: 0 });
    expect(by_pipeline.get("p")?.by.get("completed")).toBe(5);
  },
);

test("a fork that has not completed leaves the turn where it is", async () => {
  const shard = open();
  await report(shard, reportOf(first));
  await report(shard, { ...reportOf({ id: "failed", status: "failed" }), replaces: null });
  expect(await history(shard)).toEqual(["first"]);
});

test("what is before a turn, and who has it", async () => {
  const shard = open();
  for (const run of [before, first, after]) await report(shard, reportOf(run));
  const asked = { conversation_id: "c", turn: PLACE, turns: 5, shards: 8, former: [] };
  const ask = async () =>
    JSON.parse(await shard.turnsBefore(JSON.stringify(asked))) as {
      history: { answer: { of: string } }[];
      holder: string | null;
    };
  expect(await ask()).toMatchObject({ history: [{ answer: { of: "before" } }], holder: "first" });
  await report(shard, LATE);
  expect(await ask()).toMatchObject({ history: [{ answer: { of: "before" } }], holder: "late" });
  await shard.forget({ id: "late", start: NOW - 5_000 });
  expect(await ask()).toMatchObject({ holder: null });
  expect(await history(shard)).toEqual(["before", "after"]);
});

test("a page goes on after the last turn of the one before", async () => {
  const shard = open();
  for (const run of [before, first, after]) await report(shard, reportOf(run));
  await report(shard, LATE);
  const seen: string[] = [];
  for (let cursor: { at: number; id: string } | null = null; ; ) {
    const [turn] = await shard.turns({ conversation_id: "c", after: cursor, limit: 1 });
    if (turn === undefined) break;
    seen.push(turn.id);
    cursor = { at: turn.at, id: turn.of };
  }
  expect(seen).toEqual(["before", "late", "after"]);
});

test("a turn that is forgotten, or replaced, or reported anew is overwritten before it goes", async () => {
  const shard = open();
  await report(shard, reportOf({ ...first, status: "running" }));
  await report(shard, reportOf(first));
  await report(shard, LATE);
  await shard.forget({ id: "late", start: NOW - 5_000 });
  const overwritten = disk.statements.filter(
    ({ query }) => query.startsWith("UPDATE runs") && query.includes("zeroblob"),
  );
  expect(overwritten.length).toBe(3);
});

test("a turn in a former home counts once, and is the fork's", () => {
  const turn = (id: string, ended: number, of = id, at = ended) => ({ id, ended, turn: "{}", of, at });
  const former = [turn("a", 1), turn("b", 2)];
  const own = [turn("late", 9, "a", 1), turn("early", 8, "a", 1), turn("c", 3)];
  expect(mergeTurns([...former, ...own]).map(({ id }) => id)).toEqual(["late", "b", "c"]);
  expect(mergeTurns([...own, ...former]).map(({ id }) => id)).toEqual(["late", "b", "c"]);
});

test("places of rows that are gone go with the sweep", async () => {
  const shard = open();
  for (const each of [reportOf(first), LATE]) await report(shard, each);
  vi.setSystemTime(NOW + 30 * 24 * 3_600_000);
  await shard.alarm();
  expect(disk.database.prepare("SELECT count(*) AS n FROM runs").get()).toEqual({ n: 0 });
  expect(disk.database.prepare("SELECT count(*) AS n FROM turn_places").get()).toEqual({ n: 0 });
});

test("after a split a turn in the former shard is replaced from the new one", async () => {
  const former = new LedgerObject(...new ShardDisk().instance());
  disk.vars = { LEDGER: { idFromName: (name: string) => name, get: () => former } };
  const shard = open();
  for (const run of [before, first, after]) await report(former, reportOf(run));
  await report(shard, LATE);
  const home = { shards: 16, former: [{ shard: 1, until: NOW }] };
  const asked = { ...(JSON.parse(beginning({ id: "next" }, {}, 9)) as object), ...home };
  const turns = JSON.parse(await shard.begin(JSON.stringify(asked))) as { answer: { of: string } }[];
  expect(turns.map(({ answer }) => answer.of)).toEqual(["before", "late", "after"]);
  const question = {
    conversation_id: "c",
    turn: { ...PLACE, execution_id: "after", at: NOW - 6_900 },
    turns: 5,
    ...home,
  };
  const found = JSON.parse(await shard.turnsBefore(JSON.stringify(question))) as object;
  expect(found).toMatchObject({
    history: [{ answer: { of: "before" } }, { answer: { of: "late" } }],
    holder: "after",
  });
});
