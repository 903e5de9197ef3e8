// Many large pipelines, in real workerd: isolates hold an outline of them, read a definition by its name when it is
// run, and not again as long as it is current.
import { afterAll, beforeAll, expect, test } from "vitest";
import { type AgentServer, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { closeAll } from "../../support/close.ts";
import type { Answer } from "../../support/servers/coordinator.ts";
import type { ClassCounts } from "../../support/counting/tally.ts";
import { callWith } from "../../support/clients/keys.ts";
import { startAlone } from "../../support/servers/workerd.ts";

const PIPELINES = 30;
const CHARS = 240_000;
/** Longer than an isolate's copy of the catalog is used without asking. */
const STALE_MS = 2_100;

let agents: AgentServer;
let server: Awaited<ReturnType<typeof startAlone>>;

const at = { fetch: (path: string, init?: RequestInit) => fetch(`${server.url}${path}`, init) };
const api = (
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
): Promise<Answer> => callWith(at, null, method, path, body, headers);
const large = (text: string) => ({
  stages: [{ name: "only", agent_type: "one", config: { text: text.padEnd(CHARS, "x") } }],
});
const stale = () =>
  new Promise((resolve) => {
    setTimeout(resolve, STALE_MS);
  });

/** What the catalog was asked since this was last called. */
async function asked(): Promise<Record<string, number>> {
  const { body } = await api("GET", "/counts");
  return (body as Record<string, ClassCounts>)["CatalogObject"]?.details ?? {};
}

async function run(pipeline: string): Promise<string> {
  const request = { query: "q", conversation_id: "c", pipeline, cache: "bypass" };
  const { body } = await api("POST", "/v1/executions", request);
  return body.stage_results?.only?.data?.said;
}

beforeAll(async () => {
  agents = await startAgentServer();
  agents.on("/one", (call, response, count) =>
    answers({ said: String(call.body.config["text"]).slice(0, 4) })(call, response, count),
  );
  server = await startAlone({ AGENT_COORDINATOR_AGENT_HOSTS: agents.host }, { worker: "counting-worker" });
  await api("PUT", "/v1/agents/one", { url: agents.url("/one") });
  for (let made = 0; made < PIPELINES; made += 1) {
    const { status } = await api("PUT", `/v1/pipelines/large${made}`, large(`L${made}.`));
    expect(status).toBe(201);
  }
  await api("PUT", "/v1/pipelines/small", {
    stages: [{ name: "only", agent_type: "one", config: { text: "small" } }],
  });
}, 120_000);

afterAll(async () => {
  await server?.close();
  await closeAll(agents);
});

test("a definition is read when it is run, once, however often the outline is read again", async () => {
  await stale();
  await asked();
  expect(await run("large7")).toMatch(/^L7\./);
  expect((await asked())["pipeline"]).toBe(1);
  for (let made = 0; made < 2; made += 1) {
    await stale();
    expect(await run("large7")).toMatch(/^L7\./);
  }
  expect((await asked())["pipeline"]).toBeUndefined();
  expect(await run("large8")).toMatch(/^L8\./);
  expect(await run("small")).toBe("smal");
  const last = await asked();
  expect(last["pipeline"]).toBe(1);
});

test("a change is run at once where it was made, and after two seconds everywhere", async () => {
  const { headers } = await api("GET", "/v1/pipelines/large9");
  const etag = headers.get("etag") ?? "";
  const changed = await api("PUT", "/v1/pipelines/large9", large("new."), { "if-match": etag });
  expect(changed).toMatchObject({ status: 200, body: { version: 2 } });
  expect(changed.body.stages[0].config.text).toHaveLength(CHARS);
  expect(await run("large9")).toBe("new.");
  expect((await api("PUT", "/v1/pipelines/large9", large("old."), { "if-match": etag })).status).toBe(412);
  const read = await api("GET", "/v1/pipelines/large9");
  expect(read.body.stages[0].config.text.slice(0, 4)).toBe("new.");
  expect(
    (await api("GET", "/v1/pipelines/large9", undefined, { "if-none-match": read.headers.get("etag") ?? "" }))
      .status,
  ).toBe(304);
});

test("a stage is added to one, and a deleted one is gone", async () => {
  const second = { name: "second", agent_type: "one" };
  const added = await api("POST", "/v1/pipelines/large3/stages", second);
  expect(added).toMatchObject({ status: 201, body: { version: 2 } });
  expect(added.body.stages.map(({ name }: { name: string }) => name)).toEqual(["only", "second"]);
  expect((await api("DELETE", "/v1/pipelines/large4")).status).toBe(204);
  expect((await api("GET", "/v1/pipelines/large4")).status).toBe(404);
  expect(
    (await api("POST", "/v1/executions", { query: "q", conversation_id: "c", pipeline: "large4" })).status,
  ).toBe(404);
});

test("the list has every definition", async () => {
  const { body } = await api("GET", "/v1/pipelines");
  const lengths = (body.data as { name: string; stages: { config: { text?: string } }[] }[])
    .filter(({ name }) => name.startsWith("large"))
    .map(({ stages }) => stages[0]?.config.text?.length);
  expect(lengths).toEqual(Array.from({ length: PIPELINES - 1 }, () => CHARS));
});
