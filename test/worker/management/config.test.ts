// Every key of CoordinatorConfig, in real workerd: two values and what differs between them in a real run. A key
// without a row fails; a key whose effect belongs to work that is not done yet says which.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CoordinatorConfig } from "../../../src/contract/config.ts";
import {
  after,
  type AgentServer,
  answers,
  hangs,
  startAgentServer,
} from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { observationsOf } from "./config-observations.ts";
import { rowsOf } from "./config-rows.ts";

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  // Defaults of the environment, so that a key is always laid over one.
  coordinator = await startCoordinator([agents], {
    AGENT_COORDINATOR_RETRY_DELAY: "0",
    AGENT_COORDINATOR_MAX_RETRIES: "2",
    // An agent that fails in row after row is to be called in each.
    AGENT_COORDINATOR_CIRCUIT_BREAKER: "false",
  });
  agents.on("/quick", after(60, answers({ said: "quick" })));
  agents.on("/large", answers({ pad: "x".repeat(20_000) }));
  agents.on("/hangs", hangs);
  for (const name of ["quick", "large", "hangs", "fails"])
    await coordinator.alone(name, agents.url(`/${name}`));
  const parallel = ["a", "b", "c", "d"].map((name) => ({ name, agent_type: "quick", parallel: true }));
  await coordinator.pipeline("parallel", parallel);
});

afterAll(() => closeAll(coordinator, agents));

const ROWS = rowsOf(observationsOf(() => ({ agents, coordinator })));

/** Keys whose effect is the matter of later work, which moves them into ROWS, or is shown by the test that is named. */
const OWNED_BY: Record<string, string> = {
  enable_streaming: "test/worker/streaming/slow.test.ts",
  stream_buffer_size: "test/http/streaming/reader-buffer.test.ts",
  stream_timeout_ms: "test/worker/streaming/slow.test.ts",
  enable_backpressure: "test/worker/streaming/slow.test.ts",
  metrics_export_interval: "test/worker/monitoring/traces.test.ts",
  budgets: "test/worker/shared/budgets.test.ts",
};

test("every key has a row, or an owner, and none has both", () => {
  const keys = Object.keys(CoordinatorConfig.shape).toSorted();
  expect([...Object.keys(ROWS), ...Object.keys(OWNED_BY)].toSorted()).toEqual(keys);
  for (const [key, { cases }] of Object.entries(ROWS)) {
    const values = cases.map(([changes]) => JSON.stringify(changes[key]));
    expect(new Set(values).size, key).toBeGreaterThan(1);
  }
});

describe("each key has its effect in a run", () => {
  test.each(Object.keys(ROWS))("%s", async (key) => {
    for (const [changes, observe, expected] of ROWS[key]?.cases ?? []) {
      await coordinator.configure(changes);
      try {
        expect(await observe(), JSON.stringify(changes)).toEqual(expected);
      } finally {
        await coordinator.configure(Object.fromEntries(Object.keys(changes).map((name) => [name, null])));
      }
    }
  });
});
