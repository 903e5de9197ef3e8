// Time limits on what a call must not wait for.

/** Maximum delay of an execution by a shared object, in ms. */
export const SHARED_MS = 250;

/** The promise's value, or `otherwise` where it rejects or takes longer than `ms`. */
export function within<T, O>(ms: number, promise: Promise<T>, otherwise: O): Promise<T | O> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(otherwise), ms);
    const end = (value: T | O) => {
      clearTimeout(timer);
      resolve(value);
    };
    promise.then(end, () => end(otherwise));
  });
}
