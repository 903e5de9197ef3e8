// A limit on how long a task is waited for, by the clock that the caller has.
import type { Clock } from "./ports.ts";

/** What the task gives or rejects with, or `otherwise` after `ms`; the task itself goes on. */
export function withTimeLimit<T, O>(
  clock: Pick<Clock, "after">,
  ms: number,
  task: Promise<T>,
  otherwise: () => O,
): Promise<T | O> {
  return new Promise((resolve, reject) => {
    const stop = clock.after(ms, () => resolve(otherwise()));
    task.then(
      (value) => {
        stop();
        resolve(value);
      },
      (cause: Error) => {
        stop();
        reject(cause);
      },
    );
  });
}
