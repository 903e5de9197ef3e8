// `npm run deploy -- --dry-run` and the demo as a user runs them, in a copy of the project with a wrangler.toml of the
// user's own.
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { type Command, runCommand } from "../support/servers/processes.ts";

const ROOT = join(import.meta.dirname, "../..");
const CONFIG = readFileSync(join(ROOT, "wrangler.toml"), "utf8");
const START_MS = 90_000;

let folder: string;
const commands: Command[] = [];

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "deploy-test-"));
  for (const name of ["src", "fixtures", "package.json", "tsconfig.json", "dist"]) {
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

function run(config: string, ...args: string[]): Command {
  writeFileSync(join(folder, "wrangler.toml"), config);
  const env = { LLM_BASE_URL: "", LLM_API_KEY: "", LLM_MODEL: "", CLOUDFLARE_API_TOKEN: undefined };
  const command = runCommand(args, { cwd: folder, env });
  commands.push(command);
  return command;
}

test(
  "an environment of a few lines is deployed with the Durable Objects and the agents",
  async () => {
    const config = `${CONFIG}\n[env.staging]\nname = "rag-staging"\nroutes = ["staging.example.com/*"]\n`;
    const command = run(config, "src/cli/deploy.ts", "--dry-run", "--env", "staging");
    expect(await command.ended, command.output()).toBe(0);
    const [agents = "", coordinator = ""] = command.output().split("--dry-run: exiting now.");
    expect(agents).toContain("env.AI");
    expect(coordinator).toContain("env.EXECUTIONS (ExecutionObject)");
    expect(coordinator).toContain("env.AGENTS (agent-coordinator-agents)");
    expect(coordinator).toContain("env.AGENT_COORDINATOR_RATE_LIMIT");
    expect(command.output()).not.toContain("WARNING");
    expect(existsSync(join(folder, "wrangler.generated.json"))).toBe(false);
  },
  START_MS,
);

test(
  "a fault in the coordinator's file stops before the agents are deployed",
  async () => {
    const command = run(`limits = { cpu_ms = "x" }\n${CONFIG}`, "src/cli/deploy.ts", "--dry-run");
    expect(await command.ended).toBe(1);
    expect(command.output()).toContain('wrangler.toml:\n  - Expected "limits.cpu_ms" to be of type number');
    expect(command.output()).not.toContain("Total Upload");
    expect(command.output()).not.toMatch(/^\s+at /m);
  },
  START_MS,
);

test(
  "--help deploys nothing",
  async () => {
    const command = run(CONFIG, "src/cli/deploy.ts", "--help");
    expect(await command.ended).toBe(0);
    expect(command.output()).toContain("--dry-run");
    expect(command.output()).not.toContain("Total Upload");
  },
  START_MS,
);

test(
  "the demo runs with what wrangler allows in wrangler.toml",
  async () => {
    const top = [
      'routes = [{ pattern = "rag.example.com", custom_domain = true }]',
      'account_id = "0123456789abcdef0123456789abcdef"',
      "logpush = true",
      "vars = { AGENT_COORDINATOR_MAX_CONCURRENT = 2, AGENT_COORDINATOR_CACHING = true }",
    ];
    const tables = [
      "[limits]\ncpu_ms = 100",
      '[[kv_namespaces]]\nbinding = "KV"\nid = "0123456789abcdef0123456789abcdef"',
      '[[services]]\nbinding = "AGENTS_OF_MINE"\nservice = "not-here"',
      '[[durable_objects.bindings]]\nname = "FAR"\nclass_name = "Far"\nscript_name = "not-here"',
      '[[migrations]]\ntag = "v2"\ndeleted_classes = ["Gone"]',
      '[env.staging]\nname = "rag-staging"',
    ];
    const command = run([...top, CONFIG, ...tables].join("\n"), "src/cli/demo.ts");
    expect(await command.ended, command.output()).toBe(0);
    expect(command.output()).toContain("(circuit-breaker.md)");
  },
  START_MS,
);
