// Stream tokens in real workerd: bound to one run, not to its id, and to the key under which they were made; in every
// answer that has one, and for every way to read events.
import { createHash } from "node:crypto";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { after, type AgentServer, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { type Calls, callsTo } from "../../support/clients/calls.ts";
import { KEYED, KEYS } from "../../support/clients/keys.ts";
import { lifecycle, readEvents } from "../../support/clients/sse.ts";
import { startWorkerd, temporaryState, type WorkerdServer } from "../../support/servers/workerd.ts";

let agents: AgentServer;
let state: Awaited<ReturnType<typeof temporaryState>>;
let server: WorkerdServer;
let acme: Calls;

const TOKEN_SECRET = "a secret of thirty-two bytes, so";
const entry = (key: string, fields: object = {}) => ({
  tenant: "acme",
  key_sha256: createHash("sha256").update(key).digest("hex"),
  scopes: ["execute", "admin"],
  ...fields,
});

async function boot(vars: Record<string, string> = KEYED): Promise<void> {
  await server?.kill();
  server = await startWorkerd({
    state: state.path,
    vars: {
      ...vars,
      AGENT_COORDINATOR_TOKEN_SECRET: TOKEN_SECRET,
      AGENT_COORDINATOR_AGENT_HOSTS: agents.host,
      AGENT_COORDINATOR_CACHING: "false",
    },
  });
  acme = callsTo(server.url, KEYS.acme);
}

beforeAll(async () => {
  agents = await startAgentServer();
  agents.on("/quick", answers({ said: "quick" }));
  agents.on("/slow", after(300, answers({ said: "slow" })));
  agents.on("/slower", after(1_500, answers({ said: "slower" })));
  state = await temporaryState();
  await boot();
  for (const name of ["quick", "slow", "slower"]) {
    await acme.agent(name, agents.url(`/${name}`));
    await acme.pipeline(name, [{ name: "only", agent_type: name }]);
  }
});

afterAll(async () => {
  await server?.kill();
  await state?.remove();
  await agents?.close();
});

/** Starts a run and gives back the address of its stream. */
async function started(execution_id: string, pipeline = "slow"): Promise<string> {
  const body = { execution_id, pipeline };
  const response = await acme.post(body, { prefer: "respond-async" });
  return streamOf(response);
}

async function streamOf(response: Response): Promise<string> {
  const { stream_url } = (await response.json()) as { stream_url: string };
  return stream_url;
}

/** A request with the token alone. */
const open = (stream_url: string, init?: RequestInit) => fetch(`${server.url}${stream_url}`, init);
const followed = async (stream_url: string) => {
  const response = await open(stream_url);
  return response.status === 200 ? lifecycle(await readEvents(response)).at(-1)?.event : response.status;
};

async function expectRefused(stream_url: string): Promise<void> {
  for (const init of [{}, { headers: { accept: "application/json" } }, { method: "HEAD" }]) {
    const response = await open(stream_url, init);
    const text = await response.text();
    expect(response.status, JSON.stringify(init)).toBe(401);
    expect(response.headers.get("www-authenticate")).toContain("Bearer");
    if (text !== "") expect(JSON.parse(text)).toMatchObject({ code: "UNAUTHORIZED" });
  }
}

describe("a token", () => {
  test("opens its run while it runs and after it has ended, in every way", async () => {
    const url = await started("ended");
    expect(await followed(url)).toBe("execution.completed");
    expect(await followed(url)).toBe("execution.completed");
    expect((await open(`${url}&after=99`)).status).toBe(204);
    expect((await open(url, { method: "HEAD" })).status).toBe(200);
    const listed = await open(url, { headers: { accept: "application/json" } });
    const { data } = (await listed.json()) as { data: unknown[] };
    expect(data).toHaveLength(4);
  });

  test("does not open another run that was started under the same id", async () => {
    const old = await started("again");
    expect(await followed(old)).toBe("execution.completed");
    expect((await acme.fetch("/v1/executions/again", { method: "DELETE" })).status).toBe(204);
    expect(await followed(old)).toBe(404);
    const fresh = await started("again");
    await expectRefused(old);
    expect(await followed(fresh)).toBe("execution.completed");
    await expectRefused(old);
    // The key itself opens the run that is there.
    expect((await acme.fetch("/v1/executions/again/events")).status).toBe(200);
  });

  test("that an object signs, of a caller whose leaving matters, opens the run, too", async () => {
    const body = { execution_id: "watched", pipeline: "slower", on_disconnect: "cancel" };
    const response = await acme.post(body, { prefer: "wait=1" });
    const { status, stream_url } = (await response.json()) as { status: string; stream_url: string };
    expect([response.status, status]).toEqual([202, "running"]);
    expect(await followed(stream_url)).toBe("execution.completed");
    await acme.fetch("/v1/executions/watched", { method: "DELETE" });
    await started("watched");
    await expectRefused(stream_url);
  });

  test("comes with every answer about a run that has not ended, and opens it", async () => {
    const urls = [await started("answers")];
    for (const [method, path] of [
      ["GET", ""],
      ["POST", "/pause"],
      ["POST", "/resume"],
    ] as const) {
      const answer = await acme.fetch(`/v1/executions/answers${path}`, { method });
      urls.push(await streamOf(answer));
    }
    for (const url of urls) expect(await followed(url)).toBe("execution.completed");
    const ended = await (await acme.fetch("/v1/executions/answers")).json();
    expect(ended).not.toHaveProperty("stream_url");
  });
});

describe("the key under which a token was made", () => {
  afterEach(() => boot());

  const keys = (...entries: object[]) => ({
    AGENT_COORDINATOR_AUTH: "keys",
    AGENT_COORDINATOR_API_KEYS: JSON.stringify(entries),
  });
  const other = entry("another-key", { id: "other" });

  test("ends it when it is removed, and no other key's token", async () => {
    await boot(keys(entry(KEYS.acme), other));
    const own = await started("removed");
    const kept = { execution_id: "kept", pipeline: "slow" };
    const theirs = await streamOf(
      await callsTo(server.url, "another-key").post(kept, { prefer: "respond-async" }),
    );
    expect(await followed(own)).toBe("execution.completed");
    await boot(keys(other));
    await expectRefused(own);
    expect(await followed(theirs)).toBe("execution.completed");
    await boot(keys(other, entry(KEYS.acme)));
    expect(await followed(own)).toBe("execution.completed");
  });

  test("ends it when another key takes its id, and when its time is over", async () => {
    await boot(keys(entry(KEYS.acme, { id: "ci" })));
    const url = await started("replaced");
    expect(new URL(url, server.url).searchParams.get("token")?.split(".")[2]).toBe("ci");
    expect(await followed(url)).toBe("execution.completed");
    await boot(keys(entry("another-key", { id: "ci" })));
    await expectRefused(url);
    await boot(keys(entry(KEYS.acme, { id: "ci", not_after: "2020-01-01T00:00:00Z" })));
    await expectRefused(url);
    await boot(keys(entry(KEYS.acme, { id: "ci", not_after: "2100-01-01T00:00:00Z" })));
    expect(await followed(url)).toBe("execution.completed");
  });
});
