// Alerts over a real coordinator: what fires by what ran, thresholds that are patched, and the webhooks that tell of
// each change and of executions, verified by the standard's own package and delivered through failures.
import { Webhook } from "standardwebhooks";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Alert } from "../../../src/contract/metrics.ts";
import {
  type AgentServer,
  answers,
  failsWith,
  hangs,
  startAgentServer,
} from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { eventually } from "../../support/eventually.ts";
import { type Received, type Receiver, startReceiver } from "../../support/servers/receiver.ts";

const SECRET = `whsec_${Buffer.from("a secret of the tests, 32 bytes!").toString("base64")}`;

let agents: AgentServer;
let receiver: Receiver;
let coordinator: Coordinator;

beforeAll(async () => {
  agents = await startAgentServer();
  receiver = await startReceiver();
  agents.on("/fine", answers({ said: "fine" }));
  agents.on("/broken", failsWith(400, { detail: "no" }));
  agents.on("/hangs", hangs);
  coordinator = await startCoordinator([agents], {
    AGENT_COORDINATOR_WEBHOOK_URL: `${receiver.url}/hook`,
    AGENT_COORDINATOR_WEBHOOK_SECRET: SECRET,
    AGENT_COORDINATOR_WEBHOOK_EVENTS: "alert.firing, alert.resolved, execution.completed, execution.failed",
  });
  for (const name of ["fine", "broken", "hangs"]) {
    await coordinator.alone(name, agents.url(`/${name}`));
  }
});

afterAll(() => closeAll(coordinator, agents, receiver));

async function alerts(): Promise<Alert[]> {
  const response = await coordinator.fetch("/v1/alerts");
  const { data }: { data: Alert[] } = await response.json();
  return data;
}

async function alert(
  name: string,
  wanted: (alert: Alert | undefined) => boolean,
): Promise<Alert | undefined> {
  return eventually(async () => (await alerts()).find((one) => one.name === name), wanted);
}

interface Event {
  type: string;
  timestamp: string;
  data: { name?: string; execution_id?: string; tenant?: string; firing?: boolean; error_info?: unknown };
}

/** The event of a delivery, whose signature is verified. */
const verified = (delivery: Received) => new Webhook(SECRET).verify(delivery.text, delivery.headers) as Event;

/** Every delivery of a type so far, once there is one that is wanted. */
async function told(type: string, wanted: (event: Event) => boolean = () => true): Promise<Received> {
  const found = await eventually(
    async () =>
      receiver.on("/hook").find((got) => verified(got).type === type && wanted(verified(got))) ?? null,
    (got) => got !== null,
  );
  return found as Received;
}

test("without traffic nothing fires, and every name of the specification is there", async () => {
  expect(await alerts()).toEqual([
    { name: "execution_success_rate", threshold: 0.95, value: null, firing: false, since: null },
    { name: "avg_execution_time_ms", threshold: 5_000, value: null, firing: false, since: null },
    { name: "concurrent_executions", threshold: 20, value: 0, firing: false, since: null },
    { name: "memory_usage_mb", threshold: 16, value: null, firing: false, since: null },
    { name: "wait_age_seconds", threshold: 86_400, value: null, firing: false, since: null },
    { name: "cost_usd_per_hour", threshold: 100, value: 0, firing: false, since: null },
  ]);
});

test("failures make it fire, by itself, and the webhook says so once, signed", async () => {
  await coordinator.run({ pipeline: "broken" });
  const delivery = await told("alert.firing", ({ data }) => data.name === "execution_success_rate");
  const event = verified(delivery);
  expect(event.data).toMatchObject({ tenant: "local", threshold: 0.95, value: 0, firing: true });
  expect(delivery.headers["content-type"]).toBe("application/json");
  expect(() =>
    new Webhook("whsec_b3RoZXIgc2VjcmV0IG9mIHRoZSB0ZXN0cw==").verify(delivery.text, delivery.headers),
  ).toThrow();
  const firing = await alert("execution_success_rate", (one) => one?.firing === true);
  expect(Date.parse(firing?.since ?? "")).toBeLessThanOrEqual(Date.now());
  const stage = (await alerts()).find(({ name }) => name === "stage_error_rate");
  expect(stage).toMatchObject({ stage: "only", value: 1, firing: true });
  const ids = receiver
    .on("/hook")
    .filter((got) => verified(got).type === "alert.firing")
    .map((got) => got.headers["webhook-id"]);
  expect(new Set(ids).size).toBe(ids.length);
});

test("it resolves once enough has gone well, and that is reported, too", async () => {
  const patched = { alert_thresholds: { execution_success_rate: 0.3, stage_error_rate: 0.9 } };
  await coordinator.fetch("/v1/config", {
    method: "PATCH",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(patched),
  });
  for (let run = 0; run < 3; run += 1) await coordinator.run({ pipeline: "fine" });
  // Three of four: above 0.3 and its margin.
  const resolved = await alert("execution_success_rate", (one) => one?.firing === false);
  expect(resolved).toMatchObject({ threshold: 0.3, value: 0.75, since: null });
  await told("alert.resolved", ({ data }) => data.name === "execution_success_rate");
});

test("executions in progress are counted", async () => {
  await coordinator.fetch("/v1/config", {
    method: "PATCH",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ alert_thresholds: { concurrent_executions: 1 } }),
  });
  const begun = [0, 1].map(() => coordinator.run({ pipeline: "hangs" }, { prefer: "respond-async" }));
  const ids = (await Promise.all(begun)).map(({ body }) => body.execution_id as string);
  expect(await alert("concurrent_executions", (one) => one?.firing === true)).toMatchObject({ value: 2 });
  for (const id of ids) await coordinator.fetch(`/v1/executions/${id}/cancel`, { method: "POST" });
  await alert("concurrent_executions", (one) => one?.firing === false);
});

test("execution.completed and execution.failed are sent to subscribers, under one id each", async () => {
  const { body } = await coordinator.run({ pipeline: "fine" });
  const delivery = await told("execution.completed", ({ data }) => data.execution_id === body.execution_id);
  expect(verified(delivery).data).toMatchObject({ tenant: "local", status: "completed", pipeline: "fine" });
  const failed = await coordinator.run({ pipeline: "broken" });
  const other = await told("execution.failed", ({ data }) => data.execution_id === failed.body.execution_id);
  expect(verified(other).data.error_info).toMatchObject({ failed_stage: "only" });
});

test("a delivery that fails is made again after five seconds, with the same id and a signature of its own time", async () => {
  const before = receiver.on("/hook").length;
  receiver.answerWith(503);
  const { body } = await coordinator.run({ pipeline: "fine" });
  const mine = () =>
    receiver
      .on("/hook")
      .slice(before)
      .filter((got) => verified(got).data.execution_id === body.execution_id);
  const [first, second] = await eventually(
    async () => mine(),
    (got) => got.length === 2,
    15_000,
  );
  expect(second?.headers["webhook-id"]).toBe(first?.headers["webhook-id"]);
  expect(second?.text).toBe(first?.text);
  const waited = (second?.at ?? 0) - (first?.at ?? 0);
  expect(waited).toBeGreaterThanOrEqual(4_900);
  expect(waited).toBeLessThan(8_000);
});

test("alerts are readable also while no delivery queue accepts their changes", async () => {
  const deaf = await startCoordinator([agents], {
    AGENT_COORDINATOR_WEBHOOK_URL: `${receiver.url}/deaf`,
    AGENT_COORDINATOR_WEBHOOK_SECRET: SECRET,
    TEST_REFUSES: "courier",
  });
  try {
    await deaf.alone("broken", agents.url("/broken"));
    await deaf.run({ pipeline: "broken" });
    const { status, body } = await eventually(
      () => deaf.api("GET", "/v1/alerts"),
      (answer) => answer.status !== 200 || answer.body.data.some(({ firing }: Alert) => firing),
    );
    expect(status, JSON.stringify(body)).toBe(200);
    expect((await deaf.api("GET", "/v1/alerts")).status).toBe(200);
    expect(receiver.on("/deaf")).toEqual([]);
  } finally {
    await deaf.close();
  }
});
