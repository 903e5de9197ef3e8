// What an execution reports when its retention ends, over real workerd: nothing, since each receiver has its end. The
// webhook and the collector are real servers; the index is counted in its own objects.
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, type TestContext } from "vitest";
import type { Calls } from "../../support/clients/calls.ts";
import { eventually } from "../../support/eventually.ts";
import { startWorld, webhookTo, type World } from "../../support/servers/world.ts";

const RUNS = 10;
const RETENTION_S = 3;

const world = (context: TestContext) =>
  startWorld(context, {
    config: { retention_seconds: RETENTION_S },
    vars: ({ receiver }) => ({
      ...webhookTo(receiver, "execution.completed"),
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url,
      TEST_COUNTS_REPORTS: "true",
    }),
  });

const IDS = Array.from({ length: RUNS }, (_, at) => `run-${at}`);

async function runAll(calls: Calls): Promise<void> {
  for (const execution_id of IDS) {
    const response = await calls.post({ execution_id, pipeline: "fine" });
    expect(response.status).toBe(200);
    await response.body?.cancel();
  }
}

/** Every execution is gone, and what its retention's end might have sent has had the time to come. */
async function forgotten(calls: Calls): Promise<void> {
  for (const id of IDS) {
    await eventually(
      async () => (await calls.fetch(`/v1/executions/${id}`)).status,
      (status) => status === 404,
    );
  }
  await sleep(2_500);
}

/** How often each receiver was given an execution's end. */
function deliveries({ receiver }: World, output: string): Record<string, number[]> {
  const count = (wanted: (id: string) => number) => IDS.map(wanted);
  const hooks = receiver.on("/hook").map(({ text }) => JSON.parse(text).data.execution_id as string);
  const roots = receiver.on("/v1/traces").flatMap(({ text }) => text.match(/"run-\d+"/g) ?? []);
  const lines = output.split("\n");
  return {
    webhook: count((id) => hooks.filter((hook) => hook === id).length),
    traces: count((id) => roots.filter((root) => root === `"${id}"`).length),
    index: count((id) => lines.filter((line) => line === `REPORT index ${id} completed`).length),
  };
}

const ONCE = Array.from({ length: RUNS }, () => 1);
const EACH_ONCE = { webhook: ONCE, traces: ONCE, index: ONCE };

test.concurrent(`${RUNS} runs: each receiver has each end once when retention is over`, async (context) => {
  const of = await world(context);
  const { server, calls } = await of.boot();
  await runAll(calls);
  await forgotten(calls);
  expect(deliveries(of, server.output())).toEqual(EACH_ONCE);
});

test.concurrent("also where the process is killed before retention ends", async (context) => {
  const of = await world(context);
  const first = await of.boot();
  await runAll(first.calls);
  await eventually(
    async () => of.receiver.on("/hook").length,
    (count) => count === RUNS,
  );
  // The alarms of retention are set; the spans have gone out.
  await sleep(1_500);
  await first.server.kill();
  await sleep(RETENTION_S * 1_000);
  const second = await of.boot();
  await forgotten(second.calls);
  expect(deliveries(of, first.server.output() + second.server.output())).toEqual(EACH_ONCE);
});

test.concurrent("what has expired while no process ran is gone at once, however much it is", async (context) => {
  const of = await world(context);
  const first = await of.boot();
  const ids = Array.from({ length: 300 }, (_, at) => `many-${at}`);
  for (let at = 0; at < ids.length; at += 30) {
    const some = ids.slice(at, at + 30);
    await Promise.all(
      some.map(async (execution_id) => {
        const response = await first.calls.post({ execution_id, pipeline: "fine" });
        expect(await response.json()).toMatchObject({ status: "completed", error_info: null });
      }),
    );
  }
  // All receivers have all ends, and no run has an alarm.
  await sleep(1_500);
  await first.server.kill();
  await sleep(RETENTION_S * 1_000);
  const { calls } = await of.boot();
  const there = await Promise.all(ids.map(async (id) => (await calls.fetch(`/v1/executions/${id}`)).status));
  expect(there.filter((status) => status !== 404)).toEqual([]);
  // Nothing was reported again.
  await sleep(2_500);
  expect(of.receiver.on("/hook")).toHaveLength(ids.length);
}, 90_000);
