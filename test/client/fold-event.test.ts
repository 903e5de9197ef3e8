// A call that waits for its agent, in the fold of a run's events: it is no try, has a time of its own, and goes on to wait
// where it asks again.
import { describe, expect, test } from "vitest";
import { foldEvent, type RunEvent, type RunView } from "../../src/client/index.ts";

const START = Date.parse("2026-11-23T12:00:00.000Z");

/** Logged events, 100 ms apart. */
function fold(...events: Record<string, unknown>[]): RunView {
  const logged = events.map((event, at) => ({
    execution_id: "e",
    seq: at + 1,
    timestamp: new Date(START + at * 100).toISOString(),
    status: "running",
    message: "",
    data: {},
    ...event,
  })) as unknown as RunEvent[];
  return logged.reduce<RunView | null>(foldEvent, null) as RunView;
}

const stages = ["find", "write"].map((name) => ({ name, agent_type: name, depends_on: [] }));
const started = { type: "execution.started", data: { query: "q", pipeline: "rag", stages } };
const queued = (reason: string, until?: number, attempt = 1) => ({
  type: "stage.queued",
  stage: "find",
  status: "pending",
  attempt,
  data: { reason, ...(until === undefined ? {} : { until: new Date(START + until).toISOString() }) },
});
const begins = (attempt = 1) => ({ type: "stage.started", stage: "find", attempt });
const find = ({ stages: [stage] }: RunView) => stage;

describe("a call that waits for its agent", () => {
  test("is shown with its reason, since when and until when, and is no try", () => {
    const view = fold(started, queued("retry_after", 5_000));
    expect(view.status).toBe("running");
    expect(find(view)).toMatchObject({
      status: "pending",
      attempt: 0,
      started_at: null,
      queue: { reason: "retry_after", until: START + 5_000, since: START + 100 },
      spans: [{ kind: "queued", attempt: 1, from: START + 100, to: null, reason: "retry_after" }],
    });
  });

  test("that asks again for the same reason has waited all the time", () => {
    const view = fold(started, queued("rate", 150), queued("rate", 400));
    expect(find(view)).toMatchObject({
      queue: { reason: "rate", until: START + 400, since: START + 100 },
      spans: [{ kind: "queued", from: START + 100, to: null, reason: "rate" }],
    });
  });

  test("for another reason has a span for each", () => {
    const view = fold(started, queued("retry_after", 200), queued("concurrency"));
    expect(find(view)).toMatchObject({
      queue: { reason: "concurrency", until: null, since: START + 100 },
      spans: [
        { kind: "queued", from: START + 100, to: START + 200, reason: "retry_after", outcome: "completed" },
        { kind: "queued", from: START + 200, to: null, reason: "concurrency", outcome: "running" },
      ],
    });
  });

  test("waits no more once it is made", () => {
    const view = fold(started, queued("concurrency"), begins());
    expect(find(view)).toMatchObject({
      status: "running",
      attempt: 1,
      started_at: START + 200,
      queue: null,
      spans: [
        { kind: "queued", from: START + 100, to: START + 200, outcome: "completed" },
        { kind: "try", from: START + 200, to: null, outcome: "running" },
      ],
    });
  });

  test("that was begun and not sent ends the try that was none", () => {
    const view = fold(started, begins(), queued("concurrency"), begins());
    expect(find(view)?.spans).toMatchObject([
      { kind: "try", attempt: 1, to: START + 200, outcome: "cancelled" },
      { kind: "queued", attempt: 1, to: START + 300 },
      { kind: "try", attempt: 1, to: null },
    ]);
  });

  test("after a failed try waits for the agent and not for the retry's time", () => {
    const error = { code: "X", message: "busy", retryable: true };
    const retrying = {
      type: "stage.retrying",
      stage: "find",
      attempt: 1,
      data: { delay_ms: 5_000, next_attempt: 2, error },
    };
    const view = fold(started, begins(), retrying, queued("retry_after", 9_000, 2));
    expect(find(view)).toMatchObject({
      status: "pending",
      attempt: 1,
      retry_at: null,
      queue: { until: START + 9_000 },
      spans: [
        { kind: "try", outcome: "failed" },
        { kind: "wait", to: START + 300 },
        { kind: "queued", attempt: 2, from: START + 300 },
      ],
    });
  });

  test.each(["stage.failed", "stage.cancelled", "stage.skipped", "stage.fallback"])(
    "ends with %s",
    (type) => {
      const data =
        type === "stage.failed"
          ? { status: "failed", attempts: 0, error: null, fallback: null }
          : { reason: "r", strategy: "use_default" };
      const view = fold(started, queued("concurrency"), { type, stage: "find", attempt: 1, data });
      expect(find(view)).toMatchObject({
        queue: null,
        spans: [{ kind: "queued", to: START + 200, outcome: "completed" }],
      });
    },
  );

  test("ends with its run", () => {
    const data = { status: "cancelled", stage_results: {} };
    const view = fold(started, queued("concurrency"), {
      type: "execution.cancelled",
      status: "cancelled",
      data,
    });
    expect(find(view)).toMatchObject({ queue: null, spans: [{ to: START + 200 }] });
  });

  test("does not let its run wait for the outside", () => {
    const expires_at = new Date(START + 60_000).toISOString();
    const waiting = {
      type: "stage.waiting",
      stage: "write",
      status: "waiting",
      attempt: 0,
      data: { reason: "wait", prompt: {}, schema: null, expires_at },
    };
    expect(fold(started, queued("concurrency"), waiting).status).toBe("running");
  });

  test("of an item leaves the stage at work", () => {
    const view = fold(started, { ...begins(), data: { items: 2 } }, { ...queued("rate"), item: 1 });
    expect(find(view)).toMatchObject({ status: "running", queue: null, items: { total: 2, open: [] } });
  });
});
