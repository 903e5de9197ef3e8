// Series over a real coordinator: names that a caller draws, one for each stage that it runs on its own, do not make
// series without bound, and what is defined keeps its own.
import { afterAll, beforeAll, expect, test } from "vitest";
import { LIMITS } from "../../../src/contract/limits.ts";
import { type AgentServer, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { eventually } from "../../support/eventually.ts";

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  agents.on("/one", answers({ said: "one" }));
  coordinator = await startCoordinator([agents]);
  await coordinator.alone("mine", agents.url("/one"));
});

afterAll(() => closeAll(coordinator, agents));

test("drawn names are counted as `other` beyond two hundred", async () => {
  const drawn = LIMITS.METRICS_SINGLE_STAGES + 40;
  for (let from = 0; from < drawn; from += 20) {
    const calls = Array.from({ length: 20 }, (_, at) =>
      coordinator.api("POST", "/v1/stages/execute", {
        stage: { name: `drawn-${from + at}`, agent_type: "mine" },
        query: "q",
      }),
    );
    expect(new Set((await Promise.all(calls)).map(({ body }) => body.status))).toEqual(
      new Set(["completed"]),
    );
  }
  await coordinator.run({ pipeline: "mine" });
  const { body } = await eventually(
    () => coordinator.api("GET", "/v1/metrics"),
    (seen) => seen.body.execution_metrics.total_executions === drawn + 1,
  );
  const names = Object.keys(body.stage_metrics);
  expect(names).toHaveLength(LIMITS.METRICS_SINGLE_STAGES + 2);
  expect(body.stage_metrics.other.executions).toBe(40);
  expect(body.stage_metrics.only.executions).toBe(1);
  const text = await (await coordinator.fetch("/metrics")).text();
  for (const label of ["pipeline", "stage"]) {
    const values = new Set(
      Array.from(text.matchAll(new RegExp(`\\b${label}="([^"]*)"`, "g")), ([, of]) => of),
    );
    expect(values.size, label).toBe(LIMITS.METRICS_SINGLE_STAGES + 2);
    expect(values, label).toContain("other");
  }
  expect(text).toContain('pipeline_executions_total{pipeline="mine",status="completed"} 1');
}, 180_000);
