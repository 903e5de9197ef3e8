// npm run demo: starts the coordinator and its agents, asks, shows what happens, and keeps nothing but a conversation
// that was named. Several questions are asked at once, and the coordinator queues them in their conversation. All other files are in one temporary folder, and all that is started ends with this
// process. Exit status 0, or 1 where the execution failed or there was none.
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { CoordinatorClient, CoordinatorClientError, type Execution } from "../client/index.ts";
import { readMarkdown, serveMarkdown } from "./documents.ts";
import type { Output } from "./terminal/output.ts";
import { plainOutput } from "./terminal/plain.ts";
import { startStack } from "./stack.ts";
import { liveOutput } from "./terminal/terminal.ts";
import { agentVariables } from "./config/variables.ts";
import { ROOT } from "./config/wrangler-config.ts";

const USAGE = `npm run demo -- [--docs DIR] [--conversation [ID]] ["a question" …]

  --docs DIR          answer from the Markdown files of this folder instead of the bundled ones
  --conversation ID   keep this conversation in .wrangler/demo, so that the next question can refer to it

Several questions, each in quotes, are asked at once in one conversation: each is answered after the one before it. Those
of npm run demo -- --conversation "a first question" "a second one" are kept nowhere.

With LLM_BASE_URL, LLM_API_KEY and LLM_MODEL in the environment or in .dev.vars a language model writes the answer.`;

const DEFAULT_QUESTION = "How does the circuit breaker decide to open?";
/** How much of the Workers' own output is shown when the demo fails. */
const KEPT_LOG_LINES = 20;
const SIGNALS = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const;

interface DemoOptions {
  /** At least one. */
  queries: readonly string[];
  /** Undefined where it is not kept. */
  conversation: string | undefined;
  docs: string | undefined;
}

async function demo(options: DemoOptions, output: Output): Promise<number> {
  const began = performance.now();
  const logs: string[] = [];
  await using resources = new AsyncDisposableStack();
  try {
    const { queries, conversation = "demo" } = options;
    output.starting(queries[0] ?? "");
    const agentVars = agentVariables(process.env);
    if (options.docs !== undefined) {
      const files = await readMarkdown(options.docs);
      if (files.length === 0) throw new Error(`No Markdown files found in ${options.docs}.`);
      const served = await serveMarkdown(files);
      resources.defer(() => served.close());
      agentVars.set("CORPUS_URL", served.url);
    }
    const stack = await startStack({
      coordinatorVars: { AGENT_COORDINATOR_AUTH: "none", AGENT_COORDINATOR_LOG_LEVEL: "INFO" },
      agentVars: Object.fromEntries(agentVars),
      ...(options.conversation === undefined ? {} : { state: stateOf(options.conversation) }),
      onLog: (line) => {
        if (logs.push(line) > KEPT_LOG_LINES) logs.shift();
      },
    });
    resources.defer(() => stack.close());
    output.started(performance.now() - began, stack.url);
    const client = new CoordinatorClient({ baseUrl: stack.url });
    const executions = await askAll(client, queries, conversation, output);
    const last = executions.at(-1);
    if (options.conversation !== undefined && last !== undefined) await untilListed(client, last);
    return executions.every(({ status }) => status === "completed") ? 0 : 1;
  } catch (error) {
    output.failed([messageOf(error), ...logs].join("\n"));
    return 1;
  }
}

/** Asks all at once, each queued after the one before it, and shows one after the other. */
async function askAll(
  client: CoordinatorClient,
  queries: readonly string[],
  conversation_id: string,
  output: Output,
): Promise<Execution[]> {
  const asked: Execution[] = [];
  // A single question does not wait for what an earlier demo may have left unanswered in its conversation.
  const on_busy = queries.length > 1 ? "queue" : "parallel";
  for (const query of queries) {
    const execution = await client.startExecution({ query, conversation_id, on_busy });
    if (asked.length > 0) output.queued(query);
    asked.push(execution);
  }
  const ended: Execution[] = [];
  for (const { execution_id, query } of asked) {
    if (ended.length > 0) output.next(query);
    for await (const update of client.stream(execution_id)) output.event(update);
    const execution = await client.getExecution(execution_id);
    output.ended(execution);
    ended.push(execution);
  }
  return ended;
}

/** The message of what ended the demo; the coordinator's own errors with their code. */
function messageOf(error: unknown): string {
  if (error instanceof CoordinatorClientError) return `${error.code}: ${error.message}`;
  return error instanceof Error ? error.message : String(error);
}

/**
 * Resolves when the list shows that the execution has ended, or after two seconds: only then does the conversation have
 * it as a turn. It does so within a second of the end.
 */
async function untilListed(
  client: CoordinatorClient,
  { execution_id, conversation_id }: Execution,
): Promise<void> {
  for (let tries = 0; tries < 40; tries += 1) {
    const { data } = await client.listExecutions({ conversation_id });
    if (data.some((at) => at.execution_id === execution_id && at.status !== "running")) return;
    await sleep(50);
  }
}

/** A folder for each conversation, so that two of them can go on at once. */
function stateOf(conversation: string): string {
  return join(
    ROOT,
    ".wrangler",
    "demo",
    createHash("sha256").update(conversation).digest("hex").slice(0, 16),
  );
}

/** Sets the folder for temporary files to a new one, which goes with the process. Returns its removal. */
function useTemporaryFolder(): () => void {
  const folder = mkdtempSync(join(tmpdir(), "agent-coordinator-demo-"));
  // The first is POSIX's, the others are those of Windows.
  for (const name of ["TMPDIR", "TEMP", "TMP"]) process.env[name] = folder;
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  process.on("exit", remove);
  for (const [signal, number] of Object.entries(SIGNALS)) {
    process.on(signal, () => {
      // Exit listeners run in their order: workerd, which a later one ends, must not write into what is removed.
      process.off("exit", remove);
      process.on("exit", remove);
      process.exit(128 + number);
    });
  }
  return remove;
}

/** Arguments with a space were in quotes: each is a question; words without are those of one question. */
function questionsIn(args: readonly string[]): string[] {
  const questions: string[] = [];
  let words: string[] = [];
  for (const text of [...args, null]) {
    if (text !== null && !/\s/.test(text)) {
      words.push(text);
      continue;
    }
    if (words.length > 0) questions.push(words.join(" "));
    words = [];
    if (text !== null) questions.push(text);
  }
  return questions;
}

function readOptions(): DemoOptions | null {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      docs: { type: "string" },
      conversation: { type: "string" },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return null;
  // npm runs scripts in the project's folder; a path means the one where npm was called.
  const docs = values.docs === undefined ? undefined : resolve(process.env["INIT_CWD"] ?? ".", values.docs);
  // Without an id what follows the flag is the first question.
  const { conversation } = values;
  const isQuestion = conversation !== undefined && /\s/.test(conversation);
  const questions = questionsIn(isQuestion ? [conversation, ...positionals] : positionals);
  return {
    queries: questions.length === 0 ? [DEFAULT_QUESTION] : questions,
    conversation: isQuestion ? undefined : conversation,
    docs,
  };
}

async function main(): Promise<number> {
  let options: DemoOptions | null;
  try {
    options = readOptions();
  } catch (error) {
    console.error(`${(error as Error).message}\n\n${USAGE}`);
    return 1;
  }
  if (options === null) {
    console.log(USAGE);
    return 0;
  }
  const removeFolder = useTemporaryFolder();
  const live = process.stdout.isTTY && process.env["TERM"] !== "dumb" && process.env["CI"] === undefined;
  const output = live ? liveOutput(process.stdout) : plainOutput((text) => process.stdout.write(text));
  try {
    return await demo(options, output);
  } finally {
    output.close();
    removeFolder();
  }
}

process.exitCode = await main();
