// How much each test does that could do more: in the quick loop (`npm run test:unit`), in all tests (`npm test`) and
// where there is time (`npm run test:soak`). TEST_SIZE says which; a variable of a row's name says a number of its own.

interface Sizes {
  /** Without it: as in all tests. */
  quick?: number;
  all: number;
  soak: number;
}

const SIZES = {
  /** Simulated runs of the core. */
  SIMULATION_RUNS: { quick: 3_000, all: 10_000, soak: 1_000_000 },
  /** Simulated conversations. */
  ADMISSION_RUNS: { quick: 60, all: 150, soak: 10_000 },
  /** Simulated agents with limits. */
  PLACES_RUNS: { quick: 60, all: 200, soak: 10_000 },
  /** Simulated budgets of many isolates. */
  SPENDING_RUNS: { quick: 5, all: 10, soak: 2_000 },
  /** Simulated runs of the real driver. */
  DRIVER_RUNS: { quick: 600, all: 1_500, soak: 50_000 },
  /** Simulated runs with the executions that their stages run. */
  FAMILY_RUNS: { quick: 150, all: 600, soak: 50_000 },
  /** Simulated forks. */
  FORK_RUNS: { quick: 100, all: 400, soak: 30_000 },
  /** Simulated runs that readers of other protocols follow. */
  DIALECT_RUNS: { quick: 1_000, all: 4_000, soak: 200_000 },
  /** One in so many shapes of five stages is crashed at every pair of points, each other one at every point. */
  ONE_SHAPE_IN: { quick: 12, all: 3, soak: 1 },
  /** Runs that wait for a retry when the server is killed. */
  OUTAGE_RUNS: { all: 200, soak: 500 },
  /** Kills of the whole server, each under twenty runs. */
  KILLS: { all: 30, soak: 500 },
  /** Kills of the whole server under open questions and callbacks. */
  WAIT_KILLS: { all: 6, soak: 200 },
  /** Kills of the whole server under runs whose stages run pipelines. */
  NESTED_KILLS: { all: 4, soak: 60 },
  /** Cuts of the connections of each kind of reader. */
  CUTS_EACH: { all: 25, soak: 250 },
  /** Random requests made from the schemas. */
  SCHEMA_REQUESTS: { all: 2_000, soak: 50_000 },
  /** Readers of one execution. */
  STREAM_READERS: { all: 200, soak: 1_000 },
  /** Executions that stream at once. */
  STREAM_EXECUTIONS: { all: 60, soak: 300 },
} satisfies Record<string, Sizes>;

/** @throws where TEST_SIZE is not a size, or the variable of that name is not a whole number above zero */
export function sizeOf(name: keyof typeof SIZES, environment: NodeJS.ProcessEnv = process.env): number {
  const size = environment["TEST_SIZE"] ?? "all";
  if (size !== "quick" && size !== "all" && size !== "soak") {
    throw new Error(`TEST_SIZE=${size} is not quick, all or soak`);
  }
  const sizes: Sizes = SIZES[name];
  const own = environment[name];
  const number = own === undefined ? (sizes[size] ?? sizes.all) : Number(own);
  if (!Number.isInteger(number) || number <= 0) {
    throw new Error(`${name}=${own} is not a whole number above zero`);
  }
  return number;
}
