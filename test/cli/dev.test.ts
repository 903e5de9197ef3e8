// `npm run dev` as a user runs it, in a copy of the project that has a .dev.vars.
import {
  cpSync,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer as createHttpServer, type IncomingHttpHeaders } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { eventually } from "../support/eventually.ts";
import { type Command, runCommand } from "../support/servers/processes.ts";
import { rawRequest } from "../support/clients/raw-request.ts";
import { onLoopback } from "../support/servers/loopback.ts";

const ROOT = join(import.meta.dirname, "../..");
const START_MS = 90_000;
/** The tests' own environment may name one. */
const NO_MODEL_OF_THE_TESTS = { LLM_BASE_URL: undefined, LLM_API_KEY: undefined, LLM_MODEL: undefined };

interface Running {
  command: Command;
  url: string;
}

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
  rmSync(join(folder, ".dev.vars"), { force: true });
});
afterAll(() => rmSync(folder, { recursive: true }));

test(
  "runs the reference pipeline without keys, keeps its state in the given folder, and ends cleanly",
  async () => {
    const state = join(folder, "state");
    const { command, url } = await dev(["--persist-to", state]);
    const response = await fetch(`${url}/v1/executions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ query: "How does the circuit breaker decide to open?", conversation_id: "c" }),
    });
    expect(response.status).toBe(200);
    // The copy has no build of the page: the command made it.
    expect(await (await fetch(`${url}/`)).text()).toContain("<title>Agent Coordinator</title>");
    expect(await (await fetch(`${url}/NOTICE.txt`)).text()).toMatch(/\n {2}hono \d/);
    const execution = (await response.json()) as { status: string; final_result: { answer: string } };
    expect(execution.status).toBe("completed");
    expect(execution.final_result.answer).toContain("[1]");
    await expectOwnPagesOnly(url);
    // An agent that is being written is not answered for by the cache.
    expect(await (await fetch(`${url}/v1/config`)).json()).toMatchObject({ enable_caching: false });
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
  "a flag wins over what the script and .dev.vars set, and .dev.vars over the script",
  async () => {
    writeFileSync(
      join(folder, ".dev.vars"),
      "AGENT_COORDINATOR_MAX_CONCURRENT=many\nAGENT_COORDINATOR_CACHING=true\n",
    );
    // Were the one of .dev.vars to hold, the answer would be 500.
    const { command, url } = await dev(["--var", "AGENT_COORDINATOR_MAX_CONCURRENT:2"]);
    const config = await fetch(`${url}/v1/config`);
    expect(config.status).toBe(200);
    expect(await config.json()).toMatchObject({ max_concurrent_stages: 2, enable_caching: true });
    await expectWholeEnd(command, "SIGTERM");
  },
  START_MS,
);

test(
  "keys are asked for where a flag says so",
  async () => {
    const { command, url } = await dev(["--var=AGENT_COORDINATOR_AUTH:keys"]);
    const response = await fetch(`${url}/v1/pipelines/rag`);
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({ code: "UNAUTHORIZED" });
    await expectWholeEnd(command, "SIGTERM");
  },
  START_MS,
);

test(
  "a language model of the environment, of the root's .dev.vars and of a flag writes the answer",
  async () => {
    const seen: { headers: IncomingHttpHeaders; body: { model?: string } }[] = [];
    const model = await onLoopback(
      createHttpServer((request, response) => {
        let body = "";
        request.on("data", (piece: Buffer) => (body += piece.toString()));
        request.on("end", () => {
          seen.push({ headers: request.headers, body: JSON.parse(body) as { model?: string } });
          const message = { content: "It counts failures [1]." };
          response.setHeader("content-type", "application/json");
          response.end(JSON.stringify({ choices: [{ message, finish_reason: "stop" }] }));
        });
      }),
    );
    try {
      writeFileSync(join(folder, ".dev.vars"), `LLM_BASE_URL=${model.url}/v1\nLLM_MODEL=of-the-file\n`);
      const { command, url } = await dev(["--var", "LLM_MODEL:of-the-flag"], {
        LLM_API_KEY: "sk-environment",
      });
      const response = await fetch(`${url}/v1/executions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({
          query: "How does the circuit breaker decide to open?",
          conversation_id: "c",
        }),
      });
      const { final_result } = (await response.json()) as { final_result: { answer: string } };
      expect(final_result.answer).toBe("It counts failures [1].");
      expect(seen.map(({ headers, body }) => [headers.authorization, body.model])).toEqual([
        ["Bearer sk-environment", "of-the-flag"],
      ]);
      const written = readdirSync(join(folder, ".wrangler"), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && /^wrangler\.json$/.test(entry.name))
        .map((entry) => readFileSync(join(entry.parentPath, entry.name), "utf8"));
      expect(written).toHaveLength(1);
      expect(written[0]).not.toContain("sk-environment");
      await expectWholeEnd(command, "SIGINT");
      expect(existsSync(join(folder, ".wrangler", `agents-${command.pid}`))).toBe(false);

      const demo = runCommand(["src/cli/demo.ts"], { cwd: folder, env: NO_MODEL_OF_THE_TESTS });
      commands.push(demo);
      expect(await demo.ended).toBe(0);
      expect(demo.output()).toContain("It counts failures [1].");
      expect(seen.at(-1)).toMatchObject({ body: { model: "of-the-file" } });
    } finally {
      await model.close();
    }
  },
  START_MS,
);

test("a config that is not TOML ends it with the file and the line, without a stack", async () => {
  const path = join(folder, "fixtures/agents/wrangler.toml");
  const before = readFileSync(path, "utf8");
  writeFileSync(path, `${before}\nname = = 1\n`);
  try {
    const command = runCommand(["src/cli/dev.ts"], { cwd: folder });
    commands.push(command);
    expect(await command.ended).toBe(1);
    expect(command.output()).toMatch(/^fixtures\/agents\/wrangler\.toml: .*\n[\s\S]*name = = 1/);
    expect(command.output()).not.toMatch(/^\s+at /m);
  } finally {
    writeFileSync(path, before);
  }
});

async function dev(flags: readonly string[], model: NodeJS.ProcessEnv = {}): Promise<Running> {
  const env = { ...NO_MODEL_OF_THE_TESTS, ...model };
  const command = runCommand(["src/cli/dev.ts", "--port", "0", ...flags], { cwd: folder, env });
  commands.push(command);
  // A port that was looked up before could be another's by the time that wrangler takes it.
  await command.says("Ready on http://");
  const url = await eventually(
    async () => /Ready on (http:\/\/[\w.]+:\d+)\s/.exec(command.output())?.[1],
    (found) => found !== undefined,
  );
  if (url === undefined) throw new Error("unreachable");
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
  return { command, url };
}

/** wrangler hands the Worker the headers that the browser sent. */
async function expectOwnPagesOnly(url: string): Promise<void> {
  const status = async (method: string, path: string, headers: Record<string, string>, body = "") =>
    (await rawRequest(`${url}${path}`, method, headers, body)).status;
  const json = { "content-type": "application/json" };
  const { port } = new URL(url);
  expect(await status("GET", "/v1/executions", { host: "evil.example" })).toBe(403);
  expect(await status("GET", "/v1/executions", { host: `evil.example:${port}` })).toBe(403);
  expect(await status("GET", "/v1/executions", { host: `localhost:${port}` })).toBe(200);
  const validate = (headers: Record<string, string>) =>
    status("POST", "/v1/pipelines/validate", { ...json, ...headers }, '{"stages":[]}');
  expect(await validate({ origin: "https://evil.example" })).toBe(403);
  expect(await validate({ origin: url })).toBe(200);
  expect(await validate({ host: `localhost:${port}`, origin: `http://localhost:${port}` })).toBe(200);
}

async function expectWholeEnd(command: Command, signal: NodeJS.Signals): Promise<void> {
  expect(command.left().length).toBeGreaterThan(2);
  command.kill(signal);
  expect(await command.ended).toBe(0);
  // What is killed takes a moment to be gone, on a busy machine.
  await eventually(
    async () => command.left(),
    (left) => left.length === 0,
  );
}
