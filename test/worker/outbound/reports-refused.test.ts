// Reports that a receiver refuses, over real workerd: later and later tries, of that receiver alone, until the
// execution is forgotten with one line in the log; and an execution that is only read, which reports nothing.
import { setTimeout as sleep } from "node:timers/promises";
import { DatabaseSync } from "node:sqlite";
import { expect, test, type TestContext } from "vitest";
import { eventually } from "../../support/eventually.ts";
import type { Receiver } from "../../support/servers/receiver.ts";
import { type Booted, runFine, startWorld, webhookTo } from "../../support/servers/world.ts";

interface Reporting extends Booted {
  receiver: Receiver;
  /** How often the receiver was given this execution in this status. */
  reports: (receiver: string, rest: string) => number;
}

async function world(
  context: TestContext,
  vars: Record<string, string>,
  config: Record<string, unknown> = {},
): Promise<Reporting> {
  const { receiver, boot } = await startWorld(context, {
    config,
    vars: (of) => ({
      ...webhookTo(of.receiver, "execution.completed"),
      TEST_COUNTS_REPORTS: "true",
      ...vars,
    }),
  });
  const { server, calls } = await boot();
  const reports = (name: string, rest: string) =>
    server
      .output()
      .split("\n")
      .filter((line) => line === `REPORT ${name} ${rest}`).length;
  return { server, calls, receiver, reports };
}

test.concurrent("tries grow apart, and no other receiver is asked again", async (context) => {
  const of = await world(context, { TEST_REFUSES: "index" });
  await runFine(of.calls, "refused");
  await sleep(17_000);
  // At its end, with the alarm that joins, and after 5 and 5 to 9 seconds more at the earliest: not 1 every 5 seconds
  // to everybody.
  const tries = of.reports("index", "refused completed");
  expect(tries).toBeGreaterThanOrEqual(3);
  expect(tries).toBeLessThanOrEqual(4);
  expect(of.receiver.on("/hook")).toHaveLength(1);
  expect(of.server.output()).not.toContain("was not delivered");
});

test.concurrent("what was never taken is given up when the execution is forgotten, with one line", async (context) => {
  const of = await world(context, { TEST_REFUSES: "index" }, { retention_seconds: 3 });
  await runFine(of.calls, "given-up");
  await eventually(
    async () => (await of.calls.fetch("/v1/executions/given-up")).status,
    (status) => status === 404,
  );
  await sleep(1_000);
  const lines = of.server
    .output()
    .split("\n")
    .filter((line) => line.includes("was not delivered"));
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    {
      level: "ERROR",
      message: "execution.completed was not delivered before the execution was forgotten",
      tenant: "local",
      execution_id: "given-up",
      receivers: "index",
    },
  ]);
  expect(of.receiver.on("/hook")).toHaveLength(1);
  // The last try was made just before that.
  expect(of.reports("index", "given-up completed")).toBe(3);
});

test.concurrent("an execution that is deleted before its end was delivered says so, too", async (context) => {
  const of = await world(context, { TEST_REFUSES: "index" });
  await runFine(of.calls, "deleted");
  await sleep(100);
  const response = await of.calls.fetch("/v1/executions/deleted", { method: "DELETE" });
  expect(response.status).toBe(204);
  expect(of.server.output().match(/was not delivered.*"receivers":"index"/g)).toHaveLength(1);
});

/** What the execution's object has stored, its alarm among it. */
async function stored({ server }: Reporting, execution_id: string): Promise<unknown> {
  const database = new DatabaseSync(await server.fileOf(execution_id), { readOnly: true });
  const rows = ["_cf_KV", "_cf_METADATA"].map((table) => {
    const query = database.prepare(`SELECT * FROM ${table}`);
    // An alarm's time is in nanoseconds.
    query.setReadBigInts(true);
    return query.all();
  });
  database.close();
  return rows;
}

test.concurrent("an execution that is only read reports nothing, sets no alarm and writes nothing", async (context) => {
  const of = await world(context, {});
  await runFine(of.calls, "read");
  await eventually(
    async () => of.receiver.on("/hook").length,
    (count) => count === 1,
  );
  await sleep(1_200);
  await of.server.evict("read");
  const before = await stored(of, "read");
  const reportsBefore = of.server.output().match(/^REPORT .*$/gm)?.length;
  for (const path of ["", "/events", "/trace"]) {
    const response = await of.calls.fetch(`/v1/executions/read${path}`);
    expect(response.status).toBe(200);
    await response.text();
  }
  // Attached to, too: the same request again.
  await runFine(of.calls, "read");
  await sleep(1_500);
  expect(await stored(of, "read")).toEqual(before);
  expect(of.server.output().match(/^REPORT .*$/gm)).toHaveLength(reportsBefore ?? -1);
  expect(of.receiver.on("/hook")).toHaveLength(1);
});
