// What a request may not say, over all endpoints, in real workerd: query parameters that are unknown or given
// twice, paths that lost a segment, names that a URL parser takes for steps; and how much of many faults is listed.
import { request } from "node:http";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { ENDPOINTS } from "../../../src/http/endpoints.ts";
import { queryParameters, type Route } from "../../../src/http/route.ts";
import { type AgentServer, answers, startAgentServer } from "../../support/agents/agent-server.ts";
import { codeIn } from "../../support/clients/problems.ts";
import { closeAll } from "../../support/close.ts";
import { type Coordinator, startCoordinator } from "../../support/servers/coordinator.ts";

let agents: AgentServer;
let coordinator: Coordinator;
let execution = "";

beforeAll(async () => {
  agents = await startAgentServer();
  agents.on("/one", answers({ said: "one" }));
  coordinator = await startCoordinator([agents]);
  await coordinator.agent("one", agents.url("/one"));
  await coordinator.pipeline("mine", [
    { name: "only", agent_type: "one" },
    { name: "last", agent_type: "one" },
  ]);
  execution = (await coordinator.run({ pipeline: "mine" })).body.execution_id;
});

afterAll(() => closeAll(coordinator, agents));

const api: Coordinator["api"] = (...call) => coordinator.api(...call);
const RUN = { query: "q", conversation_id: "c", pipeline: "mine" };
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"] as const;

/** An operation's path with something in each parameter's place. */
const concrete = (path: string) =>
  path
    .replace(":id", execution)
    .replace(":name", "mine")
    .replace(":stage", "last")
    .replace(":agent_type", "one");
const labelOf = ({ method, path }: Route) => `${method.toUpperCase()} ${path}`;

/** What the tests must not have changed. */
const everything = async () => {
  const paths = ["/v1/pipelines", "/v1/agents", "/v1/config", `/v1/executions/${execution}`];
  return Promise.all(paths.map(async (path) => (await api("GET", path)).body));
};

/** A request whose path nothing on this side has normalised. */
function raw(method: string, path: string, body?: unknown): Promise<{ status: number; code: string | null }> {
  const { hostname, port } = new URL(coordinator.url);
  const text = body === undefined ? "" : JSON.stringify(body);
  // By its length: Node frames no body of a DELETE otherwise, and the next request would begin with it.
  const headers = text === "" ? {} : { "content-type": "application/json", "content-length": text.length };
  return new Promise((resolve, reject) => {
    const sent = request({ hostname, port, method, path, headers }, (response) => {
      let answer = "";
      response.on("data", (chunk) => (answer += String(chunk)));
      response.on("end", () => {
        resolve({ status: response.statusCode ?? 0, code: answer === "" ? null : codeIn(answer) });
      });
    });
    sent.on("error", reject);
    sent.end(text);
  });
}

describe("a query", () => {
  test("with a parameter that the operation does not know is refused on every operation", async () => {
    const before = await everything();
    for (const operation of ENDPOINTS) {
      if (operation.any_query === true) continue;
      for (const name of ["since", "Limit", "__proto__", "toString", "a/b~c", "token", "limit", "after"]) {
        if (Object.hasOwn(queryParameters(operation), name)) continue;
        const path = `${concrete(operation.path)}?${encodeURIComponent(name)}=1`;
        const { status, body } = await api(operation.method.toUpperCase(), path);
        const label = `${labelOf(operation)} ?${name}`;
        expect({ status, code: body.code }, label).toEqual({ status: 400, code: "INVALID_REQUEST" });
        const pointer = `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}`;
        expect(body.errors, label).toEqual([
          { pointer, detail: expect.stringMatching(/^is not a query parameter/) },
        ]);
      }
    }
    expect(await everything()).toEqual(before);
  });

  test("with a parameter that is given twice is refused", async () => {
    let seen = 0;
    for (const operation of ENDPOINTS) {
      for (const name of Object.keys(queryParameters(operation))) {
        const path = `${concrete(operation.path)}?${name}=1&${name}=1`;
        const { status, body } = await api(operation.method.toUpperCase(), path);
        expect(status, `${labelOf(operation)} ?${name}`).toBe(400);
        expect(body.errors).toEqual([{ pointer: `/${name}`, detail: "is given more than once" }]);
        seen += 1;
      }
    }
    expect(seen).toBeGreaterThanOrEqual(9);
  });

  test("lists every fault, also of names that are percent-encoded", async () => {
    const { body } = await api("GET", "/v1/executions?s%69nce=1&limit=0x10&limit=2&status=failed");
    expect(body.errors).toEqual([
      { pointer: "/since", detail: expect.stringContaining("known: status, pipeline, conversation_id") },
      { pointer: "/limit", detail: "is given more than once" },
    ]);
    const number = await api("GET", "/v1/executions?limit=0x10");
    expect(number.body.errors).toEqual([
      { pointer: "/limit", detail: 'must be a decimal integer, received "0x10"' },
    ]);
    expect((await api("GET", "/v1/metrics?window_seconds=6e1")).body.errors[0].pointer).toBe(
      "/window_seconds",
    );
    expect((await api("GET", `/v1/executions/${execution}/events?after=0x1`)).body.errors[0].pointer).toBe(
      "/after",
    );
    expect((await api("GET", `/v1/executions/${execution}/events?after=`)).status).toBe(400);
    expect((await api("GET", `/v1/executions/${execution}/events?after=-1`)).status).toBe(400);
  });

  test("that is as it should be is taken, also empty", async () => {
    for (const path of [
      "/v1/executions?limit=007&status=completed&pipeline=mine",
      "/v1/executions?",
      "/v1/metrics?window_seconds=60&pipeline=mine",
      `/v1/executions/${execution}/events?after=1&token=any`,
      "/healthz",
    ]) {
      expect((await api("GET", path)).status, path).toBe(200);
    }
  });
});

describe("a path that lost a segment", () => {
  let before: unknown;
  beforeEach(async () => {
    before = await everything();
  });

  test("never means its parent: a slash at the end and an empty segment are 404 for every route and method", async () => {
    for (const path of new Set(ENDPOINTS.map((operation) => operation.path))) {
      const whole = concrete(path);
      const last = whole.lastIndexOf("/");
      const targets = [
        `${whole}/`,
        `${whole}//`,
        `${whole.slice(0, last)}/${whole.slice(last)}`,
        `/${whole}`,
        whole.slice(0, last + 1),
      ].filter((target) => target !== "/");
      for (const target of targets) {
        for (const method of METHODS) {
          const answer = await raw(method, target, method === "GET" || method === "HEAD" ? undefined : RUN);
          const label = `${method} ${target}`;
          expect(answer.status, label).toBe(404);
          if (method !== "HEAD") expect(answer.code, label).toBe("NOT_FOUND");
        }
        expect((await raw("OPTIONS", target)).status, target).toBe(404);
      }
    }
    expect(await everything()).toEqual(before);
  });

  test("nor does one of dots, in any encoding", async () => {
    for (const operation of ENDPOINTS) {
      const names = [...operation.path.matchAll(/:[a-z_]+/g)].map(([name]) => name);
      for (const name of names) {
        for (const dots of [".", "..", "%2e", "%2e%2e", "%2E.", ".%2e", "%252e%252e", "..%2f"]) {
          const target = concrete(operation.path.replace(name, dots));
          const method = operation.method.toUpperCase();
          const answer = await raw(method, target, method === "GET" ? undefined : { stages: [] });
          expect(answer.status, `${method} ${target}`).toBeGreaterThanOrEqual(400);
          expect(answer.status, `${method} ${target}`).toBeLessThan(500);
        }
      }
    }
    expect(await everything()).toEqual(before);
  });
});

describe("the names . and ..", () => {
  const stage = (name: string, more: Record<string, unknown> = {}) => ({ name, agent_type: "one", ...more });

  test.each([".", ".."])("%s is none, wherever a name is taken", async (dots) => {
    const cases: [string, string, unknown, string][] = [
      ["PUT", "/v1/pipelines/dots", { stages: [stage(dots)] }, "/stages/0/name"],
      ["PUT", "/v1/pipelines/dots", { stages: [stage("a", { agent_type: dots })] }, "/stages/0/agent_type"],
      [
        "PUT",
        "/v1/pipelines/dots",
        { stages: [stage("a", { depends_on: [dots] })] },
        "/stages/0/depends_on/0",
      ],
      ["POST", "/v1/pipelines/mine/stages", stage(dots), "/name"],
      ["POST", `/v1/pipelines/mine/stages?before=${dots}`, stage("new"), "/before"],
      ["POST", "/v1/executions", { ...RUN, pipeline: dots }, "/pipeline"],
      ["POST", "/v1/executions", { ...RUN, pipeline_config: { [dots]: {} } }, `/pipeline_config/${dots}`],
      ["POST", "/v1/stages/execute", { stage: stage(dots), query: "q" }, "/stage/name"],
      [
        "POST",
        "/v1/stages/execute",
        { stage: stage("s"), query: "q", inputs: { [dots]: null } },
        `/inputs/${dots}`,
      ],
      [
        "PATCH",
        "/v1/config",
        { fallback_strategies: { [dots]: "use_cached_results" } },
        `/fallback_strategies/${dots}`,
      ],
    ];
    for (const [method, path, body, pointer] of cases) {
      const refused = await api(method, path, body);
      const label = `${method} ${path} ${pointer}`;
      expect(refused.status, label).toBe(400);
      expect(
        refused.body.errors.map((at: { pointer: string }) => at.pointer),
        label,
      ).toContain(pointer);
    }
    const verdict = await api("POST", "/v1/pipelines/validate", { stages: [stage(dots)] });
    expect(verdict.body.valid).toBe(false);
  });

  test("dots are allowed inside a name", async () => {
    for (const name of ["...", "a.b", ".a", "..a"]) {
      expect((await api("PUT", `/v1/pipelines/${name}`, { stages: [stage(name)] })).status, name).toBe(201);
      expect((await api("DELETE", `/v1/pipelines/${name}`)).status, name).toBe(204);
    }
  });
});

describe("many faults", () => {
  const most = { entries: 50, chars: 1_000 };
  const expectBounded = (body: {
    detail: string;
    error: string;
    errors: { detail: string }[];
    error_count: number;
  }) => {
    expect(body.errors).toHaveLength(most.entries);
    for (const { detail } of body.errors) expect(detail.length).toBeLessThanOrEqual(most.chars);
    expect(body.detail.length).toBeLessThanOrEqual(most.chars);
    expect(body.error).toBe(body.detail);
    return body.error_count;
  };

  test("of a body are listed to the fiftieth, with their number", async () => {
    const fields = Object.fromEntries(Array.from({ length: 777 }, (_, at) => [`field_${at}`, at]));
    const refused = await api("POST", "/v1/executions", { ...RUN, ...fields });
    expect(refused.status).toBe(400);
    expect(expectBounded(refused.body)).toBe(777);
    const one = await api("POST", "/v1/executions", { ...RUN, colour: "red" });
    expect(one.body).toMatchObject({ errors: [{ pointer: "/colour" }], error_count: 1 });
  });

  test("of a definition too, and of what is only validated", async () => {
    const stages = Array.from({ length: 64 }, (_, at) => ({
      name: `s${at}`,
      agent_type: "one",
      depends_on: Array.from({ length: 10 }, (_one, n) => `${"lost".repeat(10)}-${at}-${n}`),
    }));
    const refused = await api("PUT", "/v1/pipelines/faulty", { stages });
    expect(refused.status).toBe(422);
    // Each missing dependency, and the number of edges.
    expect(expectBounded(refused.body)).toBe(641);
    expect(refused.body.detail).toContain("641 errors in total");
    const { status, body } = await api("POST", "/v1/pipelines/validate", { stages });
    expect(status).toBe(200);
    expect(body.errors).toHaveLength(most.entries);
    expect(body).toMatchObject({ valid: false, error_count: 641 });
  });

  test("of an override, and one fault that is long", async () => {
    const pipeline_config = Object.fromEntries(
      Array.from({ length: 300 }, (_, at) => [`no-stage-${at}`, {}]),
    );
    const refused = await api("POST", "/v1/executions", { ...RUN, pipeline_config });
    expect(refused.status).toBe(422);
    expect(expectBounded(refused.body)).toBe(300);
    const long = await api("POST", "/v1/executions", { ...RUN, ["🌍".repeat(20_000)]: 1 });
    expect(long.body.detail.length).toBeLessThanOrEqual(most.chars);
    expect(long.body.errors[0].pointer.length).toBeLessThanOrEqual(most.chars);
    expect(long.body.detail.isWellFormed()).toBe(true);
  });
});
