// A real coordinator in workerd, started for a test file: the house's own wrangler.toml, variables laid over it, and
// the calls that tests make most.
import type { Pipeline } from "../../../src/contract/pipeline.ts";
import { callWith } from "../clients/keys.ts";
import { startAlone, type WorkerName } from "./workerd.ts";

export interface Coordinator {
  url: string;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** PUTs a pipeline and fails the test where it is refused. */
  pipeline(name: string, stages: unknown[]): Promise<Pipeline>;
  /** Registers an agent by URL and fails the test where it is refused. */
  agent(agent_type: string, url: string): Promise<void>;
  /** Registers an agent, and a pipeline of its name whose one stage, `only`, is that agent's. */
  alone(name: string, url: string): Promise<void>;
  /** Any call, without a key, and its answer. */
  api(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>;
  /** PATCHes the config and fails the test where it is refused. */
  configure(config: Record<string, unknown>): Promise<void>;
  /** POSTs an execution and gives back its JSON. */
  run(body: Record<string, unknown>, headers?: Record<string, string>): Promise<Answer>;
  /** Takes an execution's object out of memory, as the platform does between requests. */
  evict(execution_id: string): Promise<void>;
  /** Crashes an execution's object. */
  abort(execution_id: string): Promise<void>;
  /** The SQLite file that holds an execution's storage. */
  fileOf(execution_id: string): Promise<string>;
  /** Resident memory, in bytes. */
  memory(): Promise<number>;
  /** Everything that workerd has written to its outputs. */
  output(): string;
  close(): Promise<void>;
}

export interface Answer {
  status: number;
  headers: Headers;
  // oxlint-disable-next-line typescript/no-explicit-any -- tests look at answers as a caller does: as JSON.
  body: any;
}

/** @param vars laid over AGENT_COORDINATOR_AUTH=none and the loopback hosts of `agents` */
export async function startCoordinator(
  agents: readonly { host: string }[] = [],
  vars: Record<string, string> = {},
  worker: WorkerName = "chaos-worker",
): Promise<Coordinator> {
  // workerd itself and not wrangler's test harness, which carries outgoing calls over Node's fetch: an agent would
  // never see its connection close, and a cut body would be mended.
  const server = await startAlone(
    {
      AGENT_COORDINATOR_AGENT_HOSTS: agents.map((agent) => agent.host).join(","),
      // Most tests ask the same again to see what the agent does; those of the cache turn it on.
      AGENT_COORDINATOR_CACHING: "false",
      ...vars,
    },
    { worker },
  );
  const base = server.url;
  const call = (path: string, init?: RequestInit) => fetch(`${base}${path}`, init);
  const json = (method: string, path: string, body: unknown, headers: Record<string, string> = {}) =>
    call(path, {
      method,
      body: JSON.stringify(body),
      headers: { "content-type": "application/json", ...headers },
    });
  const expectOk = async (response: Response): Promise<unknown> => {
    const body: unknown = await response.json();
    if (!response.ok) throw new Error(`${response.status} ${JSON.stringify(body)}`);
    return body;
  };
  const pipeline: Coordinator["pipeline"] = async (name, stages) =>
    (await expectOk(await json("PUT", `/v1/pipelines/${name}`, { stages }))) as Pipeline;
  const agent: Coordinator["agent"] = async (agent_type, target) => {
    await expectOk(await json("PUT", `/v1/agents/${agent_type}`, { url: target }));
  };
  return {
    url: base,
    fetch: call,
    pipeline,
    agent,
    alone: async (name, target) => {
      await agent(name, target);
      await pipeline(name, [{ name: "only", agent_type: name }]);
    },
    api: (method, path, body, headers) => callWith({ fetch: call }, null, method, path, body, headers),
    configure: async (config) => {
      await expectOk(await json("PATCH", "/v1/config", config));
    },
    run: async (body, headers) => {
      const request = { query: "a question", conversation_id: "c1", ...body };
      return callWith({ fetch: call }, null, "POST", "/v1/executions", request, headers);
    },
    evict: server.evict,
    abort: server.abort,
    fileOf: server.fileOf,
    memory: server.memory,
    output: server.output,
    close: server.close,
  };
}
