// The webhook's events of pauses and cancellations over real workerd: one message a pause, each with an id of its own,
// also for a pause that a resume follows at once, and for one whose report a crash came before.
import { Webhook } from "standardwebhooks";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test, type TestContext } from "vitest";
import { hangs } from "../../support/agents/agent-server.ts";
import type { Calls } from "../../support/clients/calls.ts";
import { eventually } from "../../support/eventually.ts";
import { startWorld, WEBHOOK_SECRET, webhookTo, type World } from "../../support/servers/world.ts";

const world = (context: TestContext) =>
  startWorld(context, {
    agents: { hangs },
    vars: ({ receiver }) => webhookTo(receiver, "execution.paused,execution.cancelled"),
  });

interface Event {
  id: string;
  type: string;
  timestamp: string;
  data: { execution_id: string; status: string; tenant: string };
}

const events = ({ receiver }: World): Event[] =>
  receiver.on("/hook").map(({ text, headers }) => ({
    ...(new Webhook(WEBHOOK_SECRET).verify(text, headers) as Omit<Event, "id">),
    id: headers["webhook-id"] ?? "",
  }));

const verb = async (calls: Calls, id: string, name: string, body: object = {}) => {
  const response = await calls.send("POST", `/v1/executions/${id}/${name}`, body);
  expect(response.status, await response.text()).toBe(200);
};

const types = (of: World) => events(of).map(({ type }) => type);

test.concurrent("each pause and the cancellation come once, under ids of their own", async (context) => {
  const of = await world(context);
  const { calls } = await of.boot();
  await calls.begin("twice", "hangs");
  await verb(calls, "twice", "pause", { mode: "abort" });
  await eventually(
    async () => types(of),
    (got) => got.length === 1,
  );
  // Pausing what is paused is no second pause.
  await verb(calls, "twice", "pause", { mode: "abort" });
  await verb(calls, "twice", "resume");
  await verb(calls, "twice", "pause", { mode: "abort" });
  await eventually(
    async () => types(of),
    (got) => got.length === 2,
  );
  await verb(calls, "twice", "cancel");
  await eventually(
    async () => types(of),
    (got) => got.length === 3,
  );
  await sleep(1_500);
  expect(types(of)).toEqual(["execution.paused", "execution.paused", "execution.cancelled"]);
  expect(new Set(events(of).map(({ id }) => id)).size).toBe(3);
  const { events: log } = (await (await calls.fetch("/v1/executions/twice/trace")).json()) as {
    events: { event_type: string; timestamp: string }[];
  };
  expect(events(of).map(({ timestamp }) => timestamp)).toEqual(
    log
      .filter(({ event_type }) => /paused|cancelled/.test(event_type) && event_type.startsWith("execution"))
      .map(({ timestamp }) => timestamp),
  );
  expect(events(of).map(({ data }) => [data.tenant, data.status])).toEqual([
    ["local", "paused"],
    ["local", "paused"],
    ["local", "cancelled"],
  ]);
});

test.concurrent("a message that the receiver refused comes again under the same id", async (context) => {
  const of = await world(context);
  const { calls } = await of.boot();
  of.receiver.answerWith(503);
  await calls.begin("refused", "hangs");
  await verb(calls, "refused", "pause", { mode: "abort" });
  const [first, second] = await eventually(
    async () => events(of),
    (got) => got.length === 2,
    15_000,
  );
  expect(second).toEqual(first);
});

test.concurrent("pauses that are over within a moment are each reported", async (context) => {
  const of = await world(context);
  const { calls } = await of.boot();
  await calls.begin("quick", "hangs");
  for (let at = 0; at < 5; at += 1) {
    await Promise.all([
      verb(calls, "quick", "pause", { mode: "abort" }),
      calls.send("POST", "/v1/executions/quick/resume", {}),
    ]);
    const { status } = await calls.read("quick");
    if (status === "paused") await verb(calls, "quick", "resume");
  }
  const { events: log } = (await (await calls.fetch("/v1/executions/quick/trace")).json()) as {
    events: { event_type: string }[];
  };
  const pauses = log.filter(({ event_type }) => event_type === "execution.paused").length;
  expect(pauses).toBe(5);
  await eventually(
    async () => types(of),
    (got) => got.length >= pauses,
  );
  await sleep(500);
  expect(new Set(events(of).map(({ id }) => id)).size).toBe(pauses);
  expect(types(of)).toHaveLength(pauses);
});

test.concurrent.for(["alone", "resumed at once"])(
  "a pause that a crash kept from its report is reported after it, %s",
  async (how, context) => {
    const of = await world(context);
    const first = await of.boot({ TEST_REFUSES: "courier" });
    await first.calls.begin("crashed", "hangs");
    await verb(first.calls, "crashed", "pause", { mode: "abort" });
    await sleep(how === "alone" ? 300 : 50);
    await first.server.kill();
    expect(events(of)).toEqual([]);
    const second = await of.boot();
    if (how !== "alone") await verb(second.calls, "crashed", "resume");
    const [event] = await eventually(
      async () => events(of),
      (got) => got.length > 0,
    );
    expect(event).toMatchObject({
      type: "execution.paused",
      data: { execution_id: "crashed", status: "paused" },
    });
    await sleep(1_500);
    expect(types(of)).toEqual(["execution.paused"]);
  },
);
