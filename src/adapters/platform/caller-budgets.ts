// Per-isolate state of the agents that it calls, shared with no other isolate: retry budgets, counts of hedges, and how
// calls come back after a hold. As gRPC's channels do, each caller has its own.
import { counted, type HedgeCount, mayHedge, NO_HEDGES } from "../../core/resilience/hedge.ts";
import { answered, type Hold, holdFor, nextTurn, NO_HOLD } from "../../core/resilience/hold.ts";
import { fullBudget, placeRetry, type RetryBudget, spend } from "../../core/resilience/retry-budget.ts";
import type { CallVerdict } from "../../core/resilience/breaker.ts";
import type { AgentIdentity } from "../../engine/ports.ts";
import { Lru } from "./lru.ts";

interface Remembered {
  budget: RetryBudget;
  hedges: HedgeCount;
  hold: Hold;
}

/** Maximum number of cached agents; the least recently called is evicted first. */
const AGENTS = 2_000;
/** The end of a hold is reported in steps of so many ms, rounded up. */
const HOLD_STEP_MS = 250;

export class AgentMemory {
  private readonly agents = new Lru<string, Remembered>({ entries: AGENTS });

  called(agent: AgentIdentity, verdict: CallVerdict, now: number): void {
    const known = this.of(agent, now);
    known.hedges = counted(known.hedges, "calls", now);
    if (verdict === "success") known.hold = answered(known.hold, now);
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

  /** For how long other isolates are to hold the agent's calls, in ms; null where they know that already. */
  hold(agent: AgentIdentity, ms: number, now: number): number | null {
    const known = this.of(agent, now);
    const before = known.hold.until;
    known.hold = holdFor(known.hold, ms, now);
    // Calls of one burst get nearly the same Retry-After: one report of it is enough, of an end that is late enough.
    const until = nextStep(known.hold.until);
    return until > nextStep(before) ? until - now : null;
  }

  /** @param until of the hold that other isolates have reported, ms since the epoch */
  nextTurn(agent: AgentIdentity, until: number, waited: boolean, now: number): number | null {
    // Asked before each call, and most agents have no hold: makes no entry.
    const hold = this.agents.peek(nameOf(agent))?.hold ?? NO_HOLD;
    return nextTurn(hold, until, waited, now);
  }

  takeTurn(agent: AgentIdentity, turn: number, now: number): void {
    const known = this.of(agent, now);
    known.hold = { ...known.hold, turn_at: Math.max(known.hold.turn_at, turn) };
  }

  private of(agent: AgentIdentity, now: number): Remembered {
    return this.agents.get(nameOf(agent), () => ({
      budget: fullBudget(now),
      hedges: NO_HEDGES,
      hold: NO_HOLD,
    }));
  }
}

function nameOf({ tenant, agent_type, registration }: AgentIdentity): string {
  return JSON.stringify([tenant, agent_type, registration]);
}

function nextStep(until: number): number {
  return Math.ceil(until / HOLD_STEP_MS) * HOLD_STEP_MS;
}
