// What the demo prints where there is no terminal, of events that the reference agents rarely give: retries, texts
// that start again, skips.
import { expect, test } from "vitest";
import { plainOutput } from "../../../src/cli/terminal/plain.ts";
import { runViewLines, type View } from "../../../src/cli/terminal/screen.ts";
import { event, EVENTS, fold, mapped, of, result, START } from "./run-events.ts";

test("the text follows the reader's one rule: a new attempt empties it, then cut at the offset and append", () => {
  const texts = EVENTS.map((_, end) => fold(EVENTS.slice(0, end + 1))?.answer?.text);
  expect(texts.slice(3, 5)).toEqual(["Helo", "Hello \u001b[31mred"]);
  expect(texts.slice(7)).toEqual(["Good", "Good day"]);
});

test("plain lines show retries and skips, and announce a text that restarts", () => {
  let written = "";
  const output = plainOutput((text) => {
    written += text;
  });
  for (const each of EVENTS) output.event(each);
  expect(written).toBe(
    [
      "find skipped: not needed",
      "write running",
      "",
      "Helo",
      "(the answer restarts)",
      "Hello red",
      "write running: retry in 40 ms: cut short",
      "write running, try 2",
      "(the answer restarts)",
      "Good day",
    ].join("\n"),
  );
});

test("a further question is announced when it is queued, and begins with nothing of the one before it", () => {
  let written = "";
  const output = plainOutput((text) => {
    written += text;
  });
  output.queued("Second\u001b[31m?");
  for (const each of EVENTS) output.event(each);
  output.next("Second?");
  for (const each of EVENTS.slice(0, 4)) output.event(each);
  expect(written.startsWith("queued: Second?\nfind skipped")).toBe(true);
  expect(written.endsWith("\n\nquestion: Second?\nfind skipped: not needed\nwrite running\n\nHelo")).toBe(
    true,
  );
});

test("plain lines are of known events alone, and the end of the execution adds none for a stage", () => {
  let written = "";
  const output = plainOutput((text) => {
    written += text;
  });
  const end = { status: "completed", data: { status: "completed", stage_results: {} } };
  for (const each of [
    event("execution.started", 0, { data: { stages: [{ name: "find" }] } }),
    event("stage.started", 0, { stage: "find", attempt: 1 }),
    event("stage.mused", 10, { stage: "find", data: { reason: "callback" } }),
    event("execution.paused", 20, { data: { mode: "abort" } }),
    event("execution.forked", 25),
    event("execution.resumed", 30),
    event("stage.started", 40, { stage: "find", attempt: 1 }),
    event("stage.failed", 50, {
      stage: "find",
      attempt: 1,
      data: { status: "failed", attempts: 1, error: null },
    }),
    event("execution.completed", 60, end),
  ]) {
    output.event(each);
  }
  expect(written).toBe("find running\nfind pending\nfind running\nfind failed in 50 ms: failed\n");
});

test.each([
  ["the agent's own answer", { cached: false, fallback: null }, ""],
  ["a result of the cache", { cached: true, fallback: null }, " (from the cache)"],
  [
    "a substitute",
    { cached: false, fallback: { strategy: "use_default", reason: "r" } },
    " (fallback use_default)",
  ],
])("both outputs say how a stage completed: %s", (_what, result, expected) => {
  const events = [
    event("execution.started", 0, { data: { stages: [{ name: "find" }] } }),
    event("stage.started", 0, { stage: "find", attempt: 1 }),
    event("stage.completed", 30, {
      stage: "find",
      attempt: 1,
      data: { status: "completed", attempts: 1, ...result },
    }),
  ];
  let written = "";
  const output = plainOutput((text) => {
    written += text;
  });
  for (const each of events) output.event(each);
  expect(written).toBe(`find running\nfind completed in 30 ms${expected}\n`);
  const view: View = { columns: 80, now: START + 500, paint: (_style, text) => text };
  expect(runViewLines(fold(events), view)[0]?.trimEnd()).toMatch(
    new RegExp(`30 ms${expected === "" ? "" : ` {2}\\(${expected.slice(2, -1)}\\)`}$`),
  );
});

const QUESTION = {
  reason: "wait",
  prompt: { question: "Publish \u001b[31mthis?" },
  schema: null,
  expires_at: new Date(START + 60_000).toISOString(),
};
const ASKING = [
  event("execution.started", 0, {
    data: {
      stages: [
        { name: "approval", depends_on: [] },
        { name: "send", depends_on: ["approval"] },
      ],
    },
  }),
  event("stage.waiting", 10, { stage: "approval", attempt: 0, status: "waiting", data: QUESTION }),
];

test("plain lines say what a stage asks and how to answer, and who has answered", () => {
  let written = "";
  const output = plainOutput((text) => {
    written += text;
  });
  output.started(20, "http://localhost:1");
  for (const each of ASKING) output.event(each);
  const data = { status: "completed", attempts: 0, cached: false, fallback: null, answered_by: "key:k1" };
  output.event(event("stage.completed", 5_010, { stage: "approval", attempt: 0, data }));
  expect(written).toBe(
    [
      "coordinator and agents started in 20 ms",
      "approval waiting: asks: Publish this?",
      "To answer approval:",
      `curl http://localhost:1/v1/executions/e/stages/approval/complete -H 'content-type: application/json' -d '{"data": {}}'`,
      "The run goes on when it is answered. Ctrl-C ends it.",
      "approval completed in 5.00 s (answered by key:k1)",
      "",
    ].join("\n"),
  );
});

test.each([
  [QUESTION, "asks: Publish this?"],
  [{ ...QUESTION, prompt: {} }, "asks for an answer"],
  [{ ...QUESTION, prompt: { figures: [1] } }, 'asks: {"figures":[1]}'],
  [{ reason: "callback", expires_at: QUESTION.expires_at }, "its agent answers later"],
])("a terminal shows what a stage waits for: %j", (data, words) => {
  const events = [ASKING[0], event("stage.waiting", 10, { stage: "approval", attempt: 0, data })];
  const view: View = { columns: 90, now: START + 500, paint: (_style, text) => text };
  const [row = "", ...rest] = runViewLines(fold(events as typeof ASKING), view);
  expect(row).toMatch(/^ {2}◔ approval {2}/);
  expect(row.endsWith(`  ${words}`)).toBe(true);
  expect(rest.join("\n")).not.toContain("curl");
  const how = runViewLines(fold(events as typeof ASKING), { ...view, url: "http://localhost:1" });
  expect(how.join(" ").includes("/stages/approval/complete")).toBe(data.reason === "wait");
});

test("plain lines come for each tenth of the items and each failure, and once for an iteration", () => {
  let written = "";
  const output = plainOutput((text) => {
    written += text;
  });
  const begun = mapped(40);
  const items = Array.from({ length: 40 }, (_, at) => [
    of("stage.started", "each", {}, at),
    at === 6
      ? of("stage.failed", "each", { ...result, status: "failed", error: { message: "no such page" } }, at)
      : of("stage.completed", "each", result, at),
  ]);
  const end = of("stage.completed", "each", result);
  const loop = [
    of("stage.started", "draft", { iteration: 1 }),
    of("stage.iterated", "draft", { iteration: 1, data: {} }),
    of("stage.started", "draft", { iteration: 2 }),
  ];
  const all = [...begun, ...items.flat(), end, ...loop];
  for (const each of all) output.event(each);
  const counts = [0, 4, 7, 8, 12, 16, 20, 24, 28, 32, 36, 40];
  expect(written.trimEnd().split("\n")).toEqual([
    ...counts.map((done) => `each running: ${done}/40${done < 7 ? "" : ", 1 failed"}`),
    "each completed in 0 ms (40 items, 1 failed)",
    "draft running: iteration 1/5",
    "draft running: iteration 2/5",
  ]);
});
