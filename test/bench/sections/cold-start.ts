// From the start of workerd to its first answer: the coordinator against the bare Worker, without Miniflare, whose own
// start would hide the difference. Two first answers: that of a run of four stages, which both can give, on storage
// that already holds the pipeline; and that of a Worker which has nothing to do yet, the coordinator's health.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fire, median, type Shot } from "../load.ts";
import { coordinatorRun, define, floorRun } from "../runs.ts";
import { startServer, writeConfig } from "../raw-workerd.ts";
import { OBJECTS } from "../servers.ts";
import { chain } from "../shapes-of-runs.ts";
import { type Bench, printTable, type Verdict, atMost } from "../verdicts.ts";

const STARTS = 7;
const FOUR = chain(4);

interface Candidate {
  config: string;
  /** Its first request, to a server at this address. */
  shot: (url: string) => Shot;
  took: number[];
}

export async function compareColdStarts({ scripts, rounds }: Bench): Promise<Verdict[]> {
  const folder = await mkdtemp(join(tmpdir(), "agent-coordinator-bench-"));
  try {
    const floor = await writeConfig(folder, "floor", scripts.floor, scripts.agents, [
      ["FLOOR", "FloorObject"],
    ]);
    const coordinator = await writeConfig(
      folder,
      "coordinator",
      scripts.coordinator,
      scripts.agents,
      OBJECTS,
    );
    await prepare(coordinator);
    const candidates: Record<string, Candidate> = {
      bareRun: { config: floor, shot: (url) => floorRun({ url }, "bare", FOUR)(0), took: [] },
      run: { config: coordinator, shot: (url) => coordinatorRun({ url }, "four")(0), took: [] },
      bareNothing: { config: floor, shot: (url) => floorRun({ url }, "bare", [])(0), took: [] },
      nothing: { config: coordinator, shot: (url) => ({ url: `${url}/healthz`, method: "GET" }), took: [] },
    };
    for (let start = 0; start < Math.min(STARTS, rounds * 2); start += 1) {
      for (const { config, shot, took } of Object.values(candidates)) {
        const server = await startServer(config);
        await fire(1, 1, () => shot(server.url));
        took.push(performance.now() - server.began);
        await server.kill();
      }
    }
    return report(candidates);
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

function report({ bareRun, run, bareNothing, nothing }: Record<string, Candidate>): Verdict[] {
  if (!bareRun || !run || !bareNothing || !nothing) return [];
  console.log(
    `\n## From starting workerd to its first answer, ms, ${run.took.length} starts each, interleaved\n`,
  );
  console.log("the run without result cache, in a conversation that exists\n");
  const line = (label: string, bare: Candidate, own: Candidate) => [
    label,
    median(bare.took).toFixed(1),
    median(own.took).toFixed(1),
    (median(own.took) / median(bare.took)).toFixed(2),
  ];
  printTable(
    ["p50", "(a)", "coordinator", "of (a)"],
    [line("a run of four stages", bareRun, run), line("no call at all; GET /healthz", bareNothing, nothing)],
  );
  const ratio = (bare: Candidate, own: Candidate) => median(own.took) / median(bare.took);
  return [
    atMost("cold start, first run: at most 1.5 of (a)'s", ratio(bareRun, run), 1.5),
    atMost("cold start, Worker alone: at most 1.5 of (a)'s", ratio(bareNothing, nothing), 1.5),
  ];
}

/** Storage with the pipeline in it, as a server has it that was only started again. */
async function prepare(config: string): Promise<void> {
  const server = await startServer(config);
  await define(server, { four: FOUR });
  await fire(1, 3, () => coordinatorRun(server, "four")(0));
  await server.kill();
}
