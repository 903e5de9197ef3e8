// Hedged calls in real workerd: a second call behind a silent first one, one outcome, the loser's connection closed.
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  after,
  type AgentServer,
  answers,
  failsWith,
  inTurn,
  startAgentServer,
  streams,
} from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";

let agents: AgentServer;
let coordinator: Coordinator;
let names = 0;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], { AGENT_COORDINATOR_RETRY_DELAY: "0.01" });
});

afterAll(() => closeAll(coordinator, agents));

async function hedged(...behaviours: Parameters<typeof inTurn>) {
  names += 1;
  const name = `h${names}`;
  await coordinator.agent(name, agents.url(`/${name}`));
  await coordinator.pipeline(name, [
    { name: "only", agent_type: name, cache: false, retry_attempts: 1, hedge_after_ms: 300 },
  ]);
  agents.on(`/${name}`, inTurn(...behaviours));
  return {
    run: async () => {
      const began = performance.now();
      const { body } = await coordinator.run({ pipeline: name });
      return { body, result: body.stage_results.only, ms: performance.now() - began };
    },
    calls: () => agents.callsOf(`/${name}`),
  };
}

test("a silent first call gets a second one, whose answer is the one result; the first is aborted", async () => {
  const { run, calls } = await hedged(after(10_000, answers({ from: "first" })), answers({ from: "second" }));
  const { body, result, ms } = await run();
  expect(result).toMatchObject({ status: "completed", data: { from: "second" }, attempts: 1 });
  expect(ms).toBeLessThan(5_000);
  expect(calls().map((call) => call.headers["idempotency-key"])).toEqual([
    `"${body.execution_id}.only"`,
    `"${body.execution_id}.only.hedge"`,
  ]);
  await expect.poll(() => calls()[0]?.aborted).toBe(true);
});

test("one that has begun to speak, or answers in time, gets none", async () => {
  const speaks = await hedged(
    streams(
      [
        ["delta", { text: "a" }],
        ["delta", { text: "b" }],
        ["result", { data: { from: "first" } }],
      ],
      400,
    ),
  );
  expect((await speaks.run()).result.data).toEqual({ from: "first" });
  expect(speaks.calls()).toHaveLength(1);
  const quick = await hedged(answers({ from: "first" }));
  await quick.run();
  expect(quick.calls()).toHaveLength(1);
});

test("the second one's failure is ignored as long as the first may still answer", async () => {
  const { run, calls } = await hedged(after(900, answers({ from: "first" })), failsWith(500));
  expect((await run()).result).toMatchObject({ status: "completed", data: { from: "first" } });
  expect(calls()).toHaveLength(2);
  const both = await hedged(after(600, failsWith(500)), failsWith(500));
  expect((await both.run()).result).toMatchObject({ status: "failed", attempts: 1 });
});

test("an agent that is slow throughout is sent few second calls", async () => {
  const { run, calls } = await hedged(after(600, answers({})));
  await Promise.all(Array.from({ length: 20 }, run));
  expect(calls().length).toBeGreaterThan(20);
  expect(calls().length).toBeLessThanOrEqual(23);
});
