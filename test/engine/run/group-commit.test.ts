// I5, found by killing the server 500 times: where a try's failure waited for company on its way to the log and the
// next try had begun already, one crash repeated both.
import { expect, test } from "vitest";
import { makeSpec, makeStage } from "../../core/simulation/spec.ts";
import { Bench, BUSY, later, said } from "../simulation/fair-weather.ts";

test("a try's failure is in the log before the next try starts, even without watchers", async () => {
  const durable: string[][] = [];
  const bench = new Bench((request, _hooks, b) => {
    durable.push([...b.types]);
    return later(b, 1, request.call.attempt < 3 ? BUSY : said());
  });
  await bench.start(makeSpec([makeStage("one")], { retry_delay_seconds: 0.04, retry_backoff_factor: 1 }));
  await bench.until();
  expect(bench.types.at(-1)).toBe("execution.completed");
  expect(durable.map((types) => types.filter((type) => type === "stage.retrying one").length)).toEqual([
    0, 1, 2,
  ]);
});
