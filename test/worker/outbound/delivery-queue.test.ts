// The delivery queues over real workerd: what a collector refuses holds up nothing else, a trace that comes late is not given
// up with one that failed before, and a job that cannot be read is no end of the alarm.
import { DatabaseSync } from "node:sqlite";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, type TestContext } from "vitest";
import { eventually } from "../../support/eventually.ts";
import { runFine, startWorld, type World } from "../../support/servers/world.ts";

const world = (context: TestContext) =>
  startWorld(context, { vars: ({ receiver }) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: receiver.url }) });

/** The executions whose trace the collector took. */
function taken({ receiver }: World): Set<string> {
  const texts = receiver.on("/v1/traces").filter(({ status }) => status === 204);
  return new Set(texts.flatMap(({ text }) => text.match(/run-\d+/g) ?? []));
}

test.concurrent("one trace that the collector does not take is given up alone", async (context) => {
  const of = await world(context);
  of.receiver.judge = ({ text }) => (text.includes('"run-3"') ? 400 : undefined);
  const { server, calls } = await of.boot();
  // All of one delivery queue's come together, and the bad one is among them.
  await Promise.all(Array.from({ length: 24 }, (_, at) => runFine(calls, `run-${at}`)));
  await eventually(
    async () => taken(of).size,
    (count) => count === 23,
  );
  expect(taken(of).has("run-3")).toBe(false);
  // The line may come after the last trace.
  const lines = await eventually(
    async () =>
      server
        .output()
        .split("\n")
        .filter((line) => line.includes("traces abandoned")),
    (found) => found.length > 0,
  );
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { level: "ERROR", traces: 1, outcome: "unfit" },
  ]);
});

test.concurrent("traces keep to their own waits while others come: none is given up early", async (context) => {
  const of = await world(context);
  of.receiver.judge = () => 503;
  const { server, calls } = await of.boot();
  for (let at = 0; at < 14; at += 1) {
    await runFine(calls, `run-${at}`);
    await sleep(1_050);
  }
  const tries = (id: string) =>
    of.receiver.on("/v1/traces").filter(({ text }) => text.includes(`"${id}"`)).length;
  // After 1, 6 and 16 seconds, however many come meanwhile.
  expect(tries("run-0")).toBeLessThanOrEqual(3);
  expect(server.output()).not.toContain("traces abandoned");
  of.receiver.judge = () => undefined;
  await eventually(
    async () => taken(of).size,
    (count) => count === 14,
    30_000,
  );
});

test.concurrent("a job that cannot be read is dropped with a log line, and the others are sent", async (context) => {
  const of = await world(context);
  of.receiver.judge = () => 503;
  const first = await of.boot();
  for (let at = 0; at < 16; at += 1) await runFine(first.calls, `run-${at}`);
  await eventually(
    async () => of.receiver.on("/v1/traces").length,
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
  of.receiver.judge = () => undefined;
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
