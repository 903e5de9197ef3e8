// GET /metrics against GET /v1/metrics: runs of every end, retried, cached, in flight and cancelled, under names that
// the API allows and a text format could trip over. Both formats are fetched over HTTP, read by the strict readers of
// Prometheus' own authors, and say in numbers what the JSON says.
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Metrics } from "../../../src/contract/metrics.ts";
import {
  type AgentServer,
  after,
  answers,
  failsWith,
  hangs,
  inTurn,
  startAgentServer,
} from "../../support/agents/agent-server.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { eventually } from "../../support/eventually.ts";
import { familiesIn, promtoolOn, type ReadFamily } from "../../support/clients/prometheus.ts";

/** By pipeline: the stage's agent, and how the runs of it end. Dots, dashes, keywords of the formats, digits first. */
const PIPELINES = {
  "fine.with-dots_and-dashes": { agent: "slow", ends: { completed: 3 } },
  "9lives": { agent: "broken", ends: { failed: 2 } },
  le: { agent: "flaky", ends: { completed: 1 } },
  toString: { agent: "quick", ends: { completed: 2 } },
  "-": { agent: "hangs", ends: { cancelled: 1 } },
  EOF: { agent: "mixed", ends: { completed: 1, failed: 1 } },
} as const;
const STAGE = "quantile.9-lives_";
const UNDER_WAY = "under.way";

const NEITHER = { timestamp: null, exemplar: null };
const ACCEPT = {
  prometheus: "text/plain;version=0.0.4",
  openmetrics: "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
} as const;

let agents: AgentServer;
let coordinator: Coordinator;
let running = "";

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], {
    AGENT_COORDINATOR_RETRY_DELAY: "0",
    AGENT_COORDINATOR_CACHING: "true",
    AGENT_COORDINATOR_CIRCUIT_BREAKER: "false",
  });
  agents.on("/quick", answers({ said: "quick" }));
  agents.on("/slow", after(60, answers({ said: "slow" })));
  agents.on("/broken", failsWith(400, { detail: "no" }));
  agents.on("/flaky", inTurn(failsWith(503), failsWith(503), answers({ fine: true })));
  agents.on("/mixed", inTurn(failsWith(400), answers({ fine: true })));
  agents.on("/hangs", hangs);
  for (const name of ["quick", "slow", "broken", "flaky", "mixed", "hangs"]) {
    await coordinator.agent(name, agents.url(`/${name}`));
  }
  for (const [name, { agent, ends }] of Object.entries(PIPELINES)) {
    await coordinator.pipeline(name, [{ name: STAGE, agent_type: agent }]);
    for (const [end, times] of Object.entries(ends)) {
      for (let run = 0; run < times; run += 1) {
        if (end === "cancelled") await cancel(await begin(name));
        else await ask(name, run);
      }
    }
  }
  await coordinator.pipeline(UNDER_WAY, [{ name: STAGE, agent_type: "hangs" }]);
  running = await begin(UNDER_WAY);
  const ends = Object.values(PIPELINES).flatMap((pipeline) => Object.values(pipeline.ends));
  const all = ends.reduce((sum, times) => sum + times, 0);
  await eventually(
    () => told(),
    ({ execution_metrics: seen }) => seen.total_executions === all && seen.concurrent_executions === 1,
  );
});

afterAll(async () => {
  if (running !== "") await cancel(running);
  await coordinator?.close();
  await agents?.close();
});

/** In a conversation of its own; of `toString` always the same is asked, which is answered once, and then kept. */
async function ask(pipeline: string, run: number): Promise<void> {
  const query = pipeline === "toString" ? "the same" : `question ${run}`;
  await coordinator.run({ pipeline, query, conversation_id: `${pipeline} ${run}` });
}

async function begin(pipeline: string): Promise<string> {
  const { body } = await coordinator.run({ pipeline }, { prefer: "respond-async" });
  return body.execution_id;
}

async function cancel(execution_id: string): Promise<void> {
  await coordinator.fetch(`/v1/executions/${execution_id}/cancel`, { method: "POST" });
}

async function told(query = ""): Promise<Metrics> {
  return (await coordinator.fetch(`/v1/metrics${query}`)).json();
}

describe.each(["prometheus", "openmetrics"] as const)("as %s", (format) => {
  let text = "";
  let families: Map<string, ReadFamily>;

  beforeAll(async () => {
    const response = await coordinator.fetch("/metrics", { headers: { accept: ACCEPT[format] } });
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toContain(ACCEPT[format].split(";")[0]);
    text = await response.text();
    families = familiesIn(text, format);
  });

  /** The value of the one sample of that name with these labels; undefined where there is none. */
  function value(family: string, suffix: string, labels: Record<string, string>): number | undefined {
    const found = families
      .get(family)
      ?.samples.filter(
        (sample) =>
          sample.name === `${family}${suffix}` &&
          Object.entries(labels).every(([label, wanted]) => sample.labels[label] === wanted),
      );
    expect(found?.length ?? 0, `${family}${suffix} ${JSON.stringify(labels)}`).toBeLessThanOrEqual(1);
    return found?.[0]?.value;
  }

  test("the families are those of the contract, with their types, and no time or exemplar is made up", () => {
    expect(Array.from(families.values(), ({ name, type }) => [name, type])).toEqual([
      ["pipeline_executions", "counter"],
      ["pipeline_duration_seconds", "histogram"],
      ["pipeline_success_rate", "gauge"],
      ["pipeline_stage_duration_seconds", "histogram"],
      ["pipeline_stage_retries", "counter"],
      ["pipeline_cost_usd", "counter"],
      ["pipeline_unpriced_tokens", "counter"],
      ["pipeline_executions_in_progress", "gauge"],
      ["pipeline_waits_open", "gauge"],
      ["pipeline_wait_duration_seconds", "histogram"],
      ["pipeline_waits_expired", "counter"],
    ]);
    for (const { name, help, samples } of families.values()) {
      expect(help, name).not.toBe("");
      for (const { timestamp, exemplar } of samples) expect({ timestamp, exemplar }).toEqual(NEITHER);
    }
    if (format === "prometheus") expect(promtoolOn(text)).toBe("");
  });

  test("the whole says what the JSON says", async () => {
    const { execution_metrics: seen } = await told();
    expect(value("pipeline_success_rate", "", {})).toBeCloseTo(seen.success_rate, 6);
    expect(value("pipeline_executions_in_progress", "", {})).toBe(seen.concurrent_executions);
    const ended = families.get("pipeline_executions")?.samples ?? [];
    expect(ended.reduce((sum, sample) => sum + sample.value, 0)).toBe(seen.total_executions);
    // One that only runs has no figures yet.
    expect(new Set(ended.map((sample) => sample.labels["pipeline"]))).toEqual(
      new Set(Object.keys(PIPELINES)),
    );
  });

  test.each(Object.entries(PIPELINES))("the pipeline %s does", async (pipeline, { ends }) => {
    const { execution_metrics: seen, stage_metrics } = await told(`?pipeline=${pipeline}`);
    const by = (status: string) => value("pipeline_executions", "_total", { pipeline, status }) ?? 0;
    expect({ completed: by("completed"), failed: by("failed"), cancelled: by("cancelled") }).toEqual({
      completed: seen.successful_executions,
      failed: seen.failed_executions,
      cancelled: seen.cancelled_executions,
    });
    expect(seen).toMatchObject({
      successful_executions: "completed" in ends ? ends.completed : 0,
      failed_executions: "failed" in ends ? ends.failed : 0,
      cancelled_executions: "cancelled" in ends ? ends.cancelled : 0,
    });
    expect(value("pipeline_duration_seconds", "_count", { pipeline })).toBe(seen.total_executions);
    const sum = value("pipeline_duration_seconds", "_sum", { pipeline }) ?? Number.NaN;
    expect(sum * 1_000).toBeCloseTo(seen.average_duration_ms * seen.total_executions, 3);

    const stage = stage_metrics[STAGE];
    const labels = { pipeline, stage: STAGE };
    const counts = (["completed", "failed", "cancelled"] as const).map(
      (status) => value("pipeline_stage_duration_seconds", "_count", { ...labels, status }) ?? 0,
    );
    const executions = counts.reduce((all, count) => all + count, 0);
    expect(executions).toBe(stage?.executions);
    expect((counts[0] ?? 0) / executions).toBeCloseTo(stage?.success_rate ?? Number.NaN, 6);
    expect((counts[1] ?? 0) / executions).toBeCloseTo(stage?.error_rate ?? Number.NaN, 6);
    expect(value("pipeline_stage_retries", "_total", labels)).toBe(stage?.retries);
  });

  test("the buckets of a histogram hold the quantiles of the JSON", async () => {
    const pipeline = "fine.with-dots_and-dashes";
    const { execution_metrics: seen } = await told(`?pipeline=${pipeline}`);
    const buckets = (families.get("pipeline_duration_seconds")?.samples ?? [])
      .filter(({ name, labels }) => name.endsWith("_bucket") && labels["pipeline"] === pipeline)
      .map(({ labels: { le = "" }, value: below }) => ({
        le: le === "+Inf" ? Number.POSITIVE_INFINITY : Number(le),
        below,
      }));
    expect(buckets.length).toBeGreaterThan(10);
    // The sketch is within 2 %: so much to either side of a bound nothing is told.
    const slowest = seen.p99_duration_ms / 1_000;
    for (const { le, below } of buckets) {
      if (le > slowest * 1.02) expect(below, `le ${le}`).toBe(seen.total_executions);
      if (le < slowest / 1.02) expect(below, `le ${le}`).toBeLessThan(seen.total_executions);
      if (le < 0.055) expect(below, `le ${le}`).toBe(0);
    }
  });
});

test("what was set up came about: retries, and results out of the cache", async () => {
  expect((await told("?pipeline=le")).stage_metrics[STAGE]?.retries).toBe(2);
  expect((await told("?pipeline=toString")).stage_metrics[STAGE]?.cache_hits).toBe(1);
});
