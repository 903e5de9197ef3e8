// Definitions with stages that map, repeat and run pipelines, over HTTP: what there is to draw of them, and that what
// GET shows may be written back.
import { expect, test } from "vitest";
import { startWorld } from "../../support/servers/world.ts";

const STAGES = [
  { name: "each", agent_type: "fine", map: { over: "context.list", max_items: 7 } },
  { name: "loop", agent_type: "fine", repeat: { until: "true", max: 3 }, depends_on: ["each"] },
  { name: "sub", pipeline: "inner", depends_on: ["loop"] },
];

test("validate has kinds, counts and the graphs of the pipelines within", async (context) => {
  const { calls } = await (await startWorld(context)).boot();
  await calls.pipeline("inner", [
    { name: "ask", wait: {} },
    { name: "end", agent_type: "fine", depends_on: ["ask"] },
  ]);
  const response = await calls.send("POST", "/v1/pipelines/validate", { stages: STAGES });
  expect(await response.json()).toMatchObject({
    valid: true,
    stages: [
      { name: "each", kind: "agent", map: { max_items: 7, concurrency: 4 } },
      { name: "loop", kind: "agent", repeat: { max: 3 } },
      { name: "sub", kind: "pipeline", pipeline: "inner" },
    ],
    critical_path: ["each", "loop", "sub"],
    pipelines: {
      inner: {
        stages: [
          { name: "ask", kind: "wait" },
          { name: "end", kind: "agent" },
        ],
        dependencies: { ask: [], end: ["ask"] },
        layers: [["ask"], ["end"]],
        critical_path: ["ask", "end"],
      },
    },
  });
});

test("what GET shows of a definition may be written back", async (context) => {
  const { calls } = await (await startWorld(context)).boot();
  await calls.pipeline("inner", [{ name: "end", agent_type: "fine" }]);
  await calls.pipeline("outer", STAGES);
  const { stages } = (await (await calls.fetch("/v1/pipelines/outer")).json()) as { stages: object[] };
  const again = await calls.send("PUT", "/v1/pipelines/outer", { stages });
  expect(again.status).toBe(200);
  expect(await again.json()).toMatchObject({ stages });
});
