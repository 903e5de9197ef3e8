// The reference agent that answers later, in its own Worker beside the coordinator's, as they run locally and deployed:
// its 202 over the binding, and its callback to the coordinator's address.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Stack, startStack } from "../../../src/cli/stack.ts";
import { type Calls, callsTo } from "../../support/clients/calls.ts";
import { lifecycle, readEvents } from "../../support/clients/sse.ts";
import { closeAll } from "../../support/close.ts";

const DELAY_SECONDS = 1;

let stack: Stack;
let calls: Calls;
const logged: string[] = [];

beforeAll(async () => {
  stack = await startStack({
    coordinatorVars: { AGENT_COORDINATOR_AUTH: "none" },
    agentVars: {},
    onLog: (line) => logged.push(line),
  });
  calls = callsTo(stack.url);
  const agent = { binding: "AGENTS", path: "/answer_later" };
  expect((await calls.send("PUT", "/v1/agents/answer_later", agent)).status).toBe(201);
});
afterAll(() => closeAll(stack));

test("its 202 comes at once, its answer after its delay", async () => {
  await calls.pipeline("later", [
    {
      name: "slow",
      agent_type: "answer_later",
      config: { delay_seconds: DELAY_SECONDS },
      callback_timeout_seconds: 30,
    },
  ]);
  const stream = await calls.post(
    { execution_id: "later", pipeline: "later", query: "who is there" },
    { accept: "text/event-stream" },
  );
  const events = lifecycle(await readEvents(stream));
  expect(events.map(({ event }) => event)).toEqual([
    "execution.started",
    "stage.started",
    "stage.waiting",
    "stage.completed",
    "execution.completed",
  ]);
  const [started, waiting, completed] = events.slice(1).map(({ data }) => Date.parse(data.timestamp)) as [
    number,
    number,
    number,
  ];
  // Its 202 did not wait for its work, and its callback did.
  expect(waiting - started).toBeLessThan(DELAY_SECONDS * 1_000);
  expect(completed - started).toBeGreaterThanOrEqual(DELAY_SECONDS * 1_000);
  expect((await calls.read("later")).stage_results.slow).toMatchObject({
    status: "completed",
    attempts: 1,
    data: { answer: "You asked 1 s ago: who is there" },
  });
  expect(logged.filter((line) => line.includes("refused"))).toEqual([]);
});

test("where its stage does not let it answer later, it answers at once", async () => {
  await calls.pipeline("now", [{ name: "quick", agent_type: "answer_later" }]);
  const response = await calls.post({ execution_id: "now", pipeline: "now", query: "and now" });
  expect(await response.json()).toMatchObject({
    status: "completed",
    final_result: { answer: "You asked 0 s ago: and now" },
  });
});
