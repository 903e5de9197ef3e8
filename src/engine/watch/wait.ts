// Waits for a caller of JSON until the execution has ended, is paused, waits for a person, or the caller's time limit is
// over. A response
// is held back by the platform until its state is durable; one that has begun already is not, and waits itself.
import { awaitsPerson } from "../../core/execution/state.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { ExecutionDriver, Watcher } from "../run/driver.ts";
import type { Clock } from "../ports.ts";
import type { Text } from "./text-stream.ts";
import { withTimeLimit } from "../time-limit.ts";

/** Resolves also where the driver breaks. @param wait_ms how long at most; null waits for the end */
export async function waitForCaller(
  driver: ExecutionDriver,
  clock: Clock,
  wait_ms: number | null,
): Promise<void> {
  if (!isGoingOn(driver) || wait_ms === 0) return;
  const over = Promise.withResolvers<void>();
  const watcher: Watcher = {
    // No reader sees the batches in between, so they may share a commit.
    sees_batches: false,
    callBegan: () => {},
    wake: () => {
      if (!isGoingOn(driver)) over.resolve();
    },
  };
  const unwatch = driver.watch(watcher);
  const stop = wait_ms === null ? () => {} : clock.after(wait_ms, () => over.resolve());
  await over.promise;
  stop();
  unwatch();
}

/** False where the caller is answered now: an agent that answers later is waited for, a person is not. */
function isGoingOn({ state, fault }: ExecutionDriver): boolean {
  if (fault !== null || state === null) return false;
  return (
    state.status === "running" ||
    state.status === "queued" ||
    (state.status === "waiting" && !awaitsPerson(state))
  );
}

/**
 * A caller whose leaving matters (`on_disconnect: cancel`) and who waits for longer than a heartbeat: only writing
 * detects a disconnected caller, so spaces are sent, which JSON allows before its value. Null if the end came first.
 * @param text the answer, of what is written by then: it goes out once that is durable
 * @param leave called once, when the caller has its answer or has disconnected
 */
export async function answerWatched(
  driver: ExecutionDriver,
  over: Promise<void>,
  text: () => Text,
  clock: Clock,
  leave: () => void,
): Promise<ReadableStream<Uint8Array> | null> {
  if (await endsWithinHeartbeat(over, clock)) {
    leave();
    return null;
  }
  const encoder = new TextEncoder();
  let answer: ReadableStreamDefaultReader<Uint8Array> | null = null;
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        if (answer === null && !(await endsWithinHeartbeat(over, clock))) {
          controller.enqueue(encoder.encode(" "));
          return;
        }
        if (answer === null) {
          const whole = text();
          await driver.confirm();
          answer = new Response(whole).body?.getReader() as ReadableStreamDefaultReader<Uint8Array>;
        }
        const { done, value } = await answer.read();
        if (!done) {
          controller.enqueue(value);
          return;
        }
        controller.close();
        leave();
      },
      cancel: leave,
    },
    { highWaterMark: 0 },
  );
}

/** True where `over` resolves within a heartbeat. */
function endsWithinHeartbeat(over: Promise<void>, clock: Clock): Promise<boolean> {
  return withTimeLimit(
    clock,
    TIMINGS.HEARTBEAT_WATCHED_MS,
    over.then(() => true),
    () => false,
  );
}
