// A fleet: many runs of the real driver, in a few isolates, at agents that they share. The agents have limits, fail, and
// ask for time; objects crash. What an agent can bear is judged by the agent itself, by the world's own time.
import type { AgentLimits, RegisteredAgent } from "../../../src/contract/agent.ts";
import { IsolateHealth } from "../../../src/adapters/durable/agent-health-client.ts";
import { IsolatePlaces } from "../../../src/adapters/durable/places/agent-places-client.ts";
import { type BreakerSnapshot, CLOSED } from "../../../src/core/resilience/breaker.ts";
import type { CallOutcome } from "../../../src/core/execution/command.ts";
import type { LogEvent, LogEventOf } from "../../../src/core/execution/log-event.ts";
import type { RunSpec } from "../../../src/core/execution/run-spec.ts";
import type { AgentPlaces, AgentRequest, CallHooks, Clock, Ports } from "../../../src/engine/ports.ts";
import type { AgentHealthRpc, AgentPlacesRpc } from "../../../src/engine/agent-protocol.ts";
import { AgentPlacesRoom } from "../../../src/objects/agent-health/agent-places.ts";
import { hold } from "../../core/simulation/observed/hold.ts";
import type { Random } from "../../core/simulation/random.ts";
import type { Tally } from "../../core/simulation/tally.ts";
import { NO_CACHE } from "./gating.ts";
import { type Life, Platform } from "./platform.ts";
import { drained, VirtualTime } from "./virtual-time.ts";

const BEGAN = 1_764_000_000_000;
/** What the network may take of the time between two calls, from the grants of their places to the agent. */
const JITTER_MS = 20;
/** Within so long all isolates know of a Retry-After, a refused request and the network's time included. */
const KNOWN_MS = 2_000 + 50;

/** What each answer has used, a failure's too, unless the agent asks for time. */
const CALL_TOKENS = 10;
const USED = { input_tokens: CALL_TOKENS };
/** Calls of one run at once. */
const MOST_STAGES = 4;

interface Open {
  life: Life;
  signal: AbortSignal;
}

/** An agent, with its object. */
class Agent {
  readonly limits: AgentLimits | undefined;
  readonly open = new Set<Open>();
  /** When its calls began, the last ones. */
  readonly begun: number[] = [];
  /** When it has asked for time, and until when; by the world's time. */
  asked_at = 0;
  until = 0;
  snapshot: BreakerSnapshot = { ...CLOSED, changed_at: 0 };
  readonly room: AgentPlacesRoom;

  constructor(limits: AgentLimits | undefined, clock: Clock) {
    this.limits = limits;
    const rows = new Map<string, unknown>();
    this.room = new AgentPlacesRoom(
      {
        get: (key) => structuredClone(rows.get(key)),
        put: (key, value) => rows.set(key, structuredClone(value)),
      },
      clock,
    );
  }
}

interface Run {
  platform: Platform;
  spec: RunSpec;
  isOver: boolean;
  isPaused: boolean;
  /** What its calls have used, and may use. */
  tokens: number;
  most: number;
}

export interface FleetTerms {
  agents: number;
  isolates: number;
  /** Of a hundred effects, so many end in the object's crash. */
  crashes: number;
  /** Of a hundred calls, so many fail, and so many ask for time. */
  failures: number;
  busy: number;
  limitsOf(at: number): AgentLimits | undefined;
  latency_ms(): number;
}

export class Fleet {
  readonly time = new VirtualTime(BEGAN);
  readonly agents = new Map<string, Agent>();
  readonly runs: Run[] = [];
  calls = 0;
  /** Of each call, in the order in which they were made: the conversation of its run. */
  readonly order: string[] = [];
  private readonly random: Random;
  private readonly tally: Tally;
  private readonly terms: FleetTerms;
  private readonly isolates: NonNullable<Ports["shared"]>[];
  private readonly clock: Clock = {
    now: () => this.time.now,
    after: (ms, task) => this.time.after(ms, task),
  };

  constructor(random: Random, tally: Tally, terms: FleetTerms) {
    this.random = random;
    this.tally = tally;
    this.terms = terms;
    for (let at = 0; at < terms.agents; at += 1)
      this.agents.set(`agent_${at}`, new Agent(terms.limitsOf(at), this.clock));
    this.isolates = Array.from({ length: terms.isolates }, () => this.isolate());
  }

  /** What the runs of one isolate share. */
  private isolate(): NonNullable<Ports["shared"]> {
    const health = new IsolateHealth({
      object: (_tenant, agent_type) => this.healthOf(this.agent(agent_type)),
      tenantHealth: () =>
        this.travel(() => ({
          at: this.time.now,
          agents: Object.fromEntries(
            [...this.agents].flatMap(([name, { snapshot }]) =>
              (snapshot.held_until ?? 0) > this.time.now ? [[name, { ...snapshot }]] : [],
            ),
          ),
        })),
      clock: this.clock,
    });
    const places = new IsolatePlaces({
      object: (_tenant, agent_type) => this.placesOf(this.agent(agent_type)),
      clock: this.clock,
    });
    return { cache: NO_CACHE, health, places };
  }

  private healthOf(agent: Agent): AgentHealthRpc {
    const shown = () => ({ ...agent.snapshot });
    return {
      ...this.placesOf(agent),
      admit: () => this.travel(() => ({ admission: { admit: "call" as const }, snapshot: shown() })),
      report: () => this.travel(shown),
      snapshot: () => this.travel(shown),
      reset: () => this.travel(shown),
      hold: (ms) =>
        this.travel(() => {
          const held_until = Math.max(agent.snapshot.held_until ?? 0, this.time.now + ms);
          const held = { held_until, held_generation: 0 };
          agent.snapshot = { ...agent.snapshot, ...held, changed_at: this.time.now };
          return shown();
        }),
    };
  }

  private placesOf(agent: Agent): AgentPlacesRpc {
    return {
      places: (request) => this.travel(() => agent.room.exchange(structuredClone(request))),
      leave: (holder) => this.travel(() => agent.room.leave(holder)),
    };
  }

  private travel<T>(answer: () => T | Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.time.after(this.random.int(1, 4), () => {
        Promise.resolve(answer()).then(
          (value) => this.time.after(this.random.int(0, 4), () => resolve(value)),
          reject,
        );
      });
    });
  }

  private agent(agent_type: string): Agent {
    return this.agents.get(agent_type) as Agent;
  }

  /** The registrations of all agents. */
  registrations(): Record<string, RegisteredAgent> {
    return Object.fromEntries(
      [...this.agents].map(([name, { limits }]) => {
        const registration = { url: `https://agents.example/${name}`, protocol: "native" as const };
        return [name, limits === undefined ? registration : { ...registration, limits }];
      }),
    );
  }

  /** A run begins after so many ms. */
  start(spec: RunSpec, after_ms: number): void {
    const weather = {
      commit_ms: () => this.random.int(0, 3),
      alarm_ms: () => 0,
      downtime_ms: () => this.random.pick([0, 100, 2_000]),
      dies: () => {
        const dies = this.random.odds(this.terms.crashes / 100) && !run.isOver;
        if (dies) this.tally.fault("run crashed");
        return dies;
      },
      chance: () => this.random.next(),
    };
    const agents = (life: () => Life) => ({
      call: (request: AgentRequest, hooks: CallHooks) => this.call(life(), request, hooks),
    });
    const platform = new Platform(this.time, weather, agents, (events) => this.committed(run, events));
    const most = spec.budget?.tokens ?? Number.POSITIVE_INFINITY;
    const run: Run = { platform, spec, isOver: false, isPaused: false, tokens: 0, most };
    const shared = this.random.pick(this.isolates);
    platform.outside = { shared: { ...shared, places: placesOf(platform, shared.places as AgentPlaces) } };
    this.runs.push(run);
    // The caller asks until the start is acknowledged.
    const begin = () => {
      if (platform.durable.length > 0) return;
      platform.object()?.driver.submit({ type: "start", spec });
      this.time.after(100, begin);
    };
    this.time.after(after_ms, begin);
  }

  private committed(run: Run, events: readonly LogEvent[]): void {
    for (const event of events) {
      if (event.type === "stage.queued") this.tally.fault(`queued: ${event.data.reason}`);
      if (event.type === "execution.paused") this.raise(run, event);
      if (event.type === "execution.resumed") run.isPaused = false;
      this.spend(run, event);
      if (event.type === "stage.completed") {
        const stage = run.spec.stages.find(({ name }) => name === event.stage);
        const { attempts } = event.data;
        hold("I5", attempts >= 1 && attempts <= (stage?.retry_attempts ?? 0), () => `${attempts} tries`);
      }
      if (!/^execution\.(completed|failed|cancelled)$/.test(event.type)) continue;
      hold("I8", !run.isOver, () => "a run has ended twice");
      run.isOver = true;
      hold("I20", event.status !== "cancelled", () => `cancelled: ${event.message}`);
      this.tally.end(event.status);
    }
  }

  /** No call begins past the run's budget, by what its calls before have used. */
  private spend(run: Run, event: LogEvent): void {
    if (event.type === "execution.resumed") run.most = event.data.budget?.tokens ?? run.most;
    if (event.type === "stage.started")
      hold("I20", run.tokens <= run.most, () => `a call begins after ${run.tokens} tokens, of ${run.most}`);
    const used = event.internal !== undefined && "usage" in event.internal ? event.internal.usage : undefined;
    const ended = event.type === "stage.completed" || event.type === "stage.failed" ? event.data.usage : null;
    run.tokens += Number((used ?? ended)?.["input_tokens"] ?? 0);
  }

  /** A run that has spent its budget is given a larger one a little later, however often that takes. */
  private raise(run: Run, { data }: LogEventOf<"execution.paused">): void {
    hold("I20", "reason" in data, () => "a run is paused, and not by its budget");
    if (!("reason" in data)) return;
    this.tally.fault("budget spent");
    const { spent, limit } = data;
    // The calls in flight may use more before it goes on.
    const budget = { tokens: 2 * spent.tokens + MOST_STAGES * CALL_TOKENS };
    hold("I20", spent.tokens > (limit.tokens ?? 0), () => `paused with ${spent.tokens} tokens`);
    // Calls in flight alone are beyond it.
    const most = (limit.tokens ?? 0) + MOST_STAGES * CALL_TOKENS;
    hold("I20", spent.tokens <= most, () => `${spent.tokens} tokens spent, of ${limit.tokens}`);
    run.isPaused = true;
    const resume = () => {
      if (!run.isPaused) return;
      const refusal = run.platform.object()?.driver.submit({ type: "resume", budget });
      hold("I20", refusal?.reason !== "over_budget", () => "a raise is not enough");
      // A crash before it is committed loses it: nobody waits for the commit here, as an HTTP caller does.
      this.time.after(100, resume);
    };
    this.time.after(200, resume);
  }

  private async call(life: Life, request: AgentRequest, hooks: CallHooks): Promise<CallOutcome> {
    const never = new Promise<never>(() => {});
    if (life.dead) return never;
    const { agent_type, conversation_id } = request.call;
    const agent = this.agent(agent_type);
    const { now } = this.time;
    this.calls += 1;
    this.order.push(conversation_id);
    this.judge(agent, agent_type);
    const open = { life, signal: hooks.signal };
    agent.open.add(open);
    try {
      return await this.answer(agent, life, hooks, now);
    } finally {
      agent.open.delete(open);
    }
  }

  /** What the agent itself sees of its limits, and of the time that it has asked for. */
  private judge(agent: Agent, name: string): void {
    const { limits, open, begun } = agent;
    const { now } = this.time;
    const { concurrency, rate } = limits ?? {};
    for (const other of open) if (other.life.dead || other.signal.aborted) open.delete(other);
    if (concurrency !== undefined)
      hold("I10", open.size < concurrency, () => `${name} has ${open.size + 1} calls, of ${concurrency}`);
    if (rate !== undefined) {
      const within = begun.filter((at) => at > now - rate.per_seconds * 1_000 + JITTER_MS).length;
      hold("I10", within < rate.calls, () => `${name} has ${within + 1} calls in ${rate.per_seconds} s`);
    }
    begun.push(now);
    if (begun.length > 2_000) begun.splice(0, 1_000);
    const isKnown = now > agent.asked_at + KNOWN_MS;
    hold("I11", !isKnown || now >= agent.until, () => `${name} is called ${agent.until - now} ms too soon`);
  }

  private answer(agent: Agent, life: Life, hooks: CallHooks, began: number): Promise<CallOutcome> {
    const { promise, resolve } = Promise.withResolvers<CallOutcome>();
    const drawn = this.random.int(1, 100);
    const ms = this.terms.latency_ms();
    const { failures, busy } = this.terms;
    const end = () => {
      // It says so to no one.
      if (hooks.signal.aborted) return;
      if (drawn <= busy) {
        const seconds = this.random.int(1, 4);
        this.tally.fault("agent asked for time");
        agent.asked_at = this.time.now;
        agent.until = Math.max(agent.until, this.time.now + seconds * 1_000);
        resolve(failed(429, seconds * 1_000));
      } else if (drawn <= busy + failures) {
        this.tally.fault("agent failed");
        resolve({ ...failed(503, null), usage: USED });
      } else resolve({ ok: true, answer: { data: { began }, usage: USED }, bytes: 20 });
    };
    this.time.after(ms, end, life);
    hooks.signal.addEventListener("abort", () => resolve({ ok: false, failure: { kind: "rejected" } }));
    return promise;
  }

  /** Until all runs have ended. @throws Violation */
  async run(steps: number): Promise<void> {
    await drained();
    for (let step = 0; this.runs.some(({ isOver }) => !isOver); step += 1) {
      hold("I1", step < steps, () => `${this.runs.filter(({ isOver }) => !isOver).length} runs do not end`);
      const isMore = await this.time.step();
      hold("I15", isMore, () => "nothing will ever come: no alarm, no timer");
    }
    this.tally.runs += this.runs.length;
  }
}

function failed(status: number, retry_after_ms: number | null): Extract<CallOutcome, { ok: false }> {
  return { ok: false, failure: { kind: "status", status, detail: null, retryable: null, retry_after_ms } };
}

/** The isolate's places for a run: what an earlier life of its object waits for is gone with it. */
function placesOf(platform: Platform, places: AgentPlaces): AgentPlaces {
  const ofLife = <T>(asked: Promise<T>): Promise<T> => {
    const { life } = platform;
    return new Promise((resolve) => {
      void asked.then((answer) => {
        if (platform.life === life) resolve(answer);
      });
    });
  };
  return {
    take: (ask) => {
      const answer = places.take(ask);
      return answer instanceof Promise ? ofLife(answer) : answer;
    },
    turn: (ask, signal) => ofLife(places.turn(ask, signal)),
  };
}
