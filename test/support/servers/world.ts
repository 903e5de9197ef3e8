// What a test has to itself: agents, a receiver of what goes outbound, and a storage on which servers come and go. All
// of it is closed when the test ends, so that the tests of a file may run side by side, each in its own.
import type { TestContext } from "vitest";
import { type AgentServer, answers, type Behaviour, startAgentServer } from "../agents/agent-server.ts";
import { type Calls, callsTo } from "../clients/calls.ts";
import { type Receiver, startReceiver } from "./receiver.ts";
import { startWorkerd, temporaryState, type WorkerdOptions, type WorkerdServer } from "./workerd.ts";

export interface World {
  agents: AgentServer;
  receiver: Receiver;
  /** The folder of the storage. */
  state: string;
  /** Starts a server on the storage. An earlier one must have been killed. */
  boot: (vars?: Record<string, string>) => Promise<Booted>;
}

export interface Booted {
  server: WorkerdServer;
  calls: Calls;
}

interface WorldOptions {
  /** Laid over the agents' host and a cache that is off. */
  vars?: (of: { receiver: Receiver }) => Record<string, string>;
  /** Agents by name, each with a pipeline of that name whose one stage, `only`, is the agent's; defined once. */
  agents?: Readonly<Record<string, Behaviour>>;
  config?: Record<string, unknown>;
  worker?: WorkerdOptions["worker"];
}

/** @param context the test's own: of tests that run side by side none may close what is another's */
export async function startWorld(
  { onTestFinished }: Pick<TestContext, "onTestFinished">,
  { vars, agents: behaviours = { fine: answers({ answer: "fine" }) }, config, worker }: WorldOptions = {},
): Promise<World> {
  const [agents, receiver, state] = await Promise.all([
    startAgentServer(),
    startReceiver(),
    temporaryState(),
  ]);
  onTestFinished(state.remove);
  onTestFinished(() => agents.close());
  onTestFinished(() => receiver.close());
  for (const [name, behaviour] of Object.entries(behaviours)) agents.on(`/${name}`, behaviour);
  let isDefined = false;
  const boot: World["boot"] = async (more = {}) => {
    const server = await startWorkerd({
      state: state.path,
      ...(worker === undefined ? {} : { worker }),
      vars: {
        AGENT_COORDINATOR_AGENT_HOSTS: agents.host,
        AGENT_COORDINATOR_CACHING: "false",
        ...vars?.({ receiver }),
        ...more,
      },
    });
    onTestFinished(server.kill);
    const calls = callsTo(server.url);
    // A registration that is made again is another one: it has no cached results.
    if (isDefined) return { server, calls };
    isDefined = true;
    for (const name of Object.keys(behaviours)) {
      await calls.agent(name, agents.url(`/${name}`));
      await calls.pipeline(name, [{ name: "only", agent_type: name }]);
    }
    if (config !== undefined) await calls.send("PATCH", "/v1/config", config);
    return { server, calls };
  };
  return { agents, receiver, state: state.path, boot };
}

export const WEBHOOK_SECRET = `whsec_${Buffer.from("a secret of the tests, 32 bytes!").toString("base64")}`;

/** The variables of a webhook for these events, at the path `/hook` of the receiver. */
export function webhookTo(receiver: Receiver, events: string): Record<string, string> {
  return {
    AGENT_COORDINATOR_WEBHOOK_URL: `${receiver.url}/hook`,
    AGENT_COORDINATOR_WEBHOOK_SECRET: WEBHOOK_SECRET,
    AGENT_COORDINATOR_WEBHOOK_EVENTS: events,
  };
}

/** Runs the pipeline `fine`, which must complete. */
export async function runFine(calls: Calls, execution_id: string, query = execution_id): Promise<void> {
  const response = await calls.post({ execution_id, pipeline: "fine", query });
  const body = (await response.json()) as { status: string };
  if (body.status !== "completed") throw new Error(`${execution_id}: ${JSON.stringify(body)}`);
}
