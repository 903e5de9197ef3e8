// Follows one execution while a view shows it: reads it, folds its events as they come, and reattaches after the last
// event where the stream breaks off. Bursts of events are folded at once, and drawn once a frame.
import { signal } from "@preact/signals";
import {
  addExecution,
  CoordinatorClientError,
  type Execution,
  type ExecutionEvent,
  foldEvent,
  type RunView,
} from "../../client/index.ts";
import { client, eventsOf } from "../lib/session.ts";

const LONGEST_WAIT_MS = 3_000;

export function createWatch(execution_id: string) {
  const runView = signal<RunView | null>(null);
  const failure = signal<unknown>(null);
  /** The execution whose stage runs this one. */
  const parent = signal<Execution["parent"]>(undefined);
  const leaving = new AbortController();
  const { signal: left } = leaving;
  let arrived: ExecutionEvent[] = [];
  let frame = 0;

  const fold = () => {
    cancelAnimationFrame(frame);
    frame = 0;
    let next = runView.peek();
    for (const event of arrived) next = foldEvent(next, event);
    arrived = [];
    runView.value = next;
  };
  const take = (event: ExecutionEvent) => {
    arrived.push(event);
    // A hidden page has no frames, and must not gather events without end.
    if (document.hidden || arrived.length > 500) fold();
    else if (frame === 0) frame = requestAnimationFrame(fold);
  };

  const follow = async (failures: { inRow: number }) => {
    const execution = await client().getExecution(execution_id, { signal: left });
    parent.value = execution.parent;
    fold();
    const after = runView.peek()?.seq ?? 0;
    for await (const event of eventsOf(execution, { signal: left, after, maxRetries: 0 })) {
      failures.inRow = 0;
      take(event);
    }
    fold();
    const latest = runView.peek();
    if (latest?.execution?.truncated !== true) return;
    runView.value = addExecution(latest, await client().getExecution(execution_id, { signal: left }));
  };

  const run = async () => {
    const failures = { inRow: 0 };
    for (;;) {
      try {
        await follow(failures);
        return;
      } catch (cause) {
        if (left.aborted) return;
        fold();
        const brief =
          cause instanceof CoordinatorClientError && (cause.isTransient || cause.code === "UNAUTHORIZED");
        if (!brief) {
          failure.value = cause;
          return;
        }
      }
      failures.inRow += 1;
      await rest(Math.min(LONGEST_WAIT_MS, 100 * 2 ** failures.inRow), left);
      if (left.aborted) return;
    }
  };
  void run();
  return {
    runView,
    failure,
    parent,
    stop: () => {
      leaving.abort();
      cancelAnimationFrame(frame);
    },
  };
}

/** Waits, at most until the network is back or the view is closed. */
function rest(ms: number, left: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      removeEventListener("online", done);
      left.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    addEventListener("online", done);
    left.addEventListener("abort", done);
  });
}
