// The places of a run's calls: asked for once, waited for, taken by the call, and given back where it is not made.
import { expect, test } from "vitest";
import type { RegisteredAgent } from "../../../src/contract/agent.ts";
import { PlacesInFlight } from "../../../src/engine/call/places-in-flight.ts";
import type { AgentPlaces, Place, PlaceAnswer, PlaceAsk, Ports } from "../../../src/engine/ports.ts";
import { Play, stage } from "../../core/rules/play.ts";
import { drained, VirtualTime } from "../simulation/virtual-time.ts";

const LIMITED: RegisteredAgent = {
  url: "https://a.test",
  protocol: "native",
  limits: { concurrency: 1 },
};
const ONE = new Set(["one"]);
const NONE = new Set<string>();

function world(answers: PlaceAnswer["kind"][], turns: ("place" | "lost" | "never")[] = [], isKept = false) {
  const time = new VirtualTime(1_764_000_000_000);
  const agents = { agent_one: LIMITED };
  const { state } = new Play([stage("one")], { retry_delay_seconds: 4 }, { agents, priority: 3 });
  const heard: unknown[] = [];
  const asks: PlaceAsk[] = [];
  let taken = 0;
  const place = (): Place => {
    taken += 1;
    return { release: () => (taken -= 1) };
  };
  const ports = {
    clock: { now: () => time.now, after: (ms: number, task: () => void) => time.after(ms, task) },
    chance: () => 0.5,
    shared: {
      places: {
        take: async (ask) => {
          asks.push(ask);
          const kind = answers.shift();
          if (kind === "place") return { kind, place: place() };
          return kind === "full"
            ? { kind, reason: "rate" }
            : { kind: "queued", reason: "concurrency", until: null };
        },
        turn: async (_ask, signal) => {
          const next = turns.shift();
          if (next === "never") await new Promise((resolve) => signal.addEventListener("abort", resolve));
          return next === "place" ? place() : null;
        },
      } satisfies AgentPlaces,
    },
  } as unknown as Pick<Ports, "clock" | "chance" | "shared">;
  const places = new PlacesInFlight(ports, {
    granted: () => heard.push("granted"),
    isKept: async () => isKept,
    refused: (...refused) => heard.push(refused),
  });
  return { places, state, heard, asks, time, taken: () => taken };
}

test("a place that is there at once is the call's, and asked for once", async () => {
  const { places, state, heard, asks, taken } = world(["place"]);
  places.match(state, ONE);
  places.match(state, ONE);
  expect(places.size).toBe(1);
  await drained();
  expect(heard).toEqual(["granted"]);
  expect(asks).toMatchObject([{ holder: "ex_test.one", conversation_id: "c1", priority: 3, may_wait: true }]);
  // The try's time, and a little more.
  expect(asks[0]?.lease_ms).toBe(61_000);
  expect([places.has("one"), places.size]).toEqual([true, 0]);
  places.take("one")?.release();
  expect([places.has("one"), taken()]).toEqual([false, 0]);
});

test("one that is not taken is given back", async () => {
  const { places, state, taken } = world(["place"]);
  places.match(state, ONE);
  await drained();
  expect(taken()).toBe(1);
  places.match(state, NONE);
  expect([places.has("one"), taken()]).toEqual([false, 0]);
});

test("one that comes after it is not wanted any more is given back", async () => {
  const { places, state, heard, taken } = world(["place"]);
  places.match(state, ONE);
  places.match(state, NONE);
  await drained();
  expect([heard, taken()]).toEqual([[], 0]);
});

test("without one it waits for its turn, and asks again where that was lost", async () => {
  const { places, state, heard, asks } = world(["queued", "queued"], ["lost", "place"]);
  places.match(state, ONE);
  await drained();
  expect(heard).toEqual([["one", "concurrency", null], ["one", "concurrency", null], "granted"]);
  expect(asks).toHaveLength(2);
});

test("one that is not wanted any more leaves the queue", async () => {
  const { places, state, heard } = world(["queued"], ["never"]);
  places.match(state, ONE);
  await drained();
  places.match(state, NONE);
  await drained();
  expect(heard).toEqual([["one", "concurrency", null]]);
  expect(places.size).toBe(0);
});

test("where the queue is full it asks again by the run's retry rule", async () => {
  const { places, state, heard, time, asks } = world(["full", "place"]);
  const began = time.now;
  places.match(state, ONE);
  await drained();
  expect(heard).toEqual([["one", "rate", began + 2_000]]);
  await time.step();
  expect(time.now - began).toBe(2_000);
  expect(asks).toHaveLength(2);
  expect(heard.at(-1)).toBe("granted");
});

test("the end of the run's life gives everything back", async () => {
  const { places, state, taken } = world(["place"]);
  places.match(state, ONE);
  await drained();
  places.abortAll();
  expect([places.has("one"), places.size, taken()]).toEqual([false, 0, 0]);
});

test("a call that the result cache answers asks for none", async () => {
  const { places, state, heard, asks } = world([], [], true);
  places.match(state, ONE);
  await drained();
  expect([heard, asks]).toEqual([["granted"], []]);
  expect(places.take("one")?.isNone).toBe(true);
});
