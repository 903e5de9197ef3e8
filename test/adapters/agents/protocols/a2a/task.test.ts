// What reading a task costs, by how often the pieces of its artifacts are looked at.
import { expect, test } from "vitest";
import { TaskReader } from "../../../../../src/adapters/agents/protocols/a2a/task.ts";

const PIECES = 2_000;

test("the cost of a long artifact is linear in its pieces", () => {
  let heard = "";
  let reads = 0;
  const reader = new TaskReader({
    delta: (text, offset) => (heard = heard.slice(0, offset ?? heard.length) + text),
    progress: () => {},
  });
  for (let at = 0; at < PIECES; at += 1) {
    const part = Object.defineProperty({}, "text", {
      enumerable: true,
      get: () => {
        reads += 1;
        return `w${at} `;
      },
    });
    const artifact = { artifactId: "a", parts: [part] };
    reader.take({ artifactUpdate: { taskId: "t", artifact, append: at > 0 } });
  }
  expect(heard).toBe(Array.from({ length: PIECES }, (_, at) => `w${at} `).join(""));
  // Each part has its text read while it comes, and not again for those behind it.
  expect(reads).toBeLessThan(4 * PIECES);
  reader.take({ statusUpdate: { taskId: "t", status: { state: "TASK_STATE_COMPLETED" } } });
  const read = reader.outcome();
  expect(read.ok === true && read.value.data).toEqual({ answer: heard });
});
