// The package as others get it: built to ESM with types, found by its `exports`, compiled against by a project of its
// own with the strictest settings, and loaded by Node without a tool.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..", "..");
const run = promisify(execFile);
const TSC = join(ROOT, "node_modules", "typescript", "bin", "tsc");
let folder: string;

const CONSUMER = `
import {
  agentOf,
  type Bottleneck,
  CoordinatorClient,
  CoordinatorClientError,
  type ExecutionEvent,
  orElse,
  pipeline,
  type PipelineResult,
  type Stage,
  type StreamUpdate,
} from "agent-coordinator";
import { defineAgent } from "agent-coordinator/agent";
import { z } from "zod";

export const agent = defineAgent({
  config: z.object({ loud: z.boolean().default(false) }),
  inputs: z.object({}),
  result: z.object({ said: z.string() }),
  async *run({ query, config }) {
    const said = config.loud ? query.toUpperCase() : query;
    yield said;
    return { data: { said } };
  },
});

const client = new CoordinatorClient({ baseUrl: "https://coordinator.test", apiKey: "key" });
export async function ask(): Promise<string> {
  const execution = await client.executePipeline(
    { query: "q", conversation_id: "c" },
    { onUpdate: (event: ExecutionEvent) => (event.type === "stage.delta" ? console.log(event.text) : undefined) },
  );
  for await (const event of client.stream(execution.execution_id)) {
    if (event.type === "stage.retrying") return event.data.error.code;
    // @ts-expect-error -- a delta has no seq
    if (event.type === "stage.delta") return String(event.seq);
  }
  // @ts-expect-error -- the query is required
  await client.startExecution({ conversation_id: "c" });
  return new CoordinatorClientError("RATE_LIMITED", "x").code;
}
export async function answer(): Promise<string> {
  let text = "";
  await client.executePipeline(
    { query: "q", conversation_id: "c" },
    {
      streamCallback: (update: StreamUpdate) => {
        if (update.status === "completed") text = update.partial_answer ?? text;
        if (update.type === "stage.delta") text = update.partial_answer;
        // @ts-expect-error -- not every update has it
        if (update.type === "stage.completed") text = update.partial_answer;
      },
    },
  );
  return text;
}
export async function configure(stages: readonly Stage[]): Promise<number> {
  await client.configurePipeline(stages);
  await client.configurePipeline(stages, { ifNoneMatch: "*" });
  await client.configurePipeline("mine", stages, { ifMatch: "x" });
  await client.addStage({ name: "a", agent_type: "b" }, { before: "c" });
  await client.addStage("mine", { name: "a", agent_type: "b" });
  await client.removeStage("a");
  await client.removeStage("mine", "a", { ifMatch: "x" });
  // @ts-expect-error -- a name needs stages
  await client.configurePipeline("mine");
  // @ts-expect-error -- a stage needs a name
  await client.addStage({ agent_type: "b" });
  const { version } = await client.getPipelineConfig({ signal: AbortSignal.timeout(1_000) });
  return version + (await client.getPipelineConfig("mine")).version;
}
export async function causes(): Promise<string[]> {
  const found: Bottleneck[] = await client.analyzePerformanceBottlenecks({ pipeline: "rag", window_seconds: 60 });
  const { total_executions } = await client.getExecutionMetrics();
  // @ts-expect-error -- a window has no such field
  await client.getExecutionMetrics({ hours: total_executions });
  return found.flatMap(({ root_cause, optimization_recommendation }) => [root_cause, optimization_recommendation]);
}
export async function worst(): Promise<"high" | "medium" | "low" | undefined> {
  const { performance_analytics, stage_metrics } = await client.getPerformanceMetrics();
  // @ts-expect-error -- a share is a number
  stage_metrics["answer"]?.success_rate.trim();
  return performance_analytics.bottlenecks[0]?.impact;
}
const echo = agentOf<typeof agent>("echo");
export const typed = pipeline("typed")
  .stage("first", { agent: echo, config: { loud: true }, required: false })
  .stage("second", { agent: echo, depends_on: ["first"], input: ({ results }) => ({ said: orElse(results.first.said, "") }) });
export const mapped = typed.stage("each", { agent: echo, map: { over: '["a", "b"]' } });
export const said = (result: PipelineResult<typeof typed>): string => result.said;
// @ts-expect-error -- loud or not
typed.stage("third", { agent: echo, config: { loud: "very" } });
// @ts-expect-error -- the agent says nothing else
typed.stage("third", { agent: echo, depends_on: ["second"], input: ({ results }) => ({ sung: results.second.sung }) });
export const write = () => client.configurePipeline(typed.name, typed.definition().stages);
`;

const LOADED = `
import { CoordinatorClient } from "agent-coordinator";
import { defineAgent } from "agent-coordinator/agent";
const client = new CoordinatorClient({
  baseUrl: "http://x.test",
  fetch: async (url) => Response.json({ name: url }),
});
console.log(JSON.stringify([await client.getPipelineConfig("rag"), typeof defineAgent]));
`;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "agent-coordinator-package-"));
  await run(process.execPath, [TSC, "-p", join(ROOT, "src", "client", "tsconfig.json")], { cwd: ROOT });
  await mkdir(join(folder, "node_modules"));
  await symlink(ROOT, join(folder, "node_modules", "agent-coordinator"));
  await symlink(join(ROOT, "node_modules", "zod"), join(folder, "node_modules", "zod"));
  await writeFile(join(folder, "package.json"), '{ "type": "module" }');
});

afterAll(() => rm(folder, { recursive: true, force: true }));

test("a strict project compiles against its types", async () => {
  await writeFile(join(folder, "consumer.ts"), CONSUMER);
  const compilerOptions = {
    target: "es2022",
    module: "nodenext",
    moduleResolution: "nodenext",
    lib: ["es2024", "dom", "dom.iterable"],
    types: [],
    strict: true,
    exactOptionalPropertyTypes: true,
    // The types of what it exports can be named in its own declarations.
    declaration: true,
    emitDeclarationOnly: true,
  };
  await writeFile(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["consumer.ts"] }));
  const compiled = await run(process.execPath, [TSC, "-p", folder]).then(
    ({ stdout }) => stdout,
    (failed: { stdout: string }) => failed.stdout,
  );
  expect(compiled).toBe("");
});

test("Node loads it, and the client needs nothing but eventsource-parser", async () => {
  await writeFile(join(folder, "loaded.js"), LOADED);
  const { stdout } = await run(process.execPath, [join(folder, "loaded.js")]);
  expect(JSON.parse(stdout)).toEqual([{ name: "http://x.test/v1/pipelines/rag" }, "function"]);
  const client = ["--include=*.js", "--exclude=define-agent.js", join(ROOT, "dist", "npm", "client")];
  const { stdout: imports } = await run("grep", ["-rhE", '^(import|export).* from "[^.]', ...client]);
  expect(imports).toBe('import { createParser } from "eventsource-parser";\n');
});
