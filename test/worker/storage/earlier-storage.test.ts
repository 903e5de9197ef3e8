// Storage that other versions wrote, opened by this one in real workerd: tables made by earlier statements, the logs of
// runs in mid-flight, and a log of a format that only a later version knows.
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { Serializer } from "node:v8";
import { expect, test, type TestContext } from "vitest";
import { crc32 } from "../../../src/adapters/log/crc32.ts";
import { encodeRecord } from "../../../src/adapters/log/record.ts";
import { type LogEvent, wireJson } from "../../../src/core/execution/log-event.ts";
import { after, answers } from "../../support/agents/agent-server.ts";
import type { Calls } from "../../support/clients/calls.ts";
import { eventually } from "../../support/eventually.ts";
import { goldenEvents } from "../../support/values/golden-logs.ts";
import { runFine, startWorld, webhookTo, type World } from "../../support/servers/world.ts";

const world = (context: TestContext) =>
  startWorld(context, {
    agents: { fine: answers({ answer: "fine", n: 1 }) },
    vars: ({ receiver }) => ({
      ...webhookTo(receiver, "execution.completed"),
      AGENT_COORDINATOR_CACHING: "true",
    }),
  });

/** Opens the file of each object of a class that has a table of this name, a pattern of LIKE, while no server runs. */
function inEach(
  state: string,
  className: string,
  table: string,
  change: (database: DatabaseSync) => void,
): void {
  const folder = join(state, "objects", `agent-coordinator-${className}`);
  let changed = 0;
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".sqlite"))) {
    const database = new DatabaseSync(join(folder, file));
    if (database.prepare("SELECT 1 FROM sqlite_master WHERE name LIKE ?").get(table) !== undefined) {
      change(database);
      changed += 1;
    }
    database.close();
  }
  expect(changed).toBeGreaterThan(0);
}

/** Makes the table anew by an earlier version's statement, with the rows that it has, as far as there were columns. */
function madeBy(statement: string, table: string, columns: string): (database: DatabaseSync) => void {
  return (database) => {
    database.exec(`CREATE TABLE moved AS SELECT ${columns} FROM ${table}; DROP TABLE ${table}`);
    database.exec(statement);
    database.exec(`INSERT INTO ${table} (${columns}) SELECT ${columns} FROM moved; DROP TABLE moved`);
  };
}

/** Takes away what this version wrote of there having been no other, and leaves what every earlier one wrote. */
function ofEarlierVersion(state: string): void {
  const forget = "DELETE FROM _cf_KV WHERE key = 'earlier_until'";
  inEach(state, "LedgerObject", "_cf_KV", (database) => database.exec(forget));
  inEach(state, "CatalogObject", "_cf_KV", (database) =>
    database.exec("DELETE FROM _cf_KV WHERE key = 'shards'"),
  );
  inEach(state, "MonitorObject", "_cf_KV", (database) => {
    database.exec(forget);
    database.prepare("INSERT OR REPLACE INTO _cf_KV (key, value) VALUES ('news', ?)").run(stored(true));
  });
}

const LISTED = "start, id, seq, status, pipeline, conversation_id, ended, expires, summary";

test.concurrent.for([
  [
    "before runs had shapes",
    LISTED,
    `CREATE TABLE IF NOT EXISTS executions (
      start INTEGER NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL, status TEXT NOT NULL,
      pipeline TEXT NOT NULL, conversation_id TEXT NOT NULL, ended INTEGER, expires INTEGER NOT NULL,
      summary TEXT NOT NULL, PRIMARY KEY (start, id)
    ) WITHOUT ROWID`,
  ],
  [
    "before there were schema numbers",
    `${LISTED}, shape`,
    `CREATE TABLE IF NOT EXISTS executions (
      start INTEGER NOT NULL, id TEXT NOT NULL, seq INTEGER NOT NULL, status TEXT NOT NULL,
      pipeline TEXT NOT NULL, conversation_id TEXT NOT NULL, ended INTEGER, expires INTEGER NOT NULL,
      summary TEXT NOT NULL, shape TEXT, PRIMARY KEY (start, id)
    ) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS open ON executions (expires) WHERE ended IS NULL`,
  ],
] as const)(
  "the index of executions goes on with its tables of %s",
  async ([, columns, statement], context) => {
    const of = await world(context);
    const first = await of.boot();
    const list = async ({ calls }: { calls: Calls }, filter = "pipeline=fine") => {
      const response = await calls.fetch(`/v1/executions?${filter}&limit=100`);
      expect(response.status).toBe(200);
      const { data } = (await response.json()) as { data: { execution_id: string; status: string }[] };
      return data.filter(({ status }) => status === "completed").map(({ execution_id }) => execution_id);
    };
    const earlier = Array.from({ length: 6 }, (_, at) => `before-${at}`);
    for (const id of earlier) await runFine(first.calls, id);
    await eventually(
      async () => (await list(first)).length,
      (count) => count === 6,
    );
    await first.server.kill();
    inEach(of.state, "LedgerObject", "runs", (database) => {
      database.exec(statement);
      database.exec(
        `INSERT INTO executions (${columns}) SELECT ${columns.replace("shape", "NULL")} FROM runs`,
      );
      database.exec(
        "DROP TABLE runs; DROP TABLE pipeline_windows; DROP TABLE waits; DROP TABLE places; DROP TABLE turn_places",
      );
      database.exec("DELETE FROM _cf_KV WHERE key = 'schema'");
    });
    ofEarlierVersion(of.state);
    const second = await of.boot();
    expect((await list(second)).toSorted()).toEqual(earlier);
    expect((await list(second, "conversation_id=c1")).toSorted()).toEqual(earlier);
    // As many as it takes for each part of the index to write.
    const later = Array.from({ length: 12 }, (_, at) => `later-${at}`);
    for (const id of later) await runFine(second.calls, id);
    await eventually(
      async () => (await list(second)).length,
      (count) => count === 18,
    );
    expect((await list(second)).toSorted()).toEqual([...earlier, ...later].toSorted());
    expect((await list(second, "conversation_id=c1")).toSorted()).toEqual([...earlier, ...later].toSorted());
    const metrics = await second.calls.fetch("/v1/metrics?pipeline=fine");
    expect(metrics.status).toBe(200);
    expect((await second.calls.fetch("/v1/executions/before-1", { method: "DELETE" })).status).toBe(204);
    await eventually(
      async () => (await list(second)).includes("before-1"),
      (isListed) => !isListed,
    );
    await second.server.kill();
    inEach(of.state, "LedgerObject", "executions", (database) => {
      const names = database.prepare("SELECT name FROM pragma_table_info('executions')").all();
      expect(names.map(({ name }) => name)).toContain("shape");
      expect(database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'open'").get()).toBeDefined();
      expect(database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'runs'").get()).toBeDefined();
    });
  },
);

test.concurrent("the delivery queue sends what an earlier version has put into it", async (context) => {
  const of = await world(context);
  const first = await of.boot();
  await runFine(first.calls, "one");
  const hooks = (id: string) => of.receiver.on("/hook").filter(({ text }) => text.includes(`"${id}"`)).length;
  await eventually(
    async () => hooks("one"),
    (count) => count === 1,
  );
  await first.server.kill();
  const statement = `CREATE TABLE IF NOT EXISTS parcels (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, body TEXT NOT NULL, made INTEGER NOT NULL, due INTEGER NOT NULL
  ) WITHOUT ROWID`;
  inEach(of.state, "CourierObject", "parcels", (database) => {
    madeBy(statement, "parcels", "id, kind, body, made, due")(database);
    database
      .prepare("INSERT OR IGNORE INTO parcels VALUES (?, ?, ?, 0, ?)")
      .run("msg_kept", "webhook", '{"type":"execution.completed","of":"kept"}', 1);
  });
  const second = await of.boot();
  await eventually(
    async () => {
      await runFine(second.calls, `more-${of.receiver.received.length}-${Date.now()}`);
      return hooks("kept");
    },
    (count) => count >= 1,
  );
  expect(hooks("kept")).toBe(1);
});

test.concurrent("the result cache answers from what an earlier version has kept", async (context) => {
  const of = await world(context);
  const first = await of.boot();
  await runFine(first.calls, "asked", "the same question");
  // What is kept is reported after the answer.
  await sleep(500);
  await first.server.kill();
  let kept = 0;
  inEach(of.state, "CacheObject", "results_%", (database) => {
    const [name = ""] = database
      .prepare("SELECT name FROM sqlite_master WHERE name LIKE 'results_%'")
      .all()
      .map((table) => String(table["name"]));
    database.exec(`CREATE TABLE IF NOT EXISTS results (
      family TEXT NOT NULL, exact TEXT NOT NULL, at INTEGER NOT NULL, entry TEXT NOT NULL,
      PRIMARY KEY (family, exact)
    ) WITHOUT ROWID`);
    for (const row of database.prepare(`SELECT at, keys, entries FROM ${name}`).all()) {
      const [exact = "", family = ""] = String(row["keys"]).split(" ");
      const values = [family, exact, Number(row["at"]), String(row["entries"])];
      database.prepare("INSERT INTO results VALUES (?, ?, ?, ?)").run(...values);
      kept += 1;
    }
    database.exec(`DROP TABLE ${name}; DELETE FROM _cf_KV WHERE key = 'schema'`);
  });
  expect(kept).toBe(1);
  const second = await of.boot();
  const response = await second.calls.post({
    execution_id: "again",
    pipeline: "fine",
    query: "the same question",
    conversation_id: "c2",
  });
  expect(await response.json()).toMatchObject({ stage_results: { only: { cached: true } } });
  await runFine(second.calls, "another");
  expect(of.agents.callsOf("/fine")).toHaveLength(2);
});

/** A value as the platform's key-value storage holds it. */
function stored(value: unknown): Uint8Array {
  const serializer = new Serializer();
  serializer.writeHeader();
  serializer.writeValue(value);
  return new Uint8Array(serializer.releaseBuffer());
}

test.concurrent("definitions that lack what has a default run, and are shown and changed with it", async (context) => {
  const of = await world(context);
  const first = await of.boot();
  await first.server.kill();
  inEach(of.state, "CatalogObject", "_cf_KV", (database) => {
    const put = database.prepare("UPDATE _cf_KV SET value = ? WHERE key = ?");
    const stages = [
      { name: "one", agent_type: "fine" },
      { name: "two", agent_type: "fine", depends_on: ["one"] },
    ];
    put.run(stored({ name: "fine", version: 1, stages }), "pipeline/fine");
    put.run(stored({ url: of.agents.url("/fine") }), "agent/fine");
  });
  const second = await of.boot();
  const whole = { required: true, parallel: false, config: {} };
  const shown = await second.calls.fetch("/v1/pipelines/fine");
  expect(await shown.json()).toMatchObject({
    version: 1,
    stages: [
      { ...whole, depends_on: [] },
      { ...whole, depends_on: ["one"] },
    ],
  });
  const agent = await second.calls.fetch("/v1/agents/fine");
  expect(await agent.json()).toMatchObject({ protocol: "native" });
  await runFine(second.calls, "earlier");
  const stage = { name: "three", agent_type: "fine", depends_on: ["two"] };
  expect((await second.calls.send("POST", "/v1/pipelines/fine/stages", stage)).ok).toBe(true);
  await runFine(second.calls, "changed");
});

/** Puts records in the place of an execution's log, and an alarm in the place of its alarm. */
function replaceLog(file: string, records: readonly { key: string; bytes: Uint8Array }[]): void {
  const database = new DatabaseSync(file);
  database.exec("DELETE FROM _cf_KV WHERE key LIKE 'log/%'");
  const put = database.prepare("INSERT INTO _cf_KV (key, value) VALUES (?, ?)");
  for (const { key, bytes } of records) put.run(key, stored(bytes.slice()));
  database.close();
}

/** The golden log with its agents here, its config without keys that came later, and its times a minute ago. */
function localGolden(name: string, of: World): LogEvent[] {
  const shift = Date.now() - 60_000 - Date.parse(goldenEvents(name)[0]?.timestamp as string);
  const moved = JSON.stringify(goldenEvents(name))
    .replaceAll(/https:\/\/agents\.example\/\w+/g, of.agents.url("/fine"))
    .replaceAll(/"\d{4}-\d\d-\d\dT[\d:.]+Z"/g, (time) =>
      JSON.stringify(new Date(Date.parse(JSON.parse(time) as string) + shift).toISOString()),
    )
    .replaceAll(/"max_pause_seconds":\d+,/g, "");
  return JSON.parse(moved) as LogEvent[];
}

test.concurrent.for(["v1-running", "v1-waiting", "v1-paused", "v1-falling"])(
  "the log %s is finished",
  async (name, context) => {
    const of = await world(context);
    const first = await of.boot();
    const golden = localGolden(name, of);
    const id = golden[0]?.execution_id as string;
    // Its object must be there, with an alarm; in another conversation, since its turn is not the one looked for.
    await first.calls.post({ execution_id: id, pipeline: "fine", conversation_id: "another" });
    await eventually(
      async () => (await first.calls.read(id)).status,
      (status) => status === "completed",
    );
    const file = await first.server.fileOf(id);
    await first.server.kill();
    replaceLog(file, encodeRecord(golden));
    ofEarlierVersion(of.state);
    const second = await of.boot();
    if (name === "v1-paused") {
      expect((await second.calls.read(id)).status).toBe("paused");
      expect((await second.calls.send("POST", `/v1/executions/${id}/resume`, {})).status).toBe(200);
    }
    const ended = await eventually(
      () => second.calls.read(id),
      ({ status }) => status !== "running",
      20_000,
    );
    expect(ended).toMatchObject({
      status: "completed",
      execution_metadata: { config: { max_pause_seconds: 604_800 } },
    });
    const events = await second.calls.fetch(`/v1/executions/${id}/events`, {
      headers: { accept: "application/json" },
    });
    const { data } = (await events.json()) as { data: LogEvent[] };
    expect(data.slice(0, golden.length).map((event) => JSON.stringify(event))).toEqual(golden.map(wireJson));
    // Its turn is in the object of its conversation, and is read from there.
    const isListed = (execution_id: string) =>
      eventually(
        async () => (await second.calls.fetch("/v1/executions?conversation_id=c1&status=completed")).text(),
        (listed) => listed.includes(`"${execution_id}"`),
      );
    await isListed(id);
    await runFine(second.calls, "next");
    const { query } = ended as { query: string };
    const heard = () => of.agents.callsOf("/fine").at(-1)?.body.history;
    expect(heard()).toEqual([{ query, answer: { answer: "fine", n: 1 } }]);
    await isListed("next");
    await runFine(second.calls, "after-that");
    expect(heard()).toMatchObject([{ query }, { query: "next" }]);
    expect((await second.calls.fetch(`/v1/executions/${id}`, { method: "DELETE" })).status).toBe(204);
    await isListed("after-that");
    await runFine(second.calls, "the-last");
    expect(heard()).toMatchObject([{ query: "next" }, { query: "after-that" }]);
  },
);

/** When the object's alarm is set to, ms since the epoch; null where it has none. */
function alarmOf(file: string): number | null {
  const database = new DatabaseSync(file, { readOnly: true });
  const query = database.prepare("SELECT value FROM _cf_METADATA WHERE key = 1");
  query.setReadBigInts(true);
  const row = query.get() as { value: bigint | null } | undefined;
  database.close();
  return row?.value == null ? null : Number(row.value / 1_000_000n);
}

test.concurrent("the log of a later version is refused by its format, and its run waits for that version", async (context) => {
  const of = await world(context);
  const first = await of.boot();
  const golden = localGolden("v1-running", of);
  const id = golden[0]?.execution_id as string;
  // A run in mid-flight has its alarm soon.
  of.agents.on("/late", after(5_000, answers({ answer: "late" })));
  await first.calls.agent("late", of.agents.url("/late"));
  await first.calls.pipeline("late", [{ name: "only", agent_type: "late" }]);
  await first.calls.begin(id, "late");
  const file = await first.server.fileOf(id);
  await first.server.kill();
  const [record] = encodeRecord(golden);
  const body = new TextEncoder().encode(
    `{"v":9,"what":"only the later version knows","events":${JSON.stringify(golden)}}`,
  );
  const bytes = new Uint8Array(4 + body.byteLength);
  new DataView(bytes.buffer).setUint32(0, crc32(body));
  bytes.set(body, 4);
  replaceLog(file, [{ key: record?.key as string, bytes }]);
  const database = new DatabaseSync(file);
  // Due at once.
  database.prepare("UPDATE _cf_METADATA SET value = 1 WHERE key = 1").run();
  database.close();
  const second = await of.boot();
  const refused = await second.calls.fetch(`/v1/executions/${id}`);
  expect(refused.status).toBe(500);
  const problem = (await refused.json()) as { code: string; detail: string };
  expect(problem.code).toBe("CONTEXT_CORRUPTED");
  expect(problem.detail).toContain("has the format 9, and this version reads format 1, 2");
  await sleep(1_000);
  await second.server.kill();
  expect(of.agents.callsOf("/fine")).toHaveLength(0);
  const alarm = alarmOf(file);
  expect(alarm).toBeGreaterThan(Date.now() + 300_000);
  // The later version is here again: for this test, one that wrote format 1.
  replaceLog(file, encodeRecord(golden));
  const third = await of.boot();
  await eventually(
    async () => (await third.calls.read(id)).status,
    (status) => status === "completed",
    20_000,
  );
});
