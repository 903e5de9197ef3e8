// Storage that lies: two hundred executions whose files were flipped, cut, emptied or robbed of records between two
// starts. What comes back is a correct prefix or CONTEXT_CORRUPTED; never a wrong answer, and no loop.
import { existsSync } from "node:fs";
import { readFile, rm, truncate, writeFile } from "node:fs/promises";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { callsTo } from "../support/clients/calls.ts";
import { type Chance, seeded } from "../support/values/chance.ts";
import { lifecycle, readEvents } from "../support/clients/sse.ts";
import { startWorkerd, temporaryState, type WorkerdServer } from "../support/servers/workerd.ts";
import { defineFive, type FiveAgents, foretold, startFiveAgents } from "./agents.ts";

const LIES = {
  "flipped bytes": (file: string, chance: Chance) => flip(file, chance),
  "flipped bytes in what is not checkpointed": async (file: string, chance: Chance) => {
    await flip(`${file}-wal`, chance);
  },
  "a truncated file": async (file: string, chance: Chance) =>
    truncate(file, chance.below(await sizeOf(file))),
  "what is not checkpointed, truncated": async (file: string, chance: Chance) =>
    truncate(`${file}-wal`, chance.below(await sizeOf(`${file}-wal`))),
  "a missing record": async (file: string, chance: Chance) => {
    const database = new DatabaseSync(file);
    const keys = database.prepare("SELECT key FROM _cf_KV WHERE key LIKE 'log/%'").all();
    database.prepare("DELETE FROM _cf_KV WHERE key = ?").run(String(chance.pick(keys)["key"]));
    database.close();
  },
  "an altered record": async (file: string, chance: Chance) => {
    const database = new DatabaseSync(file);
    const rows = database.prepare("SELECT key, value FROM _cf_KV WHERE key LIKE 'log/%'").all();
    const { key, value } = chance.pick(rows) as { key: string; value: Uint8Array };
    const at = chance.below(value.byteLength);
    value[at] = (value[at] as number) ^ (1 << chance.below(8));
    database.prepare("UPDATE _cf_KV SET value = ? WHERE key = ?").run(value, key);
    database.close();
  },
  "an empty file": async (file: string) => {
    await truncate(file, 0);
    await rm(`${file}-wal`, { force: true });
  },
  "another file": (file: string) => writeFile(file, Buffer.alloc(8_192, "A")),
} satisfies Record<string, (file: string, chance: Chance) => Promise<void>>;

const KINDS = Object.keys(LIES) as (keyof typeof LIES)[];
const EXECUTIONS = 200;
const SEED = 4;

let state: Awaited<ReturnType<typeof temporaryState>>;
let agents: FiveAgents;
let server: WorkerdServer;

beforeAll(async () => {
  state = await temporaryState();
  // Half of the runs stand in the middle of a call when the server dies; after the restart it is answered.
  let slow = true;
  agents = await startFiveAgents({
    delay: ({ execution_id, stage }) =>
      slow && execution_id.startsWith("run") && stage === "context_decision" ? 3_600_000 : 0,
    fails: () => false,
  });
  server = await boot();
  await defineFive(callsTo(server.url), agents);
  for (let at = 0; at < EXECUTIONS; at += 20) {
    await Promise.all(Array.from({ length: 20 }, (_, more) => start(at + more)));
  }
  slow = false;
});

afterAll(async () => {
  await server?.kill();
  await agents?.close();
  await state?.remove();
});

test("a correct prefix or CONTEXT_CORRUPTED, two hundred times", async () => {
  const chance = seeded(SEED);
  const names = Array.from({ length: EXECUTIONS }, (_, at) => nameOf(at));
  const before = new Map<string, string[]>();
  for (const name of names) before.set(name, (await eventsOf(name)).events);
  const files = new Map<string, string>();
  for (const name of names) files.set(name, await server.fileOf(name));
  await server.kill();
  for (const [at, name] of names.entries()) {
    const kind = KINDS[at % KINDS.length] as keyof typeof LIES;
    const file = files.get(name) as string;
    if (!kind.startsWith("flipped bytes in") && !kind.startsWith("what is not")) checkpoint(file);
    await LIES[kind](file, chance);
  }
  agents.calls.length = 0;
  server = await boot();
  // Time for whatever goes on by itself, and for what would go round for ever.
  await sleep(2_000);
  const told = new Map<string, number>();
  for (const [at, name] of names.entries()) {
    const kind = KINDS[at % KINDS.length] as keyof typeof LIES;
    const answer = await eventsOf(name);
    const verdict = await judge(name, answer, before.get(name) as string[]);
    const label = `${kind}: ${verdict}`;
    told.set(label, (told.get(label) ?? 0) + 1);
  }
  console.log(JSON.stringify(Object.fromEntries(told)));
  // The lies were told: each kind of damage was found at least once, but for a log that is cut at a record's end.
  for (const kind of ["a missing record", "an altered record", "another file", "a truncated file"]) {
    expect(told.get(`${kind}: CONTEXT_CORRUPTED`), kind).toBeGreaterThan(0);
  }
  const callsPerRun = Map.groupBy(agents.calls, (call) => call.execution_id);
  for (const [name, calls] of callsPerRun) expect(calls.length, name).toBeLessThanOrEqual(6);
  expect(server.output()).not.toContain("UNHANDLED");
});

interface Listed {
  status: number;
  code: string | null;
  events: string[];
}

/** What the answer amounts to; fails the test where it is wrong. */
async function judge(name: string, answer: Listed, before: readonly string[]): Promise<string> {
  if (answer.status === 404) return "nothing";
  if (answer.status === 500) {
    expect(answer.code, name).toBe("CONTEXT_CORRUPTED");
    return "CONTEXT_CORRUPTED";
  }
  expect(answer.status, name).toBe(200);
  // What stood there before stands there still, up to where it was lost; what follows was made after it.
  const common = answer.events.findIndex((event, at) => event !== before[at]);
  const kept = common < 0 ? answer.events.length : common;
  const next = answer.events[kept];
  if (next !== undefined && kept < before.length) expect(next, name).toContain("execution.recovered");
  const final = await callsTo(server.url).read(name);
  expect(["completed", "running"], name).toContain(final.status);
  if (final.status === "completed") expect(final.final_result, name).toEqual(foretold(queryOf(name)));
  return kept === before.length ? "whole" : "a prefix";
}

async function eventsOf(name: string): Promise<Listed> {
  const response = await callsTo(server.url).fetch(`/v1/executions/${name}/events`, {
    headers: { accept: "application/json" },
  });
  // oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
  const body = (await response.json()) as any;
  const events =
    response.status === 200 ? (body.data as unknown[]).map((event) => JSON.stringify(event)) : [];
  return { status: response.status, code: body.code ?? null, events };
}

async function start(at: number): Promise<void> {
  const name = nameOf(at);
  const headers: Record<string, string> = name.startsWith("run") ? { prefer: "respond-async" } : {};
  const calls = callsTo(server.url);
  const response = await calls.post({ execution_id: name, query: queryOf(name), pipeline: "five" }, headers);
  expect(response.status).toBeLessThan(300);
  if (!name.startsWith("run")) {
    const events = lifecycle(await readEvents(await calls.fetch(`/v1/executions/${name}/events`)));
    expect(events.at(-1)?.event).toBe("execution.completed");
  }
}

function boot(): Promise<WorkerdServer> {
  return startWorkerd({
    state: state.path,
    vars: { AGENT_COORDINATOR_AGENT_HOSTS: agents.server.host, AGENT_COORDINATOR_CACHING: "false" },
  });
}

/** Every kind of lie meets runs in flight and runs that have ended. */
function nameOf(at: number): string {
  return `${Math.floor(at / KINDS.length) % 2 === 0 ? "run" : "end"}-${at}`;
}

function queryOf(name: string): string {
  return `the question of ${name}`;
}

function checkpoint(file: string): void {
  const database = new DatabaseSync(file);
  database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  database.close();
}

async function flip(file: string, chance: Chance): Promise<void> {
  const bytes = await readFile(file);
  for (let flips = 1 + chance.below(8); flips > 0; flips -= 1) {
    const at = chance.below(bytes.byteLength);
    bytes[at] = (bytes[at] as number) ^ (1 << chance.below(8));
  }
  await writeFile(file, bytes);
}

async function sizeOf(file: string): Promise<number> {
  return existsSync(file) ? (await readFile(file)).byteLength : 0;
}
