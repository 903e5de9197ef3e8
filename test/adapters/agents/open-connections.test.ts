// When a call is sent once more: its origin had left a connection open, it was lost at once, and it was not aborted.
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { OpenConnections } from "../../../src/adapters/agents/open-connections.ts";

const ORIGIN = "https://agent.example";
const LOST = new Error("Network connection lost.");
const OPEN = () => new Response("{}");
const CLOSED = () => new Response("{}", { headers: { connection: "close" } });

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

type Step = Error | (() => Response) | { after_ms: number; cause: Error };

/** Sends one call for each list of steps; how many were sent for each, and whether it was answered. */
async function sent(
  calls: readonly (readonly Step[])[],
  signal = new AbortController().signal,
  origin = ORIGIN,
) {
  const connections = new OpenConnections();
  const seen: [number, string][] = [];
  for (const steps of calls) {
    let count = 0;
    const send = async () => {
      const step = steps[Math.min(count, steps.length - 1)] as Step;
      count += 1;
      if (typeof step === "function") return step();
      if (step instanceof Error) throw step;
      vi.setSystemTime(Date.now() + step.after_ms);
      throw step.cause;
    };
    const ended = await connections.send(seen.length === 0 ? ORIGIN : origin, signal, send).then(
      () => "answered",
      (cause: Error) => cause.message,
    );
    seen.push([count, ended]);
  }
  return seen;
}

describe("sent once more", () => {
  test.each([
    ["where a connection was open", [[OPEN], [LOST, OPEN]], [2, "answered"]],
    ["and no further", [[OPEN], [LOST]], [2, LOST.message]],
    ["after an answer that came so", [[OPEN], [LOST, OPEN], [LOST, OPEN]], [2, "answered"]],
    ["after other answers that did not", [[OPEN], [CLOSED], [LOST, OPEN]], [2, "answered"]],
    ["where it was lost within a moment", [[OPEN], [{ after_ms: 400, cause: LOST }, OPEN]], [2, "answered"]],
  ] as const)("%s", async (_name, calls, last) => {
    expect((await sent(calls as unknown as Step[][])).at(-1)).toEqual(last);
  });
});

describe("sent once", () => {
  const dns = new Error("internal error; reference = j25tveqhk6i50rrti8gr28sk");
  test.each([
    ["where nothing was answered before", [[LOST]], [1, LOST.message]],
    ["where the agent closes what it answers", [[CLOSED], [LOST]], [1, LOST.message]],
    ["where the last one was lost twice", [[OPEN], [LOST], [LOST]], [1, LOST.message]],
    ["where it took its time", [[OPEN], [{ after_ms: 600, cause: LOST }]], [1, LOST.message]],
    ["where a name is not found, or TLS fails", [[OPEN], [dns]], [1, dns.message]],
    ["where it is answered", [[OPEN], [OPEN]], [1, "answered"]],
  ] as const)("%s", async (_name, calls, last) => {
    expect((await sent(calls as unknown as Step[][])).at(-1)).toEqual(last);
  });

  test("where it was aborted", async () => {
    expect((await sent([[OPEN], [LOST]], AbortSignal.abort())).at(-1)).toEqual([1, LOST.message]);
  });

  test("where the connection was another origin's", async () => {
    const other = "https://agent.example:8443";
    expect((await sent([[OPEN], [LOST]], undefined, other)).at(-1)).toEqual([1, LOST.message]);
  });
});
