// Traces: traceparent in and out, and the spans that a collector gets over OTLP/HTTP, field by field; the figures that
// are pushed to it at metrics_export_interval.
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type AgentServer,
  answers,
  failsWith,
  inTurn,
  startAgentServer,
} from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { eventually } from "../../support/eventually.ts";
import { type Receiver, startReceiver } from "../../support/servers/receiver.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const CALLER = "b7ad6b7169203331";

let agents: AgentServer;
let collector: Receiver;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  collector = await startReceiver();
  agents.on("/one", answers({ said: "one" }, { usage: { input_tokens: 11, output_tokens: 3 } }));
  coordinator = await startCoordinator([agents], {
    AGENT_COORDINATOR_RETRY_DELAY: "0.01",
    AGENT_COORDINATOR_CACHING: "true",
    OTEL_EXPORTER_OTLP_ENDPOINT: `${collector.url}/`,
    OTEL_EXPORTER_OTLP_HEADERS: "x-collector-key=a%20key",
  });
  await coordinator.agent("one", agents.url("/one"));
  await coordinator.agent("flaky", agents.url("/flaky"));
  await coordinator.pipeline("two", [
    { name: "first", agent_type: "one" },
    { name: "second", agent_type: "flaky", depends_on: ["first"] },
  ]);
});

afterAll(() => closeAll(coordinator, agents, collector));

// oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
type Json = any;

/** The spans of an execution's trace, once they have come. */
async function spansOf(trace: string): Promise<Json[]> {
  return eventually(
    async () =>
      collector
        .on("/v1/traces")
        .flatMap(({ text }) => JSON.parse(text).resourceSpans as Json[])
        .flatMap((resource) => resource.scopeSpans[0].spans as Json[])
        .filter((span) => span.traceId === trace),
    (spans) => spans.length > 0,
  );
}

const attributesOf = (span: Json): Record<string, Json> =>
  Object.fromEntries(span.attributes.map(({ key, value }: Json) => [key, Object.values(value)[0]]));

test("a run goes out as one trace: a root under its caller's span, and a span for each try", async () => {
  agents.on("/flaky", inTurn(failsWith(503, { detail: "busy" }), answers({ fine: true })));
  const { body } = await coordinator.run({ pipeline: "two" }, { traceparent: `00-${TRACE}-${CALLER}-01` });
  expect(body.execution_metadata.traceparent).toBe(`00-${TRACE}-${CALLER}-01`);
  const spans = await spansOf(TRACE);
  const root = spans.find((span) => span.parentSpanId === CALLER);
  expect(root).toMatchObject({ name: "invoke_workflow two", kind: 1, status: {} });
  expect(attributesOf(root)).toMatchObject({
    "gen_ai.operation.name": "invoke_workflow",
    "gen_ai.agent.name": "two",
    "gen_ai.conversation.id": "c1",
    "gen_ai.usage.input_tokens": "11",
    "coordinator.execution_id": body.execution_id,
    "coordinator.status": "completed",
  });
  expect(root.startTimeUnixNano).toBe(`${Date.parse(body.start_time)}000000`);
  expect(root.endTimeUnixNano).toBe(`${Date.parse(body.end_time)}000000`);
  const tries = spans.filter((span) => span !== root);
  expect(tries.map((span) => [span.name, span.kind, span.parentSpanId])).toEqual([
    ["invoke_agent one", 3, root.spanId],
    ["invoke_agent flaky", 3, root.spanId],
    ["invoke_agent flaky", 3, root.spanId],
  ]);
  const [one, failed, second] = tries.map(attributesOf);
  expect(one).toEqual({
    "gen_ai.operation.name": "invoke_agent",
    "gen_ai.agent.name": "one",
    "gen_ai.conversation.id": "c1",
    "coordinator.stage": "first",
    "coordinator.attempt": "1",
    "gen_ai.usage.input_tokens": "11",
    "gen_ai.usage.output_tokens": "3",
    "server.address": new URL(agents.url("/one")).hostname,
    "server.port": new URL(agents.url("/one")).port,
  });
  expect(failed).toMatchObject({
    "coordinator.attempt": "1",
    "error.type": "AGENT_UNAVAILABLE",
    "http.response.status_code": "503",
  });
  expect(tries[1].status).toMatchObject({ code: 2 });
  expect(second).toMatchObject({ "coordinator.attempt": "2" });
  // The agent was called with the span that stands for its call.
  const called = agents.callsOf("/flaky").map((call) => call.headers["traceparent"]);
  expect(called).toEqual(tries.slice(1).map((span) => `00-${TRACE}-${span.spanId}-01`));
  for (const span of tries) {
    expect(BigInt(span.startTimeUnixNano)).toBeGreaterThanOrEqual(BigInt(root.startTimeUnixNano));
    expect(BigInt(span.endTimeUnixNano)).toBeLessThanOrEqual(BigInt(root.endTimeUnixNano));
    expect(span.spanId).toMatch(/^(?!0{16})[0-9a-f]{16}$/);
  }
  expect(new Set(spans.map((span) => span.spanId)).size).toBe(4);
});

test("what goes to the collector says who it is from, with the headers that were set", async () => {
  const [post] = collector.on("/v1/traces");
  expect(post?.headers).toMatchObject({ "content-type": "application/json", "x-collector-key": "a key" });
  const [resource] = JSON.parse(post?.text ?? "").resourceSpans;
  expect(attributesOf(resource.resource)).toMatchObject({ "service.name": "agent-coordinator" });
  expect(resource.scopeSpans[0].scope.name).toBe("agent-coordinator");
});

test("a run without an incoming trace is a root of its own", async () => {
  // A conversation of its own has no earlier turns, as the first one had none.
  const { body } = await coordinator.run({ pipeline: "two", conversation_id: "another" });
  const [, trace, span] = body.execution_metadata.traceparent.split("-");
  const spans = await spansOf(trace);
  const root = spans.find((one) => one.name === "invoke_workflow two");
  expect(root.spanId).toBe(span);
  expect(root).not.toHaveProperty("parentSpanId");
  // The same was asked before: its span says that nobody was called.
  const kept = spans.find((one) => one.name === "invoke_agent one");
  expect(attributesOf(kept)).toMatchObject({ "coordinator.cached": true });
});

test("a caller's trace that is not sampled is not exported, and still carried on", async () => {
  const quiet = "11111111111111111111111111111111";
  await coordinator.run({ pipeline: "two" }, { traceparent: `00-${quiet}-${CALLER}-00` });
  expect(agents.callsOf("/one").at(-1)?.headers["traceparent"]).toMatch(
    new RegExp(`^00-${quiet}-[0-9a-f]{16}-00$`),
  );
  const { body } = await coordinator.run({ pipeline: "two" });
  // Whatever was to come of the first is there when the second is.
  await spansOf(body.execution_metadata.traceparent.split("-")[1]);
  expect(collector.received.some(({ text }) => text.includes(quiet))).toBe(false);
});

test("an export that the collector refuses for now is made again", async () => {
  collector.answerWith(503);
  const before = collector.on("/v1/traces").length;
  const { body } = await coordinator.run({ pipeline: "two" });
  const trace = body.execution_metadata.traceparent.split("-")[1];
  const posts = await eventually(
    async () =>
      collector
        .on("/v1/traces")
        .slice(before)
        .filter(({ text }) => text.includes(trace)),
    (got) => got.length === 2,
    15_000,
  );
  expect((posts[1]?.at ?? 0) - (posts[0]?.at ?? 0)).toBeGreaterThan(4_000);
});

test("the metrics are pushed at metrics_export_interval", async () => {
  await coordinator.fetch("/v1/config", {
    method: "PATCH",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ metrics_export_interval: 1 }),
  });
  const before = collector.on("/v1/metrics").length;
  await coordinator.run({ pipeline: "two" });
  const posts = await eventually(
    async () => collector.on("/v1/metrics").slice(before),
    (got) => got.length > 0,
    15_000,
  );
  const [pushed] = JSON.parse(posts.at(-1)?.text ?? "").resourceMetrics;
  expect(attributesOf(pushed.resource)).toMatchObject({ "coordinator.tenant": "local" });
  const metrics = new Map<string, Json>(
    pushed.scopeMetrics[0].metrics.map((metric: Json) => [metric.name, metric]),
  );
  const counted = metrics.get("pipeline_executions").sum;
  expect(counted).toMatchObject({ aggregationTemporality: 2, isMonotonic: true });
  expect(attributesOf(counted.dataPoints[0])).toEqual({ pipeline: "two", status: "completed" });
  expect(counted.dataPoints[0].asDouble).toBeGreaterThan(0);
  const [histogram] = metrics.get("pipeline_duration_seconds").histogram.dataPoints;
  expect(histogram.bucketCounts).toHaveLength(histogram.explicitBounds.length + 1);
  const inBuckets = histogram.bucketCounts.reduce((sum: number, count: string) => sum + Number(count), 0);
  expect(String(inBuckets)).toBe(histogram.count);
});
