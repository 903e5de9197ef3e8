// The delivery queues over real workerd: what a collector refuses holds up nothing else, a trace that comes late is not given
// up with one that failed before, and a job that cannot be read is no end of the alarm.
import { DatabaseSync } from "node:sqlite";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { answers, startAgentServer } from "../support/agent-server.ts";
import { type Calls, callsTo } from "../support/calls.ts";
import { eventually } from "../support/eventually.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { startWorkerd, temporaryState, type WorkerdServer } from "../support/workerd.ts";

let end: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const one of end.toReversed()) await one();
  end = [];
});

interface World {
  collector: Receiver;
  state: string;
  boot: () => Promise<{ server: WorkerdServer; calls: Calls }>;
}

async function world(): Promise<World> {
  const [agents, collector, state] = await Promise.all([
    startAgentServer(),
    startReceiver(),
    temporaryState(),
  ]);
  end.push(
    state.remove,
    () => agents.close(),
    () => collector.close(),
  );
  agents.on("/fine", answers({ answer: "fine" }));
  const boot = async () => {
    const server = await startWorkerd({
      state: state.path,
      vars: {
        AGENT_COORDINATOR_AGENT_HOSTS: agents.host,
        AGENT_COORDINATOR_CACHING: "false",
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      },
    });
    end.push(server.kill);
    const calls = callsTo(server.url);
    await calls.agent("fine", agents.url("/fine"));
    await calls.pipeline("fine", [{ name: "only", agent_type: "fine" }]);
    return { server, calls };
  };
  return { collector, state: state.path, boot };
}

async function run(calls: Calls, execution_id: string): Promise<void> {
  const response = await calls.post({ execution_id, pipeline: "fine" });
  expect(await response.json()).toMatchObject({ status: "completed" });
}

/** The executions whose trace the collector took. */
function taken({ collector }: World): Set<string> {
  const texts = collector.on("/v1/traces").filter(({ status }) => status === 204);
  return new Set(texts.flatMap(({ text }) => text.match(/run-\d+/g) ?? []));
}

test("one trace that the collector does not take is given up alone", async () => {
  const of = await world();
  of.collector.judge = ({ text }) => (text.includes('"run-3"') ? 400 : undefined);
  const { server, calls } = await of.boot();
  // All of one delivery queue's come together, and the bad one is among them.
  await Promise.all(Array.from({ length: 24 }, (_, at) => run(calls, `run-${at}`)));
  await eventually(
    async () => taken(of).size,
    (count) => count === 23,
  );
  expect(taken(of).has("run-3")).toBe(false);
  const lines = server
    .output()
    .split("\n")
    .filter((line) => line.includes("traces abandoned"));
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { level: "ERROR", traces: 1, outcome: "unfit" },
  ]);
});

test("traces keep to their own waits while others come: none is given up early", async () => {
  const of = await world();
  of.collector.judge = () => 503;
  const { server, calls } = await of.boot();
  for (let at = 0; at < 14; at += 1) {
    await run(calls, `run-${at}`);
    await sleep(1_050);
  }
  const tries = (id: string) =>
    of.collector.on("/v1/traces").filter(({ text }) => text.includes(`"${id}"`)).length;
  // After 1, 6 and 16 seconds, however many come meanwhile.
  expect(tries("run-0")).toBeLessThanOrEqual(3);
  expect(server.output()).not.toContain("traces abandoned");
  of.collector.judge = () => undefined;
  await eventually(
    async () => taken(of).size,
    (count) => count === 14,
    30_000,
  );
});

test("a job that cannot be read is dropped with a log line, and the others are sent", async () => {
  const of = await world();
  of.collector.judge = () => 503;
  const first = await of.boot();
  for (let at = 0; at < 16; at += 1) await run(first.calls, `run-${at}`);
  await eventually(
    async () => of.collector.on("/v1/traces").length,
    (count) => count > 0,
  );
  await sleep(1_500);
  await first.server.kill();
  const folder = join(of.state, "objects", "agent-coordinator-CourierObject");
  let broken = 0;
  for (const file of readdirSync(folder).filter((name) => /^[0-9a-f]+\.sqlite$/.test(name))) {
    const database = new DatabaseSync(join(folder, file));
    const { changes } = database
      .prepare("UPDATE parcels SET body = '[{' WHERE id = (SELECT min(id) FROM parcels)")
      .run();
    broken += Number(changes);
    database.close();
  }
  expect(broken).toBeGreaterThan(0);
  of.collector.judge = () => undefined;
  const second = await of.boot();
  await eventually(
    async () => taken(of).size,
    (count) => count === 16 - broken,
    20_000,
  );
  const lines = () => second.server.output().match(/a trace could not be read/g)?.length ?? 0;
  await eventually(
    async () => lines(),
    (count) => count === broken,
    20_000,
  );
});
