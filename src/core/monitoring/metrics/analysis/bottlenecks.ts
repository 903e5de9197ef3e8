// Where the time went: the stages with the largest share of the critical path, each with what the recorded runs show
// as the reason and what changing it would save, by simulation of those runs.
import type { Bottleneck, Level } from "../../../../contract/metrics.ts";
import { LIMITS } from "../../../../contract/limits.ts";
import type { MetricTotals } from "../run-metrics.ts";
import type { AgentQueue, RunShape, StageShape } from "../report.ts";
import {
  changeStages,
  saving,
  withCache,
  withConcurrency,
  withPlaces,
  withQueue,
  workOf,
} from "./simulate.ts";
import { mean } from "../sketch.ts";

/** A stage with less than a tenth of the critical path is no bottleneck. */
const LEAST_IMPACT = 0.1;
/** A reason must explain this much of a stage's time, else the agent is simply slow. */
const LEAST_REASON = 0.1;

/** @param runs of the same pipelines, in the order in which they began */
export function bottlenecksIn(totals: MetricTotals, runs: readonly RunShape[]): Bottleneck[] {
  const stages = [...totals.stages];
  const path = stages.reduce((sum, [, stage]) => sum + stage.path_ms, 0);
  const total = stages.reduce((sum, [, stage]) => sum + stage.durations.sum, 0);
  if (path === 0) return [];
  return stages
    .map(([stage, { path_ms, durations }]) => {
      const impact_score = path_ms / path;
      const average = mean(durations);
      const { cause, recommendation } = reasonOf(stage, average, runs);
      return {
        stage,
        impact_score,
        impact: levelOf(impact_score),
        average_duration_ms: average,
        avg_duration_ms: average,
        percentage_of_total: (100 * durations.sum) / total,
        cause,
        recommendation,
        root_cause: cause,
        optimization_recommendation: recommendation,
      };
    })
    .filter(({ impact_score }) => impact_score >= LEAST_IMPACT)
    .toSorted((a, b) => b.impact_score - a.impact_score);
}

function levelOf(share: number): Level {
  if (share >= 0.5) return "high";
  return share >= 0.2 ? "medium" : "low";
}

interface Reason {
  cause: string;
  recommendation: string;
}

/** Of all that could be changed about a stage, what would save the most. */
function reasonOf(name: string, average: number, runs: readonly RunShape[]): Reason {
  const seen = runs.filter((run) => stageIn(run, name) !== undefined);
  const reasons = [
    retries(name, seen),
    waiting(name, seen),
    agentWaits(name, seen),
    turns(name, seen),
    repeats(name, seen),
  ]
    .filter((reason) => reason.saves >= Math.max(1, LEAST_REASON * average))
    .toSorted((a, b) => b.saves - a.saves);
  return reasons[0] ?? slow(name, average, seen);
}

type Saving = Reason & { saves: number };

function retries(name: string, runs: readonly RunShape[]): Saving {
  const lost = runs.flatMap((run) => {
    const stage = stageIn(run, name);
    return stage === undefined ? [] : [workOf(stage) - (stage.tries_ms.at(-1) ?? 0)];
  });
  const again = lost.filter((ms) => ms > 0).length;
  const saves = saving(runs, (run) =>
    changeStages(run, (stage) =>
      stage.stage === name ? { tries_ms: stage.tries_ms.slice(-1), waits_ms: 0 } : {},
    ),
  );
  return {
    saves,
    cause: `retries: in ${share(again, runs)} of runs tries failed, which cost ${ms(average(lost))} a run, delays included`,
    recommendation: `Fix the failures of ${name}, or lower retry_delay_seconds: without failed tries a run would end ${ms(saves)} sooner.`,
  };
}

/** It could have begun earlier: it waited for a place, or for a stage that it does not depend on. */
function waiting(name: string, runs: readonly RunShape[]): Saving {
  const waits = runs.map((run) => stageIn(run, name)?.place_wait);
  const waited = average(waits.map((wait) => wait?.ms ?? 0));
  const blocker = mostNamed(waits.flatMap((wait) => wait?.after ?? []));
  const exclusive = runs.some(
    (run) => stageIn(run, name)?.parallel === false || stageIn(run, blocker)?.parallel === false,
  );
  if (exclusive) {
    const saves = saving(runs, (run) =>
      changeStages(run, ({ stage }) => (stage === name || stage === blocker ? { parallel: true } : {})),
    );
    return {
      saves,
      cause: `no overlap with an independent stage: it waited ${ms(waited)} a run for ${blocker}, on which it does not depend`,
      recommendation: `Set parallel: true on ${name} and ${blocker}: side by side, a run would end ${ms(saves)} sooner.`,
    };
  }
  const places = runs.at(-1)?.max_concurrent_stages ?? 0;
  const saves = saving(runs, (run) => ({ ...run, max_concurrent_stages: LIMITS.CONCURRENT_STAGES }));
  return {
    saves,
    cause: `waiting for a slot: it waited ${ms(waited)} a run for one of ${places} places`,
    recommendation: `Raise max_concurrent_stages from ${places} to ${LIMITS.CONCURRENT_STAGES}: a run would end ${ms(saves)} sooner.`,
  };
}

/** It waited for its agent, which has limits, or had asked not to be called for a while. */
function agentWaits(name: string, runs: readonly RunShape[]): Saving {
  const stages = runs.flatMap((run) => stageIn(run, name) ?? []);
  const queues = stages.flatMap(({ queue }) => queue ?? []);
  const [last] = queues.slice(-1);
  if (last === undefined) return { saves: 0, cause: "", recommendation: "" };
  const { agent } = last;
  const waited = queues.flatMap(({ reasons }) => Object.values(reasons)).reduce((sum, of) => sum + of, 0);
  const worked = stages.reduce((sum, stage) => sum + callsOf(stage), 0);
  const time = `${Math.round((100 * waited) / Math.max(1, waited + worked))} % of the time`;
  const saves = (change: (stage: StageShape) => Partial<StageShape>) =>
    saving(runs, (run) => changeStages(run, (stage) => (stage.queue?.agent === agent ? change(stage) : {})));
  const raised = raisedLimit(queues, last);
  if (raised === null) {
    const saved = saves((stage) => withQueue(stage, 0));
    return {
      saves: saved,
      cause: `is held back by Retry-After: agent ${agent} asked not to be called for ${time}`,
      recommendation: `Give agent ${agent} a limit (\`concurrency\` or \`rate\`) that it can serve, or more capacity: without these waits a run would end ${ms(saved)} sooner.`,
    };
  }
  const { limit, from, to } = raised;
  // Waits become shorter as places become more.
  const saved = saves((stage) =>
    limit === "concurrency" ? withPlaces(stage, from, to) : withQueue(stage, from / to),
  );
  return {
    saves: saved,
    cause: `waits for a place at agent ${agent}: ${time}`,
    recommendation: `At agent ${agent}, raise \`${limit}\` from ${from} to ${to}: saves ${ms(saved)} a run.`,
  };
}

/** How long its calls took, those of items one after another. */
function callsOf(stage: StageShape): number {
  const { map } = stage;
  return map === undefined ? workOf(stage) : map.items * average(map.items_ms);
}

/** The limit that most of the waits were for, as it was last, and twice that; null where it was none. */
function raisedLimit(queues: readonly AgentQueue[], { limits }: AgentQueue) {
  const waited = (reason: keyof AgentQueue["reasons"]) =>
    queues.reduce((sum, { reasons }) => sum + (reasons[reason] ?? 0), 0);
  const [places, calls, held] = [waited("concurrency"), waited("rate"), waited("retry_after")];
  if (held >= Math.max(places, calls)) return null;
  const isRate = calls > places;
  const from = isRate ? limits?.rate?.calls : limits?.concurrency;
  if (from === undefined) return null;
  const most = isRate ? LIMITS.AGENT_RATE_CALLS : LIMITS.AGENT_CONCURRENCY;
  return { limit: isRate ? "rate.calls" : "concurrency", from, to: Math.min(2 * from, most) };
}

/** Its items took turns: as many more as there are connections could have been at work. */
function turns(name: string, runs: readonly RunShape[]): Saving {
  const { concurrency = 0 } = stageIn(runs.at(-1), name)?.map ?? {};
  const items = average(runs.map((run) => stageIn(run, name)?.map?.items ?? 0));
  const mayBeMore = ({ map, queue }: StageShape) =>
    map !== undefined &&
    map.concurrency < LIMITS.CONCURRENT_STAGES &&
    // Its agent has no place for more.
    (queue?.limits?.concurrency ?? LIMITS.CONCURRENT_STAGES) > map.concurrency;
  const saves = saving(runs, (run) =>
    changeStages(run, (stage) =>
      stage.stage === name && mayBeMore(stage) ? withConcurrency(stage, LIMITS.CONCURRENT_STAGES) : {},
    ),
  );
  return {
    saves,
    cause: `items that take turns: of ${Math.round(items)} items a run, ${concurrency} are called at a time`,
    recommendation: `Raise map.concurrency of ${name} from ${concurrency} to ${LIMITS.CONCURRENT_STAGES}: a run would end ${ms(saves)} sooner.`,
  };
}

function repeats(name: string, runs: readonly RunShape[]): Saving {
  const cached = withCache(runs, name);
  const hits = cached.filter(
    (run, at) => stageIn(run, name)?.cached === true && stageIn(runs[at], name)?.cached === false,
  );
  const saves = saving(runs, (run, at) => cached[at] ?? run);
  return {
    saves,
    cause: `cache that could have hit: ${share(hits.length, runs)} of runs repeated the input of an earlier one`,
    recommendation: `Cache the results of ${name} (enable_caching, and cache: true on it): a run would end ${ms(saves)} sooner on average.`,
  };
}

/** What a faster agent would save. */
const FASTER = 0.5;

function slow(name: string, average_ms: number, runs: readonly RunShape[]): Reason {
  const saves =
    runs.length === 0
      ? FASTER * average_ms
      : saving(runs, (run) =>
          changeStages(run, ({ stage, tries_ms }) =>
            stage === name ? { tries_ms: tries_ms.map((took) => took * FASTER) } : {},
          ),
        );
  return {
    cause: `slow agent: its calls take ${ms(average_ms)} on average, and neither retries nor waiting explain them`,
    recommendation: `Make the agent of ${name} faster, or give it a smaller model: at half the time a run would end ${ms(saves)} sooner.`,
  };
}

function stageIn(run: RunShape | undefined, name: string): StageShape | undefined {
  return run?.stages.find((stage) => stage.stage === name && stage.asked !== "");
}

function mostNamed(names: readonly string[]): string {
  const groups = [...Map.groupBy(names, (name) => name)];
  return groups.toSorted(([, a], [, b]) => b.length - a.length)[0]?.[0] ?? "";
}

function average(values: readonly number[]): number {
  return mean({ count: values.length, sum: values.reduce((sum, value) => sum + value, 0) });
}

function ms(value: number): string {
  return `${Math.round(value)} ms`;
}

function share(part: number, runs: readonly RunShape[]): string {
  return `${Math.round((100 * part) / Math.max(1, runs.length))} %`;
}
