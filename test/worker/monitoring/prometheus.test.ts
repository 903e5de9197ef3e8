// GET /metrics over a real coordinator: both formats by Accept, the admin scope, one tenant's own figures, counters
// that do not fall.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { eventually } from "../../support/eventually.ts";
import { callWith, KEYED, KEYS } from "../../support/clients/keys.ts";
import { familiesIn } from "../../support/clients/prometheus.ts";

let agents: AgentServer;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  agents.on("/one", answers({ said: "one" }));
  coordinator = await startCoordinator([agents], KEYED);
  await call(KEYS.acme, "PUT", "/v1/agents/one", { url: agents.url("/one") });
  await call(KEYS.acme, "PUT", "/v1/pipelines/mine", { stages: [{ name: "only", agent_type: "one" }] });
  for (let run = 0; run < 3; run += 1) await start();
});

afterAll(() => closeAll(coordinator, agents));

const call = (key: string, method: string, path: string, body?: unknown, headers?: Record<string, string>) =>
  callWith(coordinator, key, method, path, body, headers);

const start = () =>
  call(KEYS.acme, "POST", "/v1/executions", { query: "q", conversation_id: "c", pipeline: "mine" });

/** What Prometheus itself sends. */
const SCRAPER =
  "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2";

async function scrape(key: string, accept = "text/plain"): Promise<string> {
  return (await call(key, "GET", "/metrics", undefined, { accept })).body as string;
}

function completed(text: string): number {
  const family = familiesIn(text, "prometheus").get("pipeline_executions");
  return family?.samples.find(({ labels }) => labels["pipeline"] === "mine")?.value ?? 0;
}

test("says what ran, as Prometheus text", async () => {
  const text = await eventually(
    () => scrape(KEYS.admin),
    (seen) => completed(seen) === 3,
  );
  expect(text).toContain('pipeline_executions_total{pipeline="mine",status="completed"} 3\n');
  expect(text).toContain(
    'pipeline_stage_duration_seconds_count{pipeline="mine",stage="only",status="completed"} 3\n',
  );
  expect(text).toContain('pipeline_stage_retries_total{pipeline="mine",stage="only"} 0\n');
  expect(text).toContain("pipeline_success_rate 1\n");
  expect(text).toContain("pipeline_executions_in_progress 0\n");
  expect(text).not.toMatch(/ex_[0-9a-f]/);
});

test("OpenMetrics where the scraper likes it best", async () => {
  const response = await call(KEYS.admin, "GET", "/metrics", undefined, { accept: SCRAPER });
  expect(response.headers.get("content-type")).toBe(
    "application/openmetrics-text; version=1.0.0; charset=utf-8",
  );
  const families = familiesIn(response.body as string, "openmetrics");
  expect(families.get("pipeline_executions")?.samples[0]?.value).toBe(3);
  const plain = await call(KEYS.admin, "GET", "/metrics");
  expect(plain.headers.get("content-type")).toBe("text/plain; version=0.0.4; charset=utf-8");
  const neither = await call(KEYS.admin, "GET", "/metrics", undefined, { accept: "image/png" });
  expect(neither.status).toBe(406);
});

test("asks for any key, and shows a tenant only its own metrics", async () => {
  for (const key of [KEYS.reader, KEYS.runner]) {
    expect((await call(key, "GET", "/metrics")).status).toBe(200);
  }
  expect((await coordinator.fetch("/metrics")).status).toBe(401);
  expect(completed(await scrape(KEYS.globex))).toBe(0);
});

test("counters go on where they were", async () => {
  await start();
  const text = await eventually(
    () => scrape(KEYS.admin),
    (seen) => completed(seen) > 3,
  );
  expect(completed(text)).toBe(4);
});
