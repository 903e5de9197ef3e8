// One critical path over a real coordinator: what the execution, its terminal event, its trace, the metrics and the page's
// view of the run show of the same run is the same.
import { afterAll, beforeAll, expect, test } from "vitest";
import { foldEvent, type RunView } from "../../../src/client/index.ts";
import { criticalPath } from "../../../src/console/run/path.ts";
import { pathText } from "../../../src/contract/critical-path.ts";
import type { CriticalPathLink, PipelineExecution } from "../../../src/contract/execution.ts";
import { type AgentServer, after, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { eventually } from "../../support/eventually.ts";
import { readEvents } from "../../support/clients/sse.ts";

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents]);
  agents.on("/short", after(100, answers({ said: "a" })));
  agents.on("/long", after(300, answers({ said: "b" })));
  for (const name of ["short", "long"]) await coordinator.agent(name, agents.url(`/${name}`));
});

afterAll(() => closeAll(coordinator, agents));

test.each([
  { kind: "by an edge", edge: ["a"] },
  { kind: "one after another for want of a place", edge: [] },
])("a 100 ms → b 300 ms, $kind", async ({ kind, edge }) => {
  const pipeline = kind.startsWith("by") ? "edge" : "place";
  await coordinator.pipeline(pipeline, [
    { name: "a", agent_type: "short" },
    { name: "b", agent_type: "long", depends_on: edge },
  ]);
  const { body } = await coordinator.run({ pipeline });
  const execution = body as PipelineExecution;
  const { critical_path, critical_path_ms, critical_path_links } = execution.performance_metrics;
  expect(critical_path).toEqual(["a", "b"]);
  const shareOf = (name: string) =>
    critical_path_links.find((link) => link.kind === "stage" && link.stage === name)?.ms ?? Number.NaN;
  expect(shareOf("a")).toBeGreaterThanOrEqual(99);
  expect(shareOf("b")).toBeGreaterThanOrEqual(299);
  expect(critical_path_ms).toBe(shareOf("a") + shareOf("b"));
  expect(critical_path_links.reduce((sum: number, { ms }: CriticalPathLink) => sum + ms, 0)).toBe(
    execution.duration_ms,
  );
  expect(critical_path_links.some((link) => link.kind === "concurrency_wait")).toBe(edge.length === 0);

  const path = `/v1/executions/${execution.execution_id}`;
  const kept = await coordinator.api("GET", path);
  expect(kept.body.performance_metrics).toEqual(execution.performance_metrics);
  const trace = await coordinator.api("GET", `${path}/trace`);
  expect(trace.body.events.at(-1).data.performance_metrics).toEqual(execution.performance_metrics);

  let story: RunView | null = null;
  const events = await readEvents(await coordinator.fetch(`${path}/events`));
  for (const { data } of events) story = foldEvent(story, data);
  expect([...criticalPath(story as unknown as RunView)]).toEqual(critical_path);
  const shown = (story as unknown as RunView).execution as PipelineExecution;
  expect(pathText(shown, (ms) => `${ms} ms`)).toMatch(/^a \d+ ms → b \d+ ms/);
  expect(pathText(shown, String)).toBe(pathText(execution, String));

  const metrics = await eventually(
    async () => (await coordinator.api("GET", `/v1/metrics?pipeline=${pipeline}`)).body,
    (seen) => seen.execution_metrics.total_executions >= 1,
  );
  const impact = metrics.performance_analytics.bottlenecks.map(
    (found: { stage: string; impact_score: number }) => [found.stage, found.impact_score],
  );
  expect(impact).toEqual([
    ["b", shareOf("b") / critical_path_ms],
    ["a", shareOf("a") / critical_path_ms],
  ]);
});
