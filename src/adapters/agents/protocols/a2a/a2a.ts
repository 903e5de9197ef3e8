// The protocol `a2a`: an agent of A2A 1.0, or of 0.3, by JSON-RPC. A task whose stream breaks is taken up again, never
// sent again; a call that is given up cancels it. src/contract/README.md section 15.
import type { A2aOptions } from "../../../../contract/agent-options.ts";
import { err, ok, type Result } from "../../../../contract/problem.ts";
import { type CallFailure, classify } from "../../../../core/resilience/classify.ts";
import { TIMINGS } from "../../../../core/timings.ts";
import type { CallHooks } from "../../../../engine/ports.ts";
import { bodyFailure, readErrorBody } from "../../parse.ts";
import type { AnswerRead, ConversingProtocol, Exchange, ProtocolCall } from "../../protocol.ts";
import type { AgentResponse } from "../../response.ts";
import { noAnswer, readMessages, rpcBody, rpcError, rpcFailure } from "../json-rpc.ts";
import { type Members, membersOf, wordOf } from "../members.ts";
import { defaultPrompt, filledText } from "../template.ts";
import { type AgentInterface, interfacesOf, withoutInterface } from "./card.ts";
import { earlierRequest, laterResult } from "./earlier.ts";
import { TaskReader } from "./task.ts";

/** How often a broken stream is subscribed to again before the task is asked for. */
const SUBSCRIBES = 3;
/** Between two questions for a task. */
const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 10_000;

export const a2a: ConversingProtocol = {
  form: "a result of JSON-RPC",
  readError: readErrorBody,
  converse: async (asked, exchange, hooks) => {
    const found = await interfacesOf(exchange);
    if (!found.ok) return found;
    const [own, earlier] = found.value as readonly [AgentInterface, AgentInterface?];
    const talk: Talk = { agent: own, task: new TaskReader(hooks), code: null };
    const read = await sentBy(talk, asked, exchange, hooks);
    const isTaken = talk.code !== OTHER_VERSION || talk.task.id !== null;
    if (isTaken || earlier === undefined) return read;
    withoutInterface(exchange, own);
    return sentBy({ ...talk, agent: earlier }, asked, exchange, hooks);
  },
};

/** A call by one of the agent's interfaces. */
interface Talk {
  readonly agent: AgentInterface;
  readonly task: TaskReader;
  /** Of the last error of JSON-RPC. */
  code: number | null;
}

async function sentBy(
  talk: Talk,
  asked: ProtocolCall,
  exchange: Exchange,
  { signal }: CallHooks,
): Promise<AnswerRead> {
  const { agent, task } = talk;
  const ask = rpcOf(exchange, talk);
  const cancel = () => {
    // There is no cancel by a message's id: a task that the agent has not named yet just loses its reader.
    const id = task.id ?? wordOf(asked.answer?.continuation["task_id"]);
    if (id === null || task.isOver) return;
    void ask("CancelTask", { id }, AbortSignal.timeout(TIMINGS.ABANDON_MS)).catch(() => {});
  };
  signal.addEventListener("abort", cancel);
  try {
    const sent = await ask(agent.streams ? "SendStreamingMessage" : "SendMessage", messageOf(asked));
    return await followed(sent, task, ask, signal);
  } finally {
    signal.removeEventListener("abort", cancel);
  }
}

/** Sends a request and reads what comes of it; a stream that broke is a failure of the kind `truncated`. */
type Ask = (method: string, params: Members, signal?: AbortSignal) => Promise<Result<null, CallFailure>>;

function rpcOf(exchange: Exchange, talk: Talk): Ask {
  const { href, tenant, isEarlier } = talk.agent;
  let id = 0;
  return async (method, params, signal) => {
    id += 1;
    const own = tenant === null ? params : { tenant, ...params };
    const body = isEarlier ? earlierRequest(id, method, params) : rpcBody(id, method, own);
    const response = await exchange.send({
      href,
      headers: {
        "content-type": "application/json",
        accept: "text/event-stream, application/json;q=0.9",
        "a2a-version": isEarlier ? "0.3" : "1.0",
      },
      body,
      ...(signal === undefined ? {} : { signal }),
    });
    if (!response.ok) return response;
    try {
      return await readResults(response.value, talk);
    } catch (cause) {
      return err(bodyFailure(cause, response.value.status));
    }
  };
}

async function readResults(response: AgentResponse, talk: Talk): Promise<Result<null, CallFailure>> {
  const { agent, task } = talk;
  const take = ({ result, error }: Members): Result<null, CallFailure> | null => {
    if (error !== undefined) {
      const fault = rpcError(error);
      talk.code = fault.code;
      return rpcFailure(fault, NOT_RETRIED);
    }
    const members = membersOf(result);
    if (Object.keys(members).length === 0) return noAnswer(response.status);
    task.take(agent.isEarlier ? laterResult(members) : members);
    return task.isOver || !response.isStream ? ok(null) : null;
  };
  const read = await readMessages(response, take, "the task's stream ended before the task");
  return read.ok ? read.value : read;
}

/** The agent speaks another version than the request's. */
const OTHER_VERSION = -32_009;
/** What no other try of the same would change, besides JSON-RPC's own codes. */
const NOT_RETRIED = [-32_004, -32_005, OTHER_VERSION];

/** A task that goes on without its stream is subscribed to again, and then asked for, until the call is over. */
async function followed(
  sent: Result<null, CallFailure>,
  task: TaskReader,
  ask: Ask,
  signal: AbortSignal,
): Promise<AnswerRead> {
  let last = sent;
  const { id } = task;
  for (let tries = 0, wait = FIRST_WAIT_MS; !task.isOver && !signal.aborted; tries += 1) {
    if (id === null) return last.ok ? task.outcome() : last;
    if (tries > 0) {
      await passed(wait, signal);
      wait = Math.min(Math.max(wait * 2, FIRST_WAIT_MS), LONGEST_WAIT_MS);
    }
    last = await ask(tries < SUBSCRIBES ? "SubscribeToTask" : "GetTask", { id });
    if (last.ok) continue;
    const { kind } = last.error;
    const isAnswered = kind === "stream_error" || kind === "contract";
    // It is gone, or may not be asked for: another try of the same changes nothing.
    if (isAnswered ? tries >= SUBSCRIBES : classify(last.error).retry === "no") return last;
    if (!isAnswered) continue;
    // It has no stream any more.
    tries = SUBSCRIBES - 1;
    wait = 0;
  }
  return task.outcome();
}

function passed(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener("abort", end);
  });
}

function messageOf({ call, options, idempotency_key, answer }: ProtocolCall): Members {
  const { prompt, send_data, context } = options as A2aOptions;
  const { task_id, context_id } = answer?.continuation ?? {};
  const message = { messageId: idempotency_key, role: "ROLE_USER" };
  const configuration = { acceptedOutputModes: ["text/plain", "text/markdown", "application/json"] };
  if (answer !== undefined) {
    // Another message, in the task that asked.
    const further = {
      messageId: `${idempotency_key}.${String(task_id)}`,
      taskId: task_id,
      contextId: context_id,
    };
    const text = wordOf(answer.data["answer"]);
    const parts = text === null ? [{ data: answer.data }] : [{ text }];
    return { message: { ...message, ...further, parts }, configuration };
  }
  const data = call.input ?? call.inputs;
  const hasData = send_data && Object.keys(data).length > 0;
  const text = prompt === undefined ? (hasData ? call.query : defaultPrompt(call)) : filledText(prompt, call);
  const parts = [{ text }, ...(hasData ? [{ data, mediaType: "application/json" }] : [])];
  const own = context === "conversation" ? { contextId: call.conversation_id } : {};
  return { message: { ...message, ...own, parts }, configuration };
}
