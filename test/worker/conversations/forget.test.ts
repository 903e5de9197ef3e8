// A conversation is deleted with all that is kept of it: in the API, and in the files of the storage.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { answers } from "../../support/agents/agent-server.ts";
import { startWorld } from "../../support/servers/world.ts";

const CANARIES = {
  query: "canary-of-the-query-5f1c",
  answer: "canary-of-the-answer-77aa",
  context: "canary-of-the-context-09be",
  patch: "canary-of-the-patch-b4d2",
  prompt: "canary-of-the-prompt-c3d8",
  reply: "canary-of-the-reply-41e9",
};

/** The canaries that a folder's files hold, with the files. */
function found(folder: string): string[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  return files.flatMap((file) => {
    const path = join(file.parentPath, file.name);
    const bytes = readFileSync(path).toString("latin1");
    return Object.entries(CANARIES)
      .filter(([, text]) => bytes.includes(text))
      .map(([name]) => `${name} in ${path.slice(folder.length + 1)}`);
  });
}

test("nothing in the storage names the content of a deleted conversation", async (context) => {
  const world = await startWorld(context, {
    vars: () => ({ AGENT_COORDINATOR_CACHING: "true" }),
    agents: { one: answers({ answer: CANARIES.answer }, { context: { note: CANARIES.patch } }) },
  });
  const { calls } = await world.boot();
  await calls.pipeline("asks", [
    { name: "draft", agent_type: "one" },
    {
      name: "ask",
      depends_on: ["draft"],
      wait: { prompt: `{'q': '${CANARIES.prompt}'}`, timeout_seconds: 600 },
    },
  ]);
  const run = async (pipeline: string, prefer = "wait=5") => {
    const body = {
      pipeline,
      query: CANARIES.query,
      conversation_id: "secret",
      context: { c: CANARIES.context },
    };
    return (await (await calls.post(body, { prefer })).json()) as { execution_id: string; status: string };
  };
  const done = await run("one");
  const { execution_id } = await run("asks", "wait=1");
  const complete = `/v1/executions/${execution_id}/stages/ask/complete`;
  expect((await calls.send("POST", complete, { data: { said: CANARIES.reply } })).status).toBe(200);
  await run("asks", "wait=1");
  await calls.send("POST", `/v1/executions/${done.execution_id}/fork`, {
    query: `${CANARIES.query}?`,
    replace_turn: true,
  });
  expect(found(world.state).length).toBeGreaterThan(3);
  const gone = await calls.fetch("/v1/conversations/secret?cancel=true", { method: "DELETE" });
  expect(gone.status).toBe(204);
  const left = () => found(world.state).filter((name) => !name.includes("CatalogObject"));
  // Each execution's database goes with it.
  expect(left().filter((name) => name.includes("ExecutionObject"))).toEqual([]);
  // The write-ahead log of a shard goes with its object, which leaves memory when nothing comes for ten seconds.
  await expect.poll(left, { timeout: 30_000, interval: 500 }).toEqual([]);
}, 60_000);
