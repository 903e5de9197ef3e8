// The kill loop of waits: runs that wait begin all the time, are answered, called back and cancelled, while the whole
// server is killed again and again on the same storage. Owns when what happens, and the inbox as it is read meanwhile.
import { setTimeout as sleep } from "node:timers/promises";
import { lifecycle, readEvents } from "../../support/clients/sse.ts";
import { startWorkerd, temporaryState } from "../../support/servers/workerd.ts";
import { seeded } from "../../support/values/chance.ts";
import { type Death, ended, hasEnded, judge } from "./verdict.ts";
import { AIMS, type Aim, startWaitingWorld, type WaitingRun, type WaitingWorld } from "./world.ts";

export interface WaitReport {
  kills: number;
  runs: Record<string, number>;
  /** Requests that a kill left without a response. */
  interrupted: number;
  refused: Record<number, number>;
  /** Acknowledged: to questions, of those before their question, and callbacks. */
  answers: number;
  early: number;
  callbacks: number;
  heartbeats: number;
  /** Callbacks that were sent again, the same and another. */
  repeats: number;
  repeatedCalls: number;
  /** The most questions that the inbox had, and until it had none of an ended run, ms. */
  inboxMost: number;
  inboxMs: number;
  faults: string[];
}

const RUNS_A_KILL = 6;
const BETWEEN_KILLS_MS = 700;
/** The inbox follows within a second; a kill may take it the report, which is made again. */
const INBOX_MS = 5_000;
const END_MS = 30_000;

export async function waitKillLoop(kills: number, seed: number): Promise<WaitReport> {
  const chance = seeded(seed);
  const state = await temporaryState();
  const world = await startWaitingWorld(chance);
  const boot = async () => {
    const started = await startWorkerd({
      state: state.path,
      vars: {
        AGENT_COORDINATOR_AGENT_HOSTS: world.agents.host,
        AGENT_COORDINATOR_CACHING: "false",
        AGENT_COORDINATOR_CIRCUIT_BREAKER: "false",
        AGENT_COORDINATOR_TOKEN_SECRET: "a secret of this test alone, long enough",
      },
    });
    world.at(started.url);
    return started;
  };
  let server = await boot();
  try {
    await world.define();
    const lives: Promise<void>[] = [];
    const deaths: Death[] = [];
    const seen: { at: number; ids: string[] }[] = [];
    const unhandled: string[] = [];
    const begin = async (at: number) => {
      await sleep(chance.below(BETWEEN_KILLS_MS));
      await world.live(`waits-${at}`, fateOf(at));
    };
    for (let kill = 0; kill < kills; kill += 1) {
      for (let of = 0; of < RUNS_A_KILL; of += 1) lives.push(begin(kill * RUNS_A_KILL + of));
      await sleep(BETWEEN_KILLS_MS);
      seen.push({ at: Date.now(), ids: await inbox(world) });
      await moment(world, AIMS[kill % (AIMS.length + 1)]);
      unhandled.push(...(server.output().match(/UNHANDLED.*/g) ?? []));
      const at = Date.now();
      await server.kill();
      deaths.push({ at, gone: Date.now() });
      server = await boot();
    }
    await Promise.all(lives);
    await world.settled();
    const runs = [...world.runs.values()];
    const ignored = runs.filter(({ fate }) => fate === "ignored");
    const deadline = Date.now() + END_MS;
    for (const run of runs) if (run.fate !== "ignored") await finish(run, world, deadline);
    const began = Date.now();
    const wrong = [await wrongInbox(world, ignored)];
    const inboxMs = Date.now() - began;
    for (const run of ignored) await world.cancel(run);
    wrong.push(await wrongInbox(world, []));
    for (const run of ignored) await finish(run, world, Date.now() + END_MS);
    const verdicts = runs.map((run) => ({ run, ...judge(run, world, deaths) }));
    const sent = runs.flatMap((run) => run.sent).filter(({ status }) => status !== 409);
    const ends = new Map(
      runs.map((run) => [run.execution_id, Date.parse(ended(run.events)[0]?.data.timestamp)]),
    );
    const late = seen.flatMap(({ at, ids }) => ids.filter((id) => at - (ends.get(id) ?? 0) > INBOX_MS));
    return {
      kills: deaths.length,
      runs: Object.fromEntries(
        ["completed", "cancelled"].map((status) => [
          status,
          runs.filter((run) => run.final.status === status).length,
        ]),
      ),
      interrupted: world.interrupted,
      refused: world.refused,
      answers: sent.filter(({ stage }) => stage !== "job").length,
      early: sent.filter(({ status }) => status === 202).length,
      callbacks: sent.filter(({ stage }) => stage === "job").length,
      heartbeats: world.heartbeats,
      repeats: world.repeats,
      repeatedCalls: verdicts.reduce((sum, { repeatedCalls }) => sum + repeatedCalls, 0),
      inboxMost: Math.max(...seen.map(({ ids }) => ids.length)),
      inboxMs,
      faults: [
        ...verdicts.flatMap(({ run, faults }) => faults.map((fault) => `${run.execution_id}: ${fault}`)),
        ...world.strange.map((response) => `a response: ${response}`),
        ...late.map((id) => `${id} was in the inbox ${INBOX_MS} ms after its end`),
        ...wrong.flat(),
        ...unhandled,
        ...(server.output().match(/UNHANDLED.*/g) ?? []),
      ],
    };
  } finally {
    await server.kill();
    await world.agents.close();
    await state.remove();
  }
}

/** One in six is cancelled, and of one in fifty nobody answers the question. */
function fateOf(at: number): WaitingRun["fate"] {
  if (at % 6 === 1) return "cancelled";
  return at % 50 === 2 ? "ignored" : "answered";
}

/** Resolves at what is aimed at, or after a while; without an aim, at once. */
async function moment(world: WaitingWorld, aim: Aim | undefined): Promise<void> {
  if (aim === undefined) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  const late = setTimeout(resolve, BETWEEN_KILLS_MS);
  world.onMoment = (what) => {
    if (what === aim) resolve();
  };
  await promise;
  clearTimeout(late);
  world.onMoment = () => {};
}

/** Reads a run at its end, or as it is at `deadline`: then without its log, whose stream goes on. */
async function finish(run: WaitingRun, world: WaitingWorld, deadline: number): Promise<void> {
  const calls = world.calls();
  do {
    run.final = await calls.read(run.execution_id);
    if (hasEnded(run)) {
      const events = await calls.fetch(`/v1/executions/${run.execution_id}/events`);
      run.events = lifecycle(await readEvents(events));
      return;
    }
    await sleep(25);
  } while (Date.now() < deadline);
}

/** The executions that the inbox has questions of. */
async function inbox(world: WaitingWorld): Promise<string[]> {
  const ids: string[] = [];
  let query = "?limit=100";
  for (;;) {
    const response = await world.calls().fetch(`/v1/waits${query}`);
    if (!response.ok) throw new Error(`the inbox: ${response.status} ${await response.text()}`);
    // oxlint-disable-next-line typescript/no-explicit-any -- looked at as JSON.
    const { data, next_cursor } = (await response.json()) as any;
    ids.push(...data.map(({ execution_id }: { execution_id: string }) => execution_id));
    if (next_cursor === null) return ids;
    query = `?limit=100&cursor=${encodeURIComponent(next_cursor)}`;
  }
}

/** What is wrong with the inbox when it has had time to have the questions of these runs, and none beside. */
async function wrongInbox(world: WaitingWorld, runs: readonly WaitingRun[]): Promise<string[]> {
  const wanted = new Set(runs.map(({ execution_id }) => execution_id));
  const until = Date.now() + INBOX_MS;
  for (;;) {
    const found = await inbox(world);
    const wrong = [
      ...found.filter((id) => !wanted.has(id)).map((id) => `${id} is in the inbox, and has no question`),
      ...[...wanted].filter((id) => !found.includes(id)).map((id) => `${id} asks, and is not in the inbox`),
    ];
    if (wrong.length === 0 || Date.now() > until) return wrong;
    await sleep(25);
  }
}
