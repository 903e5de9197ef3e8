// Runs that enter their conversation, at the object of a shard over SQLite in memory: what each is answered, what a new
// instance knows of it, and a conversation that has another shard since a split.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { OnBusy } from "../../../../src/contract/config.ts";
import { TIMINGS } from "../../../../src/core/timings.ts";
import type { RunPresence } from "../../../../src/engine/object-protocol.ts";
import type { Beginning, Entered, StandingQuestion } from "../../../../src/engine/worker-ports.ts";
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
type Shard = InstanceType<typeof LedgerObject>;

let disk: ShardDisk;
let shard: Shard;

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
  disk = new ShardDisk();
  shard = new LedgerObject(...disk.instance());
});

afterEach(() => {
  vi.useRealTimers();
  disk.database.close();
});

const RUN_MS = 300_000;
const entrant = (on_busy: Exclude<OnBusy, "parallel">) => ({ on_busy, run_ms: RUN_MS, queue_ms: 600_000 });

async function enter(
  id: string,
  on_busy: Exclude<OnBusy, "parallel">,
  {
    is_named = false,
    former = [] as Beginning["former"],
    at = shard,
    ...run
  }: Partial<Run> & {
    is_named?: boolean;
    former?: Beginning["former"];
    at?: Shard;
  } = {},
): Promise<Entered> {
  const message = JSON.parse(beginning({ id, ...run }, { is_named })) as Beginning;
  return JSON.parse(
    await at.begin(JSON.stringify({ ...message, former, entrant: entrant(on_busy) })),
  ) as Entered;
}

async function standing(id: string, former: Beginning["former"] = [], at = shard): Promise<Entered> {
  const question: StandingQuestion = {
    execution_id: id,
    conversation_id: "c",
    tenant: "acme",
    start: NOW,
    turns: 5,
    former,
    entrant: entrant("queue"),
  };
  return JSON.parse(await at.standing(JSON.stringify(question))) as Entered;
}

const answers = ({ turns }: Entered) => turns.map(({ answer }) => (answer as { of: string }).of);
const rowsOfPlaces = () => disk.database.prepare("SELECT conversation_id, places FROM places").all();

describe("a run that enters its conversation", () => {
  test("is admitted with its history; the next one waits, and is given what the first has answered", async () => {
    await shard.report(reportOf({ id: "before", end: NOW + 50 }));
    const first = await enter("a", "queue");
    expect([first.admission, answers(first)]).toEqual([{ kind: "admitted" }, ["before"]]);
    const second = await enter("b", "queue");
    expect(second).toEqual({ admission: { kind: "queued", place: { behind: "a", position: 1 } }, turns: [] });
    expect((await standing("b")).admission).toEqual(second.admission);
    const { listed } = await shard.list({ before: null, limit: 10 });
    expect(listed.map(({ id, summary }) => `${id} ${summary.status}`)).toEqual([
      "before completed",
      "b queued",
      "a running",
    ]);
    const queued = await shard.list({ before: null, limit: 10, status: "queued" });
    expect(queued.listed.map(({ id }) => id)).toEqual(["b"]);
    await shard.report(reportOf({ id: "a" }));
    expect(disk.woken).toEqual(["b"]);
    const admitted = await standing("b");
    expect([admitted.admission, answers(admitted)]).toEqual([{ kind: "admitted" }, ["before", "a"]]);
    await shard.report(reportOf({ id: "b" }));
    expect(rowsOfPlaces()).toEqual([]);
  });

  test("finds its place in a new instance", async () => {
    await enter("a", "reject");
    await enter("b", "queue");
    shard = new LedgerObject(...disk.instance());
    expect((await enter("c", "reject")).admission).toEqual({ kind: "busy", running: ["a", "b"] });
    expect((await enter("b", "queue")).admission.kind).toBe("queued");
    expect((await enter("a", "reject")).admission).toEqual({ kind: "admitted" });
  });

  test("waits for a parallel run that is known by its start, or by its report", async () => {
    await shard.begin(beginning({ id: "p" }));
    expect((await enter("a", "reject")).admission).toEqual({ kind: "busy", running: ["p"] });
    await shard.report(reportOf({ id: "p", status: "paused" }));
    shard = new LedgerObject(...disk.instance());
    expect((await enter("a", "queue")).admission).toEqual({
      kind: "queued",
      place: { behind: "p", position: 1 },
    });
    await shard.report(reportOf({ id: "p" }));
    expect(disk.woken).toEqual(["a"]);
  });

  test("supersedes those that run, and is given what they had said", async () => {
    await enter("a", "queue");
    disk.whileSuperseded = async (id) => {
      await shard.report(reportOf({ id }));
      return "ended";
    };
    const next = await enter("b", "interrupt");
    expect([next.admission, answers(next)]).toEqual([{ kind: "admitted" }, ["a"]]);
    expect(disk.superseded).toEqual(["a by b"]);
  });

  test("is refused where those do not end in time", async () => {
    await enter("a", "queue");
    disk.whileSuperseded = async () => "going";
    const refused = enter("b", "interrupt");
    await vi.advanceTimersByTimeAsync(TIMINGS.INTERRUPT_WAIT_MS + TIMINGS.INTERRUPT_GAP_MS);
    expect((await refused).admission).toEqual({ kind: "busy", running: ["a"] });
    // It has left nothing.
    expect((await enter("c", "reject")).admission).toEqual({ kind: "busy", running: ["a"] });
  });

  test("takes no place where it has ended already", async () => {
    await enter("a", "queue", { is_named: true });
    await shard.report(reportOf({ id: "a" }));
    expect((await enter("a", "queue", { is_named: true })).admission).toEqual({ kind: "admitted" });
    expect((await enter("b", "reject")).admission).toEqual({ kind: "admitted" });
  });
});

describe("a place is free again", () => {
  test("where the request that took it could not start its run", async () => {
    await enter("a", "queue");
    await enter("b", "queue");
    disk.presence = "absent";
    await shard.withdraw("a", NOW + 1, "c");
    expect((await enter("r", "reject")).admission.kind).toBe("busy");
    await shard.withdraw("a", NOW, "c");
    expect(disk.woken).toContain("b");
    expect((await standing("b")).admission).toEqual({ kind: "admitted" });
  });

  test("but not where another request has started it", async () => {
    await enter("a", "queue");
    disk.presence = "going";
    await shard.withdraw("a", NOW, "c");
    expect((await enter("r", "reject")).admission.kind).toBe("busy");
  });

  test("when the run is deleted, when it was never started, and at its expiry", async () => {
    await enter("a", "queue");
    await shard.report(reportOf({ id: "a", status: "running", retention_ms: RUN_MS }));
    await shard.forget({ start: NOW, id: "a" });
    expect((await enter("b", "reject")).admission).toEqual({ kind: "admitted" });
    disk.presence = "absent";
    vi.setSystemTime(NOW + TIMINGS.START_LOST_MS - 1);
    expect((await enter("c", "reject")).admission.kind).toBe("busy");
    vi.setSystemTime(NOW + TIMINGS.START_LOST_MS);
    expect((await enter("c", "reject", { start: NOW + TIMINGS.START_LOST_MS })).admission.kind).toBe(
      "admitted",
    );
    // Its object says that it is there, and is never heard of again.
    disk.presence = "going";
    vi.setSystemTime(NOW + TIMINGS.START_LOST_MS + RUN_MS + TIMINGS.INDEX_GRACE_MS - 1);
    expect((await enter("d", "reject")).admission.kind).toBe("busy");
    vi.setSystemTime(NOW + TIMINGS.START_LOST_MS + RUN_MS + TIMINGS.INDEX_GRACE_MS);
    expect((await enter("d", "reject")).admission.kind).toBe("admitted");
  });

  test("at the time that its last report says, and not an earlier one that comes late", async () => {
    const MINUTE = 60_000;
    await enter("a", "queue");
    await shard.report(reportOf({ id: "a", status: "paused", seq: 4, retention_ms: 90 * MINUTE }));
    await shard.report(reportOf({ id: "a", status: "running", seq: 3, retention_ms: MINUTE }));
    vi.setSystemTime(NOW + 90 * MINUTE - 1);
    expect((await enter("b", "reject")).admission.kind).toBe("busy");
    vi.setSystemTime(NOW + 90 * MINUTE);
    expect((await enter("b", "reject")).admission.kind).toBe("admitted");
  });

  test("and its row goes with the sweep", async () => {
    await enter("a", "queue");
    vi.setSystemTime(NOW + RUN_MS + TIMINGS.INDEX_GRACE_MS);
    await shard.alarm();
    expect(rowsOfPlaces()).toEqual([]);
  });
});

test("a conversation whose runs are all parallel has no row of places, and asks for none", async () => {
  for (const id of ["a", "b", "c"]) {
    if (id === "b") shard = new LedgerObject(...disk.instance());
    await shard.begin(beginning({ id }));
    await shard.report(reportOf({ id }));
  }
  const asked = disk.statements.filter(({ query }) => / places\b/.test(query) && !query.startsWith("CREATE"));
  // Once in the life of an instance.
  expect(asked.map(({ query }) => query)).toEqual(["SELECT conversation_id, places FROM places"]);
  expect(disk.woken).toEqual([]);
});

describe("after a split", () => {
  const FORMER = [{ shard: 0, until: NOW }];
  let old: ShardDisk;
  let before: Shard;

  beforeEach(() => {
    old = new ShardDisk();
    before = new LedgerObject(...old.instance());
    disk.vars = { LEDGER: { idFromName: (name: string) => name, get: () => before } };
    shard = new LedgerObject(...disk.instance());
  });

  afterEach(() => old.database.close());

  test("none is admitted beside one that runs in the former shard, nor before those that wait there", async () => {
    await enter("a", "queue", { at: before });
    await enter("b", "queue", { at: before });
    disk.presence = "going";
    expect((await enter("r", "reject", { former: FORMER })).admission).toEqual({
      kind: "busy",
      running: ["a", "b"],
    });
    expect((await enter("c", "queue", { former: FORMER })).admission).toEqual({
      kind: "queued",
      place: { behind: "b", position: 1 },
    });
    // Their ends are reported to the former shard: here their objects are asked.
    const presence = new Map<string, RunPresence>([["a", "ended"]]);
    disk.presenceOf = (id) => presence.get(id) ?? "going";
    await before.report(reportOf({ id: "a" }));
    expect((await standing("b", [], before)).admission).toEqual({ kind: "admitted" });
    expect((await standing("c", FORMER)).admission.kind).toBe("queued");
    presence.set("b", "ended");
    await before.report(reportOf({ id: "b", end: NOW + 200 }));
    const admitted = await standing("c", FORMER);
    expect([admitted.admission, answers(admitted)]).toEqual([{ kind: "admitted" }, ["a", "b"]]);
  });

  test("a late request of before it is refused there, and what was there keeps its place", async () => {
    expect((await enter("c", "queue", { former: FORMER })).admission).toEqual({ kind: "admitted" });
    expect((await enter("late", "queue", { at: before })).admission).toEqual({
      kind: "busy",
      running: ["c"],
    });
    vi.setSystemTime(NOW + TIMINGS.SPLIT_SETTLED_MS);
    expect((await enter("other", "queue", { at: before, conversation_id: "d" })).admission.kind).toBe(
      "admitted",
    );
  });

  test("a former shard that does not answer leaves it unknown", async () => {
    before.formerPlaces = () => Promise.reject(new Error("overloaded"));
    expect((await enter("c", "queue", { former: FORMER })).admission).toEqual({ kind: "unknown" });
    expect((await enter("c", "queue")).admission).toEqual({ kind: "admitted" });
  });
});
