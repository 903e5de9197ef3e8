// A reporter: at the end of a run, each test that was run again, and the error for which. A retry is a finding, also
// where the run passes.
import type { Reporter, TestModule } from "vitest/node";

export default class RetriedTests implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const retried = modules.flatMap((module) =>
      [...module.children.allTests()].flatMap((test) => {
        const retries = test.diagnostic()?.retryCount ?? 0;
        if (retries === 0) return [];
        const { state, errors = [] } = test.result();
        const reason = errors[0]?.message.split("\n", 1)[0] ?? "";
        return [
          `  ${module.relativeModuleId} > ${test.fullName}: ${state} after ${retries} more (${reason})`,
        ];
      }),
    );
    if (retried.length === 0) return;
    console.log(`\nTests that were run again: ${retried.length}\n${retried.join("\n")}`);
  }
}
