// What runs cost, over a real coordinator: in the list, the metrics, the exposition, an alert's webhook and the spans;
// what an inner execution used, a cached result or a price that is not known included.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { eventually } from "../../support/eventually.ts";
import { type Receiver, startReceiver } from "../../support/servers/receiver.ts";

const TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";
const PAID = { model: "large", provider: "acme", input_tokens: 100, output_tokens: 20, cost_usd: 0.5 };

let agents: AgentServer;
let receiver: Receiver;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  receiver = await startReceiver();
  coordinator = await startCoordinator([agents], {
    AGENT_COORDINATOR_WEBHOOK_URL: `${receiver.url}/hook`,
    AGENT_COORDINATOR_WEBHOOK_SECRET: `whsec_${Buffer.from("a secret of the tests, 32 bytes!").toString("base64")}`,
    AGENT_COORDINATOR_WEBHOOK_EVENTS: "alert.firing",
    OTEL_EXPORTER_OTLP_ENDPOINT: `${receiver.url}/`,
  });
  agents.on("/paid", answers({ said: "paid" }, { usage: PAID }));
  const unpriced = { model: "new", input_tokens: 5, output_tokens: 2, unpriced_tokens: 7 };
  agents.on("/new", answers({ said: "new" }, { usage: unpriced }));
  agents.on("/free", answers({ said: "free" }));
  for (const name of ["paid", "new", "free"]) await coordinator.alone(name, agents.url(`/${name}`));
  await coordinator.pipeline("inner", [{ name: "work", agent_type: "paid" }]);
  await coordinator.pipeline("outer", [
    { name: "sub", pipeline: "inner" },
    { name: "last", agent_type: "paid", depends_on: ["sub"] },
  ]);
});

afterAll(() => closeAll(coordinator, agents, receiver));

// oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
type Json = any;

const get = async (path: string): Promise<Json> => (await coordinator.fetch(path)).json();

/** The metrics once so many executions have been counted. */
const counted = (query: string, total: number): Promise<Json> =>
  eventually(
    () => get(`/v1/metrics${query}`),
    (seen) => seen.execution_metrics.total_executions >= total,
  );

test("an inner execution counts once, and so does what it used", async () => {
  const { body } = await coordinator.run(
    { pipeline: "outer" },
    { traceparent: `00-${TRACE}-b7ad6b7169203331-01` },
  );
  expect(body.usage).toMatchObject({ input_tokens: 200, cost_usd: 1 });
  const { execution_metrics, stage_metrics, cost } = await counted("", 2);
  expect(execution_metrics).toMatchObject({
    total_executions: 2,
    successful_executions: 2,
    cost_usd: 1,
    input_tokens: 200,
    output_tokens: 40,
    unpriced_tokens: 0,
  });
  expect(cost).toEqual({
    total_usd: 1,
    unpriced_tokens: 0,
    by_pipeline: { inner: 0.5, outer: 0.5 },
    by_model: { large: { cost_usd: 1, input_tokens: 200, output_tokens: 40, unpriced_tokens: 0 } },
    by_tag: {},
    recent_runs: [],
  });
  for (const name of ["work", "last"])
    expect(stage_metrics[name]).toMatchObject({ executions: 1, cost_usd: 0.5 });
  expect(stage_metrics.sub).toMatchObject({
    executions: 1,
    cost_usd: 0,
    input_tokens: 0,
    p50_cost_usd: null,
  });
  const inner = await get("/v1/metrics?pipeline=inner");
  expect(inner.execution_metrics).toMatchObject({ total_executions: 1, cost_usd: 0.5 });
  expect(inner.cost.recent_runs).toEqual([{ by_stage: { work: 0.5 } }]);
  // What a run of the outer one costs has that of the inner one.
  const outer = await get("/v1/metrics?pipeline=outer");
  expect(outer.execution_metrics).toMatchObject({ total_executions: 1, cost_usd: 0.5 });
  expect(outer.cost.recent_runs).toEqual([{ by_stage: { sub: 0.5, last: 0.5 } }]);
});

test("the list says what each execution used, its inner ones included", async () => {
  await coordinator.run({ pipeline: "new", conversation_id: "new" });
  await coordinator.run({ pipeline: "free", conversation_id: "free" });
  const { data } = await eventually(
    () => get("/v1/executions"),
    (page) => page.data.filter(({ status }: Json) => status === "completed").length === 4,
  );
  const usages = Object.fromEntries(data.map(({ pipeline, usage }: Json) => [pipeline, usage]));
  expect(usages).toEqual({
    inner: { cost_usd: 0.5, input_tokens: 100, output_tokens: 20 },
    outer: { cost_usd: 1, input_tokens: 200, output_tokens: 40 },
    new: { cost_usd: null, input_tokens: 5, output_tokens: 2, unpriced_tokens: 7 },
    free: undefined,
  });
});

test("a cost that is not known is none of zero, and what is cached costs nothing", async () => {
  const unknown = await counted("?pipeline=new", 1);
  expect(unknown.execution_metrics).toMatchObject({ cost_usd: null, input_tokens: 5, unpriced_tokens: 7 });
  expect(unknown.cost).toMatchObject({ total_usd: null, by_pipeline: {}, recent_runs: [] });
  expect((await counted("?pipeline=free", 1)).execution_metrics).toMatchObject({ cost_usd: 0 });
  await coordinator.pipeline("kept", [{ name: "only", agent_type: "paid" }]);
  await coordinator.configure({ enable_caching: true });
  for (const conversation_id of ["k1", "k2"]) await coordinator.run({ pipeline: "kept", conversation_id });
  await coordinator.configure({ enable_caching: null });
  const kept = await counted("?pipeline=kept", 2);
  expect(kept.stage_metrics.only).toMatchObject({ executions: 2, cache_hits: 1, cost_usd: 0.5 });
});

test("the exposition has counters by pipeline, stage and model, which go on where they were", async () => {
  const scrape = async () => (await coordinator.fetch("/metrics")).text();
  const text = await scrape();
  for (const line of [
    'pipeline_cost_usd_total{pipeline="inner",stage="work",model="large"} 0.5',
    'pipeline_cost_usd_total{pipeline="outer",stage="last",model="large"} 0.5',
    'pipeline_unpriced_tokens_total{pipeline="new",stage="only",model="new"} 7',
  ])
    expect(text).toContain(`${line}\n`);
  expect(text).not.toContain('stage="sub",model=');
  expect(text).not.toMatch(/cost_usd_total\{pipeline="(?:new|free)"/);
  await coordinator.run({ pipeline: "inner" });
  await eventually(scrape, (now) =>
    now.includes('pipeline_cost_usd_total{pipeline="inner",stage="work",model="large"} 1\n'),
  );
});

test("an alert fires where an hour costs too much", async () => {
  const alert = async () =>
    (await get("/v1/alerts")).data.find(({ name }: Json) => name === "cost_usd_per_hour");
  expect(await alert()).toMatchObject({ threshold: 100, value: 2, firing: false });
  await coordinator.configure({ alert_thresholds: { cost_usd_per_hour: 2.25 } });
  await coordinator.run({ pipeline: "paid" });
  const fired = await eventually(
    async () =>
      receiver
        .on("/hook")
        .map(({ text }): Json => JSON.parse(text))
        .find(({ data }) => data.name === "cost_usd_per_hour") ?? null,
    (got) => got !== null,
  );
  expect(fired).toMatchObject({ type: "alert.firing", data: { threshold: 2.25, value: 2.5, firing: true } });
  expect(await alert()).toMatchObject({ threshold: 2.25, value: 2.5, firing: true });
});

test("spans have what a call used under the conventions' names, and its cost", async () => {
  const spans = await eventually(
    async () =>
      receiver
        .on("/v1/traces")
        .flatMap(({ text }) => JSON.parse(text).resourceSpans as Json[])
        .flatMap((resource) => resource.scopeSpans[0].spans as Json[])
        .filter((span) => span.traceId === TRACE),
    (seen) => seen.some(({ name }) => name === "invoke_workflow outer"),
  );
  const attributes = (name: string) => {
    const [found] = spans.filter((span: Json) => span.name === name).slice(-1);
    return Object.fromEntries(found.attributes.map(({ key, value }: Json) => [key, Object.values(value)[0]]));
  };
  expect(attributes("invoke_agent paid")).toMatchObject({
    "gen_ai.provider.name": "acme",
    "gen_ai.request.model": "large",
    "gen_ai.response.model": "large",
    "gen_ai.usage.input_tokens": "100",
    "gen_ai.usage.output_tokens": "20",
    "coordinator.cost_usd": 0.5,
  });
  expect(attributes("invoke_workflow outer")).toMatchObject({
    "gen_ai.usage.input_tokens": "200",
    "coordinator.cost_usd": "1",
  });
});
