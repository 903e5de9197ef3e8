// A call with a hedge call after a delay (hedge_after_ms): where the first has given no byte by then, the same is asked
// again under the key `.hedge`, and the first to stream or answer wins; the other is aborted. One outcome, as
// of one call. A failure is the outcome only when the other cannot do better any more.
import type { CallOutcome } from "../../core/execution/command.ts";
import type { AgentHealth, AgentRequest, CallHooks, Ports } from "../ports.ts";

export interface HedgeHooks extends CallHooks {
  another(task: () => Promise<void>): void;
}

export function hedgedCall(
  ports: Pick<Ports, "agents" | "clock">,
  health: AgentHealth,
  request: AgentRequest,
  after_ms: number,
  hooks: HedgeHooks,
): Promise<CallOutcome> {
  return new Promise((resolve) => {
    const sides = new Set<AbortController>();
    let winner: AbortController | null = null;
    let anyByte = false;
    let over = false;
    const end = (outcome: CallOutcome) => {
      if (over) return;
      over = true;
      stopTimer();
      resolve(outcome);
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
      });
      sides.delete(side);
      if (winner !== null && winner !== side) return;
      if (outcome.ok || winner === side || sides.size === 0) end(outcome);
    };
    const stopTimer = ports.clock.after(after_ms, () => {
      hooks.another(async () => {
        const { tenant, registration, call } = request;
        if (over || anyByte) return;
        if (!health.takeHedge({ tenant, agent_type: call.agent_type, registration })) return;
        await send({ ...request, idempotency_key: `${request.idempotency_key}.hedge` });
      });
    });
    hooks.signal.addEventListener("abort", () => end({ ok: false, failure: { kind: "rejected" } }));
    void send(request);
  });
}
