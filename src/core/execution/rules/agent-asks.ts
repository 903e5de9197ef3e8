// An agent that asks for input: where its stage allows it, what it asks is a question as a wait stage's is, and the agent is
// called again with the answer. Else, and beyond a number of questions, it has failed.
import { LIMITS } from "../../../contract/limits.ts";
import { questionText } from "../../../contract/question.ts";
import type { AgentStage } from "../../../contract/stage.ts";
import { cutText } from "../../../contract/text.ts";
import { jsonBytes } from "../../json/weight.ts";
import { dataFaults } from "../../schemas/data-faults.ts";
import { schemaFaults } from "../../schemas/schema-faults.ts";
import { isoTime } from "../../time.ts";
import type { AskedCall, Command, Refusal } from "../command.ts";
import { pricedUsage } from "../gates/prices.ts";
import { agentStageOf, specOf } from "../schedule.ts";
import { type AcceptedAnswer, type StageState, stageOf } from "../state.ts";
import { childOf } from "../units/child.ts";
import type { Batch } from "./batch.ts";
import { failOrFallBack, fitsContext } from "./endings.ts";
import { callFailed } from "./retry.ts";

type Signal = Extract<Command, { type: "signal" }>;

/** What a question is open for where its stage says nothing. */
const DEFAULT_SECONDS = 86_400;

/** @param began_at when the call was sent, ms since the epoch */
export function takeQuestion(
  batch: Batch,
  name: string,
  { prompt, schema, continuation, usage }: AskedCall,
  began_at: number,
  chance: number,
): void {
  const spec = agentStageOf(batch.state, name);
  const stage = stageOf(batch.state, name);
  const used = usage === undefined ? {} : { usage: pricedUsage(usage, batch.state.spec.config.prices) };
  const fail = (detail: string) => {
    const failure = { kind: "status" as const, status: 422, detail, retryable: false, retry_after_ms: null };
    callFailed(batch, name, { ok: false, failure }, { began_at, ...used }, chance);
  };
  const heading = cutText(questionText(prompt), MOST_SHOWN);
  // A fallback is there so that the run goes on.
  if (spec.on_input_required !== "wait" || stage.rescued !== null) {
    fail(`the agent asks for more: ${heading}`);
    return;
  }
  if (stage.questions >= LIMITS.AGENT_QUESTIONS) {
    fail(`the agent has asked ${LIMITS.AGENT_QUESTIONS} times, and asks again: ${heading}`);
    return;
  }
  const bytes = jsonBytes(prompt) + jsonBytes(continuation);
  if (bytes > LIMITS.PROMPT_BYTES || !fitsContext(batch.state, bytes)) {
    fail(`what the agent asks is ${bytes} bytes, the limit is ${LIMITS.PROMPT_BYTES}`);
    return;
  }
  const [wrong] = schema === null ? [] : schemaFaults(schema);
  if (wrong !== undefined) {
    fail(`the schema of what the agent asks is wrong: ${wrong.pointer} ${wrong.detail}`);
    return;
  }
  batch.emit({
    type: "stage.waiting",
    stage: name,
    status: "waiting",
    attempt: stage.attempt,
    message: `${name} waits for an answer to its agent`,
    data: { reason: "wait", prompt, schema, expires_at: isoTime(batch.now + timeOf(spec) * 1_000) },
    internal: { began_at, bytes, continuation, ...used },
  });
}

const MOST_SHOWN = 200;

function timeOf({ input_timeout_seconds = DEFAULT_SECONDS }: AgentStage): number {
  return input_timeout_seconds;
}

/** The answer to a stage's agent: the stage takes a place again, and calls it. */
export function takeReply(
  batch: Batch,
  stage: StageState,
  { stage: name, wait, answer, by }: Signal,
  digest: string,
): Refusal | null {
  const refuse = (why: string): Refusal => ({ reason: "unanswerable", stage: name, why });
  const open = stage.wait?.reason === "wait" ? stage.wait : null;
  const seq = wait ?? open?.seq ?? null;
  const isKnown = stage.answers.some(
    (known) => known.digest === digest && (seq === null || known.call === seq),
  );
  if (isKnown) return { reason: "repeated", stage: name };
  if (specOf(batch.state, name).pipeline !== undefined) {
    const child = childOf(batch.state, name);
    const where = child === null ? "of an item" : child;
    return refuse(`it runs a pipeline: a question within is answered at the execution ${where}`);
  }
  if (open === null) {
    return refuse(
      stage.questions === 0
        ? "it calls an agent, and takes an answer only where that has asked (on_input_required)"
        : "it has been answered already",
    );
  }
  if (wait !== null && open.seq !== wait) return refuse("the answer is to another question");
  const answered: AcceptedAnswer = { call: open.seq, digest };
  if (!answer.ok) {
    const error = { code: "AGENT_PROCESSING_ERROR", message: answer.message, retryable: false };
    failOrFallBack(batch, name, error, {}, { by, answered });
    return null;
  }
  const errors = dataFaults(open.schema ?? {}, answer.data);
  if (errors.length > 0) return { reason: "mismatch", stage: name, errors };
  const bytes = jsonBytes(answer.data);
  if (!fitsContext(batch.state, bytes)) return refuse("its data would exceed memory_limit_mb");
  batch.emit({
    type: "stage.signalled",
    stage: name,
    status: "waiting",
    attempt: stage.attempt,
    message: `${name} has an answer for its agent`,
    data: { signal: "complete", answered_by: by },
    internal: { answer, bytes, answered },
  });
  return null;
}

/** The question of an agent that has had no answer in time. */
export function replyExpired(batch: Batch, name: string): void {
  const message = `no answer within ${timeOf(agentStageOf(batch.state, name))} s`;
  failOrFallBack(batch, name, { code: "STAGE_TIMEOUT", message, retryable: false }, {}, { by: "timeout" });
}
