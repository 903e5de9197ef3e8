// What the coordinator is measured against: Workers that make the same calls and keep nothing, or next to nothing.
// Variant `bare` runs in the Worker; `durable` in a new Durable Object that writes one record a stage and sets one
// alarm; `empty` in a new Durable Object that stores nothing. The agents answer at once.
import { DurableObject } from "cloudflare:workers";

interface FloorEnv {
  AGENTS: Fetcher;
  FLOOR: DurableObjectNamespace<FloorObject>;
}

const STAGES = ["s1", "s2", "s3", "s4"];

async function callAll(
  env: FloorEnv,
  id: string,
  after: (stage: string, data: unknown) => void,
): Promise<unknown> {
  let inputs: Record<string, unknown> = {};
  let data: unknown = null;
  for (const stage of STAGES) {
    const body = {
      execution_id: id,
      stage,
      agent_type: "instant",
      attempt: 1,
      query: "q",
      config: {},
      inputs,
    };
    const response = await env.AGENTS.fetch("https://agent.internal/instant", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
    });
    const answer: { data: unknown } = await response.json();
    data = answer.data;
    inputs = { [stage]: data };
    after(stage, data);
  }
  return data;
}

export class FloorObject extends DurableObject<FloorEnv> {
  override async fetch(request: Request): Promise<Response> {
    const durable = new URL(request.url).pathname === "/durable";
    const body = await request.json();
    const id = crypto.randomUUID();
    if (durable) {
      this.ctx.storage.kv.put("start", JSON.stringify(body));
      void this.ctx.storage.setAlarm(Date.now() + 3_600_000);
    }
    const data = await callAll(this.env, id, (stage, result) => {
      if (durable) this.ctx.storage.kv.put(stage, JSON.stringify(result));
    });
    return Response.json({ id, data });
  }

  override alarm(): void {}
}

export default {
  async fetch(request: Request, env: FloorEnv): Promise<Response> {
    if (new URL(request.url).pathname === "/bare") {
      await request.json();
      return Response.json({ data: await callAll(env, crypto.randomUUID(), () => {}) });
    }
    return env.FLOOR.get(env.FLOOR.newUniqueId()).fetch(request.url, { method: "POST", body: request.body });
  },
};
