// A Worker for the benchmark of limits: the coordinator's, with the requests to an agent's object counted, and objects
// that make calls of an agent with limits as a run's driver does, one after another, without the rest of a run.
import { composeShared } from "../../../src/compose.ts";
import type { AgentLimits } from "../../../src/contract/agent.ts";
import type { Place, PlaceAsk } from "../../../src/engine/ports.ts";
import type { PlacesReply, PlacesRequest } from "../../../src/engine/agent-protocol.ts";
import { AgentHealthObject as RealHealth } from "../../../src/objects/agent-health/agent-health.ts";
import { ConversationObject as RealConversation } from "../../../src/objects/conversation.ts";
import type { Env } from "../../../src/settings.ts";

// The classes below shadow those of the same names here.
export * from "../../../src/index.ts";

/** What a caller is to do. */
export interface CallerJob {
  agent_type: string;
  limits: AgentLimits;
  /** For so long it begins calls. */
  run_ms: number;
  /** From the end of a call to the next one. */
  pause_ms: number;
  /** How long the agent takes. */
  takes_ms: number;
}

const LEASE_MS = 30_000;
let hops = 0;
/** When calls got their places, ms since the epoch. */
let uses: number[] = [];

export class AgentHealthObject extends RealHealth {
  override async places(request: PlacesRequest): Promise<PlacesReply> {
    hops += 1;
    return super.places(request);
  }

  override async leave(holder: string): Promise<void> {
    hops += 1;
    return super.leave(holder);
  }
}

export class ConversationObject extends RealConversation {
  /** The calls that were made. */
  async work(name: string, { agent_type, limits, run_ms, pause_ms, takes_ms }: CallerJob): Promise<number> {
    const end = Date.now() + run_ms;
    let calls = 0;
    while (Date.now() < end) {
      const place = await placed(this.env, {
        agent: { tenant: "bench", agent_type, registration: null },
        limits,
        holder: `${name}/${calls}`,
        conversation_id: name,
        priority: 0,
        lease_ms: LEASE_MS,
        may_wait: true,
      });
      uses.push(Date.now());
      const agent = this.env["AGENTS"] as Fetcher;
      await (await agent.fetch(`http://agents/${takes_ms}`)).text();
      place.release();
      calls += 1;
      await new Promise((resolve) => {
        setTimeout(resolve, pause_ms);
      });
    }
    return calls;
  }
}

async function placed(env: Env, ask: PlaceAsk): Promise<Place> {
  const { places } = composeShared(env);
  for (;;) {
    const answer = await places.take(ask);
    if (answer.kind === "place") return answer.place;
    const place = await places.turn(ask, new AbortController().signal);
    if (place !== null) return place;
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/seen") {
      const agent = env["AGENTS"] as Fetcher;
      return agent.fetch("http://agents/seen");
    }
    const job = JSON.parse(searchParams.get("job") ?? "") as CallerJob;
    hops = 0;
    uses = [];
    const callers = Array.from({ length: Number(searchParams.get("callers")) }, (_, at) => `${at}`);
    const calls = await Promise.all(
      callers.map((name) => {
        const object = env.CONVERSATIONS.get(env.CONVERSATIONS.idFromName(name));
        return (object as unknown as ConversationObject).work(name, job);
      }),
    );
    return Response.json({ calls: calls.reduce((sum, each) => sum + each, 0), hops, uses });
  },
};
