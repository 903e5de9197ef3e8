// What must hold of a run that waited while its server was killed: judged from its log, from what its agents saw and from
// what those who answered were acknowledged, by the one clock of this machine.
import { isDeepStrictEqual } from "node:util";
import type { Received } from "../../support/clients/sse.ts";
import { LINKED, type WaitingRun, type WaitingWorld } from "./world.ts";

const WAITING_STAGES = ["job", "ask", "sign"];

export interface Verdict {
  faults: string[];
  /** Calls beyond the one that each agent gets of a run that nothing disturbs. */
  repeatedCalls: number;
}

/** A kill of the server: the signal, and when the process was gone, ms since the epoch. */
export interface Death {
  at: number;
  gone: number;
}

export function judge(run: WaitingRun, world: WaitingWorld, deaths: readonly Death[]): Verdict {
  const { events, final } = run;
  if (!hasEnded(run)) return { faults: [`it does not end: it is ${final.status}`], repeatedCalls: 0 };
  const faults = [
    ...events
      .filter((event, at) => event.id !== at + 1)
      .map(({ id }) => `seq ${id} is not where it belongs in the log`),
    ...WAITING_STAGES.flatMap((stage) => answersOf(run, stage)),
  ];
  const expected = run.fate === "answered" || run.cancelled === 409 ? "completed" : "cancelled";
  if (final.status !== expected) {
    faults.push(`ended ${final.status}, not ${expected}: ${JSON.stringify(final.error_info)}`);
  }
  if (ended(events).length !== 1 || events.at(-1)?.event !== `execution.${expected}`) {
    faults.push(
      `not one end, at the end of the log: ${ended(events)
        .map(({ event }) => event)
        .join()}`,
    );
  }
  const recoveries = events.filter(({ event }) => event === "execution.recovered");
  const [begun, over] = [events[0], recoveries.at(-1)].map((event) => Date.parse(event?.data.timestamp));
  // By the server's clock: a call may be read from its connection after the server that sent it is gone.
  const felt = deaths.filter(({ at, gone }) => gone >= Number(begun) && at <= Number(over)).length;
  if (recoveries.length > felt) faults.push(`recovered ${recoveries.length} times over ${felt} kills`);
  const accepted = of(events, "job", "stage.waiting")[0]?.id ?? Infinity;
  for (const { id, data } of recoveries) {
    if (Number(id) > accepted && data.data.stages.includes("job"))
      faults.push("a recovery takes job, whose 202 is committed, for interrupted");
  }
  let repeatedCalls = 0;
  for (const stage of ["job", "beside", "publish"]) {
    const calls = world.callsOf(run.execution_id, stage);
    // The end of a call that nothing answers later is its completion, that of the other one its 202.
    const commit = stage === "job" ? "stage.waiting" : "stage.completed";
    const commits = of(events, stage, commit);
    if (commits.length > 1) faults.push(`${stage} has ${commits.length} times ${commit}`);
    const committed = commits[0] === undefined ? Infinity : Date.parse(commits[0].data.timestamp);
    if (calls.some(({ at }) => at > committed)) faults.push(`${stage} was called after ${commit}`);
    const started = of(events, stage, "stage.started").length;
    if (calls.length > started)
      faults.push(`${stage} was called ${calls.length} times, its log says ${started}`);
    const named = recoveries.filter(({ data }) => data.data.stages.includes(stage)).length;
    if (started > 1 + named) faults.push(`${stage} was started ${started} times, interrupted ${named} times`);
    repeatedCalls += Math.max(0, calls.length - 1);
  }
  if (run.committed !== null && world.callsOf(run.execution_id, "job").length !== run.committed) {
    faults.push("job was called after its 202 was read to be committed");
  }
  return { faults, repeatedCalls };
}

/** What is wrong with the answers of a stage. */
function answersOf(run: WaitingRun, stage: string): string[] {
  const faults: string[] = [];
  const taken = run.sent.filter((each) => each.stage === stage && each.status !== 409);
  const given = [...new Set(taken.map(({ by }) => by))];
  if (given.length > 1)
    faults.push(`${stage}: different answers were acknowledged, of ${given.join(" and ")}`);
  const early = of(run.events, stage, "stage.signalled").filter(
    ({ data }) => data.data.signal === "complete",
  );
  if (early.length > 1) faults.push(`${stage} has ${early.length} answers before its question`);
  if (taken.some(({ status }) => status === 202) && early.length === 0)
    faults.push(`${stage}: the answer before its question was acknowledged, and is gone`);
  const completed = of(run.events, stage, "stage.completed");
  if (completed.length > 1) faults.push(`${stage} was completed ${completed.length} times`);
  const [end] = completed;
  const result = run.final.stage_results[stage];
  if (end === undefined) {
    // Of a run that was cancelled an answer may be left that its question never came for.
    if (given.length > 0 && (early.length === 0 || run.final.status !== "cancelled"))
      faults.push(`${stage}: an answer was acknowledged, and is gone`);
    if (result.status === "completed") faults.push(`${stage} is completed, and its log does not say so`);
    return faults;
  }
  const data = { by: given[0] };
  if (!isDeepStrictEqual(result.data, data) || !isDeepStrictEqual(end.data.data.data, data)) {
    faults.push(
      `${stage}: ${JSON.stringify(data)} was acknowledged, its data is ${JSON.stringify(result.data)}`,
    );
  }
  const isLinked = stage === "ask" && given[0] === LINKED;
  if (String(result.answered_by).startsWith("token:") !== isLinked)
    faults.push(`${stage} was answered by ${result.answered_by}, not by ${given[0]}`);
  return faults;
}

export function hasEnded({ final }: WaitingRun): boolean {
  return /^(completed|failed|cancelled)$/.test(final.status);
}

export function ended(events: readonly Received[]): Received[] {
  return events.filter(({ event }) => /^execution\.(completed|failed|cancelled)$/.test(event));
}

function of(events: readonly Received[], stage: string, type: string): Received[] {
  return events.filter(({ event, data }) => event === type && data.stage === stage);
}
