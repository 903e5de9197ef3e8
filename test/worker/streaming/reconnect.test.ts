// Readers whose connection is cut at random places, by the way that each kind of client comes back: the npm package
// `eventsource` with a stream token, the house's client by GET and by POST, and `@microsoft/fetch-event-source`, which
// POSTs again. Many cuts: nothing lost, nothing doubled, the text whole, and each pipeline run once.
import { fetchEventSource } from "@microsoft/fetch-event-source";
import { EventSource } from "eventsource";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { CoordinatorClient, type ExecutionEvent } from "../../../src/client/index.ts";
import { LIFECYCLE_TYPES } from "../../../src/contract/lifecycle.ts";
import { after, type AgentServer, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { callsTo } from "../../support/clients/calls.ts";
import { seeded } from "../../support/values/chance.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";
import { type Cutter, startCutter } from "../../support/clients/cutter.ts";
import { KEYED, KEYS } from "../../support/clients/keys.ts";
import { expectWhole, spoken } from "../../support/agents/speaker.ts";
import { sizeOf } from "../../support/sizes.ts";
import type { Received } from "../../support/clients/sse.ts";

const CUTS_EACH = sizeOf("CUTS_EACH");
const LANES = 9;
/** Every connection brings the headers and the first event: who was cut before has joined late, not come back. */
const FROM = 3_000;
const UP_TO = 9_000;
const KEY = KEYS.acme;
const AUTH = { authorization: `Bearer ${KEY}` };
const STAGES = ["first", "second"] as const;
const speakers = spoken(STAGES, 100);
const { whole } = speakers;
const run = { query: "q", conversation_id: "c", pipeline: "spoken" };

let agents: AgentServer;
let coordinator: Coordinator;
let cutter: Cutter;
let seed = 0;

beforeAll(async () => {
  agents = await startAgentServer();
  coordinator = await startCoordinator([agents], KEYED);
  await speakers.setUp(agents, callsTo(coordinator.url, KEY), 5);
  // Made for browsers, it asks for both even where it needs neither.
  vi.stubGlobal("window", globalThis);
  vi.stubGlobal("document", { removeEventListener: () => {} });
});

afterAll(async () => {
  // The globals stay: a timer of its may still want them.
  await coordinator?.close();
  await agents?.close();
});

beforeEach(async () => {
  seed += 1;
  cutter = await startCutter(coordinator.url, seeded(seed), FROM, UP_TO);
});
afterEach(() => cutter.close());

/** Readers side by side, until the proxy has cut so often; each must have heard all of its run. */
async function readUntilCut(read: (id: string) => Promise<Received[]>): Promise<void> {
  let runs = 0;
  const before = agents.calls.length;
  const lane = async () => {
    while (cutter.cuts() < CUTS_EACH) expectWhole(await read(`run-${seed}-${runs++}`), whole);
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  expect(cutter.cuts()).toBeGreaterThanOrEqual(CUTS_EACH);
  expect(agents.calls.length - before).toBe(runs * STAGES.length);
  console.log(`${cutter.cuts()} cuts in ${runs} runs`);
}

function received(data: string): Received {
  const event = JSON.parse(data) as ExecutionEvent;
  return { id: "seq" in event ? event.seq : null, event: event.type, data: event, raw: data };
}

describe(`${CUTS_EACH} cuts each`, () => {
  test("EventSource with a stream token in the URL", async () => {
    const direct = new CoordinatorClient({ baseUrl: coordinator.url, apiKey: KEY });
    await readUntilCut(async (execution_id) => {
      const { stream_url } = await direct.startExecution({ ...run, execution_id });
      expect(stream_url).toMatch(/\?token=/);
      const source = new EventSource(`${cutter.url}${stream_url}`);
      const events: Received[] = [];
      await new Promise<void>((resolve, reject) => {
        for (const type of [...LIFECYCLE_TYPES, "stage.delta", "stage.progress"]) {
          source.addEventListener(type, ({ data }) => {
            events.push(received(data as string));
            if (type === "execution.completed") resolve();
          });
        }
        source.addEventListener("error", ({ code, message }) => {
          if (source.readyState === source.CLOSED) reject(new Error(`closed for good: ${code} ${message}`));
        });
      });
      source.close();
      return events;
    });
  });

  test("the client's stream, by GET", async () => {
    const client = new CoordinatorClient({ baseUrl: cutter.url, apiKey: KEY });
    const direct = new CoordinatorClient({ baseUrl: coordinator.url, apiKey: KEY });
    await readUntilCut(async (execution_id) => {
      await direct.startExecution({ ...run, execution_id });
      const events: Received[] = [];
      let heard = "";
      for await (const event of client.stream(execution_id)) {
        events.push(received(JSON.stringify(event)));
        if (event.type === "stage.delta" && event.stage === "second") heard = event.text;
      }
      expect(heard).toBe(whole["second"]);
      return events;
    });
  });

  test("the client's executePipeline, by POST", async () => {
    const client = new CoordinatorClient({ baseUrl: cutter.url, apiKey: KEY });
    await readUntilCut(async (idempotencyKey) => {
      const events: Received[] = [];
      const onUpdate = (event: ExecutionEvent) => void events.push(received(JSON.stringify(event)));
      const execution = await client.executePipeline(run, { idempotencyKey, onUpdate });
      expect(execution.final_result).toEqual({ answer: whole["second"] });
      return events;
    });
  });

  test("fetch-event-source, which POSTs again with last-event-id and a key", async () => {
    await readUntilCut(async (idempotencyKey) => {
      const events: Received[] = [];
      await fetchEventSource(`${cutter.url}/v1/executions`, {
        method: "POST",
        openWhenHidden: true,
        fetch,
        headers: { ...AUTH, "content-type": "application/json", "idempotency-key": idempotencyKey },
        body: JSON.stringify(run),
        onmessage: ({ data }) => void events.push(received(data)),
      });
      return events;
    });
  });
});

test("fetch-event-source never gets an empty message, neither of the greeting nor of a beat", async () => {
  // Silent for longer than two of the beats that a watched run gets every two seconds.
  agents.on("/silent", after(5_000, answers({ said: "at last" })));
  await callsTo(coordinator.url, KEY).agent("silent", agents.url("/silent"));
  await callsTo(coordinator.url, KEY).pipeline("silent", [{ name: "only", agent_type: "silent" }]);
  let beats = 0;
  const counted = async (input: RequestInfo | URL, init?: RequestInit) => {
    const response = await fetch(input, init);
    const [body, copy] = (response.body as ReadableStream<Uint8Array>).tee();
    void (async () => {
      const decoder = new TextDecoder();
      for await (const chunk of copy) if (decoder.decode(chunk) === ": \n") beats += 1;
    })();
    return new Response(body, response);
  };
  const types: string[] = [];
  await fetchEventSource(`${coordinator.url}/v1/executions`, {
    method: "POST",
    openWhenHidden: true,
    fetch: counted,
    headers: { ...AUTH, "content-type": "application/json", "idempotency-key": "silent" },
    body: JSON.stringify({ ...run, pipeline: "silent", on_disconnect: "cancel" }),
    onmessage: ({ data, event }) => {
      expect(event).not.toBe("");
      types.push((JSON.parse(data) as ExecutionEvent).type);
    },
    onerror: (cause) => {
      throw cause;
    },
  });
  expect(beats).toBeGreaterThanOrEqual(2);
  expect(types).toEqual(["execution.started", "stage.started", "stage.completed", "execution.completed"]);
});

test("fetch-event-source without a key is refused when it comes back, and nothing is run twice", async () => {
  const before = agents.callsOf("/first").length;
  const statuses: number[] = [];
  await fetchEventSource(`${cutter.url}/v1/executions`, {
    method: "POST",
    openWhenHidden: true,
    fetch,
    headers: { ...AUTH, "content-type": "application/json" },
    body: JSON.stringify(run),
    onopen: async (response) => {
      statuses.push(response.status);
      if (!response.ok) throw new Error("refused");
    },
    onerror: (cause: Error) => {
      if (cause.message === "refused") throw cause;
    },
  }).catch(() => {});
  expect(statuses).toEqual([200, 400]);
  expect(agents.callsOf("/first").length - before).toBe(1);
});
