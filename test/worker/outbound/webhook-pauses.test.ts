// The webhook's events of pauses and cancellations over real workerd: one message a pause, each with an id of its own,
// also for a pause that a resume follows at once, and for one whose report a crash came before.
import { Webhook } from "standardwebhooks";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, expect, test } from "vitest";
import { answers, hangs, startAgentServer } from "../../support/agents/agent-server.ts";
import { type Calls, callsTo } from "../../support/clients/calls.ts";
import { eventually } from "../../support/eventually.ts";
import { type Receiver, startReceiver } from "../../support/servers/receiver.ts";
import { startWorkerd, temporaryState, type WorkerdServer } from "../../support/servers/workerd.ts";

const SECRET = `whsec_${Buffer.from("a secret of the tests, 32 bytes!").toString("base64")}`;

let end: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const one of end.toReversed()) await one();
  end = [];
});

interface World {
  receiver: Receiver;
  boot: (vars?: Record<string, string>) => Promise<{ server: WorkerdServer; calls: Calls }>;
}

async function world(): Promise<World> {
  const [agents, receiver, state] = await Promise.all([
    startAgentServer(),
    startReceiver(),
    temporaryState(),
  ]);
  end.push(
    state.remove,
    () => agents.close(),
    () => receiver.close(),
  );
  agents.on("/hangs", hangs);
  agents.on("/fine", answers({ answer: "fine" }));
  const boot: World["boot"] = async (vars = {}) => {
    const server = await startWorkerd({
      state: state.path,
      vars: {
        AGENT_COORDINATOR_AGENT_HOSTS: agents.host,
        AGENT_COORDINATOR_CACHING: "false",
        AGENT_COORDINATOR_WEBHOOK_URL: `${receiver.url}/hook`,
        AGENT_COORDINATOR_WEBHOOK_SECRET: SECRET,
        AGENT_COORDINATOR_WEBHOOK_EVENTS: "execution.paused,execution.cancelled",
        ...vars,
      },
    });
    end.push(server.kill);
    const calls = callsTo(server.url);
    await calls.agent("hangs", agents.url("/hangs"));
    await calls.pipeline("hangs", [{ name: "only", agent_type: "hangs" }]);
    return { server, calls };
  };
  return { receiver, boot };
}

interface Event {
  id: string;
  type: string;
  timestamp: string;
  data: { execution_id: string; status: string; tenant: string };
}

const events = ({ receiver }: World): Event[] =>
  receiver.on("/hook").map(({ text, headers }) => ({
    ...(new Webhook(SECRET).verify(text, headers) as Omit<Event, "id">),
    id: headers["webhook-id"] ?? "",
  }));

const verb = async (calls: Calls, id: string, name: string, body: object = {}) => {
  const response = await calls.send("POST", `/v1/executions/${id}/${name}`, body);
  expect(response.status, await response.text()).toBe(200);
};

const types = (of: World) => events(of).map(({ type }) => type);

test("each pause and the cancellation come once, under ids of their own", async () => {
  const of = await world();
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

test("a message that the receiver refused comes again under the same id", async () => {
  const of = await world();
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

test("pauses that are over within a moment are each reported", async () => {
  const of = await world();
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

test.each(["alone", "resumed at once"])(
  "a pause that a crash kept from its report is reported after it, %s",
  async (how) => {
    const of = await world();
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
