// Agents that a run has to wait for: some have places for a few calls at once, which other runs take too, and some hold
// their calls back by Retry-After. What a gate lets through is checked by the agents themselves.
import type { AgentLimits } from "../../../src/contract/agent.ts";
import type { RunSpec } from "../../../src/core/execution/run-spec.ts";
import type {
  AgentHealth,
  AgentPlaces,
  AgentRequest,
  Place,
  PlaceAnswer,
  Ports,
  ResultCache,
  RunSpending,
  SpentBudget,
} from "../../../src/engine/ports.ts";
import { hold } from "../../core/simulation/observed/hold.ts";
import type { Random } from "../../core/simulation/random.ts";
import type { Tally } from "../../core/simulation/tally.ts";
import type { VirtualTime } from "./virtual-time.ts";

const SPENT: SpentBudget = {
  scope: "tenant",
  spent_usd: 2,
  limit_usd: 1,
  window_seconds: 60,
  retry_after_seconds: 1,
};
const NOTHING_KEPT = { bytes: 0, find: () => Promise.resolve(null) };

/** A result cache that keeps nothing. */
export const NO_CACHE: ResultCache = {
  ask: async () => ({ kept: NOTHING_KEPT, asksEach: false, isNoted: true }),
  take: async () => "miss",
  follow: async () => "miss",
  report: async () => {},
  last: async () => null,
  forget: async () => {},
};

export class Gating {
  private readonly time: VirtualTime;
  private readonly random: Random;
  private readonly tally: Tally;
  /** By agent, until when its places are taken, by holder. */
  private readonly leases = new Map<string, Map<string, { until: number }>>();
  private readonly held = new Map<string, number>();

  /** Resumes the run, where it is paused. */
  resume: () => void = () => {};
  /** The run's present life: what an earlier one waits for is gone with it. */
  life: () => object | null = () => null;

  constructor(time: VirtualTime, random: Random, tally: Tally) {
    this.time = time;
    this.random = random;
    this.tally = tally;
  }

  /** Some of the run's agents have limits. */
  limit(spec: RunSpec): RunSpec {
    const agents = Object.entries(spec.agents).map(([name, agent]) => {
      // Another run has got a Retry-After.
      if (this.random.odds(0.2)) this.held.set(name, this.time.now + this.random.int(1, 3_000));
      const limits: AgentLimits = { concurrency: this.random.int(1, 2) };
      return [name, agent !== null && this.random.odds(0.6) ? { ...agent, limits } : agent];
    });
    return { ...spec, agents: Object.fromEntries(agents), config: { ...spec.config, enable_caching: false } };
  }

  get shared(): NonNullable<Ports["shared"]> {
    return {
      cache: NO_CACHE,
      health: this.health,
      places: this.places,
    };
  }

  /** A call is about to be made. */
  called({ call, idempotency_key, registration }: AgentRequest, unit: string): void {
    const { agent_type, execution_id } = call;
    const until = this.held.get(agent_type) ?? 0;
    hold("I11", this.time.now >= until, () => `${agent_type} is called ${until - this.time.now} ms too soon`);
    if (registration?.limits === undefined) return;
    const lease = this.leasesOf(agent_type).get(`${execution_id}.${unit}`);
    hold("I10", lease !== undefined, () => `${idempotency_key} is called without a place at ${agent_type}`);
  }

  private readonly health: AgentHealth = {
    admit: () => ({ admit: "call" }),
    report: () => {},
    refresh: () => {},
    hold: ({ agent_type }, ms) => {
      this.tally.fault("agent held");
      this.held.set(
        agent_type,
        Math.max(this.held.get(agent_type) ?? 0, this.time.now + Math.min(ms, 60_000)),
      );
    },
    heldUntil: ({ agent_type }) => {
      const until = this.held.get(agent_type) ?? 0;
      return until > this.time.now ? until : null;
    },
    takeTurn: () => {
      this.tally.fault("call held back");
    },
    placeRetry: () => 0,
    takeHedge: () => false,
  };

  /** A budget of the config is spent now and then; somebody resumes the run some time later. */
  readonly spending: RunSpending = {
    check: () => {
      if (!this.random.odds(0.08)) return null;
      this.tally.fault("budget overspent");
      this.time.after(this.random.int(1, 2_000), () => this.resume());
      return SPENT;
    },
    spent: () => {},
    rests: () => {},
  };

  private readonly places: AgentPlaces = {
    take: (ask) => {
      const { agent_type } = ask.agent;
      const leases = this.leasesOf(agent_type);
      const answer = (): PlaceAnswer => {
        if (!leases.has(ask.holder) && leases.size >= (ask.limits.concurrency ?? 1)) {
          const isFull = this.random.odds(0.2);
          this.tally.fault(isFull ? "queue full" : "call queued");
          return isFull
            ? { kind: "full", reason: "concurrency" }
            : { kind: "queued", reason: "concurrency", until: null };
        }
        return { kind: "place", place: this.lease(agent_type, ask.holder, ask.lease_ms) };
      };
      // Other runs come in between.
      if (this.random.odds(0.3))
        this.lease(agent_type, `other ${this.random.int(0, 9)}`, this.random.int(1, 900));
      return this.random.odds(0.3) ? answer() : this.after(this.random.pick([0, 5, 200]), answer);
    },
    turn: async (ask, signal) => {
      for (;;) {
        await this.after(this.random.pick([1, 50, 400]), () => {});
        if (signal.aborted) return null;
        if (this.random.odds(0.1)) {
          this.tally.fault("turn lost");
          return null;
        }
        const leases = this.leasesOf(ask.agent.agent_type);
        if (leases.has(ask.holder) || leases.size < (ask.limits.concurrency ?? 1))
          return this.lease(ask.agent.agent_type, ask.holder, ask.lease_ms);
      }
    },
  };

  private lease(agent_type: string, holder: string, ms: number): Place {
    const leases = this.leasesOf(agent_type);
    const lease = { until: this.time.now + ms };
    leases.set(holder, lease);
    // Of a holder that has asked again since, an earlier grant's release frees nothing.
    return {
      release: () => {
        if (leases.get(holder) === lease) leases.delete(holder);
      },
    };
  }

  private leasesOf(agent_type: string): Map<string, { until: number }> {
    const leases = this.leases.get(agent_type) ?? new Map<string, { until: number }>();
    this.leases.set(agent_type, leases);
    for (const [holder, { until }] of leases) if (until <= this.time.now) leases.delete(holder);
    return leases;
  }

  private after<T>(ms: number, answer: () => T): Promise<T> {
    const life = this.life();
    return new Promise((resolve) => {
      this.time.after(ms, () => {
        if (this.life() === life) resolve(answer());
      });
    });
  }
}
