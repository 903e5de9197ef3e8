// What an isolate knows of agents, over a world of objects on a virtual clock: how often it asks, and how soon what
// one isolate has seen is known in another.
import type { AgentHealthRpc } from "../../../src/engine/agent-protocol.ts";
import { describe, expect, test } from "vitest";
import { IsolateHealth } from "../../../src/adapters/durable/agent-health-client.ts";
import {
  admit,
  type Breaker,
  CLOSED,
  isWell,
  reported,
  type BreakerSnapshot,
  type TenantHealth,
} from "../../../src/core/resilience/breaker.ts";

const POLICY = { failure_threshold: 3, recovery_timeout_seconds: 60 };
const agent = (agent_type: string) => ({ tenant: "acme", agent_type, registration: null });

class World {
  now = 1_000_000;
  /** Questions and reports that left an isolate. */
  hops = 0;
  away = false;
  /** The catalog does not answer, and the time passes for which it is waited for. */
  hangs = false;
  private readonly breakers = new Map<string, Breaker>();
  private readonly held = new Map<string, { held_until: number; held_generation: number }>();

  isolate(): IsolateHealth {
    return new IsolateHealth({
      clock: { now: () => this.now, after: (ms, task) => this.after(ms, task) },
      object: (_tenant, agent_type) => this.object(agent_type),
      tenantHealth: async () => {
        const health = this.reach(() => this.snapshot());
        return this.hangs ? new Promise(() => {}) : health;
      },
    });
  }

  private after(ms: number, task: () => void): () => void {
    if (!this.hangs) return () => {};
    void Promise.resolve().then(() => {
      this.now += ms;
      task();
    });
    return () => {};
  }

  private object(agent_type: string): AgentHealthRpc {
    const shown = (breaker: Breaker): BreakerSnapshot => {
      this.breakers.set(agent_type, breaker);
      const { probe: _, ...rest } = breaker;
      return { ...rest, changed_at: this.now };
    };
    const now = () => this.breakers.get(agent_type) ?? CLOSED;
    return {
      admit: async (lease_ms) =>
        this.reach(() => {
          const { breaker, admission } = admit(now(), this.now, lease_ms);
          return { admission, snapshot: shown(breaker) };
        }),
      report: async (verdict, probe, policy) =>
        this.reach(() => shown(reported(now(), verdict, probe, policy, this.now, 0.5))),
      hold: async (ms, held_generation) =>
        this.reach(() => {
          const held_until = this.now + ms;
          this.held.set(agent_type, { held_until, held_generation });
          return { ...shown(now()), held_until, held_generation };
        }),
      snapshot: async () => shown(now()),
      reset: async () => shown(CLOSED),
    };
  }

  private snapshot(): TenantHealth {
    const known = [...new Set([...this.breakers.keys(), ...this.held.keys()])].map((name) => {
      const hold = this.held.get(name);
      const held = hold !== undefined && hold.held_until > this.now ? hold : {};
      return [name, { ...(this.breakers.get(name) ?? CLOSED), ...held, changed_at: this.now }] as const;
    });
    return {
      at: this.now,
      agents: Object.fromEntries(known.filter(([, snapshot]) => !isWell(snapshot, this.now))),
    };
  }

  private reach<T>(answer: () => T): T {
    this.hops += 1;
    if (this.away) throw new Error("not there");
    return answer();
  }
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

describe("an agent that holds its calls back", () => {
  test("is known so at once in its isolate, and in another within 2 s", async () => {
    const world = new World();
    const [one, other] = [world.isolate(), world.isolate()];
    for (const isolate of [one, other]) isolate.learn("acme", { at: world.now, agents: {} });
    expect(one.heldUntil(agent("a"), false)).toBeNull();
    one.hold(agent("a"), 5_000);
    const until = world.now + 5_000;
    expect(one.heldUntil(agent("a"), false)).toBe(until);
    expect(one.heldUntil(agent("b"), false)).toBeNull();
    await settled();
    world.now += 1_901;
    await other.admit(agent("a"), 1_000);
    expect(other.heldUntil(agent("a"), false)).toBe(until);
    world.now = until;
    expect(other.heldUntil(agent("a"), false)).toBeNull();
  });

  test("many calls with the same Retry-After report it once", async () => {
    const world = new World();
    const isolate = world.isolate();
    isolate.learn("acme", { at: world.now, agents: {} });
    for (let call = 0; call < 100; call += 1) {
      world.now += 1;
      isolate.hold(agent("a"), 2_000);
    }
    await settled();
    expect(world.hops).toBe(1);
    // And the longest holds.
    expect(isolate.heldUntil(agent("a"), false)).toBe(1_002_250);
  });

  test("another registration of it is another agent, also as others know of it", async () => {
    const world = new World();
    const [one, other] = [world.isolate(), world.isolate()];
    const of = (generation: number) => ({
      ...agent("a"),
      registration: { url: "https://a.test", protocol: "native" as const, generation },
    });
    one.hold(of(1), 5_000);
    await settled();
    world.now += 1;
    await other.admit(of(1), 1_000);
    for (const isolate of [one, other]) {
      expect(isolate.heldUntil(of(1), false)).not.toBeNull();
      expect(isolate.heldUntil(of(2), false)).toBeNull();
    }
  });

  test("calls come back one after another, no faster than they were answered before", () => {
    const world = new World();
    const isolate = world.isolate();
    // Ten answers a second.
    for (let call = 0; call < 30; call += 1) {
      world.now += 100;
      isolate.report(agent("a"), "success", null, POLICY);
    }
    isolate.hold(agent("a"), 2_000);
    const until = world.now + 2_000;
    const turns = Array.from({ length: 5 }, () => {
      const turn = isolate.heldUntil(agent("a"), false) ?? 0;
      isolate.takeTurn(agent("a"), turn);
      return turn - until;
    });
    expect(turns[0]).toBe(0);
    // The rate before, a little less for each second since.
    for (const [at, turn] of turns.entries()) expect(Math.abs(turn - at * 110)).toBeLessThanOrEqual(at * 30);
    world.now = until;
    // A call that has waited goes out; a later one does not overtake it.
    expect(isolate.heldUntil(agent("a"), true)).toBeNull();
    expect(isolate.heldUntil(agent("a"), false)).toBeGreaterThan(until + (turns[4] ?? 0));
  });

  test("that was never called says nothing", () => {
    expect(new World().isolate().heldUntil(agent("a"), false)).toBeNull();
  });
});

describe("what an isolate knows of agents", () => {
  test("a healthy agent's calls wait for nothing and report nothing; one request a second is made in the background", async () => {
    const world = new World();
    const isolate = world.isolate();
    isolate.learn("acme", { at: world.now, agents: {} });
    for (let made = 0; made < 10_000; made += 1) {
      world.now += 1;
      const admission = isolate.admit(agent("a"), 1_000);
      expect(admission).toEqual({ admit: "call" });
      isolate.report(agent("a"), "success", null, POLICY);
      if (made % 100 === 0) await settled();
    }
    expect(world.hops).toBeGreaterThan(5);
    expect(world.hops).toBeLessThanOrEqual(10);
  });

  test("what opened in one isolate is refused in another within 2 s, and at once in its own", async () => {
    const world = new World();
    const one = world.isolate();
    const other = world.isolate();
    other.learn("acme", { at: world.now, agents: {} });
    for (let made = 0; made < 3; made += 1) {
      await one.admit(agent("a"), 1_000);
      one.report(agent("a"), "failure", null, POLICY);
      await settled();
    }
    expect(one.admit(agent("a"), 1_000)).toMatchObject({ admit: "refuse" });
    const opened = world.now;
    let admission = await other.admit(agent("a"), 1_000);
    while (admission.admit === "call") {
      world.now += 50;
      admission = await other.admit(agent("a"), 1_000);
      await settled();
    }
    expect(admission.admit).toBe("refuse");
    expect(world.now - opened).toBeLessThanOrEqual(2_000);
    expect(await other.admit(agent("b"), 1_000)).toEqual({ admit: "call" });
  });

  test("an isolate that has slept asks before it calls", async () => {
    const world = new World();
    const one = world.isolate();
    const other = world.isolate();
    await other.admit(agent("a"), 1_000);
    for (let made = 0; made < 3; made += 1) one.report(agent("a"), "failure", null, POLICY);
    await settled();
    world.now += 30_000;
    expect(await other.admit(agent("a"), 1_000)).toMatchObject({ admit: "refuse" });
  });

  test("a catalog that hangs delays one call, and then none", async () => {
    const world = new World();
    const isolate = world.isolate();
    world.hangs = true;
    const waited: number[] = [];
    for (let made = 0; made < 3; made += 1) {
      world.now += 2_000;
      const began = world.now;
      expect(await isolate.admit(agent("a"), 1_000)).toEqual({ admit: "call" });
      waited.push(world.now - began);
    }
    expect([waited, world.hops]).toEqual([[250, 0, 0], 1]);
  });

  test("a success is reported after failures, once", async () => {
    const world = new World();
    const one = world.isolate();
    await one.admit(agent("a"), 1_000);
    one.report(agent("a"), "failure", null, POLICY);
    one.report(agent("a"), "failure", null, POLICY);
    await settled();
    one.report(agent("a"), "success", null, POLICY);
    await settled();
    const { hops } = world;
    one.report(agent("a"), "success", null, POLICY);
    await settled();
    expect(world.hops).toBe(hops);
    one.report(agent("a"), "failure", null, POLICY);
    await settled();
    expect(await one.admit(agent("a"), 1_000)).toEqual({ admit: "call" });
  });

  test("after the recovery time one isolate gets the probe; without a response, calls are made", async () => {
    const world = new World();
    const one = world.isolate();
    const other = world.isolate();
    for (let made = 0; made < 3; made += 1) one.report(agent("a"), "failure", null, POLICY);
    await settled();
    world.now += 61_000;
    const admissions = [await one.admit(agent("a"), 5_000), await other.admit(agent("a"), 5_000)];
    expect(admissions.map(({ admit }) => admit)).toEqual(["probe", "refuse"]);
    const probe = admissions[0] as { admit: "probe"; id: number };
    one.report(agent("a"), "success", probe.id, POLICY);
    await settled();
    expect(await one.admit(agent("a"), 5_000)).toEqual({ admit: "call" });
    world.away = true;
    world.now += 10_000;
    expect(await other.admit(agent("b"), 5_000)).toEqual({ admit: "call" });
  });
});
