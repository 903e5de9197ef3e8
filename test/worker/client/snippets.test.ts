// The code in the corpus and the README, run as it is printed, but for its addresses.
import { execFile } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Stack, startStack } from "../../../src/cli/stack.ts";
import { evaluateInput } from "../../../src/core/pipeline/stage-input.ts";
import { answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { type Command, runShell } from "../../support/servers/processes.ts";

const ROOT = join(import.meta.dirname, "../../..");
const run = promisify(execFile);

/** curl, as far as the snippets use it: not every machine has one. */
const CURL = `#!${process.execPath}
const init = { headers: {} };
let url;
for (let words = process.argv.slice(2), word; (word = words.shift()) !== undefined; ) {
  if (word === "-X") init.method = words.shift();
  else if (word === "-d") init.body = words.shift();
  else if (word === "-H") {
    const [name, ...value] = words.shift().split(": ");
    init.headers[name] = value.join(": ");
  } else url = word;
}
const response = await fetch(url, { method: init.body === undefined ? "GET" : "POST", ...init });
console.log(response.status, await response.text());
`;

let folder: string;
let stack: Stack;
let port: number;
const commands: Command[] = [];

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "snippets-test-"));
  writeFileSync(join(folder, "curl.mjs"), CURL);
  writeFileSync(join(folder, "curl"), `#!/bin/sh\nexec "${process.execPath}" "${folder}/curl.mjs" "$@"\n`);
  chmodSync(join(folder, "curl"), 0o755);
  port = await freePort();
  stack = await startStack({
    coordinatorVars: { AGENT_COORDINATOR_AUTH: "none" },
    agentVars: {},
    onLog: () => {},
  });
});
afterAll(async () => {
  for (const command of commands) command.destroy();
  await stack.close();
  rmSync(folder, { recursive: true });
});

/** The blocks of a document in one language, with this test's addresses in place of the usual ones. */
function snippets(document: string, language: string): string[] {
  const text = readFileSync(join(ROOT, "fixtures/corpus", document), "utf8");
  const blocks = [...text.matchAll(/^```(\w+)\n([\s\S]*?)^```$/gm)].filter(([, name]) => name === language);
  expect(blocks.length).toBeGreaterThan(0);
  return blocks.map(([, , code = ""]) =>
    code.replaceAll("http://localhost:8787", stack.url).replaceAll(/\b9001\b/g, String(port)),
  );
}

async function shell(line: string): Promise<string> {
  const env = { ...process.env, PATH: [folder, process.env["PATH"]].join(delimiter) };
  return (await run("sh", ["-c", line], { env })).stdout;
}

test("an agent in Python is registered, put into a pipeline and called", async () => {
  const [agent = ""] = snippets("register-an-agent.md", "python");
  writeFileSync(join(folder, "agent.py"), agent);
  const python = runShell("exec python3 -u agent.py", { cwd: folder });
  commands.push(python);
  await listening(port, python);
  const [register = "", use = ""] = snippets("register-an-agent.md", "sh");
  expect(await shell(register)).toMatch(/^201 /);
  const [put = "", execution = ""] = (await shell(use)).trim().split("\n");
  expect(put).toMatch(/^201 /);
  expect(JSON.parse(execution.replace(/^200 /, ""))).toMatchObject({
    status: "completed",
    final_result: { answer: "HELLO" },
  });
});

test("a Python program waits for the answer, and reads the stream", async () => {
  const [wait = "", stream = ""] = snippets("call-from-python.md", "python");
  const answer = await run("python3", ["-c", wait]);
  expect(answer.stdout).toMatch(/^completed .*\[1\]/s);
  const { stdout } = await run("python3", ["-u", "-c", stream]);
  expect(stdout).toMatch(/stage\.completed answer_generation\n\nexecution\.completed \n$/);
  expect(stdout).toContain(answer.stdout.slice("completed ".length).trim());
});

test("a page starts a run and follows it", async () => {
  const [page = ""] = snippets("call-from-a-browser.md", "js");
  const code = `import { EventSource } from "eventsource";\n${page}\nprocess.on("exit", () => console.log(text));`;
  const { stdout } = await run(process.execPath, ["--input-type=module", "-e", code], { cwd: ROOT });
  expect(stdout).toMatch(/hedge.*\[\d\]\n$/s);
});

test("a TypeScript program runs a pipeline with the client", async () => {
  const [code = ""] = snippets("call-from-typescript.md", "ts");
  const below = join(ROOT, ".wrangler", `client-${process.pid}`);
  mkdirSync(below, { recursive: true });
  try {
    const file = join(below, "ask.ts");
    writeFileSync(file, code.replace('"./src/', '"../../src/'));
    const { stdout } = await run(process.execPath, [file]);
    // Piece by piece: no other snippet asks this question, so that the cache does not answer it.
    expect(stdout.match(/^running /gm)?.length).toBeGreaterThan(3);
    // The last piece, the answer of the terminal event, and the result are the same text.
    const [, answer = ""] = /\ncompleted ([^]*?)\n\{\n {2}answer: /.exec(stdout) ?? [];
    expect(answer).toMatch(/\[1\]/);
    expect(stdout).toContain(`\nrunning ${answer}\ncompleted ${answer}\n`);
  } finally {
    rmSync(below, { recursive: true });
  }
});

test("the README's agent answers, as the stage of its pipeline", async () => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const [, code = ""] = /^```ts\n([\s\S]*?)^```$/m.exec(readme) ?? [];
  const [, stages = ""] = /pipelines\/loud .* -d '(\{[\s\S]*?\})'$/m.exec(readme) ?? [];
  const [rewrite, shout] = (
    JSON.parse(stages) as { stages: { name: string; input?: Record<string, string> }[] }
  ).stages;
  const inputs = { [rewrite?.name ?? ""]: { query: "Who is there" } };
  const input = evaluateInput(shout?.input ?? {}, { query: "who is there", results: inputs, context: {} });
  // Below the project, so that its packages are found; not below node_modules, where Node runs no TypeScript.
  const below = join(ROOT, ".wrangler", `readme-${process.pid}`);
  mkdirSync(join(below, "shout"), { recursive: true });
  try {
    const file = join(below, "shout/worker.ts");
    writeFileSync(file, code.replaceAll("../../src/", "../../../src/"));
    const { default: worker } = (await import(file)) as { default: { fetch(r: Request): Promise<Response> } };
    const body = {
      execution_id: "e",
      conversation_id: "c",
      stage: "shout",
      agent_type: "shout",
      attempt: 1,
      query: "who is there",
      config: {},
      input: input.ok ? input.value : input,
      inputs,
      context: {},
      history: [],
      timeout_ms: 1_000,
    };
    const request = new Request("http://agent.test/", { method: "POST", body: JSON.stringify(body) });
    expect(await (await worker.fetch(request)).json()).toEqual({ data: { answer: "WHO IS THERE!" } });
  } finally {
    rmSync(below, { recursive: true });
  }
});

test("the README's pipeline in TypeScript is written, and its types are checked", async () => {
  const readme = readFileSync(join(ROOT, "README.md"), "utf8");
  const [agent = "", definition = ""] = Array.from(
    readme.matchAll(/^```ts\n([\s\S]*?)^```$/gm),
    ([, code = ""]) => code,
  );
  const below = join(ROOT, ".wrangler", `typed-${process.pid}`);
  mkdirSync(join(below, "agents/shout"), { recursive: true });
  const put = (file: string, text: string) => writeFileSync(join(below, file), text);
  const compiled = (code: string) => {
    put("loud.ts", code);
    return run(process.execPath, [join(ROOT, "node_modules/typescript/bin/tsc"), "-p", below]).then(
      ({ stdout }) => stdout,
      (failed: { stdout: string }) => failed.stdout,
    );
  };
  try {
    put("agents/shout/worker.ts", agent.replaceAll("../../src/", "../../../../src/"));
    const files = ["loud.ts"];
    put("tsconfig.json", JSON.stringify({ extends: "../../tsconfig.json", files, include: [] }));
    const code = definition
      .replaceAll('"./src/', '"../../src/')
      .replaceAll("http://localhost:8787", stack.url);
    const wrong = code
      .replace('depends_on: ["rewrite"]', 'depends_on: ["write"]')
      .replace('mark: "?"', "mark: 1");
    expect(await compiled(wrong)).toMatch(/'"write"'[^]*'number'/);
    expect(await compiled(code)).toBe("");
    await run(process.execPath, [join(below, "loud.ts")]);
    const written = await fetch(`${stack.url}/v1/pipelines/loud`);
    expect(await written.json()).toMatchObject({
      stages: [
        { name: "rewrite", agent_type: "query_rewriter" },
        {
          name: "shout",
          agent_type: "shout",
          depends_on: ["rewrite"],
          config: { mark: "?" },
          input: { text: "results.rewrite.query" },
        },
      ],
    });
  } finally {
    rmSync(below, { recursive: true });
  }
});

test("an agent is limited, a model priced, and a run that has spent its budget goes on with a higher one", async () => {
  const agents = await startAgentServer();
  const usage = { model: "tiny", input_tokens: 20_000, output_tokens: 5_000 };
  agents.on("/", answers({ answer: "dear" }, { usage }));
  try {
    const [limit = "", price = "", start = "", raise = ""] = snippets("limits-budgets-and-costs.md", "sh");
    const mine = limit.replace(`http://localhost:${port}/`, agents.url("/"));
    expect(await shell(mine)).toMatch(/^201 .*"limits":\{"concurrency":2,"rate"/);
    expect(await shell(price)).toMatch(/^200 .*"tiny":\{"input_per_million":0.5/);
    const stages = '{"stages": [{"name": "writer", "agent_type": "writer", "cache": false}]}';
    const json = "-H 'content-type: application/json'";
    await shell(`curl -X PUT ${stack.url}/v1/pipelines/priced ${json} -d '${stages}'`);
    const started = await shell(start);
    // The last stage has completed, and has spent more than the run may.
    expect(started).toMatch(/^202 .*"status":"paused"/);
    const { execution_id } = JSON.parse(started.replace(/^202 /, "")) as { execution_id: string };
    expect(await shell(raise.replace("/ID/", `/${execution_id}/`))).toMatch(/^200 /);
    const ended = await shell(`curl ${stack.url}/v1/executions/${execution_id}`);
    expect(JSON.parse(ended.replace(/^200 /, ""))).toMatchObject({
      status: "completed",
      budget: { cost_usd: 0.05 },
      usage: { cost_usd: 0.02 },
    });
  } finally {
    await agents.close();
  }
});

test("a key's hash is what the coordinator compares", async () => {
  const [make = ""] = snippets("api-keys.md", "sh");
  const random = "printf 0123456789abcdef";
  const printed = await shell(make.replace("openssl rand -hex 32", random));
  expect(printed.split(" ")[0]).toBe("9f9f5111f7b27a781f1f1ddde5ebc2dd2b796bfc7365c9c28b548e564176929f");
  const [secret = ""] = snippets("api-keys.md", "json");
  const keys = await startStack({
    coordinatorVars: { AGENT_COORDINATOR_API_KEYS: secret },
    agentVars: {},
    onLog: () => {},
  });
  try {
    // The example's hash is that of "test".
    const call = (key: string) =>
      fetch(`${keys.url}/v1/pipelines`, { headers: { authorization: `Bearer ${key}` } });
    expect([(await call("test")).status, (await call("other")).status]).toEqual([200, 401]);
  } finally {
    await keys.close();
  }
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.listen(0, "127.0.0.1", resolve);
  });
  const { port: free } = server.address() as AddressInfo;
  await new Promise((resolve) => {
    server.close(resolve);
  });
  return free;
}

async function listening(at: number, command: Command): Promise<void> {
  for (let tries = 0; tries < 200; tries += 1) {
    const isUp = await fetch(`http://localhost:${at}/`).then(
      () => true,
      () => false,
    );
    if (isUp) return;
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
  throw new Error(`the agent does not listen: ${command.output()}`);
}
