// Schema numbers in real workerd: storage that an earlier version made is brought to the last schema with its rows,
// once, and one that a later version made is refused.
import { afterAll, beforeAll, expect, test } from "vitest";
import { bundle } from "../../bench/servers.ts";
import { startServer, type Server, writeConfig } from "../../bench/raw-workerd.ts";
import { temporaryState } from "../../support/servers/workerd.ts";

const AGENTS = "export default { fetch: () => new Response(null, { status: 404 }) };";

let state: Awaited<ReturnType<typeof temporaryState>>;
let config: string;
let server: Server;

beforeAll(async () => {
  state = await temporaryState();
  const script = await bundle("test/worker/storage/migrating-worker.ts");
  config = await writeConfig(state.path, "migrating", script, AGENTS, [["MIGRATING", "MigratingObject"]]);
  server = await startServer(config);
}, 60_000);

afterAll(async () => {
  await server.kill();
  await state.remove();
});

async function ask(object: string, path: string): Promise<Record<string, unknown>> {
  const response = await fetch(`${server.url}/${path}?object=${object}`);
  return (await response.json()) as Record<string, unknown>;
}

const note = (id: string, more = {}) => ({ id, text: `text of ${id}`, ...more });

test("a new object of a class with one schema has no row for its number", async () => {
  expect(await ask("one", "open/1/a")).toEqual({ tables: ["notes"], notes: [note("a")], tags: [], kept: {} });
});

test("a new object of a class with several has the last one at once", async () => {
  expect(await ask("several", "open/3/a")).toEqual({
    tables: ["notes", "tags"],
    notes: [note("a", { made: 7 })],
    tags: [],
    kept: { schema: 3 },
  });
});

test("storage of before there were numbers is migrated once, with its rows, also after a restart", async () => {
  await ask("earlier", "earlier/0/a");
  await server.kill();
  server = await startServer(config);
  const migrated = {
    tables: ["notes", "tags"],
    notes: [note("a", { made: 7 })],
    tags: [{ note: "a", tag: "kept" }],
    kept: { schema: 3 },
  };
  expect(await ask("earlier", "open/3")).toEqual(migrated);
  await server.kill();
  server = await startServer(config);
  expect(await ask("earlier", "open/3/b")).toEqual({
    ...migrated,
    notes: [note("a", { made: 7 }), note("b", { made: 7 })],
  });
});

test("each number goes on from where the storage is", async () => {
  await ask("steps", "open/1/a");
  expect(await ask("steps", "open/2/b")).toMatchObject({ tables: ["notes"], kept: { schema: 2 } });
  expect(await ask("steps", "open/3")).toMatchObject({
    tags: [
      { note: "a", tag: "kept" },
      { note: "b", tag: "kept" },
    ],
    kept: { schema: 3 },
  });
});

test("a migration that fails changes nothing, and is tried again", async () => {
  await ask("fails", "open/1/a");
  const failed = await ask("fails", "fails/3");
  expect(failed["error"]).toContain("syntax error");
  expect(failed).toMatchObject({ tables: ["notes"], notes: [note("a")], kept: {} });
  expect(await ask("fails", "open/3")).toMatchObject({
    kept: { schema: 3 },
    notes: [note("a", { made: 7 })],
  });
});

test("storage of a later version is refused by its number, and stays as it is", async () => {
  await ask("later", "open/3/a");
  const refused = await ask("later", "open/2/b");
  expect(refused["error"]).toContain("the storage has schema 3, and this version knows schemas up to 2");
  expect(refused).toMatchObject({ notes: [note("a", { made: 7 })], kept: { schema: 3 } });
});

test("the platform refuses PRAGMA user_version, which would keep the number without a row", async () => {
  expect((await ask("pragma", "pragma/0"))["error"]).toContain("not authorized");
});
