// Executions of stages that rest while the server is killed, on real workerd: both go on with what comes after it.
import { expect, test } from "vitest";
import type { Calls } from "../../support/clients/calls.ts";
import { startWorld } from "../../support/servers/world.ts";

interface Shown {
  type: string;
  data: { child_execution_id?: string };
}

async function eventsOf(calls: Calls, id: string): Promise<Shown[]> {
  const headers = { accept: "application/json" };
  const list = await calls.fetch(`/v1/executions/${id}/events`, { headers });
  const { data } = (await list.json()) as { data: Shown[] };
  return data;
}

async function childOf(calls: Calls, id: string): Promise<string> {
  const began = (await eventsOf(calls, id)).find(({ type }) => type === "stage.started");
  return began?.data.child_execution_id ?? "";
}

test("a question within is answered after a crash of both, and another one after that", async (context) => {
  const world = await startWorld(context);
  const first = await world.boot();
  await first.calls.pipeline("inner", [
    { name: "one", wait: { timeout_seconds: 600 } },
    { name: "two", wait: { timeout_seconds: 600 }, depends_on: ["one"] },
  ]);
  await first.calls.pipeline("outer", [{ name: "sub", pipeline: "inner" }]);
  await first.calls.begin("asks", "outer");
  await expect.poll(async () => (await first.calls.read("asks")).status).toBe("waiting");
  const child = await childOf(first.calls, "asks");
  await first.server.kill();
  const { calls } = await world.boot();
  const answer = async (stage: string) => {
    const path = `/v1/executions/${child}/stages/${stage}/complete`;
    expect((await calls.send("POST", path, { data: { of: stage } })).status).toBe(200);
  };
  await answer("one");
  await expect.poll(async () => (await calls.read(child)).stage_results.two.status).toBe("waiting");
  // The outer one follows again, and rests again.
  const waits = async () =>
    (await eventsOf(calls, "asks")).filter(({ type }) => type === "stage.waiting").length;
  await expect.poll(waits, { timeout: 15_000 }).toBe(2);
  await answer("two");
  await expect.poll(async () => (await calls.read("asks")).status, { timeout: 15_000 }).toBe("completed");
  expect((await calls.read("asks")).final_result).toEqual({ of: "two" });
});

test("a run that was paused with the one within is resumed with it after a crash of both", async (context) => {
  const world = await startWorld(context);
  const first = await world.boot();
  let isOpen = false;
  world.agents.on("/inside", (_, response) => {
    response.setHeader("content-type", "application/json");
    if (isOpen) response.end('{"data":{"n":1}}');
  });
  await first.calls.agent("inside", world.agents.url("/inside"));
  await first.calls.pipeline("inner", [{ name: "work", agent_type: "inside" }]);
  await first.calls.pipeline("outer", [{ name: "sub", pipeline: "inner" }]);
  await first.calls.begin("paused", "outer");
  await expect.poll(() => world.agents.callsOf("/inside").length).toBe(1);
  await first.calls.send("POST", "/v1/executions/paused/pause", { mode: "abort" });
  const child = await childOf(first.calls, "paused");
  await expect.poll(async () => (await first.calls.read(child)).status).toBe("paused");
  // The mode is the outer one's: the call within is aborted.
  expect((await first.calls.read(child)).stage_results.work.status).toBe("pending");
  await first.server.kill();
  isOpen = true;
  const { calls } = await world.boot();
  expect((await calls.send("POST", "/v1/executions/paused/resume", {})).status).toBe(200);
  await expect.poll(async () => (await calls.read("paused")).status, { timeout: 15_000 }).toBe("completed");
  expect(world.agents.callsOf("/inside")).toHaveLength(2);
});
