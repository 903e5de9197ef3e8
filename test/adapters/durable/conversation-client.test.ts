// The Worker's client of a conversation: what its object costs runs when it hangs.
import { beforeEach, expect, test, vi } from "vitest";
import { conversationsOver } from "../../../src/adapters/durable/conversation-client.ts";
import type { Conversations } from "../../../src/engine/worker-ports.ts";
import { drained, VirtualTime } from "../../engine/simulation/virtual-time.ts";

const TURN = { query: "q", answer: { answer: "a" } };

let time: VirtualTime;
/** Objects that do not answer. */
let hanging: Set<string>;
let conversations: Conversations;

beforeEach(() => {
  time = new VirtualTime(1_000);
  hanging = new Set();
  const namespace = {
    idFromName: (name: string) => name,
    get: (name: string) => ({
      turns: () => (hanging.has(name) ? new Promise(() => {}) : Promise.resolve(JSON.stringify([TURN]))),
    }),
  } as unknown as DurableObjectNamespace;
  const clock = { now: () => time.now, after: (ms: number, task: () => void) => time.after(ms, task) };
  conversations = conversationsOver(namespace, clock);
  vi.spyOn(console, "error").mockImplementation(() => {});
});

/** How many turns a run is handed, and how long it waits for them, in ms. */
async function read(conversation_id: string): Promise<[turns: number, ms: number]> {
  const began = time.now;
  let found: [number, number] | null = null;
  void conversations.history("acme", conversation_id, 5).then((turns) => {
    found = [turns.length, time.now - began];
  });
  for (;;) {
    await drained();
    if (found !== null) return found;
    if (!(await time.step())) throw new Error("never answered");
  }
}

test("one run waits for a conversation that hangs, and then none until it has answered", async () => {
  hanging.add("acme/c1");
  expect([await read("c1"), await read("c1"), await read("c1")]).toEqual([
    [0, 900],
    [0, 0],
    [0, 0],
  ]);
  hanging.clear();
  expect(await read("c1")).toEqual([0, 0]);
  time.now += 5_000;
  expect(await read("c1")).toEqual([0, 0]);
  expect(await read("c1")).toEqual([1, 0]);
});

test("other conversations, and runs that want no turns, have nothing to do with it", async () => {
  hanging.add("acme/c1");
  await read("c1");
  expect(await read("c2")).toEqual([1, 0]);
  expect(await conversations.history("acme", "c1", 0)).toEqual([]);
});
