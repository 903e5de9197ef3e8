// Follow-up questions to the demo, in a process of its own or asked at once: each is answered from its conversation.
import { createHash, randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { runCommand } from "../support/servers/processes.ts";

const ROOT = join(import.meta.dirname, "../..");
/** Whatever model the environment or .dev.vars names. */
const NO_MODEL = { LLM_BASE_URL: "", LLM_API_KEY: "", LLM_MODEL: "" };

async function demo(...args: string[]): Promise<string> {
  const command = runCommand(["src/cli/demo.ts", ...args], { cwd: ROOT, env: NO_MODEL });
  try {
    expect(await command.ended, command.output()).toBe(0);
    return command.output();
  } finally {
    command.destroy();
  }
}

test("a follow-up question is answered from its conversation, and from no other", async () => {
  const conversation = `test-${randomUUID()}`;
  try {
    await demo("--conversation", conversation, "What is a circuit breaker?");
    const cited = /^\[1\] The circuit breaker.*\(circuit-breaker\.md\)$/m;
    expect(await demo("--conversation", conversation, "How does it close?")).toMatch(cited);
    expect(await demo("How does it close?")).not.toMatch(cited);
  } finally {
    const folder = createHash("sha256").update(conversation).digest("hex").slice(0, 16);
    rmSync(join(ROOT, ".wrangler", "demo", folder), { recursive: true, force: true });
  }
});

test("two questions asked at once are answered one after the other, the second from the first", async () => {
  const output = await demo("--conversation", "What is a circuit breaker?", "How does it close?");
  const places = [
    "question: What is a circuit breaker?\n",
    "queued: How does it close?\n",
    "answer_generation completed",
    "completed: ",
    "question: How does it close?\n",
    "answer_generation completed",
    "sources:",
    "completed: ",
  ].reduce<number[]>((found, text) => [...found, output.indexOf(text, (found.at(-1) ?? -1) + 1)], []);
  expect(places, output).not.toContain(-1);
  expect(output.slice(places[4])).toMatch(/^\[\d\] The circuit breaker.*\(circuit-breaker\.md\)$/m);
  expect(output.match(/^\w+ completed in \d/gm)).toHaveLength(8);
});
