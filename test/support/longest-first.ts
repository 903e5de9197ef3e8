// The order of the files: the longest first, so that no long one is left for the end, where it would run alone. vitest
// knows how long a file takes only once it has run here; in a fresh clone it goes by size, and waits have none.
import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Most of these wait: for a platform's retries, for what is forgotten, for an end that is given up. */
const LONGEST = [
  "test/chaos/poison.test.ts",
  "test/worker/executions/isolate-memory.test.ts",
  "test/worker/outbound/delivery-queue.test.ts",
  "test/worker/executions/run-cost.test.ts",
  "test/worker/outbound/reports-retention.test.ts",
  "test/worker/agents/hostile-agents.test.ts",
  "test/worker/streaming/reconnect.test.ts",
  "test/worker/shared/flight.test.ts",
  "test/worker/shared/breaker.test.ts",
  "test/worker/outbound/reports-refused.test.ts",
  "test/cli/dev.test.ts",
];

export default class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const at = LONGEST.findIndex((path) => moduleId.endsWith(`/${path}`));
      return at === -1 ? LONGEST.length : at;
    };
    // oxlint-disable-next-line unicorn/no-array-sort -- the sequencer's own, not an array's.
    const bySize = await super.sort(files);
    return bySize.toSorted((a, b) => place(a) - place(b));
  }
}
