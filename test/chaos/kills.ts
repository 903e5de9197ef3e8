// `npm run test:kills -- 500 [seed]`: the kill loop by hand, with as many kills as are asked for.
import { killLoop } from "./kill-loop.ts";

const kills = Number(process.argv[2] ?? 30);
const seed = Number(process.argv[3] ?? Date.now() % 100_000);
const began = Date.now();
const report = await killLoop(kills, seed);
console.log(JSON.stringify({ seed, seconds: Math.round((Date.now() - began) / 1000), ...report }, null, 2));
process.exitCode = report.faults.length === 0 ? 0 : 1;
