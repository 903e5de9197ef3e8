// A call with a hedge call after a delay (hedge_after_ms): where the first has given no byte by then, the same is asked
// again under the key `.hedge`, and the first to stream or answer wins; the other is aborted. One outcome, as
// of one call. A failure is the outcome only when the other cannot do better any more. At an agent with limits the
// second call is made where there is a place for it at once.
import type { Usage } from "../../contract/stage.ts";
import { followedBy } from "../../contract/usage.ts";
import type { CallOutcome } from "../../core/execution/command.ts";
import { TIMINGS } from "../../core/timings.ts";
import type {
  AgentHealth,
  AgentIdentity,
  AgentPlaces,
  AgentRequest,
  CallHooks,
  Place,
  Ports,
} from "../ports.ts";

export interface HedgeHooks extends CallHooks {
  another(task: () => Promise<void>): void;
}

export function hedgedCall(
  ports: Pick<Ports, "agents" | "clock">,
  shared: { health: AgentHealth; places?: AgentPlaces },
  request: AgentRequest,
  after_ms: number,
  hooks: HedgeHooks,
): Promise<CallOutcome> {
  return new Promise((resolve) => {
    const sides = new Set<AbortController>();
    /** What each side has reported to have used: also the one that loses has used it. */
    const used = new Map<AbortController, Usage>();
    let winner: AbortController | null = null;
    let anyByte = false;
    let over = false;
    const end = (outcome: CallOutcome, by: AbortController | null = null) => {
      if (over) return;
      over = true;
      stopTimer();
      resolve(withLosers(outcome, by, used));
      for (const side of sides) side.abort();
    };
    /** True if this side's output is passed on: the first that asks wins. */
    const listen = (side: AbortController) => {
      if (winner === null) {
        winner = side;
        for (const other of sides) if (other !== side) other.abort();
      }
      return winner === side && !over;
    };
    const send = async (sent: AgentRequest) => {
      const side = new AbortController();
      sides.add(side);
      const outcome = await ports.agents.call(sent, {
        signal: side.signal,
        hears_silence: hooks.hears_silence,
        alive: () => {
          anyByte = true;
          if (winner === null || winner === side) hooks.alive();
        },
        delta: (text, offset) => {
          if (listen(side)) hooks.delta(text, offset);
        },
        progress: (progress) => {
          if (listen(side)) hooks.progress(progress);
        },
        usage: (usage) => {
          used.set(side, usage);
          if (!over) hooks.usage?.([...used.values()].reduce((sum, of) => followedBy(sum, of)));
        },
      });
      sides.delete(side);
      if (winner !== null && winner !== side) return;
      if (outcome.ok || winner === side || sides.size === 0) end(outcome, side);
    };
    const stopTimer = ports.clock.after(after_ms, () => {
      hooks.another(async () => {
        const { tenant, registration, call } = request;
        if (over || anyByte) return;
        const agent = { tenant, agent_type: call.agent_type, registration };
        const idempotency_key = `${request.idempotency_key}.hedge`;
        const place = await placeAtOnce(shared.places, agent, idempotency_key, call);
        if (place === null) return;
        try {
          if (!over && !anyByte && shared.health.takeHedge(agent))
            await send({ ...request, idempotency_key });
        } finally {
          place.release();
        }
      });
    });
    hooks.signal.addEventListener("abort", () => end({ ok: false, failure: { kind: "rejected" } }));
    void send(request);
  });
}

/** The outcome of one side, with what the other has used; where that one says nothing itself, its last report counts. */
function withLosers(
  outcome: CallOutcome,
  by: AbortController | null,
  used: ReadonlyMap<AbortController, Usage>,
): CallOutcome {
  const lost = [...used].filter(([side]) => side !== by).map(([, usage]) => usage);
  if (by === null || lost.length === 0 || (outcome.ok !== true && outcome.ok !== false)) return outcome;
  const own = (outcome.ok ? outcome.answer.usage : outcome.usage) ?? used.get(by);
  const usage = [...lost, ...(own === undefined ? [] : [own])].reduce((sum, of) => followedBy(sum, of));
  return outcome.ok ? { ...outcome, answer: { ...outcome.answer, usage } } : { ...outcome, usage };
}

const UNCOUNTED: Place = { release: () => {} };

/** A place for one more call, where the agent has limits and there is one. */
async function placeAtOnce(
  places: AgentPlaces | undefined,
  agent: AgentIdentity,
  holder: string,
  { conversation_id, timeout_ms }: AgentRequest["call"],
): Promise<Place | null> {
  const limits = agent.registration?.limits;
  if (limits === undefined || places === undefined) return UNCOUNTED;
  const lease_ms = timeout_ms + TIMINGS.PLACE_GRACE_MS;
  const ask = { agent, limits, holder, conversation_id, priority: 0, lease_ms, may_wait: false };
  const answer = await places.take(ask);
  return answer.kind === "place" ? answer.place : null;
}
