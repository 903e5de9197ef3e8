// npm run bench: what the coordinator costs on top of the platform, and how far that is from its targets.
// BENCH_ONLY=section,… runs some sections alone; BENCH_ROUNDS and BENCH_SHOTS shrink or lengthen all of them.
//
// Everything runs on this one machine, all traffic on loopback, each variant in a workerd of its own on the Miniflare
// API with agents in a second Worker beside it; rounds are interleaved, so that a busy moment hits all alike, and
// figures are medians. The first section has the defaults, with every question and conversation new; each other one says
// what it leaves out of them. Ends with code 0 for every result: it is no test.
import { readFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { buildConsole } from "../../src/cli/console.ts";
import { closeConnections } from "./load.ts";
import { bundle } from "./servers.ts";
import { compareColdStarts } from "./sections/cold-start.ts";
import { compareDefaults } from "./sections/defaults.ts";
import { measureReplay } from "./sections/replay.ts";
import { compareShapes } from "./sections/shapes.ts";
import { compareStageTimes } from "./sections/stage-times.ts";
import { compareStorage } from "./sections/storage.ts";
import { compareStreams } from "./sections/streams.ts";
import { atMost, type Bench, printVerdicts, type Verdict } from "./verdicts.ts";
import { compareVariants } from "./sections/variants.ts";

const SECTIONS: Record<string, (bench: Bench) => Promise<Verdict[]>> = {
  defaults: compareDefaults,
  variants: compareVariants,
  storage: compareStorage,
  "stage-times": compareStageTimes,
  streams: compareStreams,
  shapes: compareShapes,
  "cold-start": compareColdStarts,
  replay: measureReplay,
};

const NOT_MEASURED = `What this does not measure: the network between a caller and Cloudflare and from there to an agent, the
platform's own placement and routing of objects, its storage (which confirms a write from several machines, where
here one disk does), agents that are real, load on more than one machine, an isolate that shares its thread with
others, and long time: nothing here runs for more than seconds. Processor time is all of workerd's, the agents' part
of it too, and none of the callers'.`;

const wanted = (process.env["BENCH_ONLY"] ?? Object.keys(SECTIONS).join(",")).split(",");
const unknown = wanted.filter((name) => SECTIONS[name] === undefined);
if (unknown.length > 0) {
  throw new Error(`BENCH_ONLY names ${unknown.join(", ")}; there are ${Object.keys(SECTIONS).join(", ")}`);
}

// wrangler.toml names dist/console: without it no bundle is made.
await buildConsole();
const bench: Bench = {
  rounds: Number(process.env["BENCH_ROUNDS"] ?? 5),
  shots: Number(process.env["BENCH_SHOTS"] ?? 120),
  scripts: {
    floor: await bundle("test/bench/workers/floor-worker.ts"),
    agents: await bundle("test/bench/workers/agent-worker.ts"),
    coordinator: await bundle("src/index.ts"),
  },
};
const size = Buffer.byteLength(bench.scripts.coordinator) / 1_000;
const verdicts: Verdict[] = [atMost("bundle of the Worker at most 250 kB, minified", size, 250, 1, " kB")];
const [, files = "unknown"] =
  /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
console.log(
  `bundle of the Worker ${size.toFixed(1)} kB minified; ${availableParallelism()} cores, load average ${(loadavg()[0] ?? 0).toFixed(1)}; files that may be open at once ${files}`,
);

for (const name of wanted) {
  const began = performance.now();
  verdicts.push(...((await SECTIONS[name]?.(bench)) ?? []));
  console.log(`\n(${name}: ${((performance.now() - began) / 1_000).toFixed(0)} s)`);
}
printVerdicts(verdicts);
console.log(`\n${NOT_MEASURED}`);
closeConnections();
