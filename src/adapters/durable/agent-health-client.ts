// Agent health as an isolate knows it: the breakers that are not closed and the holds by Retry-After, in memory, at most
// HEALTH_AGE_MS old (all refuse within 2 s of a breaker's opening). Each agent has an object that counts and decides; the tenant's
// catalog knows which agents have recorded failures, so one request covers all agents, and no healthy call makes one.
// A change reported here is visible here at once.
import type {
  Admission,
  BreakerPolicy,
  CallVerdict,
  BreakerSnapshot,
  TenantHealth,
} from "../../core/resilience/breaker.ts";
import type { AgentHealthRpc } from "../../engine/agent-protocol.ts";
import type { AgentHealth, AgentIdentity, Clock } from "../../engine/ports.ts";
import { AgentMemory } from "../platform/caller-budgets.ts";
import { Guards, LOST } from "../platform/guard.ts";
import { Lru } from "../platform/lru.ts";
import { SHARED_MS, within } from "../platform/time-limit.ts";

export interface AgentHealthWorld {
  object(tenant: string, agent_type: string): AgentHealthRpc;
  /** The state known to the tenant's catalog. */
  tenantHealth(tenant: string): Promise<TenantHealth>;
  clock: Clock;
}

/** Maximum age of the state that a call may use, and the age from which it is refreshed in the background. */
const HEALTH_AGE_MS = 1_900;
const REFRESH_AGE_MS = 1_000;
/** Maximum number of cached tenants; the least recently used is evicted first. */
const TENANTS = 1_000;

interface Known {
  at: number;
  agents: Map<string, BreakerSnapshot>;
  asked_at: number;
}

export class IsolateHealth implements AgentHealth {
  private readonly world: AgentHealthWorld;
  private readonly tenants = new Lru<string, Known>({ entries: TENANTS });
  private readonly memory = new AgentMemory();

  /** Of each tenant's catalog. */
  private readonly guards: Guards;

  constructor(world: AgentHealthWorld) {
    this.world = world;
    this.guards = new Guards(() => ({ clock: world.clock, limit_ms: SHARED_MS }));
  }

  admit({ tenant, agent_type }: AgentIdentity, lease_ms: number): Admission | Promise<Admission> {
    const known = this.known(tenant);
    const age = this.world.clock.now() - known.at;
    if (age > HEALTH_AGE_MS) {
      return this.ask(tenant, known).then(() => this.admissionFor(known, tenant, agent_type, lease_ms));
    }
    this.refresh(tenant);
    return this.admissionFor(known, tenant, agent_type, lease_ms);
  }

  report(
    agent: AgentIdentity,
    verdict: CallVerdict,
    probe: number | null,
    policy: BreakerPolicy | null,
    why?: string,
  ): void {
    const { tenant, agent_type } = agent;
    this.memory.called(agent, verdict, this.world.clock.now());
    if (policy === null) return;
    const known = this.known(tenant);
    const current = known.agents.get(agent_type);
    const matters =
      verdict === "failure" || (verdict === "success" && (current?.failures ?? 0) > 0) || probe !== null;
    if (!matters) return;
    // Not awaited: a lost report only miscounts one failure.
    void this.world
      .object(tenant, agent_type)
      .report(verdict, probe, policy, why)
      .then(
        (snapshot) => note(known, agent_type, snapshot),
        () => {},
      );
  }

  refresh(tenant: string): void {
    const known = this.known(tenant);
    const now = this.world.clock.now();
    if (now - known.at <= REFRESH_AGE_MS || now - known.asked_at <= SHARED_MS) return;
    void this.ask(tenant, known);
  }

  hold(agent: AgentIdentity, ms: number): void {
    const { tenant, agent_type } = agent;
    const now = this.world.clock.now();
    const reported_ms = this.memory.hold(agent, ms, now);
    if (reported_ms === null) return;
    const known = this.known(tenant);
    // Not awaited: where it is lost, the next call that is refused reports it.
    void this.world
      .object(tenant, agent_type)
      .hold(reported_ms, generationOf(agent))
      .then(
        (snapshot) => note(known, agent_type, snapshot),
        () => {},
      );
  }

  heldUntil(agent: AgentIdentity, waited: boolean): number | null {
    const { tenant, agent_type } = agent;
    const { held_until = 0, held_generation } = this.tenants.peek(tenant)?.agents.get(agent_type) ?? {};
    const known = held_generation === generationOf(agent) ? held_until : 0;
    return this.memory.nextTurn(agent, known, waited, this.world.clock.now());
  }

  takeTurn(agent: AgentIdentity, turn: number): void {
    this.memory.takeTurn(agent, turn, this.world.clock.now());
  }

  /** Each asks for itself: what another object has asked is lost with that object. */
  private async ask(tenant: string, known: Known): Promise<void> {
    known.asked_at = this.world.clock.now();
    const health = await this.guards.of(tenant).ask(() => this.world.tenantHealth(tenant));
    // If the request fails, the known state stays unchanged.
    if (health === LOST) known.at = Math.max(known.at, known.asked_at);
    else this.learn(tenant, health);
  }

  /** Adopts a state that another reader of the catalog has fetched. */
  learn(tenant: string, { at, agents }: TenantHealth): void {
    const known = this.known(tenant);
    if (at <= known.at) return;
    known.at = at;
    for (const [agent_type, snapshot] of known.agents) {
      if (snapshot.changed_at < at && !Object.hasOwn(agents, agent_type)) known.agents.delete(agent_type);
    }
    for (const [agent_type, snapshot] of Object.entries(agents)) note(known, agent_type, snapshot);
  }

  placeRetry(agent: AgentIdentity, own: number): number {
    return this.memory.placeRetry(agent, own, this.world.clock.now());
  }

  takeHedge(agent: AgentIdentity): boolean {
    return this.memory.takeHedge(agent, this.world.clock.now());
  }

  private admissionFor(
    known: Known,
    tenant: string,
    agent_type: string,
    lease_ms: number,
  ): Admission | Promise<Admission> {
    const snapshot = known.agents.get(agent_type);
    if (snapshot === undefined || snapshot.state === "closed") return { admit: "call" };
    const retry_at = snapshot.retry_at ?? 0;
    if (snapshot.state === "open" && this.world.clock.now() < retry_at) {
      return { admit: "refuse", retry_at, last_failure: snapshot.last_failure };
    }
    const asked = this.world.object(tenant, agent_type).admit(lease_ms);
    return within(SHARED_MS, asked, null).then((answer) => {
      if (answer === null) return { admit: "call" };
      note(known, agent_type, answer.snapshot);
      return answer.admission;
    });
  }

  private known(tenant: string): Known {
    return this.tenants.get(tenant, () => ({ at: 0, agents: new Map(), asked_at: 0 }));
  }
}

function note(known: Known, agent_type: string, snapshot: BreakerSnapshot): void {
  const before = known.agents.get(agent_type);
  if (before === undefined || before.changed_at <= snapshot.changed_at)
    known.agents.set(agent_type, snapshot);
}

function generationOf({ registration }: AgentIdentity): number {
  return registration?.generation ?? 0;
}
