// What `npm run deploy` would deploy, for many forms of both wrangler.toml, and what the demo reads of them.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { planDeployment } from "../../../src/cli/config/deployment.ts";
import { readFlags } from "../../../src/cli/config/flags.ts";
import { readWorkerConfig } from "../../../src/cli/config/wrangler-config.ts";

const ROOT = join(import.meta.dirname, "../../..");
const COORDINATOR = readFileSync(join(ROOT, "wrangler.toml"), "utf8");
const AGENTS = readFileSync(join(ROOT, "fixtures/agents/wrangler.toml"), "utf8");
/** Each a part of the top level; they go before the first table. */
const ALLOWED = {
  routes: 'routes = [{ pattern = "rag.example.com", custom_domain = true }]',
  route: 'route = "example.com/rag/*"',
  account_id: 'account_id = "0123456789abcdef0123456789abcdef"',
  logpush: "logpush = true",
  limits: "limits = { cpu_ms = 100 }",
  "numbers in vars":
    'vars = { AGENT_COORDINATOR_MAX_CONCURRENT = 2, AGENT_COORDINATOR_CACHING = false, EXTRA = { a = [1, "b"] } }',
  observability: "observability = { enabled = true, head_sampling_rate = 0.5 }",
  placement: 'placement = { mode = "smart" }',
  triggers: 'triggers = { crons = ["0 * * * *"] }',
  "a namespace": 'kv_namespaces = [{ binding = "KV", id = "0123456789abcdef0123456789abcdef" }]',
  "a bucket": 'r2_buckets = [{ binding = "FILES", bucket_name = "files" }]',
  "tail consumers": 'tail_consumers = [{ service = "my-tail" }]',
  "preview urls": "preview_urls = false",
  "dev settings": 'dev = { port = 9000, ip = "127.0.0.1" }',
};

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "deployment-test-"));
  for (const main of ["src/index.ts", "fixtures/agents/worker.ts"]) {
    mkdirSync(join(root, main, ".."), { recursive: true });
    writeFileSync(join(root, main), "export default {};\n");
  }
  write(COORDINATOR, AGENTS);
});
afterEach(() => rmSync(root, { recursive: true }));

function write(coordinator: string, agents = AGENTS): void {
  writeFileSync(join(root, "wrangler.toml"), coordinator);
  writeFileSync(join(root, "fixtures/agents/wrangler.toml"), agents);
}

const plan = (...words: string[]) => planDeployment(readFlags(words), root);
/** The value of a flag in arguments of wrangler. */
const valueIn = (args: readonly string[], flag: string) => args[args.indexOf(flag) + 1];

describe("wrangler.toml may have", () => {
  test.each(Object.entries(ALLOWED))("%s", async (_what, line) => {
    write(`${line}\n${COORDINATOR}`, `${line}\n${AGENTS}`);
    expect((await plan()).warnings).toEqual([]);
    for (const path of ["wrangler.toml", "fixtures/agents/wrangler.toml"]) {
      expect(readWorkerConfig(path, root).name).toMatch(/^agent-coordinator/);
    }
  });

  test("a table or a field that this wrangler does not know yet", async () => {
    write(`shiny = true\n${COORDINATOR}\n[novelty]\nmode = "on"\n`);
    await plan();
    expect(readWorkerConfig("wrangler.toml", root).name).toBe("agent-coordinator");
  });

  test("classes that were renamed and objects of another Worker", () => {
    const more =
      '\n[[durable_objects.bindings]]\nname = "FAR"\nclass_name = "Far"\nscript_name = "other"\n' +
      '\n[[migrations]]\ntag = "v2"\nrenamed_classes = [{ from = "A", to = "B" }]\ndeleted_classes = ["C"]\n';
    write(COORDINATOR + more);
    expect(readWorkerConfig("wrangler.toml", root).durable_objects.bindings.at(-1)).toEqual({
      name: "FAR",
      class_name: "Far",
      script_name: "other",
    });
  });

  test("variables that are no text, which the demo binds as wrangler does", () => {
    write(`${ALLOWED["numbers in vars"]}\n${COORDINATOR}`);
    expect(readWorkerConfig("wrangler.toml", root).vars).toEqual({
      AGENT_COORDINATOR_MAX_CONCURRENT: 2,
      AGENT_COORDINATOR_CACHING: false,
      EXTRA: { a: [1, "b"] },
    });
  });
});

describe("a fault is found before anything is deployed", () => {
  test.each([
    ["no TOML", `${COORDINATOR}\nname = = 1\n`, /^wrangler\.toml: .*\(line \d+: name = = 1\)/],
    [
      "a value of another type",
      COORDINATOR.replace('"agent-coordinator"', "3"),
      /^wrangler\.toml:\n {2}- .*"name"/,
    ],
    [
      "a wrong limit",
      `limits = { cpu_ms = "x" }\n${COORDINATOR}`,
      /^wrangler\.toml:\n {2}- .*limits\.cpu_ms/,
    ],
    [
      "a main that is missing",
      COORDINATOR.replace("src/index.ts", "src/nowhere.ts"),
      /^wrangler\.toml: has main .*nowhere\.ts, which does not exist$/,
    ],
    ["no main", COORDINATOR.replace(/^main = .*$/m, ""), /^wrangler\.toml: has no main$/],
    ["no name", COORDINATOR.replace(/^name = .*$/m, ""), /^wrangler\.toml: has no name$/],
    [
      "no date",
      COORDINATOR.replace(/^compatibility_date = .*$/m, ""),
      /^wrangler\.toml: has no compatibility_date$/,
    ],
  ])("in the second file: %s", async (_what, coordinator, message) => {
    write(coordinator);
    await expect(plan()).rejects.toThrow(message);
  });

  test("in both files, and both are reported", async () => {
    write(COORDINATOR.replace(/^main = .*$/m, ""), `${AGENTS}\nname = = 1\n`);
    const error = await plan().catch((thrown: unknown) => thrown as Error);
    expect((error as Error).message.split("\n").map((line) => line.split(":")[0])).toEqual([
      "fixtures/agents/wrangler.toml",
      "wrangler.toml",
    ]);
  });

  test("a file that is missing", async () => {
    rmSync(join(root, "wrangler.toml"));
    await expect(plan()).rejects.toThrow(/^wrangler\.toml: /);
  });

  test("an environment that the file does not have", async () => {
    write(`${COORDINATOR}\n[env.preview]\n`);
    await expect(plan("--env", "staging")).rejects.toThrow(
      /^wrangler\.toml:\n {2}- No environment found.*staging/,
    );
  });

  test("a value set by a flag is not missing", async () => {
    write(COORDINATOR.replace(/^name = .*$/m, "").replace(/^compatibility_date = .*$/m, ""));
    await plan("--name", "mine", "--compatibility-date", "2026-10-20");
  });
});

describe("--env", () => {
  test("is the coordinator's; the agents are those of production where they have no such environment", async () => {
    write(`${COORDINATOR}\n[env.staging]\nname = "rag-staging"\n`);
    const { agents, coordinator } = await plan("--env", "staging");
    expect(agents.filter((word) => word === "--env")).toHaveLength(1);
    expect(valueIn(agents, "--env")).toBe("production");
    expect(coordinator.filter((word) => word === "--env")).toHaveLength(1);
    expect(valueIn(coordinator, "--env")).toBe("staging");
  });

  test("is the agents', too, where they have such an environment", async () => {
    write(`${COORDINATOR}\n[env.staging]\n`, `${AGENTS}\n[env.staging]\nname = "agents-staging"\n`);
    const { agents, config } = await plan("-e=staging");
    expect(valueIn(agents, "--env")).toBe("staging");
    expect(config).toMatchObject({
      env: { staging: { services: [{ binding: "AGENTS", service: "agents-staging" }] } },
    });
  });

  test("without a section, wrangler takes the top level as it is", async () => {
    expect(await plan("--env", "staging")).toMatchObject({ config: null, warnings: [] });
  });

  test("with a section that leaves out the bindings gives it those of the top level", async () => {
    write(`${COORDINATOR}\n[env.staging]\nroutes = ["staging.example.com/*"]\n[env.staging.vars]\nA = "1"\n`);
    const { config, warnings } = await plan("--env", "staging");
    expect(warnings).toEqual([]);
    const { staging } = (config as { env: { staging: Record<string, unknown> } }).env;
    const all = readWorkerConfig("wrangler.toml", root);
    expect(staging).toMatchObject({
      routes: ["staging.example.com/*"],
      vars: { A: "1" },
      durable_objects: all.durable_objects,
      services: all.services,
    });
  });

  test("with a section that has its own keeps them, and says where the agents are others", async () => {
    const objects = [...COORDINATOR.matchAll(/\[\[durable_objects\.bindings\]\]\n.*\n.*\n/g)].join("\n");
    const own = objects.replaceAll("[[durable", "[[env.staging.durable");
    const services = '[[env.staging.services]]\nbinding = "AGENTS"\nservice = "my-own-agents"\n';
    write(`${COORDINATOR}\n[env.staging]\n${own}\n${services}`);
    expect(await plan("--env", "staging")).toMatchObject({
      config: null,
      warnings: [
        'wrangler.toml binds AGENTS to "my-own-agents", but the reference agents are deployed as "agent-coordinator-agents".',
      ],
    });
  });

  test("empty is the top level", async () => {
    const { agents, config } = await plan("--env=");
    expect([valueIn(agents, "--env"), config]).toEqual(["production", null]);
  });
});

describe("flags", () => {
  test("--name, routes and assets are the coordinator's alone", async () => {
    const flags = ["--name", "mine", "--route", "a.test/*", "b.test/*", "--domain=c.test", "--assets", "x"];
    const { agents, coordinator } = await plan(...flags, "--dry-run", "--message", "new");
    expect(agents.join(" ")).toBe(
      "deploy --minify -c fixtures/agents/wrangler.toml --env production --dry-run --message new",
    );
    expect(coordinator.join(" ")).toContain(flags.join(" "));
    expect(coordinator).toContain("--dry-run");
  });

  test("--var reaches the Worker that reads it, and wins over what is set for deployments", async () => {
    const { agents, coordinator } = await plan(
      "--var",
      "LLM_MODEL:tiny",
      "AGENT_COORDINATOR_RATE_LIMIT:9/1",
      "--var",
      "A:1",
    );
    expect(agents.join(" ")).toMatch(/--var LLM_MODEL:tiny$/);
    expect(coordinator.join(" ")).toBe(
      "deploy --minify --var AGENT_COORDINATOR_RATE_LIMIT:60/60 --var AGENT_COORDINATOR_RATE_LIMIT:9/1 --var A:1",
    );
  });

  test("a variable of wrangler.toml holds instead of the one for deployments", async () => {
    write(`vars = { AGENT_COORDINATOR_RATE_LIMIT = "5/1" }\n${COORDINATOR}`);
    expect((await plan()).coordinator).toEqual(["deploy", "--minify"]);
  });
});
