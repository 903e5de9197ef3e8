// I19 over random pipelines: what a fork reuses is what a call would have been given the same bytes for, and it calls
// for nothing else. The agents answer from the bytes of their calls, so a call that differs gives another answer.
import * as fc from "fast-check";
import { expect, test } from "vitest";
import type { AgentStage, ResolvedStage } from "../../../src/contract/stage.ts";
import type { RunSpec } from "../../../src/core/execution/run-spec.ts";
import { type ForkChoice, type ForkPlan, planFork } from "../../../src/core/forks/plan-fork.ts";
import { reusedStages } from "../../../src/core/forks/reused-stages.ts";
import { makeSpec, makeStage } from "../simulation/spec.ts";
import { sizeOf } from "../../support/sizes.ts";
import { ForkRun } from "./fork-run.ts";

const RUNS = sizeOf("FORK_RUNS");

interface Shape {
  edges: number[];
  kinds: number[];
  ranks: number[];
  /** What stages do besides answering: with both, what a fork's stages see later would change conditions. */
  adds: boolean;
  parallel: boolean;
}

const shape: fc.Arbitrary<Shape> = fc.integer({ min: 1, max: 6 }).chain((stages) =>
  fc.record({
    edges: fc.array(fc.nat(63), { minLength: stages, maxLength: stages }),
    kinds: fc.array(fc.nat(9), { minLength: stages, maxLength: stages }),
    ranks: fc.array(fc.nat(99), { minLength: stages, maxLength: stages }),
    adds: fc.boolean(),
    parallel: fc.boolean(),
  }),
);

function stagesOf({ edges, kinds, adds, parallel }: Shape): ResolvedStage[] {
  return kinds.map((kind, at) => {
    const depends_on = kinds
      .slice(0, at)
      .flatMap((_, from) => (((edges[at] ?? 0) >> from) % 2 === 1 ? [`s${from}`] : []));
    const fields: Partial<AgentStage> = { depends_on, parallel, required: true, retry_attempts: 3 };
    if (kind === 9) {
      const shown = depends_on.map((name) => `'${name}': results.${name}`).join(", ");
      const wait = { prompt: `{${shown}}`, timeout_seconds: 60, on_timeout: "fail" as const };
      const {
        agent_type: _,
        timeout_seconds: __,
        retry_attempts: ___,
        ...rest
      } = makeStage(`s${at}`, fields);
      return { ...rest, wait };
    }
    const config = {
      ...(kind % 3 === 0 ? { fails: 1 } : {}),
      ...(adds && kind % 2 === 0 ? { adds: `of_s${at}` } : {}),
    };
    const on = depends_on[0];
    // Of a question's answer, or of a stage that was skipped, there is no n.
    const when =
      !adds && kind > 6 && on !== undefined ? { when: `has(results.${on}.n) && results.${on}.n != 3` } : {};
    return makeStage(`s${at}`, { ...fields, ...when, config });
  });
}

type Change = { what: (typeof CHANGES)[number]; at: number };
const CHANGES = [
  "nothing",
  "query",
  "history",
  "context",
  "config",
  "agent",
  "registration",
  "timeout",
  "tries",
] as const;

const change: fc.Arbitrary<Change> = fc.record({ what: fc.constantFrom(...CHANGES), at: fc.nat(5) });

function changed(spec: RunSpec, { what, at }: Change): RunSpec {
  const stage = spec.stages[at % spec.stages.length] as AgentStage;
  const edited = (fields: Partial<AgentStage>): RunSpec =>
    stage.wait === undefined
      ? {
          ...spec,
          stages: spec.stages.map((other) => (other === stage ? { ...stage, ...fields } : other)),
        }
      : spec;
  switch (what) {
    case "nothing":
      return spec;
    case "query":
      return { ...spec, query: "another question" };
    case "history":
      return { ...spec, history: [{ query: "before", answer: "yes" }] };
    case "context":
      return { ...spec, context: { added: true } };
    case "config":
      return edited({ config: { ...stage.config, k: 1 } });
    case "agent":
      return edited({ agent_type: "another" });
    case "registration":
      return {
        ...spec,
        agents: {
          ...spec.agents,
          [stage.agent_type ?? ""]: { url: "https://other.example/", protocol: "native" },
        },
      };
    case "timeout":
      return edited({ timeout_seconds: 7 });
    case "tries":
      return edited({ retry_attempts: 5, required: false, idle_timeout_seconds: 3 });
  }
}

function sourceOf(of: Shape): { run: ForkRun; spec: RunSpec; rank: (stage: string) => number } {
  const rank = (stage: string) => of.ranks[Number(stage.slice(1))] ?? 0;
  const spec = makeSpec(stagesOf(of), { retry_delay_seconds: 0.01 }, { execution_id: "ex_source" });
  return { run: new ForkRun(spec, rank).run(), spec, rank };
}

function plan(run: ForkRun, target: RunSpec, choice: ForkChoice = {}): ForkPlan {
  const { stages, agents, config, query, context, history, inputs } = target;
  const planned = planFork(
    run.source,
    { stages, agents, config, query, context, history, inputs, left_out: [] },
    choice,
  );
  if (!planned.ok) throw new Error(JSON.stringify(planned.error));
  return planned.value;
}

function fork(
  run: ForkRun,
  target: RunSpec,
  planned: ForkPlan,
  id: string,
  rank: (stage: string) => number,
): ForkRun {
  const reused = reusedStages(run.source, planned);
  const forked_from = { execution_id: run.state.spec.execution_id, seq: run.state.seq };
  const message = JSON.parse(JSON.stringify({ ...target, execution_id: id, reused, forked_from })) as RunSpec;
  return new ForkRun(message, rank).run();
}

const asked = (run: ForkRun) => [...new Set(run.asked)].toSorted();

test("a fork of a run with nothing changed reuses everything and calls nobody, and so does a fork of that", () => {
  fc.assert(
    fc.property(shape, (of) => {
      const { run, spec, rank } = sourceOf(of);
      const first = fork(run, spec, plan(run, spec), "ex_first", rank);
      const second = fork(first, spec, plan(first, spec), "ex_second", rank);
      for (const [forked, before] of [
        [first, run],
        [second, first],
      ] as const) {
        expect(forked.asked).toEqual([]);
        expect(forked.state.status).toBe(before.state.status);
        expect(forked.state.context).toEqual(before.state.context);
        expect(forked.state.context_bytes).toBeLessThanOrEqual(before.state.context_bytes);
        expect(forked.state.usage).toEqual({});
        for (const { name } of spec.stages) expect(forked.data(name)).toEqual(before.data(name));
      }
    }),
    { numRuns: RUNS },
  );
});

test("a change reruns the stages whose calls would be given other bytes, and no other", () => {
  let reran = 0;
  fc.assert(
    fc.property(shape, change, (of, what) => {
      const { run, spec, rank } = sourceOf(of);
      const target = changed(spec, what);
      const whole = new ForkRun({ ...target, execution_id: "ex_whole" }, rank).run();
      const differing = target.stages
        .map(({ name }) => name)
        .filter((name) => whole.bytes.has(name) && whole.bytes.get(name) !== run.bytes.get(name));
      const forked = fork(run, target, plan(run, target), "ex_fork", rank);
      const isSkipped = run.state.stages.some(({ result }) => result.status === "skipped");
      // Whether a stage is skipped again is not known before what it depends on has run, and those after it have run, too.
      if (isSkipped) expect(asked(forked)).toEqual(expect.arrayContaining(differing));
      else expect(asked(forked)).toEqual(differing.toSorted());
      // I20: each answered call is counted once, where it was made.
      const calls = forked.log.filter(
        ({ type, data }) => type === "stage.completed" && "usage" in data && data.usage !== null,
      );
      expect(forked.state.usage.input_tokens ?? 0).toBe(calls.length);
      expect(calls.length).toBeLessThanOrEqual(forked.asked.length);
      reran += differing.length > 0 && differing.length < target.stages.length ? 1 : 0;
    }),
    { numRuns: RUNS },
  );
  expect(reran).toBeGreaterThan(RUNS / 20);
});

test("a run that was left in the middle is gone on with: what had completed is not called again", () => {
  fc.assert(
    fc.property(shape, fc.nat(8), fc.constantFrom("cancel", "pause", "running"), (of, steps, left) => {
      const rank = (stage: string) => of.ranks[Number(stage.slice(1))] ?? 0;
      const spec = makeSpec(stagesOf(of), { retry_delay_seconds: 0.01 }, { execution_id: "ex_source" });
      const run = new ForkRun(spec, rank).run(steps);
      if (left === "cancel") run.submit({ type: "cancel", reason: "by its caller" });
      if (left === "pause") run.submit({ type: "pause", mode: "abort" });
      const completed = run.state.stages
        .filter(({ result }) => result.status === "completed")
        .map(({ result }) => result.stage);
      const planned = plan(run, spec, { from: "failed" });
      expect(planned.reused.map(({ result }) => result.stage)).toEqual(expect.arrayContaining(completed));
      const forked = fork(run, spec, planned, "ex_fork", rank);
      expect(forked.state.status).toBe("completed");
      expect(asked(forked).filter((name) => completed.includes(name))).toEqual([]);
    }),
    { numRuns: RUNS },
  );
});

test("`from` runs that stage and all that depend on it, whatever is equal", () => {
  fc.assert(
    fc.property(shape, fc.nat(5), (of, at) => {
      const { run, spec } = sourceOf(of);
      const from = `s${at % spec.stages.length}`;
      const after = new Set([from]);
      for (const { name, depends_on } of spec.stages)
        if (depends_on.some((on) => after.has(on))) after.add(name);
      const rerun = plan(run, spec, { from }).rerun.map(({ stage }) => stage);
      expect(rerun).toEqual(expect.arrayContaining([...after]));
      // The others have seen what one of these had added to the context.
      const others = rerun.filter((name) => !after.has(name));
      if (!of.adds) expect(others).toEqual([]);
    }),
    { numRuns: RUNS },
  );
});
