// `npm run dev` as a user runs it, in a copy of the project that has a .dev.vars.
import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Command, runCommand } from "../support/processes.ts";

const ROOT = join(import.meta.dirname, "../..");
const START_MS = 90_000;

let folder: string;
const commands: Command[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "dev-test-"));
  for (const name of ["src", "fixtures", "package.json", "wrangler.toml", "tsconfig.json"]) {
    cpSync(join(ROOT, name), join(folder, name), {
      recursive: true,
      filter: (path) => !path.includes(".wrangler") && !path.includes(".dev.vars"),
    });
  }
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
});
afterEach(() => {
  for (const command of commands.splice(0)) command.destroy();
});
afterAll(() => rmSync(folder, { recursive: true }));

test(
  "runs the reference pipeline without keys, keeps its state where it is told, and ends whole",
  async () => {
    const state = join(folder, "state");
    const { command, url } = await dev("--persist-to", state);
    const response = await fetch(`${url}/v1/executions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: "How does the circuit breaker decide to open?", conversation_id: "c" }),
    });
    expect(response.status).toBe(200);
    // The copy has no build of the page: the command made it.
    expect(await (await fetch(`${url}/`)).text()).toContain("<title>Agent Coordinator</title>");
    const execution = (await response.json()) as { status: string; final_result: { answer: string } };
    expect(execution.status).toBe("completed");
    expect(execution.final_result.answer).toContain("[1]");
    // A deployment would log warnings alone; here each event has its line.
    await command.says('"event":"execution.completed"');
    expect(readdirSync(state, { recursive: true }).some((path) => String(path).endsWith(".sqlite"))).toBe(
      true,
    );
    await expectWholeEnd(command, "SIGINT");
  },
  START_MS,
);

test(
  "a flag wins over what the script and .dev.vars set",
  async () => {
    writeFileSync(join(folder, ".dev.vars"), "AGENT_COORDINATOR_MAX_CONCURRENT=many\n");
    // Were the one of .dev.vars to hold, the answer would be 500; were the script's, 200.
    const flags = ["--var", "AGENT_COORDINATOR_MAX_CONCURRENT:2", "--var", "AGENT_COORDINATOR_AUTH:keys"];
    const { command, url } = await dev(...flags);
    const response = await fetch(`${url}/v1/pipelines/rag`);
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ code: "UNAUTHORIZED" });
    await expectWholeEnd(command, "SIGTERM");
  },
  START_MS,
);

async function dev(...flags: string[]): Promise<{ command: Command; url: string }> {
  const port = await freePort();
  const command = runCommand(["src/cli/dev.ts", "--port", String(port), ...flags], { cwd: folder });
  commands.push(command);
  await command.says("Ready on");
  const url = `http://127.0.0.1:${port}`;
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  return { command, url };
}

async function expectWholeEnd(command: Command, signal: NodeJS.Signals): Promise<void> {
  expect(command.left().length).toBeGreaterThan(2);
  command.kill(signal);
  expect(await command.ended).toBe(0);
  expect(command.left()).toEqual([]);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return port;
}
