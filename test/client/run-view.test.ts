// The one fold of a run's events, which the page and the terminal share: golden logs give the statuses of their
// executions, event types and fields of later versions change nothing, and neither does an event that comes again.
import { readdirSync, readFileSync } from "node:fs";
import { array, assert, constantFrom, integer, nat, property, record } from "fast-check";
import { describe, expect, test } from "vitest";
import {
  addExecution,
  type Execution,
  foldEvent,
  isRunOver,
  pendingStage,
  type RunEvent,
  type RunView,
} from "../../src/client/index.ts";

const FOLDER = "fixtures/logs";
const names = readdirSync(FOLDER).flatMap((file) => /^(.*)\.sse\.txt$/.exec(file)?.slice(1) ?? []);

function eventsOf(name: string): RunEvent[] {
  const stream = readFileSync(`${FOLDER}/${name}.sse.txt`, "utf8");
  return Array.from(stream.matchAll(/^data: (.*)$/gm), ([, data]) => JSON.parse(data ?? "") as RunEvent);
}

function fold(events: readonly RunEvent[], from: RunView | null = null): RunView | null {
  return events.reduce<RunView | null>(foldEvent, from);
}

/** An event as a later version may log it. */
function unknown(seq: number, rest: object = {}): RunEvent {
  const timestamp = "2030-01-01T00:00:00.000Z";
  const event = { execution_id: "e", seq, timestamp, type: "stage.mused", status: "musing", message: "" };
  return { ...event, data: { reason: "callback" }, ...rest } as unknown as RunEvent;
}

/** A view without what numbers its events, which other events among them shift. */
function unnumbered(view: RunView | null) {
  return view && { ...view, seq: 0, events: view.events.map((event) => ({ ...event, seq: 0 })) };
}

const START = Date.parse("2026-11-23T12:00:00.000Z");

/** Lifecycle events numbered from 1; those with a `text` are deltas and have no number. */
function log(...events: Record<string, unknown>[]): RunEvent[] {
  let seq = 0;
  return events.map((event) => {
    const base = { execution_id: "e", status: "running", data: {} };
    if (event["type"] === "stage.delta" || event["type"] === "stage.progress") return { ...base, ...event };
    seq += 1;
    const timestamp = new Date(START + seq * 100).toISOString();
    return { ...base, seq, timestamp, message: "", ...event };
  }) as unknown as RunEvent[];
}

const stages = ["find", "write"].map((name) => ({ name, agent_type: name, depends_on: [] }));
const started = { type: "execution.started", data: { query: "q", pipeline: "rag", stages } };
const result = { status: "completed", attempts: 1, cached: false, fallback: null, error: null };
const delta = (stage: string, attempt: number, offset: number, partial_answer: string) => ({
  type: "stage.delta",
  stage,
  attempt,
  data: { partial_answer, offset },
});

const FULL = log(
  started,
  { type: "stage.started", stage: "find", attempt: 1 },
  { type: "stage.progress", stage: "find", attempt: 1, data: { message: "reads", fraction: 0.5 } },
  { type: "stage.completed", stage: "find", attempt: 1, data: result },
  { type: "stage.started", stage: "write", attempt: 1 },
  delta("write", 1, 0, "Helo"),
  delta("write", 1, 3, "lo"),
  {
    type: "stage.retrying",
    stage: "write",
    attempt: 1,
    data: { delay_ms: 40, next_attempt: 2, error: { code: "X", message: "too slow", retryable: true } },
  },
  { type: "execution.paused", status: "paused", data: { mode: "drain" } },
  { type: "execution.resumed" },
  { type: "stage.started", stage: "write", attempt: 2 },
  delta("write", 2, 0, "Good"),
  delta("write", 2, 4, " day"),
  { type: "stage.fallback", stage: "write", attempt: 2, data: { strategy: "use_default", reason: "broken" } },
  {
    type: "stage.completed",
    stage: "write",
    attempt: 2,
    data: { ...result, attempts: 2, fallback: { strategy: "use_default", reason: "broken" } },
  },
  { type: "execution.completed", status: "completed", data: { status: "completed", stage_results: {} } },
);

describe.each(names)("the golden log %s", (name) => {
  const execution = JSON.parse(readFileSync(`${FOLDER}/${name}.execution.json`, "utf8")) as Execution;
  const events = eventsOf(name);

  test("gives the statuses and results of the execution", () => {
    const view = fold(events);
    expect(view).toMatchObject({
      execution_id: execution.execution_id,
      query: execution.query,
      pipeline: execution.pipeline,
      status: execution.status,
      started_at: Date.parse(execution.start_time),
      ended_at: Date.parse(execution.end_time ?? ""),
      execution,
    });
    const statuses = view?.stages.map(({ name: stage, status }) => [stage, status]);
    expect(Object.fromEntries(statuses ?? [])).toEqual(
      Object.fromEntries(Object.values(execution.stage_results).map(({ stage, status }) => [stage, status])),
    );
    for (const { name: stage, result: found } of view?.stages ?? []) {
      expect(found).toEqual(execution.stage_results[stage]);
    }
    expect(isRunOver(view?.status ?? "running")).toBe(true);
  });

  test("gives the same view with unknown event types among its events", () => {
    let seq = 0;
    const mixed = events.flatMap((event) => {
      if (!("seq" in event)) return [event];
      const known = { ...event, seq: (seq += 1) };
      return [known, unknown((seq += 1)), unknown(0, { seq: undefined, type: "stage.thought" })];
    });
    const view = fold(mixed);
    expect(view).not.toBeNull();
    expect(unnumbered(view)).toEqual(unnumbered(fold(events)));
    expect(view?.seq).toBe(seq);
  });

  test("gives the same view with unknown fields in its events", () => {
    const more = events.map((event) => ({
      ...event,
      part: 3,
      data: { ...event.data, later: { much: [1] } },
    })) as unknown as RunEvent[];
    const plain = fold(events);
    const view = fold(more);
    expect(view?.stages.map((stage) => ({ ...stage, result: null }))).toEqual(
      plain?.stages.map((stage) => ({ ...stage, result: null })),
    );
    expect(view).toMatchObject({ status: plain?.status, seq: plain?.seq, ended_at: plain?.ended_at });
  });
});

describe("an event that is not known", () => {
  test("leaves the view as it is, but for the cursor", () => {
    const before = fold(FULL.slice(0, 7)) as RunView;
    expect(foldEvent(before, unknown(before.seq + 1))).toEqual({ ...before, seq: before.seq + 1 });
    expect(foldEvent(before, unknown(1))).toBe(before);
  });

  test.each([
    { seq: undefined },
    { seq: "9" },
    { seq: null },
    { data: null },
    { type: undefined },
    { type: 7 },
  ])("with any fields: %o", (rest) => {
    const before = fold(FULL.slice(0, 7)) as RunView;
    const view = foldEvent(before, unknown(before.seq + 1, rest));
    expect({ ...view, seq: 0 }).toEqual({ ...before, seq: 0 });
    expect(view.seq).toBe("seq" in rest ? before.seq : before.seq + 1);
  });

  test("begins no view", () => {
    expect(foldEvent(null, unknown(1))).toBeNull();
    expect(foldEvent(null, FULL[1] as RunEvent)).toBeNull();
  });

  test("a stage that the run does not have changes nothing", () => {
    const before = fold(FULL.slice(0, 7)) as RunView;
    const [event] = log({ type: "stage.completed", stage: "other", data: result });
    expect(foldEvent(before, { ...event, seq: before.seq + 1 } as RunEvent)?.stages).toEqual(before.stages);
  });
});

describe("an event that comes again", () => {
  test("a replay from any cursor changes nothing", () => {
    const whole = fold(FULL);
    assert(
      property(nat(FULL.length), nat(FULL.length), (to, from) => {
        const seen = FULL.slice(0, to);
        expect(fold(FULL.slice(Math.min(from, to)), fold(seen))).toEqual(whole);
      }),
    );
  });

  test("a single one of an ended run is the same view", () => {
    const whole = fold(FULL);
    for (const event of FULL) expect(foldEvent(whole, event)).toBe(whole);
  });

  test("duplicates, late ones and unknown types in any mixture give the same view", () => {
    const noise = record({
      at: nat(FULL.length),
      of: nat(FULL.length - 1),
      kind: constantFrom("again", "unknown"),
    });
    const whole = unnumbered(fold(FULL));
    assert(
      property(array(noise, { maxLength: 12 }), integer({ min: 1, max: 9 }), (list, seq) => {
        const events = FULL.flatMap((event, place) => [
          ...list
            .filter(({ at }) => at === place)
            .flatMap(({ of, kind }) => {
              const again = FULL[Math.min(of, place)] as RunEvent;
              // Deltas have no number: only those of calls that have ended are known to be late.
              if (kind === "again") return "seq" in again && of < place ? [again] : [];
              return [unknown(seq, { seq: undefined, type: `later.${seq}` })];
            }),
          event,
        ]);
        expect(unnumbered(fold(events))).toEqual(whole);
      }),
    );
  });
});

describe("what is seen of a run", () => {
  const at = (count: number) => fold(FULL.slice(0, count)) as RunView;
  const stageAt = (count: number, name: string) => at(count).stages.find((stage) => stage.name === name);

  test("a stage goes from pending to its end", () => {
    expect(stageAt(1, "find")).toEqual(pendingStage(stages[0] as never));
    expect(stageAt(2, "find")).toMatchObject({ status: "running", attempt: 1, started_at: START + 200 });
    expect(stageAt(3, "find")).toMatchObject({
      note: { kind: "progress", message: "reads" },
      fraction: 0.5,
    });
    expect(stageAt(4, "find")).toMatchObject({ status: "completed", note: null, ended_at: START + 300 });
  });

  test("a text is cut at the offset and appended to; another attempt empties it", () => {
    expect(at(7).answer).toEqual({ stage: "write", attempt: 1, text: "Hello" });
    // It is shown until the next attempt writes.
    expect(at(11).answer?.text).toBe("Hello");
    expect(stageAt(11, "write")?.text).toBe("");
    expect(at(13).answer).toEqual({ stage: "write", attempt: 2, text: "Good day" });
  });

  test("the client's whole text of a delta is taken as it is", () => {
    const event = { ...FULL[6], text: "whole" } as RunEvent;
    expect(foldEvent(at(6), event)?.answer?.text).toBe("whole");
  });

  test("a text of an earlier attempt, or of a stage that has ended, is late", () => {
    expect(foldEvent(at(12), FULL[5] as RunEvent)).toEqual(at(12));
    expect(foldEvent(at(4), log(delta("find", 1, 0, "late"))[0] as RunEvent)).toEqual(at(4));
    expect(foldEvent(at(4), FULL[2] as RunEvent)).toEqual(at(4));
  });

  test("a retry has its wait, a pause its span", () => {
    expect(stageAt(8, "write")).toMatchObject({
      status: "retrying",
      retry_at: START + 540,
      note: { kind: "retry", message: "too slow", delay_ms: 40 },
      spans: [
        { kind: "try", attempt: 1, outcome: "failed" },
        { kind: "wait", attempt: 2, to: START + 540 },
      ],
    });
    expect(at(9)).toMatchObject({ status: "paused", pauses: [{ from: START + 600, to: null }] });
    expect(at(10)).toMatchObject({ status: "running", pauses: [{ to: START + 700 }] });
  });

  test("an aborting pause sends running stages back, a draining one does not", () => {
    const pause = (mode: string) =>
      foldEvent(at(5), { ...log({ type: "execution.paused", data: { mode } })[0], seq: 5 } as RunEvent);
    expect(pause("abort")?.stages[1]).toMatchObject({ status: "pending", spans: [{ outcome: "cancelled" }] });
    expect(pause("drain")?.stages[1]).toMatchObject({ status: "running", spans: [{ to: null }] });
  });

  test("a fallback is named until the end and after", () => {
    expect(stageAt(14, "write")?.note).toEqual({
      kind: "fallback",
      strategy: "use_default",
      message: "broken",
    });
    expect(stageAt(16, "write")).toMatchObject({ fallback: "use_default", status: "completed", attempt: 2 });
  });

  test("an execution that was too large for its event is added after", () => {
    const execution = { stage_results: { find: { ...result, data: { n: 1 } } } } as unknown as Execution;
    const view = addExecution(at(16), execution);
    expect(view.execution).toBe(execution);
    expect(view.stages[0]?.result?.data).toEqual({ n: 1 });
    expect(view.stages[1]?.result).toEqual(at(16).stages[1]?.result);
  });
});

test.each([
  ["completed", true],
  ["failed", true],
  ["cancelled", true],
  ["running", false],
  ["paused", false],
  // A coordinator of a later version may have statuses that this client does not know: such a run may still change.
  ["a later one", false],
])("an execution that is %s is over: %s", (status, isOver) => {
  expect(isRunOver(status as Execution["status"])).toBe(isOver);
});
