// An outage's end: hundreds of runs waited for a retry when the server was killed. All end after the restart, no
// agent sees more of one run at a time than the run may do, and a fresh request is answered meanwhile.
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { type AgentServer, answers, failsWith, startAgentServer } from "../support/agents/agent-server.ts";
import { type Calls, callsTo } from "../support/clients/calls.ts";
import { sizeOf } from "../support/sizes.ts";
import { startWorkerd, temporaryState, type WorkerdServer } from "../support/servers/workerd.ts";

const WAITING = sizeOf("OUTAGE_RUNS");
const RETRY_AFTER_S = 9;

let end: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const one of end.toReversed()) await one();
  end = [];
});

async function world(): Promise<{ agents: AgentServer; boot: () => Promise<WorkerdServer> }> {
  const agents = await startAgentServer();
  const state = await temporaryState();
  end.push(state.remove, () => agents.close());
  const boot = async () => {
    const server = await startWorkerd({
      state: state.path,
      vars: {
        AGENT_COORDINATOR_AGENT_HOSTS: agents.host,
        AGENT_COORDINATOR_RETRY_DELAY: "0.01",
        AGENT_COORDINATOR_CIRCUIT_BREAKER: "false",
        AGENT_COORDINATOR_CACHING: "false",
      },
    });
    end.push(server.kill);
    return server;
  };
  return { agents, boot };
}

test(`${WAITING} runs that waited for a retry all end after an outage`, async () => {
  const { agents, boot } = await world();
  const under = new Map<string, number>();
  let most = 0;
  let total = 0;
  let mostTotal = 0;
  const answered = new Set<string>();
  agents.on("/busy", async (call, response) => {
    const { execution_id, attempt } = call.body;
    under.set(execution_id, (under.get(execution_id) ?? 0) + 1);
    most = Math.max(most, under.get(execution_id) ?? 0);
    total += 1;
    mostTotal = Math.max(mostTotal, total);
    agents.calls.length = 0;
    await sleep(20);
    total -= 1;
    under.set(execution_id, (under.get(execution_id) ?? 0) - 1);
    const good = attempt > 1 || call.body.stage !== "a";
    if (good) answered.add(`${execution_id}.${call.body.stage}`);
    if (good) await answers({ fine: true })(call, response, attempt);
    else await failsWith(503, {}, { "retry-after": String(RETRY_AFTER_S) })(call, response, attempt);
  });
  agents.on("/fresh", answers({ fresh: true }));
  let server = await boot();
  let calls = callsTo(server.url);
  // An agent that fails often has its retry budget spent: these runs share each agent with three others at most.
  const shared = Math.ceil(WAITING / 4);
  for (let at = 0; at < shared; at += 1) await calls.agent(`busy-${at}`, agents.url("/busy"));
  await calls.agent("work", agents.url("/busy"));
  await calls.agent("fresh", agents.url("/fresh"));
  const behind = { agent_type: "work", depends_on: ["a"], parallel: true };
  await calls.pipeline("busy", [
    { name: "a", agent_type: "busy-0" },
    { name: "b", ...behind },
    { name: "c", ...behind },
  ]);
  await calls.pipeline("fresh", [{ name: "only", agent_type: "fresh" }]);
  const usual: number[] = [];
  for (let at = 0; at < 20; at += 1) usual.push(await freshRequest(calls));
  const names = Array.from({ length: WAITING }, (_, at) => `wait-${at}`);
  for (let at = 0; at < WAITING; at += 50) {
    const some = names.slice(at, at + 50);
    await Promise.all(
      some.map((name, more) =>
        calls.begin(name, "busy", { a: { agent_type: `busy-${(at + more) % shared}` } }),
      ),
    );
  }
  await sleep(300);
  expect(answered.size, "few have got past the wait yet").toBeLessThan(WAITING / 2);
  await server.kill();
  const killed = Date.now();
  most = 0;
  mostTotal = 0;
  // The outage outlasts every wait: all of them are due at once when it ends.
  await sleep(RETRY_AFTER_S * 1_000);
  server = await boot();
  calls = callsTo(server.url);
  const up = Date.now();
  const fresh: number[] = [];
  // Nobody asks about them: they must end by themselves, while others are served.
  while (answered.size < 3 * WAITING && Date.now() - up < 80_000) {
    fresh.push(await freshRequest(calls));
    await sleep(20);
  }
  const allEndedMs = Date.now() - up;
  // The last answers' commits.
  await sleep(200);
  for (const name of names) {
    const { status, error_info } = await calls.read(name);
    expect({ status, error_info }, name).toEqual({ status: "completed", error_info: null });
  }
  const figures = {
    outageMs: up - killed,
    allEndedMs,
    firstFreshMs: fresh[0],
    slowestFreshMs: Math.max(...fresh),
    usualFreshMs: Math.max(...usual),
    mostTotal,
  };
  console.log(JSON.stringify(figures));
  expect(most, "calls of one run at a time").toBeLessThanOrEqual(2);
  // The first one comes while workerd compiles the Worker and brings up the first of hundreds of objects.
  expect(figures.slowestFreshMs).toBeLessThan(1_000);
}, 240_000);

/** How long a run of one stage takes, from the request to its answer, ms. */
async function freshRequest(calls: Calls): Promise<number> {
  const began = Date.now();
  const response = await calls.post({ pipeline: "fresh" });
  const { status }: { status: string } = await response.json();
  expect(status).toBe("completed");
  return Date.now() - began;
}
