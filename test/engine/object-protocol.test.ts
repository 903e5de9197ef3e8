// The bytes that a Worker and an execution's object exchange, literally: the two are deployed at different moments, so
// one of an earlier version reads what one of a later version writes.
import { expect, test } from "vitest";
import { DEFAULT_CONFIG } from "../../src/contract/config.ts";
import type { CoordinatorError } from "../../src/contract/problem.ts";
import type { RunSpec } from "../../src/core/execution/run-spec.ts";
import {
  completeResponse,
  endMarks,
  endOf,
  eventsResponse,
  executionResponse,
  type FollowMessage,
  followRequest,
  isComplete,
  readRequest,
  readRunText,
  readTerms,
  readWakeMessage,
  refusalOf,
  refusalResponse,
  restRequest,
  runText,
  socketOf,
  statusOf,
  streamRequest,
  termsOf,
  wakeMessage,
  withStreamUrl,
} from "../../src/engine/object-protocol.ts";

const { signal } = new AbortController();

test("a message to run travels as JSON, with every digit of its integers", async () => {
  const n = 2n ** 60n + 1n;
  const message = { digest: null, spec: null, health: null, wait_ms: 5 };
  expect(runText(message)).toBe('{"digest":null,"spec":null,"health":null,"wait_ms":5}');
  expect(readRunText(runText(message))).toEqual(message);
  expect(readRunText(`{"spec":{"context":{"n":${n}}}}`).spec).toEqual({ context: { n } });
});

test("a caller who follows sends its message to /run", async () => {
  const message: FollowMessage = {
    digest: "d",
    spec: null,
    health: null,
    after: 3,
    reattach: true,
    answer: "stream",
  };
  const { url, init } = followRequest(message, signal);
  expect(url).toBe("https://execution/run");
  expect(init).toMatchObject({ method: "POST", body: JSON.stringify(message), signal });
  expect(await readRequest(new Request(url, init))).toEqual({ run: message });
});

test.each([
  [{ after: 0, resumes: false, reattach: false, rests: false, started_at: null }, "after=0"],
  [{ after: 7, resumes: true, reattach: false, rests: false, started_at: null }, "after=7&resumes"],
  [
    { after: 7, resumes: false, reattach: true, rests: false, started_at: 12 },
    "after=7&reattach&started_at=12",
  ],
  [
    { after: 7, resumes: true, reattach: true, rests: true, started_at: 0 },
    "after=7&resumes&reattach&rests&started_at=0",
  ],
])("a reader of a stream %j asks for /events?%s", async (reader, query) => {
  const { url, init } = streamRequest(reader, signal);
  expect(url).toBe(`https://execution/events?${query}`);
  expect(init.signal).toBe(signal);
  expect(await readRequest(new Request(url, init))).toEqual({ events: reader });
});

test.each([
  [{ after: 7, started_at: null }, "after=7"],
  [{ after: 0, started_at: 12 }, "after=0&started_at=12"],
])("a reader at rest %j asks for a socket at /rest?%s", async (reader, query) => {
  const { url, init } = restRequest(reader);
  expect(url).toBe(`https://execution/rest?${query}`);
  expect(init).toEqual({ headers: { upgrade: "websocket" } });
  expect(await readRequest(new Request(url, init))).toEqual({ rest: reader });
  expect(wakeMessage(12)).toBe("12");
  expect(readWakeMessage("12")).toBe(12);
  expect(socketOf(refusalResponse({ code: "EXECUTION_NOT_FOUND", execution_id: "e1" }))).toBeNull();
});

test("a refusal is known by its content type, and no other response is one", async () => {
  const error: CoordinatorError = { code: "EXECUTION_NOT_FOUND", execution_id: "e1" };
  const response = refusalResponse(error);
  expect(response.headers.get("content-type")).toBe("application/vnd.agent-coordinator.refusal+json");
  expect(response.status).toBe(200);
  expect(await refusalOf(response)).toEqual(error);
  const answer = executionResponse('{"code":"EXECUTION_NOT_FOUND"}', "failed");
  expect(await refusalOf(answer)).toBeNull();
  expect(await answer.text()).toBe('{"code":"EXECUTION_NOT_FOUND"}');
});

test("an answer carries the status where it is known", () => {
  const known = executionResponse("{}", "completed");
  expect(known.headers.get("x-execution-status")).toBe("completed");
  expect(known.headers.get("content-type")).toBe("application/json");
  expect(statusOf(known)).toBe("completed");
  expect(statusOf(executionResponse("{}", null))).toBeNull();
});

test("a stream carries the terms of the run's config", async () => {
  const spec = (on_disconnect: "cancel" | "continue", enable_backpressure: boolean) =>
    ({
      on_disconnect,
      config: { ...DEFAULT_CONFIG, stream_buffer_size: 9, stream_timeout_ms: 800, enable_backpressure },
    }) as unknown as RunSpec;
  const terms = termsOf(spec("continue", true));
  expect(terms).toMatchObject({ buffer_events: 9, stall_ms: 800 });
  expect(termsOf(spec("continue", false)).stall_ms).toBe(0);
  expect(termsOf(spec("cancel", true)).heartbeat_ms).toBeLessThan(terms.heartbeat_ms);
  const response = eventsResponse(new Response("x").body as ReadableStream<Uint8Array>, terms);
  expect(response.headers.get("x-stream-terms")).toBe(JSON.stringify(terms));
  expect(readTerms(response)).toEqual(terms);
  expect(await response.text()).toBe("x");
});

test("a complete stream ends with :end, one at rest with :rest; 204 says that there is nothing to stream", () => {
  expect(new TextDecoder().decode(endMarks.terminal)).toBe(":end");
  expect(new TextDecoder().decode(endMarks.rest)).toBe(":rest");
  expect(endOf(endMarks.terminal)).toBe("terminal");
  expect(endOf(endMarks.rest)).toBe("rest");
  expect(endOf(endMarks.terminal.subarray(0, 3))).toBeNull();
  expect(endOf(new Uint8Array())).toBeNull();
  expect(isComplete(completeResponse())).toBe(true);
  expect(
    isComplete(
      eventsResponse(
        new Response("x").body as ReadableStream<Uint8Array>,
        termsOf({
          on_disconnect: "continue",
          config: DEFAULT_CONFIG,
        } as unknown as RunSpec),
      ),
    ),
  ).toBe(false);
});

test("an execution that is not terminal says where to follow it", () => {
  expect(withStreamUrl({ status: "running", json: '{"a":1}' }, "/u")).toBe('{"a":1,"stream_url":"/u"}');
  expect(withStreamUrl({ status: "failed", json: '{"a":1}' }, "/u")).toBe('{"a":1}');
});
