// The Durable Object of one agent of a tenant: its circuit breaker, and its places (agent-places.ts). Counts what callers report, leases the one probe
// of a half-open breaker (I14), and notifies the tenant's catalog when failures begin or cease to be recorded for the
// agent, from where every isolate learns it. What it holds is written only where a breaker opens or closes: a count
// of failures may be lost with the object, an open breaker may not.
import type {
  AgentHealthRpc,
  AgentLoad,
  AgentPlacesRpc,
  PlacesReply,
  PlacesRequest,
} from "../../engine/agent-protocol.ts";
import { DurableObject } from "cloudflare:workers";
import { systemClock } from "../../adapters/platform/system.ts";
import { catalogRpc } from "../../compose.ts";
import { LIMITS } from "../../contract/limits.ts";
import type { Env } from "../../settings.ts";
import {
  admit,
  type Breaker,
  type BreakerPolicy,
  CLOSED,
  type CallVerdict,
  reported,
  type BreakerSnapshot,
} from "../../core/resilience/breaker.ts";
import { AgentPlacesRoom } from "./agent-places.ts";

const BREAKER = "breaker";

export class AgentHealthObject extends DurableObject<Env> implements AgentHealthRpc, AgentPlacesRpc {
  private breaker: Breaker;
  private changed_at = 0;
  /** Made with the first request about places: most agents have no limits. */
  private room: AgentPlacesRoom | null = null;
  /** Lost with the object: the next call that the agent refuses says it again. */
  private held_until = 0;
  private held_generation = 0;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.breaker = ctx.storage.kv.get<Breaker>(BREAKER) ?? CLOSED;
    this.changed_at = this.breaker.opened_at ?? 0;
  }

  async admit(lease_ms: number) {
    const { breaker, admission } = admit(this.breaker, Date.now(), lease_ms);
    await this.setBreaker(breaker);
    return { admission, snapshot: this.shown() };
  }

  async report(
    verdict: CallVerdict,
    probe: number | null,
    policy: BreakerPolicy,
    why?: string,
  ): Promise<BreakerSnapshot> {
    await this.setBreaker(reported(this.breaker, verdict, probe, policy, Date.now(), Math.random(), why));
    return this.shown();
  }

  async snapshot(hasLimits: boolean): Promise<BreakerSnapshot & { load?: AgentLoad }> {
    return hasLimits ? { ...this.shown(), load: this.placesRoom().load() } : this.shown();
  }

  async hold(ms: number, generation: number): Promise<BreakerSnapshot> {
    const now = Date.now();
    const until = now + Math.min(ms, LIMITS.HOLD_SECONDS * 1_000);
    const isHeld = this.held_until > now;
    // A run may be pinned to an earlier registration than the one that is held.
    if (isHeld && generation < this.held_generation) return this.shown();
    if (generation === this.held_generation && until <= this.held_until) return this.shown();
    this.held_until = until;
    this.held_generation = generation;
    this.changed_at = Math.max(now, this.changed_at + 1);
    await this.note();
    return this.shown();
  }

  async reset(): Promise<BreakerSnapshot> {
    const isHeld = this.held_until > Date.now();
    this.held_until = 0;
    await this.setBreaker(CLOSED);
    // The breaker may have been closed: that it is held no more is news all the same.
    if (isHeld) {
      this.changed_at = Math.max(Date.now(), this.changed_at + 1);
      await this.note();
    }
    return this.shown();
  }

  async places(request: PlacesRequest): Promise<PlacesReply> {
    return this.placesRoom().exchange(request);
  }

  async leave(holder: string): Promise<void> {
    this.room?.leave(holder);
  }

  private placesRoom(): AgentPlacesRoom {
    this.room ??= new AgentPlacesRoom(this.ctx.storage.kv, systemClock);
    return this.room;
  }

  private async setBreaker(breaker: Breaker): Promise<void> {
    const before = this.breaker;
    if (breaker === before) return;
    this.breaker = breaker;
    // Two changes within a millisecond must have different times.
    this.changed_at = Math.max(Date.now(), this.changed_at + 1);
    if (breaker.state !== before.state || breaker.probe?.id !== before.probe?.id) {
      if (breaker.state === "closed") this.ctx.storage.kv.delete(BREAKER);
      else this.ctx.storage.kv.put(BREAKER, breaker);
    }
    const isChanged = breaker.state !== before.state || breaker.failures > 0 !== before.failures > 0;
    if (isChanged) await this.note();
  }

  private async note(): Promise<void> {
    const [tenant = "", agent_type = ""] = (this.ctx.id.name ?? "").split("/");
    // The isolates that asked know it anyway; the others learn it with the next change, or by failing themselves.
    await catalogRpc(this.env, tenant)
      .noteHealth(agent_type, this.shown())
      .catch(() => {});
  }

  private shown(): BreakerSnapshot {
    const { probe: _, ...breaker } = this.breaker;
    const { held_until, held_generation } = this;
    const held = held_until > Date.now() ? { held_until, held_generation } : {};
    return { ...breaker, changed_at: this.changed_at, ...held };
  }
}
