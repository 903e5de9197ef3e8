// Runs at an agent with limits, in real workerd with a real HTTP agent: the agent is never called more often than it can
// bear, all runs complete, conversations go in turn, and a crash gives a place back.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { AgentLimits } from "../../../src/contract/agent.ts";
import { type AgentServer, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { eventually } from "../../support/eventually.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents]);
});

afterAll(() => closeAll(coordinator, agents));

interface Watched {
  /** Calls now, and the most of them at once. */
  now: number;
  most: number;
  /** The questions in the order in which they came. */
  order: string[];
  /** Lets all calls that wait for it be answered, and those that come. */
  open(): void;
}

/** An agent with limits, and a pipeline of its name. @param takes_ms null: until it is opened */
async function agentWith(name: string, limits: AgentLimits, takes_ms: number | null): Promise<Watched> {
  let isOpen = false;
  const held: (() => void)[] = [];
  const watched: Watched = {
    now: 0,
    most: 0,
    order: [],
    open() {
      isOpen = true;
      for (const answer of held.splice(0)) answer();
    },
  };
  agents.on(`/${name}`, (call, response) => {
    watched.now += 1;
    watched.most = Math.max(watched.most, watched.now);
    watched.order.push(call.body.query);
    const answer = () => {
      watched.now -= 1;
      response.writeHead(200, { "content-type": "application/json" }).end('{"data": {}}');
    };
    if (takes_ms !== null) setTimeout(answer, takes_ms);
    else if (isOpen) answer();
    else held.push(answer);
  });
  const put = await coordinator.api("PUT", `/v1/agents/${name}`, { url: agents.url(`/${name}`), limits });
  expect(put.status).toBe(201);
  await coordinator.pipeline(name, [{ name: "only", agent_type: name }]);
  return watched;
}

const loadOf = async (name: string) => (await coordinator.api("GET", `/v1/agents/${name}`)).body.load;
const numbered = (count: number) => Array.from({ length: count }, (_, at) => at);

test("of twelve runs two are at an agent that can bear two, never three", async () => {
  const watched = await agentWith("two", { concurrency: 2 }, 60);
  const runs = await Promise.all(
    numbered(12).map((at) => coordinator.run({ pipeline: "two", conversation_id: `c${at}` })),
  );
  expect(runs.map(({ body }) => body.status)).toEqual(runs.map(() => "completed"));
  expect(watched.order).toHaveLength(12);
  expect(watched.most).toBe(2);
  await eventually(
    () => loadOf("two"),
    (load) => load.in_use === 0 && load.queued === 0,
  );
});

test("no period has more calls than the rate", async () => {
  const CALLS = 5;
  await agentWith("paced", { rate: { calls: CALLS, per_seconds: 1 } }, 0);
  const runs = await Promise.all(
    numbered(14).map((at) => coordinator.run({ pipeline: "paced", conversation_id: `c${at}` })),
  );
  expect(runs.map(({ body }) => body.status)).toEqual(runs.map(() => "completed"));
  const times = agents
    .callsOf("/paced")
    .map(({ at }) => at)
    .toSorted((a, b) => a - b);
  const gaps = times.slice(CALLS).map((time, at) => time - (times[at] as number));
  // The way from the place to the agent may take one call longer than another.
  for (const gap of gaps) expect(gap).toBeGreaterThan(900);
});

describe("while an agent's one place is taken", () => {
  /** One run has the place; the others are queued, in this order. */
  async function queued(name: string, runs: { query: string; conversation_id: string }[]) {
    const watched = await agentWith(name, { concurrency: 1 }, null);
    const all = [];
    for (const [at, body] of [{ query: "first", conversation_id: "first" }, ...runs].entries()) {
      all.push(coordinator.run({ pipeline: name, ...body }));
      if (at === 0)
        await eventually(
          async () => watched.order.length,
          (length) => length === 1,
        );
      else
        await eventually(
          () => loadOf(name),
          (load) => load.queued === at,
        );
    }
    watched.open();
    await Promise.all(all);
    expect(watched.most).toBe(1);
    return watched.order.slice(1);
  }

  test("conversations go in turn", async () => {
    const many = numbered(8).map((at) => ({ query: `many ${at}`, conversation_id: "many" }));
    const order = await queued("fair", [...many, { query: "one", conversation_id: "one" }]);
    expect(order.indexOf("one")).toBeLessThanOrEqual(2);
    expect(order).toHaveLength(9);
  });
});

test("a run that is cancelled while it waits leaves the queue, and one that crashes has its place again", async () => {
  const watched = await agentWith("steady", { concurrency: 1 }, null);
  const start = (query: string) =>
    coordinator.api(
      "POST",
      "/v1/executions",
      { pipeline: "steady", query, conversation_id: query },
      {
        prefer: "respond-async",
      },
    );
  const { execution_id: first } = (await start("first")).body;
  await eventually(
    async () => watched.now,
    (now) => now === 1,
  );
  const { execution_id: second } = (await start("second")).body;
  await eventually(
    () => loadOf("steady"),
    (load) => load.queued === 1,
  );
  await coordinator.api("POST", `/v1/executions/${second}/cancel`);
  await eventually(
    () => loadOf("steady"),
    (load) => load.queued === 0,
  );
  await coordinator.abort(first);
  // It is called again, with the same key, and without waiting for the lease of the call that was lost.
  await eventually(
    async () => agents.callsOf("/steady").length,
    (calls) => calls === 2,
  );
  watched.open();
  await eventually(
    async () => (await coordinator.api("GET", `/v1/executions/${first}`)).body.status,
    (status) => status === "completed",
  );
  expect(watched.order).toEqual(["first", "first"]);
});
