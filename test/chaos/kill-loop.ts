// The kill loop: batches of runs on one storage, the server killed under them one to three times, and everything
// that must hold afterwards looked at. Owns the aim (each kill is sent at a moment of a chosen run) and the
// verdicts; which phase a kill hit is read from the evidence afterwards, not taken from the aim.
import { type Chance, seeded } from "../support/values/chance.ts";
import { type Calls, callsTo } from "../support/clients/calls.ts";
import { startWorkerd, temporaryState, type WorkerdServer } from "../support/servers/workerd.ts";
import { defineFive, type FiveAgents, type StageCall, startFiveAgents } from "./agents.ts";
import { judge, type Phase, phaseAt } from "./verdict.ts";
import { type WatchedRun, watchRun } from "./watched-run.ts";

export const AIMS = [
  "first record",
  "in a call",
  "between calls",
  "retry's wait",
  "pause",
  "last record",
] as const;

export interface KillReport {
  kills: number;
  runs: number;
  /** Which phase of its target each kill hit. */
  histogram: Record<Phase, number>;
  /** Which phases the kills hit of all the runs that were in flight. */
  underWay: Record<Phase, number>;
  faults: string[];
  /** From the server's being up to the first sign of life of a run, ms: the worst. */
  slowestRecoveryMs: number;
  /** Calls made beyond those that undisturbed runs make. */
  extraCalls: number;
}

/** What is known of a server's death and of what came after. */
export interface Death {
  /** ms since the epoch, just before the signal. */
  at: number;
  up: number;
}

const BATCH_RUNS = 20;
const VARS = {
  AGENT_COORDINATOR_RETRY_DELAY: "0.4",
  AGENT_COORDINATOR_CIRCUIT_BREAKER: "false",
  AGENT_COORDINATOR_CACHING: "false",
};

export async function killLoop(kills: number, seed: number): Promise<KillReport> {
  const chance = seeded(seed);
  const state = await temporaryState();
  const agents = await startFiveAgents({
    delay: () => 30 + chance.below(70),
    fails: (call) => call.stage === "vector_retrieval" && call.attempt === 1,
  });
  const boot = () =>
    startWorkerd({
      state: state.path,
      vars: { ...VARS, AGENT_COORDINATOR_AGENT_HOSTS: agents.server.host },
    });
  const report: KillReport = {
    kills: 0,
    runs: 0,
    histogram: emptyHistogram(),
    underWay: emptyHistogram(),
    faults: [],
    slowestRecoveryMs: 0,
    extraCalls: 0,
  };
  let server = await boot();
  try {
    await defineFive(callsTo(server.url), agents);
    for (let batch = 0; report.kills < kills; batch += 1) {
      const deaths = Math.min(1 + chance.below(3), kills - report.kills);
      server = await runBatch({ batch, deaths, server, boot, agents, chance, report });
    }
  } finally {
    await server.kill();
    await agents.close();
    await state.remove();
  }
  return report;
}

interface Batch {
  batch: number;
  deaths: number;
  server: WorkerdServer;
  boot: () => Promise<WorkerdServer>;
  agents: FiveAgents;
  chance: Chance;
  report: KillReport;
}

async function runBatch(of: Batch): Promise<WorkerdServer> {
  const { agents, chance, report } = of;
  let { server } = of;
  agents.calls.length = 0;
  const runs: WatchedRun[] = [];
  const deaths: Death[] = [];
  const targets: WatchedRun[] = [];
  for (let death = 0; death < of.deaths; death += 1) {
    const calls = callsTo(server.url);
    // Every kill finds the batch full: what has ended meanwhile is replaced.
    while (runs.filter((run) => !isOver(run, agents)).length < BATCH_RUNS - 1) {
      const number = runs.length;
      runs.push(watchRun(calls, `b${of.batch}-r${number}`, number % 3 === 0));
    }
    await Promise.all(runs.map((run) => run.acknowledgement));
    const aim = AIMS[(report.kills + death) % AIMS.length] as (typeof AIMS)[number];
    const target = await strike(server, calls, aim, `b${of.batch}-t${death}`, agents, chance);
    runs.push(target);
    targets.push(target);
    const at = Date.now();
    await server.kill();
    server = await of.boot();
    deaths.push({ at, up: Date.now() });
    const again = callsTo(server.url);
    for (const run of runs) if (run.watched) run.reconnect(again);
    // Those that nobody watches get a second to show that they go on by themselves.
    await until(Date.now() + 1_000, () => runs.every((run) => run.watched || isOver(run, agents)));
  }
  const calls = callsTo(server.url);
  await Promise.all(runs.map((run) => run.finish(calls)));
  for (const run of runs) {
    const verdict = judge(run, agents.calls, deaths);
    report.faults.push(...verdict.faults.map((fault) => `${run.execution_id}: ${fault}`));
    report.slowestRecoveryMs = Math.max(report.slowestRecoveryMs, verdict.recoveryMs);
    report.extraCalls += verdict.extraCalls;
    for (const death of deaths) {
      const phase = phaseAt(run, agents.calls, death.at);
      if (phase !== null) report.underWay[phase] += 1;
    }
  }
  for (const [number, target] of targets.entries()) {
    const phase = phaseAt(target, agents.calls, (deaths[number] as Death).at);
    if (phase !== null) report.histogram[phase] += 1;
  }
  const unhandled = server.output().match(/UNHANDLED.*/g) ?? [];
  report.faults.push(...unhandled);
  report.kills += deaths.length;
  report.runs += runs.length;
  return server;
}

/** Starts the target and returns at the moment that the aim names. */
async function strike(
  server: WorkerdServer,
  calls: Calls,
  aim: (typeof AIMS)[number],
  execution_id: string,
  agents: FiveAgents,
  chance: Chance,
): Promise<WatchedRun> {
  const stage = chance.pick(["query_rewriting", "context_decision", "keyword_retrieval"]);
  const of = (name: string) => (call: StageCall) => call.execution_id === execution_id && call.stage === name;
  // Laid in wait for before the run begins: its first calls may come before its acknowledgement.
  const when = {
    "first record": async () => {},
    "in a call": () => moment(agents, "onCall", of(stage)),
    "between calls": () => moment(agents, "onAnswer", of(stage)),
    "retry's wait": () => moment(agents, "onAnswer", of("vector_retrieval")),
    pause: async () => {},
    "last record": () => moment(agents, "onAnswer", of("answer_generation")),
  }[aim]();
  const target = watchRun(calls, execution_id, false);
  if (aim !== "first record") await target.acknowledgement;
  await when;
  switch (aim) {
    case "first record":
      await sleep(chance.below(12));
      break;
    case "in a call":
      await sleep(chance.below(15));
      break;
    case "retry's wait":
      await sleep(70 + chance.below(60));
      break;
    case "pause":
      await sleep(chance.below(150));
      await target.pause(callsTo(server.url), chance.pick(["drain", "abort"]));
      await sleep(chance.below(20));
      break;
    case "between calls":
    case "last record":
      break;
  }
  return target;
}

/** Resolves when the agents see what is waited for, or after 5 s, when the aim has missed. */
function moment(
  agents: FiveAgents,
  kind: "onCall" | "onAnswer",
  wanted: (call: StageCall) => boolean,
): Promise<void> {
  return new Promise((resolve) => {
    const late = setTimeout(resolve, 5_000);
    agents[kind] = (call) => {
      if (!wanted(call)) return;
      clearTimeout(late);
      agents[kind] = () => {};
      resolve();
    };
  });
}

function isOver(run: WatchedRun, agents: FiveAgents): boolean {
  return (
    run.paused ||
    agents.calls.some(
      (call) =>
        call.execution_id === run.execution_id &&
        call.stage === "answer_generation" &&
        call.answered_at !== null,
    )
  );
}

function emptyHistogram(): Record<Phase, number> {
  return {
    "first record": 0,
    "in a call": 0,
    "between calls": 0,
    "retry's wait": 0,
    pause: 0,
    "last record": 0,
    ended: 0,
  };
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}

export async function until(at: number, done: () => boolean): Promise<void> {
  while (Date.now() < at && !done()) await sleep(10);
}
