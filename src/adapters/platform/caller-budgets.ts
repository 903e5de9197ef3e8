// Per-isolate state of the agents that it calls, shared with no other isolate: retry budgets and counts of
// hedges. As gRPC's channels do, each caller has its own.
import { counted, type HedgeCount, mayHedge, NO_HEDGES } from "../../core/resilience/hedge.ts";
import { fullBudget, placeRetry, type RetryBudget, spend } from "../../core/resilience/retry-budget.ts";
import type { CallVerdict } from "../../core/resilience/breaker.ts";
import type { AgentIdentity } from "../../engine/ports.ts";
import { Lru } from "./lru.ts";

interface Remembered {
  budget: RetryBudget;
  hedges: HedgeCount;
}

/** Maximum number of cached agents; the least recently called is evicted first. */
const AGENTS = 2_000;

export class AgentMemory {
  private readonly agents = new Lru<string, Remembered>({ entries: AGENTS });

  called(agent: AgentIdentity, verdict: CallVerdict, now: number): void {
    const known = this.of(agent, now);
    known.hedges = counted(known.hedges, "calls", now);
    if (verdict !== "void") known.budget = spend(known.budget, verdict === "success", now);
  }

  placeRetry(agent: AgentIdentity, own: number, now: number): number {
    const known = this.of(agent, now);
    const { budget, wait_ms } = placeRetry(known.budget, own, now);
    known.budget = budget;
    return wait_ms;
  }

  takeHedge(agent: AgentIdentity, now: number): boolean {
    const known = this.of(agent, now);
    if (!mayHedge(known.hedges, now)) return false;
    known.hedges = counted(known.hedges, "hedges", now);
    return true;
  }

  private of(agent: AgentIdentity, now: number): Remembered {
    const name = JSON.stringify([agent.tenant, agent.agent_type, agent.registration]);
    return this.agents.get(name, () => ({ budget: fullBudget(now), hedges: NO_HEDGES }));
  }
}
