// What a reader of a stream waits for: the first event, and a token that an agent has just said; and what a fast
// stream of tokens costs. Beside it the floor: a new object that shows its first record once it is written, and a bare
// Worker that hands the agent's stream on as it comes.
import { tmpdir } from "node:os";
import { fire, median, pause, quantile, type Shot, send, shoot } from "../load.ts";
import { configure, coordinatorRun, define, floorRun } from "../runs.ts";
import { type BenchServer, startCoordinator, startFloor } from "../servers.ts";
import { chain } from "../shapes-of-runs.ts";
import { ages, startTokenAgent, type TokenAgent } from "../workers/token-agent.ts";
import { atMost, type Bench, printTable, type Verdict } from "../verdicts.ts";

/** A model that is quick, and slow enough that each token is on its own. */
const TALK = { tokens: 100, perSecond: 100 };
const TORRENT = { tokens: 5_000, perSecond: 1_000 };

interface Side {
  name: string;
  server: BenchServer;
  first: () => Shot;
  tokens: () => Shot;
  firstMs: number[];
  ages: number[];
  torrentAges: number[];
  /** Processor time of a second of the torrent, in ms. */
  load: number[];
}

export async function compareStreams({ scripts, rounds, shots }: Bench): Promise<Verdict[]> {
  const agent = await startTokenAgent();
  const sides = [await floorSide(scripts, agent), await coordinatorSide(scripts, agent)];
  for (const { first } of sides) await fire(2, 20, first);
  for (let round = 0; round < rounds; round += 1) {
    for (const side of sides) {
      for (let shot = 0; shot < Math.ceil(shots / 4); shot += 1)
        side.firstMs.push(await firstEvent(side.first()));
      agent.speak(TALK.tokens, TALK.perSecond);
      side.ages.push(...(await tokenAges(side.tokens(), TALK.tokens)));
    }
  }
  agent.speak(TORRENT.tokens, TORRENT.perSecond);
  // A torrent lasts five seconds: three on each side are enough to see its load.
  for (let round = 0; round < Math.min(3, rounds); round += 1) for (const side of sides) await torrent(side);
  for (const { server } of sides) await server.close();
  agent.close();
  print(sides);
  return judge(sides);
}

async function floorSide({ floor, agents }: Bench["scripts"], agent: TokenAgent): Promise<Side> {
  const server = await startFloor(floor, agents, tmpdir());
  const first = floorRun(server, "first", chain(4));
  return {
    ...NOTHING(),
    name: "floor: (b) with a stream; a bare pipe",
    server,
    first: () => first(0),
    tokens: () => ({ url: `${server.url}/pipe?from=${encodeURIComponent(agent.url)}` }),
  };
}

async function coordinatorSide({ coordinator, agents }: Bench["scripts"], agent: TokenAgent): Promise<Side> {
  const vars = { AGENT_COORDINATOR_AGENT_HOSTS: agent.host };
  const server = await startCoordinator(coordinator, agents, tmpdir(), vars);
  await define(server, { four: chain(4) });
  await configure(server, { enable_detailed_logging: false });
  await send(`${server.url}/v1/agents/talker`, { url: agent.url });
  const stages = [{ name: "only", agent_type: "talker", cache: false }];
  await send(`${server.url}/v1/pipelines/talk`, { stages });
  const first = coordinatorRun(server, "four", "stream");
  const tokens = coordinatorRun(server, "talk", "stream");
  return { ...NOTHING(), name: "(e) coordinator", server, first: () => first(0), tokens: () => tokens(0) };
}

const NOTHING = () => ({ firstMs: [], ages: [], torrentAges: [], load: [] });

/** From the request to the first whole event, in ms; the run is read to its end. */
export async function firstEvent(shot: Shot): Promise<number> {
  const began = performance.now();
  let at: number | null = null;
  let text = "";
  const { status } = await shoot(shot, (piece) => {
    text += piece;
    if (at === null && /^event: [^]*?\n\n/m.test(text)) at = performance.now() - began;
  });
  if (status !== 200 || at === null) throw new Error(`no event: ${status} ${text.slice(0, 300)}`);
  return at;
}

async function tokenAges(shot: Shot, tokens: number): Promise<number[]> {
  const found: number[] = [];
  const { status, text } = await shoot(shot, (piece) => found.push(...ages(piece)));
  if (status !== 200 || Math.abs(found.length - tokens) > tokens * 0.1) {
    throw new Error(`${found.length} of ${tokens} tokens: ${status} ${text.slice(0, 300)}`);
  }
  return found;
}

async function torrent(side: Side): Promise<void> {
  await pause(500);
  const cpu = await side.server.cpu();
  const began = performance.now();
  side.torrentAges.push(...(await tokenAges(side.tokens(), TORRENT.tokens)));
  const seconds = (performance.now() - began) / 1_000;
  side.load.push(((await side.server.cpu()) - cpu) / seconds);
}

function print(sides: readonly Side[]): void {
  console.log("\n## Streams, storage on the machine's disk, 1 reader, ms\n");
  console.log("(e) without result cache and log, in one conversation that exists\n");
  const rate = `${TORRENT.perSecond} tokens/s`;
  printTable(
    [
      "",
      "first event, p50",
      "p95",
      "age of a token at 100/s, p50",
      "p95",
      `at ${rate}, p50`,
      "p95",
      `${rate}: % of a core`,
    ],
    sides.map(({ name, firstMs, ages: calm, torrentAges, load }) => [
      name,
      ...[firstMs, calm, torrentAges].flatMap((of) => [median(of).toFixed(2), quantile(of, 0.95).toFixed(2)]),
      (median(load) / 10).toFixed(1),
    ]),
  );
}

function judge([floor, coordinator]: readonly Side[]): Verdict[] {
  if (!floor || !coordinator) return [];
  const first = median(floor.firstMs);
  return [
    atMost(
      `first event no later than that of (b) with a stream, p50 (here ${first.toFixed(2)} ms)`,
      median(coordinator.firstMs),
      first,
      2,
      " ms",
    ),
    atMost(
      "a token is visible at most 1 ms after it has passed a bare pipe, p50 (difference)",
      median(coordinator.ages) - median(floor.ages),
      1,
      2,
      " ms",
    ),
    atMost("1,000 tokens a second: less than 30 % of a core", median(coordinator.load) / 10, 30, 1, " %"),
  ];
}
