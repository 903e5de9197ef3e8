// What a run shows of each key of CoordinatorConfig: how wide it was, how often an agent was called, what became of it.
// Each observation makes runs of its own and looks at those alone.
import { setTimeout as sleep } from "node:timers/promises";
import { type AgentServer, answers, type Behaviour, failsWith } from "../../support/agents/agent-server.ts";
import type { Coordinator } from "../../support/servers/coordinator.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- executions are looked at as JSON.
type Any = any;

/** @param where runs are made: agents and pipelines `quick`, `large`, `hangs` and `fails`, and `parallel` of four */
export function observationsOf(where: () => { agents: AgentServer; coordinator: Coordinator }) {
  const run = async (pipeline: string): Promise<Any> => (await where().coordinator.run({ pipeline })).body;

  /** How many stages were at work at once. */
  async function widest(): Promise<number> {
    const { stage_results } = await run("parallel");
    const spans = Object.values<Any>(stage_results).map(
      (at) => [Date.parse(at.start_time), Date.parse(at.end_time)] as const,
    );
    return Math.max(
      ...spans.map(([start]) => spans.filter(([from, to]) => from <= start && start < to).length),
    );
  }

  let strangers = 0;

  /** An agent that nobody has called yet, with a pipeline of its name. */
  async function stranger(behaviour: Behaviour): Promise<string> {
    const { agents, coordinator } = where();
    strangers += 1;
    const name = `stranger${strangers}`;
    agents.on(`/${name}`, behaviour);
    await coordinator.alone(name, agents.url(`/${name}`));
    return name;
  }

  async function callsOfFailing(): Promise<number> {
    const { agents } = where();
    const name = await stranger(failsWith(503));
    for (let made = 0; made < 4; made += 1) await run(name);
    return agents.callsOf(`/${name}`).length;
  }

  async function askedTwice(): Promise<number> {
    const { agents, coordinator } = where();
    const name = await stranger(answers({}));
    const request = { stage: { name: "only", agent_type: name }, query: "q" };
    for (let made = 0; made < 2; made += 1) await coordinator.api("POST", "/v1/stages/execute", request);
    return agents.callsOf(`/${name}`).length;
  }

  async function fallenBack(): Promise<string | null> {
    const name = await stranger(failsWith(400));
    return (await run(name)).stage_results.only.fallback?.strategy ?? null;
  }

  /** What a call costs of a million tokens of the model `m`. */
  async function cost(): Promise<number | null> {
    const name = await stranger(answers({}, { usage: { model: "m", input_tokens: 1_000_000 } }));
    return (await run(name)).usage["cost_usd"];
  }

  /** How many turns the agent of a conversation's fifth question is handed. */
  async function remembered(): Promise<number> {
    const { agents, coordinator } = where();
    const name = await stranger(answers({}));
    for (let made = 0; made < 5; made += 1) await coordinator.run({ pipeline: name, conversation_id: name });
    return agents.callsOf(`/${name}`).at(-1)?.body.history.length ?? -1;
  }

  /** What becomes of a question while another one of its conversation is answered. */
  async function askedMeanwhile(): Promise<string> {
    const { coordinator } = where();
    strangers += 1;
    const asked = { pipeline: "hangs", conversation_id: `meanwhile${strangers}` };
    const first = await coordinator.run(asked, { prefer: "respond-async" });
    const { body } = await coordinator.run(asked, { prefer: "respond-async" });
    const found = await coordinator.api("GET", `/v1/executions/${first.body.execution_id}`);
    for (const { execution_id } of [body, first.body]) {
      if (execution_id !== undefined) await coordinator.api("POST", `/v1/executions/${execution_id}/cancel`);
    }
    const outcome = body.code ?? body.status;
    return found.body.status === "cancelled" ? `${outcome}, the first cancelled` : outcome;
  }

  async function failing(): Promise<Any> {
    const { agents } = where();
    agents.on("/fails", failsWith(503));
    return run("fails");
  }

  /** The delays that a failing stage was given, of `tries` tries. */
  async function delays(): Promise<number[]> {
    const { coordinator } = where();
    const { execution_id } = await failing();
    const { data } = (
      await coordinator.api("GET", `/v1/executions/${execution_id}/events`, undefined, {
        accept: "application/json",
      })
    ).body;
    return data.filter((at: Any) => at.type === "stage.retrying").map((at: Any) => at.data.delay_ms);
  }

  /** What a run of a stage that was cut by an eviction of its object comes to. */
  async function afterCrash(): Promise<string> {
    const { agents, coordinator } = where();
    const before = agents.callsOf("/fails").length;
    agents.on("/fails", (call, response, count) =>
      count === before + 1 ? undefined : answers({ said: "again" })(call, response, count),
    );
    const { body } = await coordinator.run({ pipeline: "fails" }, { prefer: "respond-async" });
    while (agents.callsOf("/fails").length === before) await sleep(10);
    await coordinator.abort(body.execution_id);
    for (let tries = 0; tries < 50; tries += 1) {
      const { status } = (await coordinator.api("GET", `/v1/executions/${body.execution_id}`)).body;
      if (status !== "running") return status;
      await sleep(50);
    }
    return "running";
  }

  /** What a run is found to be once its object has been out of memory. */
  async function evicted(): Promise<number> {
    const { coordinator } = where();
    const { execution_id } = await run("quick");
    await coordinator.abort(execution_id);
    return (await coordinator.api("GET", `/v1/executions/${execution_id}`)).status;
  }

  async function pausedFor(ms: number): Promise<string> {
    const { coordinator } = where();
    const { body } = await coordinator.run({ pipeline: "hangs" }, { prefer: "respond-async" });
    await coordinator.api("POST", `/v1/executions/${body.execution_id}/pause`, { mode: "abort" });
    await sleep(ms);
    const { status } = (await coordinator.api("GET", `/v1/executions/${body.execution_id}`)).body;
    await coordinator.api("POST", `/v1/executions/${body.execution_id}/cancel`);
    return status;
  }

  async function keptFor(ms: number): Promise<number> {
    const { coordinator } = where();
    const { execution_id } = await run("quick");
    await sleep(ms);
    return (await coordinator.api("GET", `/v1/executions/${execution_id}`)).status;
  }

  /** How many a run adds to the count of its pipeline. */
  async function countedRuns(): Promise<number> {
    const { coordinator } = where();
    const total = async (): Promise<number> =>
      (await coordinator.api("GET", "/v1/metrics?pipeline=quick")).body.execution_metrics.total_executions;
    const before = await total();
    await run("quick");
    // Figures follow within a second.
    await sleep(1_000);
    return (await total()) - before;
  }

  /** How many bottlenecks a run of a pipeline of its own is found to have. */
  async function bottlenecks(): Promise<number> {
    const { coordinator } = where();
    const name = `watched-${Date.now()}`;
    await coordinator.pipeline(name, [{ name: "only", agent_type: "quick" }]);
    await run(name);
    await sleep(1_000);
    return (await coordinator.api("GET", `/v1/metrics?pipeline=${name}`)).body.performance_analytics
      .bottlenecks.length;
  }

  async function slowAlert(): Promise<boolean> {
    const { coordinator } = where();
    await run("quick");
    await sleep(1_000);
    const { data } = (await coordinator.api("GET", "/v1/alerts")).body;
    return data.find(({ name }: Any) => name === "avg_execution_time_ms").firing;
  }

  /** The levels of the lines that a run with a failed stage leaves in the operator's log, in order. */
  async function logged(): Promise<string[]> {
    const { agents, coordinator } = where();
    // An agent of its own: nothing is held against it yet.
    const name = `logged-${Date.now()}`;
    agents.on("/logged", failsWith(503));
    await coordinator.alone(name, agents.url("/logged"));
    const { execution_id } = await run(name);
    await sleep(200);
    const lines = coordinator.output().split("\n");
    return lines.filter((line) => line.includes(execution_id)).map((line) => JSON.parse(line).level);
  }

  return {
    run,
    failing,
    widest,
    callsOfFailing,
    askedTwice,
    fallenBack,
    cost,
    remembered,
    askedMeanwhile,
    delays,
    afterCrash,
    evicted,
    pausedFor,
    keptFor,
    countedRuns,
    bottlenecks,
    slowAlert,
    logged,
  };
}

export type Observations = ReturnType<typeof observationsOf>;
