// A conversation as a simulation: its shard of the index with the real decisions and places on a disk that outlives it,
// the objects of its runs with their logs, Workers that start them, and a network that loses, repeats and delays what
// they say to one another. Every instance may crash between any two steps, and takes its timers and promises with it.
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import type { OnBusy } from "../../../../src/contract/config.ts";
import type { ExecutionState } from "../../../../src/core/execution/state.ts";
import { TIMINGS } from "../../../../src/core/timings.ts";
import type { RunPresence } from "../../../../src/engine/object-protocol.ts";
import type { Clock } from "../../../../src/engine/ports.ts";
import { QueuedRun } from "../../../../src/engine/watch/queued-run.ts";
import type { Entered } from "../../../../src/engine/worker-ports.ts";
import { Admissions, type Asked } from "../../../../src/objects/execution-index/admission/admissions.ts";
import { PlaceRows } from "../../../../src/objects/execution-index/admission/places.ts";
import { SCHEMAS } from "../../../../src/objects/execution-index/schemas.ts";
import { type Chance, seeded } from "../../../support/values/chance.ts";

const CONVERSATION = "c";
const RUN_MS = 30_000;
const QUEUE_MS = 600_000;
/** Of a message on its way, and of one that is late. */
const HOP_MS = 20;
const LATE_MS = 3_000;
/** After it a caller takes what it has asked for lost. */
const PATIENCE_MS = 2_500;

/** Something that lives until it crashes. */
interface Alive {
  isAlive: boolean;
}

export const noCounts = () => ({
  lost: 0,
  repeated: 0,
  late: 0,
  workersLost: 0,
  shardCrashes: 0,
  runCrashes: 0,
  queuedAdmitted: 0,
  superseded: 0,
  refused: 0,
});

export class World {
  now = 1_000_000;
  readonly chance: Chance;
  readonly counts: ReturnType<typeof noCounts>;
  readonly runs = new Map<string, RunObject>();
  readonly disk = new DatabaseSync(":memory:");
  /** How probable a fault is at each message, in percent. */
  faults: number;
  shard: Shard;
  private readonly events: { at: number; order: number; task: () => void }[] = [];
  private order = 0;

  constructor(seed: number, faults: number, counts = noCounts()) {
    this.chance = seeded(seed);
    this.faults = faults;
    this.counts = counts;
    for (const migration of SCHEMAS) if (typeof migration === "string") this.disk.exec(migration);
    this.shard = new Shard(this);
  }

  /** Goes on until a time, step by step. @param check called after each */
  async run(until: number, check: () => void): Promise<void> {
    for (;;) {
      this.events.sort((a, b) => a.at - b.at || a.order - b.order);
      const next = this.events[0];
      if (next === undefined || next.at > until) break;
      this.events.shift();
      this.now = Math.max(this.now, next.at);
      next.task();
      await new Promise<void>((resolve) => void setImmediate(resolve));
      check();
    }
    this.now = until;
  }

  at(ms: number, task: () => void): () => void {
    const event = { at: this.now + ms, order: (this.order += 1), task };
    this.events.push(event);
    return () => {
      event.task = () => {};
    };
  }

  /** The clock of something that may crash. */
  clockOf(owner: Alive): Clock {
    return {
      now: () => this.now,
      after: (ms, task) => this.at(ms, () => (owner.isAlive ? task() : undefined)),
    };
  }

  /** A call over the network. @param to the instance that is there when the message arrives */
  call<I extends Alive, T>(from: Alive, to: () => I, ask: (instance: I) => Promise<T>): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const whileAlive = (task: () => void) => () => (from.isAlive ? task() : undefined);
      this.at(
        PATIENCE_MS,
        whileAlive(() => reject(new Error("lost"))),
      );
      if (this.isFault("lost")) return;
      const deliver = () => {
        const instance = to();
        const answered = (task: () => void) => {
          if (instance.isAlive && !this.isFault("lost")) this.at(this.hop(), whileAlive(task));
        };
        ask(instance).then(
          (value) => answered(() => resolve(value)),
          (cause: Error) => answered(() => reject(cause)),
        );
      };
      this.at(this.hop(), deliver);
      if (this.isFault("repeated")) this.at(this.hop() + HOP_MS, () => void ask(to()).catch(() => {}));
    });
  }

  isFault(kind: "lost" | "repeated" | "late" | "workersLost"): boolean {
    if (this.chance.below(100) >= this.faults) return false;
    this.counts[kind] += 1;
    return true;
  }

  /** A question: a Worker enters the conversation and starts the run, unless it is lost in between. */
  ask(execution_id: string, on_busy: Exclude<OnBusy, "parallel">): void {
    const worker: Alive = { isAlive: true };
    const asked: Asked = {
      conversation_id: CONVERSATION,
      execution_id,
      on_busy,
      start: this.now,
      run_ms: RUN_MS,
      queue_ms: QUEUE_MS,
    };
    const object = () => this.objectOf(execution_id).instance;
    const entered = this.call(
      worker,
      () => this.shard,
      // A repetition of one that has ended is told apart by its row.
      async ({ admissions }) => {
        const { log } = this.objectOf(execution_id);
        return log === "ended" ? ({ kind: "admitted" } as const) : admissions.enter(asked, []);
      },
    );
    entered.then(
      (admission) => {
        if (admission.kind === "busy") this.counts.refused += 1;
        if (admission.kind === "busy" || this.isFault("workersLost")) return;
        const isQueued = admission.kind === "queued";
        this.call(worker, object, async (instance) => instance.start(asked, isQueued)).catch(() => {});
      },
      () => {},
    );
  }

  objectOf(execution_id: string): RunObject {
    const known = this.runs.get(execution_id);
    if (known !== undefined) return known;
    const made = new RunObject(this, execution_id);
    this.runs.set(execution_id, made);
    return made;
  }

  crashShard(): void {
    this.counts.shardCrashes += 1;
    this.shard.isAlive = false;
    this.shard = new Shard(this);
  }

  private hop(): number {
    return this.isFault("late") ? this.chance.below(LATE_MS) : 1 + this.chance.below(HOP_MS);
  }
}

class Shard implements Alive {
  isAlive = true;
  readonly admissions: Admissions;

  constructor(world: World) {
    const exec = (query: string, ...values: SQLInputValue[]) => {
      if (!this.isAlive) throw new Error("a dead instance writes");
      return world.disk.prepare(query).all(...values);
    };
    const tables = { sql: { exec }, areMissing: false } as unknown as ConstructorParameters<
      typeof PlaceRows
    >[0];
    const object = (execution_id: string) => () => world.objectOf(execution_id).instance;
    this.admissions = new Admissions({
      places: new PlaceRows(tables),
      clock: world.clockOf(this),
      open: () => [],
      wake: (id) => world.call(this, object(id), async (instance) => instance.admit()),
      supersede: (id) => world.call(this, object(id), (instance) => instance.supersede()),
    });
  }
}

class RunObject {
  readonly execution_id: string;
  readonly world: World;
  asked: Asked | null = null;
  /** What the log says. */
  log: "absent" | "queued" | "running" | "ended" = "absent";
  hasReportedEnd = false;
  instance: RunInstance;

  constructor(world: World, execution_id: string) {
    this.world = world;
    this.execution_id = execution_id;
    this.instance = new RunInstance(this);
  }

  /** The instance is lost; its alarm takes the run up again. */
  crash(): void {
    if (this.log === "absent") return;
    this.world.counts.runCrashes += 1;
    this.instance.isAlive = false;
    const next = new RunInstance(this);
    this.instance = next;
    this.world.at(900 + this.world.chance.below(5_000), () => next.resume());
  }
}

class RunInstance implements Alive {
  isAlive = true;
  private readonly run: RunObject;
  private readonly queued: QueuedRun;
  private readonly clock: Clock;

  constructor(run: RunObject) {
    this.run = run;
    this.clock = run.world.clockOf(this);
    const driver = {
      get state() {
        return { status: run.log } as ExecutionState;
      },
      fault: null,
      submit: () => {
        if (run.log !== "queued") return null;
        run.world.counts.queuedAdmitted += 1;
        this.begin();
        return null;
      },
    };
    this.queued = new QueuedRun(driver, this.clock, () => this.standing());
  }

  start(asked: Asked, isQueued: boolean): void {
    const { run } = this;
    if (run.log !== "absent") return;
    run.asked = asked;
    if (isQueued) {
      run.log = "queued";
      this.poll();
    } else this.begin();
  }

  admit(): RunPresence {
    if (this.run.log === "queued") void this.queued.ask();
    const { log } = this.run;
    return log === "absent" || log === "ended" ? log : "going";
  }

  async supersede(): Promise<RunPresence> {
    const { run } = this;
    if (run.log === "absent") return "absent";
    if (run.log !== "ended") run.world.counts.superseded += 1;
    run.log = "ended";
    await this.report();
    return run.hasReportedEnd ? "ended" : "going";
  }

  cancel(): void {
    if (this.run.log !== "absent") this.end();
  }

  /** What the alarm of a new instance does. */
  resume(): void {
    if (!this.isAlive) return;
    if (this.run.log === "queued") this.poll();
    else if (this.run.log === "running") this.begin();
    else void this.report();
  }

  private poll(): void {
    if (this.run.log !== "queued") return;
    void this.queued.ask();
    this.clock.after(TIMINGS.QUEUE_POLL_MS, () => this.poll());
  }

  private begin(): void {
    this.run.log = "running";
    if (this.run.world.chance.below(2) === 0) void this.send(null);
    this.clock.after(1 + this.run.world.chance.below(3_000), () => this.end());
  }

  private end(): void {
    if (this.run.log === "ended") return;
    this.run.log = "ended";
    void this.report();
  }

  /** Until the shard has it (I13). */
  private async report(): Promise<void> {
    if (this.run.hasReportedEnd) return;
    if (await this.send(this.run.world.now)) this.run.hasReportedEnd = true;
    else this.clock.after(TIMINGS.REPORT_RETRY_MS, () => void this.report());
  }

  private send(end: number | null): Promise<boolean> {
    const { world, execution_id } = this.run;
    const expires = world.now + RUN_MS + TIMINGS.INDEX_GRACE_MS;
    const sent = world.call(
      this,
      () => world.shard,
      async ({ admissions }) => {
        // As its row has it: a report that is older than another one changes nothing.
        if (end === null && this.run.hasReportedEnd) return;
        admissions.reported({ execution_id, conversation_id: CONVERSATION, end, expires });
        admissions.wakeNext(CONVERSATION);
      },
    );
    return sent.then(
      () => true,
      () => false,
    );
  }

  private async standing(): Promise<Entered> {
    const { world, asked } = this.run;
    const admission = await world.call(
      this,
      () => world.shard,
      ({ admissions }) => admissions.standing({ ...(asked as Asked), on_busy: "queue" }),
    );
    return { admission: admission as Entered["admission"], turns: [] };
  }
}
