// The demo as a user runs it, without a terminal: its answer, its exit status, and that nothing of it is left.
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { type Command, runCommand } from "../support/servers/processes.ts";

const ROOT = join(import.meta.dirname, "../..");
/** Whatever model the environment or .dev.vars names. */
const NO_MODEL = { LLM_BASE_URL: "", LLM_API_KEY: "", LLM_MODEL: "" };

let folder: string;
let temporary: string;
const commands: Command[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "demo-test-"));
  temporary = join(folder, "tmp");
  mkdirSync(temporary);
});
afterEach(() => {
  for (const command of commands.splice(0)) command.destroy();
  rmSync(folder, { recursive: true });
});

function demo(...args: string[]): Command {
  const env = { ...NO_MODEL, TMPDIR: temporary };
  const command = runCommand(["src/cli/demo.ts", ...args], { cwd: ROOT, env });
  commands.push(command);
  return command;
}

async function expectNothingLeft(command: Command): Promise<void> {
  // Whoever is killed takes a moment to be gone, on a busy machine.
  await eventually(
    async () => command.left(),
    (left) => left.length === 0,
    1_000,
  );
  expect(readdirSync(temporary)).toEqual([]);
}

test("answers from a folder of Markdown, cites it, and leaves nothing", async () => {
  const docs = join(folder, "docs");
  mkdirSync(join(docs, "deep"), { recursive: true });
  mkdirSync(join(docs, "node_modules"));
  writeFileSync(
    join(docs, "deep", "lighthouse.md"),
    "# The lighthouse\n\n## The lamp\n\nThe lamp of the lighthouse is lit at dusk by its keeper, Marta.\n",
  );
  writeFileSync(join(docs, "node_modules", "x.md"), "# The lamp\n\nThe lamp is lit by nobody.\n");
  const command = demo("--docs", docs, "Who lights the lamp of the lighthouse?");
  expect(await command.ended).toBe(0);
  const output = command.output();
  expect(output).toContain("lit at dusk by its keeper, Marta. [1]\n");
  expect(output).toContain("sources:\n[1] The lighthouse, “The lamp” (deep/lighthouse.md)\n");
  expect(output).not.toContain("nobody");
  expect(output.match(/^\w+ completed in \d/gm)).toHaveLength(4);
  expect(output).toMatch(/^completed: .* in total, \d+ ms of it in the coordinator$/m);
  expect(output).not.toContain("\u001b");
  await expectNothingLeft(command);
});

test("prints the commands to type, line by line", async () => {
  const command = demo("How do I register an agent?");
  expect(await command.ended).toBe(0);
  expect(command.output()).toContain(
    "```sh\ncurl -X PUT http://localhost:8787/v1/agents/echo \\\n  -H 'content-type: application/json' \\\n",
  );
  expect(command.output()).toContain("(register-an-agent.md)");
  await expectNothingLeft(command);
});

test("a question without an answer is refused, with the nearest passages and no sources", async () => {
  const command = demo("What is the weather in Paris?");
  expect(await command.ended).toBe(0);
  expect(command.output()).toContain(
    "The sources do not answer this question.\n\nThe nearest passages, which may be about something else:\n- ",
  );
  expect(command.output()).not.toContain("sources:\n");
  await expectNothingLeft(command);
});

test("a failed execution is exit status 1, with its reason", async () => {
  const docs = join(folder, "docs");
  mkdirSync(docs);
  writeFileSync(join(docs, "empty.md"), "");
  const command = demo("--docs", docs, "Who lights the lamp of the lighthouse?");
  expect(await command.ended).toBe(1);
  expect(command.output()).toContain("source_retrieval failed");
  expect(command.output()).toContain(
    "failed: AGENT_PROCESSING_ERROR in source_retrieval: The corpus is empty",
  );
  await expectNothingLeft(command);
});

test("an unknown flag is exit status 1, with the usage", async () => {
  const command = demo("--dosc", "here");
  expect(await command.ended).toBe(1);
  expect(command.output()).toContain("--docs DIR");
  await expectNothingLeft(command);
});

test("Ctrl-C in mid-run leaves nothing", async () => {
  const command = demo();
  await command.says("context_decision running");
  command.kill("SIGINT");
  expect(await command.ended).toBe(130);
  expect(command.output()).not.toContain("sources:");
  await expectNothingLeft(command);
});
