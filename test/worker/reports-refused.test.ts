// Reports that a receiver refuses, over real workerd: later and later tries, of that receiver alone, until the
// execution is forgotten with one line in the log; and an execution that is only read, which reports nothing.
import { setTimeout as sleep } from "node:timers/promises";
import { DatabaseSync } from "node:sqlite";
import { afterEach, expect, test } from "vitest";
import { answers, startAgentServer } from "../support/agent-server.ts";
import { type Calls, callsTo } from "../support/calls.ts";
import { eventually } from "../support/eventually.ts";
import { type Receiver, startReceiver } from "../support/receiver.ts";
import { startAlone, type WorkerdServer } from "../support/workerd.ts";

const SECRET = `whsec_${Buffer.from("a secret of the tests, 32 bytes!").toString("base64")}`;

let end: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const one of end.toReversed()) await one();
  end = [];
});

interface World {
  server: WorkerdServer;
  calls: Calls;
  receiver: Receiver;
  /** How often the receiver was given this execution in this status. */
  reports: (receiver: string, rest: string) => number;
}

async function world(vars: Record<string, string>, config: Record<string, unknown> = {}): Promise<World> {
  const [agents, receiver] = await Promise.all([startAgentServer(), startReceiver()]);
  end.push(
    () => agents.close(),
    () => receiver.close(),
  );
  agents.on("/fine", answers({ answer: "fine" }));
  const server = await startAlone({
    AGENT_COORDINATOR_AGENT_HOSTS: agents.host,
    AGENT_COORDINATOR_CACHING: "false",
    AGENT_COORDINATOR_WEBHOOK_URL: `${receiver.url}/hook`,
    AGENT_COORDINATOR_WEBHOOK_SECRET: SECRET,
    AGENT_COORDINATOR_WEBHOOK_EVENTS: "execution.completed",
    TEST_COUNTS_REPORTS: "true",
    ...vars,
  });
  end.push(server.close);
  const calls = callsTo(server.url);
  await calls.agent("fine", agents.url("/fine"));
  await calls.pipeline("fine", [{ name: "only", agent_type: "fine" }]);
  await calls.send("PATCH", "/v1/config", config);
  const reports = (name: string, rest: string) =>
    server
      .output()
      .split("\n")
      .filter((line) => line === `REPORT ${name} ${rest}`).length;
  return { server, calls, receiver, reports };
}

async function runOne({ calls }: World, execution_id: string): Promise<void> {
  const response = await calls.post({ execution_id, pipeline: "fine" });
  expect(await response.json()).toMatchObject({ status: "completed" });
}

test("tries grow apart, and no other receiver is asked again", async () => {
  const of = await world({ TEST_REFUSES: "index" });
  await runOne(of, "refused");
  await sleep(17_000);
  // At its end, with the alarm that joins, and after 5 and 5 to 9 seconds more at the earliest: not 1 every 5 seconds
  // to everybody.
  const tries = of.reports("index", "refused completed");
  expect(tries).toBeGreaterThanOrEqual(3);
  expect(tries).toBeLessThanOrEqual(4);
  expect(of.receiver.on("/hook")).toHaveLength(1);
  expect(of.server.output()).not.toContain("was not delivered");
});

test("what was never taken is given up when the execution is forgotten, with one line", async () => {
  const of = await world({ TEST_REFUSES: "index" }, { retention_seconds: 3 });
  await runOne(of, "given-up");
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

test("an execution that is deleted before its end was delivered says so, too", async () => {
  const of = await world({ TEST_REFUSES: "index" });
  await runOne(of, "deleted");
  await sleep(100);
  const response = await of.calls.fetch("/v1/executions/deleted", { method: "DELETE" });
  expect(response.status).toBe(204);
  expect(of.server.output().match(/was not delivered.*"receivers":"index"/g)).toHaveLength(1);
});

/** What the execution's object has stored, its alarm among it. */
async function stored({ server }: World, execution_id: string): Promise<unknown> {
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

test("an execution that is only read reports nothing, sets no alarm and writes nothing", async () => {
  const of = await world({});
  await runOne(of, "read");
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
  await runOne(of, "read");
  await sleep(1_500);
  expect(await stored(of, "read")).toEqual(before);
  expect(of.server.output().match(/^REPORT .*$/gm)).toHaveLength(reportsBefore ?? -1);
  expect(of.receiver.on("/hook")).toHaveLength(1);
});
