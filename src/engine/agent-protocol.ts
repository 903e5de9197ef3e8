// What travels to the object of an agent: its breaker, its hold by Retry-After, and the places of calls where it has limits.
import type { AgentLimits } from "../contract/agent.ts";
import type { Admission, BreakerPolicy, BreakerSnapshot, CallVerdict } from "../core/resilience/breaker.ts";
import type { CallAsk } from "../core/resilience/places/place-queue.ts";

/** The object of one agent. */
export interface AgentHealthRpc {
  admit(lease_ms: number): Promise<{ admission: Admission; snapshot: BreakerSnapshot }>;
  /** @param why the failure's message, where the verdict is one */
  report(
    verdict: CallVerdict,
    probe: number | null,
    policy: BreakerPolicy,
    why?: string,
  ): Promise<BreakerSnapshot>;
  /** @param hasLimits the agent is shown with what is in use of its places */
  snapshot(hasLimits: boolean): Promise<BreakerSnapshot & { load?: AgentLoad }>;
  /** The agent wants no call for so long, in ms. @param generation of its registration */
  hold(ms: number, generation: number): Promise<BreakerSnapshot>;
  /** Resets the state after the agent was registered again. */
  reset(): Promise<BreakerSnapshot>;
}

/** Calls that have a lease, and calls that wait for a place. */
export interface AgentLoad {
  in_use: number;
  queued: number;
}

/** The same object, as those ask it whose agent has limits. */
export interface AgentPlacesRpc {
  /** Asks for places, gives some back; answers after `wait_ms` at most. */
  places(request: PlacesRequest): Promise<PlacesReply>;
  /** A call that waits for a place does not want it any more. */
  leave(holder: string): Promise<void>;
}

/** What an isolate says to an agent's object about places. Durations alone: the clocks of the two may differ. */
export interface PlacesRequest {
  limits: AgentLimits;
  generation: number;
  /** Calls that ask for a place. */
  asks: CallAsk[];
  /** Of two requests of one isolate about the same call the higher is the later one. */
  stamp: number;
  /** Who makes it. */
  isolate: string;
  /** False where a call is not to be queued. */
  may_wait: boolean;
  /** How long it waits for the first grant. */
  wait_ms: number;
  /** How long it waits for further grants after the first. */
  gather_ms: number;
  /** Places wanted for calls to come. */
  extra: number;
  /** Places given back, by their number. */
  released: number[];
  /** Passes that were used, by their number: how many ms after their grant at most. */
  used: [id: number, ms: number][];
}

export interface PlacesReply {
  /** @param after_ms from the request's arrival to the grant */
  granted: { holder: string; id: number; after_ms: number }[];
  /** Places for any call. */
  extra: number[];
  /** What each place has: a lease, which is to be given back; a pass of the rate. */
  leased: boolean;
  rated: boolean;
  /** Why the others have none. */
  reason: "concurrency" | "rate";
  /** In how many ms the last of the queue has its turn, where that is known. */
  in_ms: number | null;
  /** Calls that are not in the queue: it is full, or a later request about them was here before. */
  full: string[];
  stale: string[];
  /** A stamp that is higher than all that were refused. */
  stamp: number;
  /** Calls in the queue. */
  queued: number;
}
