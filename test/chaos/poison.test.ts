// Poison: a run whose recovery crashes its object each time, before anything could be written or soon after, ends
// failed after five; its neighbours never notice.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, answers, startAgentServer } from "../support/agent-server.ts";
import { type Calls, callsTo } from "../support/calls.ts";
import { startWorkerd, temporaryState, type WorkerdServer } from "../support/workerd.ts";

let agents: AgentServer;
let state: Awaited<ReturnType<typeof temporaryState>>;
let server: WorkerdServer;

beforeAll(async () => {
  agents = await startAgentServer();
  agents.on("/slow", async (call, response) => {
    await sleep(200);
    await answers({ fine: true })(call, response, 1);
  });
  state = await temporaryState();
  server = await startWorkerd({
    state: state.path,
    vars: { AGENT_COORDINATOR_AGENT_HOSTS: agents.host, AGENT_COORDINATOR_CACHING: "false" },
  });
  const calls = callsTo(server.url);
  await calls.agent("slow", agents.url("/slow"));
  const chain = ["a", "b", "c"].map((stage, at, all) => ({
    name: stage,
    agent_type: "slow",
    depends_on: at === 0 ? [] : [all[at - 1]],
  }));
  await calls.pipeline("slow", chain);
});

afterAll(async () => {
  await server?.kill();
  await agents?.close();
  await state?.remove();
});

test.concurrent.each(["poison-late", "poison-early"])(
  "%s: failed after five recoveries; a neighbour never notices",
  async (name) => {
    const calls = callsTo(server.url);
    await calls.begin(name, "slow");
    await sleep(100);
    await server.abort(name);
    let body = { status: "running" } as Awaited<ReturnType<Calls["read"]>>;
    const neighbours: string[] = [];
    for (const began = Date.now(); body.status === "running" && Date.now() - began < 100_000; ) {
      const neighbour = await calls.post({ pipeline: "slow" });
      const { status }: { status: string } = await neighbour.json();
      neighbours.push(status);
      // Nobody asks about the poisoned run before its platform has had time to try: it must end by itself.
      if (name === "poison-early" && Date.now() - began < 60_000) continue;
      const response = await calls.fetch(`/v1/executions/${name}`);
      const read = (await response.json()) as typeof body;
      if (response.status === 200) body = read;
    }
    console.log(
      JSON.stringify({ name, error: body.error_info, recoveries: body.execution_metadata?.recoveries }),
    );
    expect(body.status).toBe("failed");
    expect(body.error_info.code).toBe("INTERNAL_ERROR");
    expect(agents.calls.filter((call) => call.body.execution_id === name).length).toBeLessThanOrEqual(6);
    expect(new Set(neighbours)).toEqual(new Set(["completed"]));
  },
  120_000,
);
