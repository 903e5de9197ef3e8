// npm run bench:lists: lists of a shard of the execution index with a million entries, and its reports beside them, on
// workerd with its storage on this machine's disk. The entries are made by the shard's own reports. LIST_ENTRIES is how
// many. Ends with code 0.
import { tmpdir } from "node:os";
import type { IndexQuery } from "../../../src/engine/worker-ports.ts";
import { temporaryState } from "../../support/servers/workerd.ts";
import { closeConnections, pause, shoot } from "../load.ts";
import { startServer, writeConfig } from "../raw-workerd.ts";
import { bundle, OBJECTS } from "../servers.ts";
import { atMost, printTable, printVerdicts, type Verdict } from "../verdicts.ts";

const ENTRIES = Number(process.env["LIST_ENTRIES"] ?? 1_000_000);
/** Reports of one message. */
const AT_ONCE = 5_000;
const PAGE = 50;
const TIMES = 20;
const MOST_MS = 50;
/** A list follows a report within a second. */
const MOST_REPORT_MS = 1_000;
const REPORTS = 60;
const REPORT_GAP_MS = 50;

const FILTERS: readonly (readonly [string, Partial<IndexQuery>])[] = [
  ["no filter", {}],
  ["no filter, in the middle", { before: { start: Date.now() - ENTRIES / 2, id: "-" } }],
  ["status=running", { status: "running" }],
  ["status=paused", { status: "paused" }],
  ["status=failed", { status: "failed" }],
  ["status=cancelled", { status: "cancelled" }],
  ["status=completed", { status: "completed" }],
  ["conversation_id", { conversation_id: "conversation-7" }],
  ["conversation_id that there is not", { conversation_id: "none" }],
  ["pipeline", { pipeline: "four" }],
  ["pipeline of few", { pipeline: "rare" }],
  ["pipeline that there is not", { pipeline: "none" }],
  ["pipeline of few, status=failed", { pipeline: "rare", status: "failed" }],
  ["pipeline of few, status=completed", { pipeline: "rare", status: "completed" }],
];

const state = await temporaryState();
const config = await writeConfig(
  state.path,
  "lists",
  await bundle("test/bench/workers/lists-worker.ts"),
  "export default { fetch: () => new Response(null, { status: 404 }) };",
  OBJECTS,
);
const server = await startServer(config);
const ask = async (path: string): Promise<{ value: unknown; ms: number }> => {
  const began = performance.now();
  const { text } = await shoot({ url: `${server.url}${path}`, method: "GET" });
  return { value: JSON.parse(text), ms: performance.now() - began };
};
const list = (filter: Partial<IndexQuery>) =>
  ask(`/list?query=${encodeURIComponent(JSON.stringify({ before: null, limit: PAGE + 1, ...filter }))}`);

const began = performance.now();
let size = 0;
for (let first = 0; first < ENTRIES; first += AT_ONCE) {
  const count = Math.min(AT_ONCE, ENTRIES - first);
  size = (await ask(`/fill?first=${first}&count=${count}&of=${ENTRIES}`)).value as number;
}
const seconds = ((performance.now() - began) / 1_000).toFixed(0);
console.log(
  `\n${ENTRIES} entries in one shard, made in ${seconds} s: ${(size / 1e9).toFixed(2)} GB in ${tmpdir()}, ${(size / ENTRIES).toFixed(0)} bytes an entry\n`,
);

const verdicts: Verdict[] = [];
let reported = ENTRIES;
const rows: string[][] = [];
for (const [name, filter] of FILTERS) {
  const times: number[] = [];
  let found = "";
  for (let time = 0; time < TIMES; time += 1) {
    const { value, ms } = await list(filter);
    const { listed, floor } = value as { listed: number; floor: number | null };
    found = `${Math.min(listed, PAGE)}${floor === null ? "" : " so far"}`;
    times.push(ms);
  }
  rows.push([name, found, at(times, 0.5).toFixed(1), at(times, 0.9).toFixed(1), at(times, 1).toFixed(1)]);
  verdicts.push(atMost(`a page, ${name}: 9 of 10 within ${MOST_MS} ms`, at(times, 0.9), MOST_MS, 1, " ms"));
}
console.log(`## Pages of ${PAGE}, ms\n`);
printTable(["", "found", "p50", "p90", "slowest"], rows);

const alone = await reports();
const readers = new AbortController();
const lists = Promise.all(
  FILTERS.slice(0, 2).map(async (_, of) => {
    for (let next = of; !readers.signal.aborted; next += 1)
      await list(FILTERS[next % FILTERS.length]?.[1] ?? {});
  }),
);
const beside = await reports();
readers.abort();
await lists;
console.log(`\n## A report each ${REPORT_GAP_MS} ms, ms\n`);
printTable(
  ["", "p50", "p90", "slowest"],
  [
    ["alone", ...[0.5, 0.9, 1].map((share) => at(alone, share).toFixed(1))],
    ["beside two readers of all these lists", ...[0.5, 0.9, 1].map((share) => at(beside, share).toFixed(1))],
  ],
);
verdicts.push(atMost("a report beside such lists: the slowest", at(beside, 1), MOST_REPORT_MS, 0, " ms"));
printVerdicts(verdicts);
await server.kill();
await state.remove();
closeConnections();

async function reports(): Promise<number[]> {
  const times: number[] = [];
  for (let made = 0; made < REPORTS; made += 1) {
    reported += 1;
    times.push((await ask(`/report?number=${reported}`)).ms);
    await pause(REPORT_GAP_MS);
  }
  return times;
}

function at(times: readonly number[], share: number): number {
  return times.toSorted((a, b) => a - b)[Math.max(0, Math.ceil(share * times.length) - 1)] ?? 0;
}
