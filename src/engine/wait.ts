// A caller who waits for JSON: until the execution has ended, is paused, or the caller's patience is over.
import type { ExecutionDriver, Watcher } from "./drive.ts";
import type { Clock } from "./ports.ts";

/** @param wait_ms how long at most; null waits for the end */
export async function waitForCaller(
  driver: ExecutionDriver,
  clock: Clock,
  wait_ms: number | null,
): Promise<void> {
  if (driver.state?.status !== "running" || wait_ms === 0) return;
  const over = Promise.withResolvers<void>();
  const watcher: Watcher = {
    // Nobody sees the turns in between, so they may share a commit.
    sees_turns: false,
    callBegan: () => {},
    wake: () => {
      if (driver.state?.status !== "running") over.resolve();
    },
  };
  const unwatch = driver.watch(watcher);
  const stop = wait_ms === null ? () => {} : clock.after(wait_ms, () => over.resolve());
  await over.promise;
  stop();
  unwatch();
}
