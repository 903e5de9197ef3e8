// One run of the real ExecutionDriver on the simulated platform, with agents that misbehave, readers that come and
// go, verbs, crashes and evictions, and a receiver of its reports that refuses some. Asserts what the driver, its outbox
// and its alarm's keeper owe: I1, I4, I5, I7, I9, I10, I11, I13, I15.
import type { CallOutcome } from "../../../src/core/execution/command.ts";
import type { LogEvent } from "../../../src/core/execution/log-event.ts";
import type { ExecutionState } from "../../../src/core/execution/state.ts";
import { nextAlarm } from "../../../src/core/execution/alarm/next-alarm.ts";
import { nextActions } from "../../../src/core/execution/next-actions.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import type { AgentRequest, CallHooks } from "../../../src/engine/ports.ts";
import { befell } from "../../core/simulation/mapped/befell.ts";
import { Observer } from "../../core/simulation/observer.ts";
import { hold, Violation } from "../../core/simulation/observed/hold.ts";
import { unitOf } from "../../core/simulation/observed/stage.ts";
import { Random } from "../../core/simulation/random.ts";
import { type CallPlan, drawScenario, type Scenario } from "../../core/simulation/scenario.ts";
import type { Tally } from "../../core/simulation/tally.ts";
import { Gating } from "./gating.ts";
import { type Life, Platform } from "./platform.ts";
import { Reader } from "./reader.ts";
import { drained, VirtualTime } from "./virtual-time.ts";

type Request = Pick<AgentRequest, "idempotency_key" | "call">;

interface OpenCall {
  life: Life;
  of: string;
  /** Its unit. */
  stage: string;
  iteration: number;
  signal: AbortSignal;
  /** Reached the agent; before that it waits for the disk. */
  sent: boolean;
}

const STEPS = 6_000;
const COMMIT_MS = 3;
const ALARM_MS = 30;

export class DriverRun {
  readonly platform: Platform;
  private readonly scenario: Scenario;
  private readonly tally: Tally;
  private readonly random: Random;
  private readonly faultsBefore: number;
  private readonly observer: Observer;
  private readonly time: VirtualTime;
  private readonly open = new Set<OpenCall>();
  private readonly done = new Set<string>();
  private readonly texts = new Map<string, string>();
  /** By idempotency key, whose it is. */
  private readonly keys = new Map<string, string>();
  private readonly crashes: "never" | "every" | "often" | "sometimes";
  /** Where its agents have to be waited for. */
  private readonly gating: Gating | null;
  private reader: Reader | null = null;
  private lastDeath = 0;
  private accepted = false;
  /** The last change that its receiver has taken. */
  private reported = "";

  constructor(seed: number, size: number, tally: Tally) {
    const drawn = drawScenario(seed, size, false, false, true);
    this.tally = tally;
    this.faultsBefore = tally.total;
    this.random = new Random(seed ^ 0x5bd1e995);
    this.crashes = this.random.pick(["never", "every", "often", "sometimes"] as const);
    this.time = new VirtualTime(drawn.started_at);
    this.gating = this.random.odds(0.5) ? new Gating(this.time, this.random, tally) : null;
    this.scenario = this.gating === null ? drawn : { ...drawn, spec: this.gating.limit(drawn.spec) };
    this.observer = new Observer(this.scenario.spec);
    const weather = {
      commit_ms: () => this.random.int(0, COMMIT_MS),
      alarm_ms: () => this.random.pick([0, 0, ALARM_MS]),
      downtime_ms: () => this.random.pick([0, 5, 500, 20_000]),
      dies: (effect: string) => this.dies(effect),
      refuses: () => this.refuses(),
      chance: () => this.random.next(),
      receivers: (instance: object) => [
        { name: "index", receive: ({ status }: ExecutionState) => this.report(instance, status) },
      ],
    };
    const agents = (life: () => Life) => ({
      call: (request: AgentRequest, hooks: CallHooks) => this.call(life(), request, hooks),
    });
    this.platform = new Platform(this.time, weather, agents, (events) => this.committed(events));
    if (this.gating !== null) {
      this.gating.life = () => this.platform.life;
      this.gating.resume = () => void this.platform.object()?.driver.submit({ type: "resume" });
      const { shared, spending } = this.gating;
      this.platform.outside = { shared: { ...shared, spending } };
    }
  }

  async run(): Promise<void> {
    this.start();
    for (const { at, command } of this.scenario.verbs) {
      this.time.after(at - this.time.now, () => {
        if (!this.accepted) return;
        const life = this.platform.object();
        const before = life?.driver.state?.seq;
        const refusal = life?.driver.submit(command);
        if (life === null || refusal !== null || life.dead) return;
        this.tally.verb(command.type);
        if (life.driver.state?.seq === before) return;
        const written = [...life.ports.log.read(0)].length;
        hold(
          "I9",
          written === life.driver.state?.seq,
          () => `a ${command.type} is acknowledged and not written`,
        );
      });
    }
    await drained();
    this.audit();
    for (let step = 0; !this.over(); step += 1) {
      hold("I1", step < STEPS, () => `the run does not end (${this.platform.alarms} alarms)`);
      if (!(await this.time.step())) throw new Violation("I15", "nothing will ever come: no alarm, no timer");
      this.audit();
      this.visit();
    }
    this.end();
  }

  /** The caller asks until the start is acknowledged, as a caller with an execution_id does. */
  private start(): void {
    if (this.accepted) return;
    const life = this.platform.object();
    life?.driver.submit({ type: "start", spec: this.scenario.spec });
    this.time.after(100, () => this.start());
  }

  /** I13: until its end is reported. */
  private over(): boolean {
    const { terminal } = this.observer;
    return terminal !== null && this.open.size === 0 && this.reported === terminal.status;
  }

  /** Takes a report, at once or later, or refuses it. */
  private async report(instance: object, status: string): Promise<void> {
    const ms = this.random.pick([0, 0, 20, 2_000]);
    const refused = this.random.odds(0.2);
    await new Promise<void>((resolve) => {
      this.time.after(ms, resolve, instance);
    });
    if (refused) {
      this.tally.fault("report refused");
      throw new Error("refused");
    }
    this.reported = status;
  }

  private dies(effect: string): boolean {
    const { terminal } = this.observer;
    // A run that nothing befell proves nothing: it loses its memory once.
    const spared = this.tally.total === this.faultsBefore && this.observer.seq > 0;
    const odds = { never: 0, every: effect === "commit" ? 0.5 : 0, often: 0.05, sometimes: 0.005 }[
      this.crashes
    ];
    if (!(spared && effect === "commit") && !this.random.odds(terminal === null ? odds : odds / 4))
      return false;
    this.tally.crash(effect);
    this.lastDeath = this.time.now;
    this.reader?.lost();
    return true;
  }

  /** Storage lets a record down now and then, where objects die now and then. */
  private refuses(): boolean {
    const refused = this.crashes !== "never" && this.crashes !== "every" && this.random.odds(0.01);
    if (refused) {
      this.tally.fault("record refused");
      this.reader?.lost();
      this.lastDeath = this.time.now;
    }
    return refused;
  }

  private committed(events: LogEvent[]): void {
    for (const event of events) {
      this.observer.see(event);
      this.accepted = true;
      if (event.type === "stage.completed") this.done.add(unitOf(event));
      if (event.type === "stage.iterated") this.done.add(`${unitOf(event)} ${event.data.iteration}`);
      const befallen = befell(this.observer, event);
      if (befallen !== null) this.tally.unit(befallen);
      // Written within the group's time, committed within the disk's.
      const late = this.time.now - Date.parse(event.timestamp);
      hold(
        "I9",
        late <= TIMINGS.GROUP_COMMIT_MS + COMMIT_MS,
        () => `${event.type} was durable after ${late} ms`,
      );
    }
  }

  private async call(life: Life, request: AgentRequest, hooks: CallHooks): Promise<CallOutcome> {
    // What a dead object still does has no effect.
    const never = new Promise<never>(() => {});
    if (life.dead) return never;
    const { stage: of, index, iteration = 0, attempt } = request.call;
    const stage = unitOf({ stage: of, item: index });
    this.identify(request, `${stage} ${iteration}`);
    this.gating?.called(request, stage);
    hold("I11", !hooks.signal.aborted, () => `${stage} is called although its call was aborted`);
    const plan = this.scenario.plan(this.observer.of(of).spec, attempt, "call");
    const call: OpenCall = { life, of, stage, iteration, signal: hooks.signal, sent: false };
    this.open.add(call);
    try {
      // The platform holds a request back until everything written before it is on the disk.
      await this.platform.synced(life);
      if (!hooks.signal.aborted) this.sent(call);
      if (life.dead) return await never;
      return await this.answer(life, plan, hooks, `${stage} ${iteration} ${attempt}`);
    } finally {
      this.open.delete(call);
    }
  }

  /** A unit, and an iteration of it, has a key of its own, at each try the same; its call has what it is about. */
  private identify({ idempotency_key, call: { stage, item, index = 0 } }: Request, name: string): void {
    const known = this.keys.get(idempotency_key);
    hold("I5", known === undefined || known === name, () => `${name} has the key of ${known}`);
    const isNew = known !== undefined || ![...this.keys.values()].includes(name);
    hold("I5", isNew, () => `${name} has a second key, ${idempotency_key}`);
    this.keys.set(idempotency_key, name);
    const { items } = this.observer.of(stage);
    if (items === null) return;
    const given = JSON.stringify(item) === JSON.stringify(items.list[index]);
    hold("map", given, () => `${name} is given ${JSON.stringify(item)}`);
  }

  private sent(call: OpenCall): void {
    const { of, stage, iteration } = call;
    call.sent = true;
    for (const end of [of, stage, `${stage} ${iteration}`])
      hold("I4", !this.done.has(end), () => `${end} is called again although its completion was committed`);
    const under = [...this.open].filter((other) => other.sent && !other.signal.aborted);
    const stages = new Set(under.map((other) => other.of)).size;
    hold(
      "I10",
      stages <= this.scenario.spec.config.max_concurrent_stages,
      () => `${stages} stages are called at once`,
    );
    const items = under.filter((other) => other.of === of).length;
    const most = this.observer.of(of).spec.map?.concurrency ?? 1;
    hold("I10", items <= most, () => `${items} items of ${of} are called at once`);
    const twice = under.filter((other) => other.stage === stage);
    hold("I5", twice.length === 1, () => `${stage} has ${twice.length} calls in flight`);
    if (this.platform.life === call.life && this.dies("agents.call")) this.platform.die();
  }

  private answer(life: Life, plan: CallPlan, hooks: CallHooks, key: string): Promise<CallOutcome> {
    const hangs = !plan.outcome.ok && plan.outcome.failure.kind === "timeout";
    const { promise, resolve } = Promise.withResolvers<CallOutcome>();
    const pieces = this.random.int(0, 3);
    this.texts.set(key, "");
    for (let n = 1; n <= pieces; n += 1) {
      this.time.after(
        Math.floor((plan.duration_ms * n) / (pieces + 1)),
        () => {
          // A client that was told to stop may have a piece in its hands already.
          if (!hooks.signal.aborted) this.texts.set(key, `${this.texts.get(key)}piece ${n}, `);
          hooks.delta(`piece ${n}, `);
        },
        life,
      );
    }
    if (!hangs) this.time.after(plan.duration_ms, () => resolve(plan.outcome), life);
    const aborted = () => {
      this.tally.fault("call aborted");
      if (plan.late_ms === null) resolve({ ok: false, failure: { kind: "rejected" } });
      else {
        this.tally.fault("late answer");
        this.time.after(plan.late_ms, () => resolve(plan.outcome), life);
      }
    };
    if (hooks.signal.aborted) aborted();
    else hooks.signal.addEventListener("abort", aborted);
    return promise.then((outcome) => {
      if (!outcome.ok && !hooks.signal.aborted) this.tally.fault(outcome.failure.kind);
      return outcome;
    });
  }

  private audit(): void {
    for (const call of this.open) if (call.life.dead) this.open.delete(call);
    if (!this.accepted) return;
    const { life, alarmAt, handling, alarms } = this.platform;
    hold("I15", alarms < 400, () => `${alarms} alarms: it is handled and nothing comes of it`);
    this.auditAlarm();
    if (this.observer.terminal !== null) return;
    hold(
      "I15",
      this.platform.wouldComeBack,
      () => `${this.observer.status}, no alarm is set and none is handled`,
    );
    const state = life?.driver.state ?? null;
    if (life === null || state === null || state.ended_at !== null) return;
    const { invoke, wake_at } = nextActions(state);
    // A reader of the object's own memory is not the log: the alarm alone brings a run back, and must come in time.
    const due = Math.max(wake_at as number, this.time.now + TIMINGS.ALARM_JOIN_MS);
    const comes = alarmAt ?? Number.POSITIVE_INFINITY;
    hold("I15", handling || comes <= due, () => `the alarm comes ${comes - due} ms late`);
    const wanted = new Set(invoke.map((invocation) => invocation.stage));
    for (const call of this.open) {
      const unwanted = !wanted.has(call.stage) && !call.signal.aborted;
      hold("I11", !unwanted, () => `the call of ${call.stage} goes on although nobody wants it`);
    }
    const held = [...wanted].find(
      (stage) => ![...this.open].some((call) => call.stage === stage && !call.signal.aborted),
    );
    hold("I1", held === undefined || this.open.size >= 6, () => `${held} is to be called and is not`);
  }

  /** I15: the alarm is handled, or is `nextAlarm`, or an earlier instance has set it and nothing was written since. */
  private auditAlarm(): void {
    const { life, keeper, alarmAt, handling } = this.platform;
    if (keeper === null || handling) return;
    const facts = { ...keeper.facts(), set: alarmAt };
    const at = nextAlarm(life?.driver.state ?? null, facts);
    if (at === null) hold("I15", facts.isAsLeft || life === null, () => "the alarm has no time");
    else hold("I15", at === alarmAt, () => `the alarm is set to ${alarmAt}, and not to ${at}`);
  }

  /** Readers come, read and go; a quiet object is evicted. */
  private visit(): void {
    const { life, handling } = this.platform;
    const mayCome = this.reader === null && this.observer.terminal === null;
    if (this.accepted && this.random.odds(0.1) && mayCome) {
      const object = this.platform.object();
      if (object !== null)
        this.reader = new Reader(object.driver, this.random.int(0, this.platform.durable.length), true);
    }
    if (this.reader !== null && this.random.odds(0.5)) {
      if (this.reader.read(this.platform.durable, this.texts) || this.random.odds(0.05))
        this.reader = this.reader.leave();
    }
    const quiet = life !== null && !handling && this.open.size === 0 && this.platform.isCommitted;
    if (this.accepted && quiet && this.random.odds(0.2)) {
      this.tally.fault("evicted");
      this.reader?.lost();
      this.reader = null;
      this.platform.evict();
    }
    if (this.reader?.isLost === true) this.reader = null;
  }

  private end(): void {
    const { terminal } = this.observer;
    if (terminal === null) return;
    // One that was evicted while it waited for a place is brought back by the alarm, which need not be for its deadline.
    const back_ms = ALARM_MS + (this.gating === null ? 0 : TIMINGS.ALARM_JOIN_MS);
    const latest = Math.max(this.observer.deadline + back_ms, this.lastDeath + 20_000 + 2 * ALARM_MS);
    const ended = Date.parse(terminal.timestamp);
    hold("I1", this.observer.stillSince !== null || ended <= latest, () => `ended ${ended - latest} ms late`);
    // A reader who comes after the end reads the same bytes.
    const object = this.platform.object();
    if (object !== null) new Reader(object.driver, 0).read(this.platform.durable, this.texts);
    this.tally.runs += 1;
    this.tally.events += this.platform.durable.length;
    this.tally.end(terminal.status);
  }
}
