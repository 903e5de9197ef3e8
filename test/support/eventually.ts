// Asks until an answer is as expected: for what follows an execution within a second, and not at once.

/** @throws with the last answer where it does not come within `ms` */
export async function eventually<T>(
  ask: () => Promise<T>,
  enough: (answer: T) => boolean,
  ms = 10_000,
): Promise<T> {
  const until = Date.now() + ms;
  for (;;) {
    const answer = await ask();
    if (enough(answer)) return answer;
    if (Date.now() > until) throw new Error(`not within ${ms} ms; at last: ${JSON.stringify(answer)}`);
    await new Promise((resolve) => {
      setTimeout(resolve, 25);
    });
  }
}
