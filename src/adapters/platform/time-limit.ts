// Time limits on what a call must not wait for.
import { withTimeLimit } from "../../engine/time-limit.ts";
import { systemClock } from "./system.ts";

/** Maximum delay of an execution by a shared object, in ms. */
export const SHARED_MS = 250;

/** The promise's value, or `otherwise` where it rejects or takes longer than `ms`. */
export function within<T, O>(ms: number, promise: Promise<T>, otherwise: O): Promise<T | O> {
  return withTimeLimit(systemClock, ms, promise, () => otherwise).catch(() => otherwise);
}
