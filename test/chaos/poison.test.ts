// Poison: a run whose recovery crashes its object each time, before anything could be written or soon after, ends
// failed once the platform has counted five crashes; its neighbours never notice. A run whose process is killed that
// often for no fault of its own goes on.
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, answers, startAgentServer } from "../support/agents/agent-server.ts";
import { type Calls, callsTo } from "../support/clients/calls.ts";
import { startWorkerd, temporaryState, type WorkerdServer } from "../support/servers/workerd.ts";

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
  "%s: failed once five crashes are counted; runs in other objects are not affected",
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
      // The platform's tries take a minute: neighbours all that time, and no processor for itself.
      await sleep(200);
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
    // Its first call, five that whoever asked for it had repeated, and those of the alarm's five crashes.
    expect(agents.calls.filter((call) => call.body.execution_id === name).length).toBeLessThanOrEqual(11);
    expect(new Set(neighbours)).toEqual(new Set(["completed"]));
  },
  120_000,
);

test("a run in a long call survives eight deaths of its process, and says that it was recovered", async () => {
  const KILLS = 8;
  const own = await temporaryState();
  const vars = { AGENT_COORDINATOR_AGENT_HOSTS: agents.host, AGENT_COORDINATOR_CACHING: "false" };
  let process = await startWorkerd({ state: own.path, vars });
  try {
    agents.on("/long", async (call, response, count) => {
      if (count > KILLS) await answers({ fine: true })(call, response, count);
    });
    let calls = callsTo(process.url);
    await calls.agent("long", agents.url("/long"));
    await calls.pipeline("long", [{ name: "only", agent_type: "long" }]);
    await calls.begin("bystander", "long");
    for (let kill = 1; kill <= KILLS; kill += 1) {
      while (agents.callsOf("/long").length < kill) await sleep(10);
      await process.kill();
      process = await startWorkerd({ state: own.path, vars });
    }
    calls = callsTo(process.url);
    let body = await calls.read("bystander");
    for (
      const began = Date.now();
      body.status === "running" && Date.now() - began < 20_000;
      await sleep(50)
    ) {
      body = await calls.read("bystander");
    }
    expect(body).toMatchObject({ status: "completed", execution_metadata: { recoveries: KILLS } });
  } finally {
    await process.kill();
    await own.remove();
  }
});
