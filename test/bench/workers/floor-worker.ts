// What the coordinator is measured against: Workers that make the same calls and keep nothing, or next to nothing.
// `/bare` runs in the Worker; `/durable` in a new Durable Object that writes one record a stage and sets one alarm;
// `/empty` in a new Durable Object that stores nothing; `/first` is `/durable` with an event stream, whose first event
// goes out when the first record is on disk; `/pipe` hands a stream on as it comes.
import { DurableObject } from "cloudflare:workers";
import { configOf, type Layers, nameOf } from "../shapes-of-runs.ts";

export interface FloorEnv {
  AGENTS: Fetcher;
  FLOOR: DurableObjectNamespace<FloorObject>;
}

export interface FloorRequest {
  query: string;
  conversation_id: string;
  layers: Layers;
}

/** What an object of the coordinator may have open at once. */
const AT_ONCE = 6;
/** As many turns of a conversation as the coordinator hands to an agent, and as large. */
const HISTORY = Array.from({ length: 5 }, () => ({
  query: "a question",
  answer: { answer: "x".repeat(200) },
}));

type Kept = (stage: string, data: unknown) => void;

async function callAll(env: FloorEnv, id: string, asked: FloorRequest, kept: Kept): Promise<unknown> {
  let inputs: Record<string, unknown> = {};
  for (const [depth, layer] of asked.layers.entries()) {
    const results: Record<string, unknown> = {};
    const waiting = [...layer.entries()];
    const calls = async () => {
      for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
        const stage = nameOf(depth, next[0]);
        results[stage] = await callAgent(env, id, asked, stage, next[1], inputs);
        kept(stage, results[stage]);
      }
    };
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, layer.length) }, calls));
    inputs = results;
  }
  return Object.values(inputs)[0];
}

async function callAgent(
  env: FloorEnv,
  execution_id: string,
  { query, conversation_id }: FloorRequest,
  stage: string,
  delay_ms: number,
  inputs: Record<string, unknown>,
): Promise<unknown> {
  const response = await env.AGENTS.fetch("https://agent.internal/instant", {
    method: "POST",
    headers: {
      "content-type": "application/json",
      accept: "text/event-stream, application/json;q=0.9",
      "idempotency-key": `"${execution_id}:${stage}:1"`,
    },
    body: JSON.stringify({
      execution_id,
      conversation_id,
      stage,
      agent_type: "instant",
      attempt: 1,
      query,
      config: configOf(delay_ms),
      inputs,
      context: {},
      history: HISTORY,
      timeout_ms: 60_000,
    }),
  });
  const answer: { data: unknown } = await response.json();
  return answer.data;
}

export class FloorObject extends DurableObject<FloorEnv> {
  override async fetch(request: Request): Promise<Response> {
    const { pathname } = new URL(request.url);
    const asked: FloorRequest = await request.json();
    const id = crypto.randomUUID();
    if (pathname === "/empty")
      return Response.json({ id, data: await callAll(this.env, id, asked, () => {}) });
    this.ctx.storage.kv.put("start", JSON.stringify(asked));
    void this.ctx.storage.setAlarm(Date.now() + 3_600_000);
    const data = callAll(this.env, id, asked, (stage, result) => {
      this.ctx.storage.kv.put(stage, JSON.stringify(result));
    });
    if (pathname === "/durable") return Response.json({ id, data: await data });
    return new Response(this.events(id, data), { headers: { "content-type": "text/event-stream" } });
  }

  override alarm(): void {}

  private events(id: string, data: Promise<unknown>): ReadableStream<Uint8Array> {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const tell = (event: string, of: unknown) =>
      writer.write(new TextEncoder().encode(`event: ${event}\ndata: ${JSON.stringify(of)}\n\n`));
    const story = async () => {
      await this.ctx.storage.sync();
      await tell("started", { id });
      const result = await data;
      await this.ctx.storage.sync();
      await tell("completed", result);
      await writer.close();
    };
    this.ctx.waitUntil(story());
    return readable;
  }
}

export default {
  async fetch(request: Request, env: FloorEnv): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/pipe") {
      const { body, headers } = await fetch(searchParams.get("from") ?? "", { method: "POST", body: "{}" });
      return new Response(body, { headers });
    }
    if (pathname === "/bare") {
      const asked: FloorRequest = await request.json();
      return Response.json({ data: await callAll(env, crypto.randomUUID(), asked, () => {}) });
    }
    return env.FLOOR.get(env.FLOOR.newUniqueId()).fetch(request.url, { method: "POST", body: request.body });
  },
};
