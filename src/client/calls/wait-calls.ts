// The client's calls about stages that wait for the outside: the inbox of open questions, and their answers.
import type { JsonObject } from "../../contract/json.ts";
import type { StageResult } from "../../contract/stage.ts";
import type { OpenWait, WaitList, WaitToken } from "../../contract/wait.ts";
import { PipelineCalls } from "./pipeline-calls.ts";
import type { CallOptions } from "../requests.ts";

/**
 * Which open questions `waits` lists; all of them where it is empty.
 *
 * @example
 * const filter: WaitFilter = { pipeline: "newsletter", limit: 50 };
 * const { data } = await client.waits(filter);
 */
export interface WaitFilter {
  pipeline?: string;
  conversation_id?: string;
  /** Entries a page, 1 to 100; 20 where it is left out. */
  limit?: number;
  /** The `next_cursor` of the page before. */
  cursor?: string;
}

/**
 * An open question, as `waits` lists it; `expires_at` as RFC 3339. `schema` is null where any object is an answer.
 *
 * @example
 * const line = ({ pipeline, stage, expires_at }: Wait) => `${pipeline}, ${stage}: until ${expires_at}`;
 */
export type Wait = OpenWait;

/**
 * What lets somebody without a key answer one question: `respond_url` is a page with a form; `expires_at` as RFC 3339.
 *
 * @example
 * const mail = ({ respond_url, expires_at }: StageToken) => `Please answer until ${expires_at}: ${respond_url}`;
 */
export type StageToken = WaitToken;

export abstract class WaitCalls extends PipelineCalls {
  /**
   * Lists the open questions, the soonest expiry first: the inbox. A change shows within a second.
   *
   * @param filter by `pipeline` or `conversation_id`; `limit` entries a page (1 to 100, 20 by default)
   * @returns a page; `next_cursor` as `cursor` gives the next one while `has_more`
   * @example
   * for (const { execution_id, stage, prompt } of (await client.waits()).data) console.log(execution_id, stage, prompt);
   */
  async waits(filter: WaitFilter = {}, options: CallOptions = {}): Promise<WaitList> {
    return this.http.json("/v1/waits", { query: { ...filter }, signal: options.signal });
  }

  /**
   * Answers a stage that waits. The same answer again is no error, so the call may be repeated.
   *
   * @param execution_id as `startExecution` and `waits` give it
   * @param stage its name
   * @param data what the stage gives to its dependants; it must satisfy the question's schema
   * @returns the stage's result, once it is committed. Where the stage has not begun yet, the answer is kept until it
   * asks, and the result is that of a pending stage
   * @throws CoordinatorClientError `SCHEMA_MISMATCH`: `errors` has a pointer for each fault (`/data/approved`), and the
   * stage waits on; `EXECUTION_CONFLICT` for another answer, or one that is too late; `EXECUTION_NOT_FOUND`,
   * `STAGE_NOT_FOUND`
   * @example
   * const { status, answered_by } = await client.completeStage(execution_id, "approval", { approved: true });
   */
  async completeStage(
    execution_id: string,
    stage: string,
    data: JsonObject,
    options: CallOptions = {},
  ): Promise<StageResult> {
    return this.answer(execution_id, stage, "complete", { data }, options);
  }

  /**
   * Rejects: the stage that waits fails with this message. The same message again is no error.
   *
   * @param execution_id as `startExecution` and `waits` give it
   * @param stage its name
   * @param message why, 1 to 1,000 characters: the stage's error says it
   * @returns as `completeStage`
   * @throws CoordinatorClientError `EXECUTION_CONFLICT` for another answer, or one that is too late;
   * `EXECUTION_NOT_FOUND`, `STAGE_NOT_FOUND`
   * @example
   * const { error } = await client.failStage(execution_id, "approval", "The figures are those of last year.");
   */
  async failStage(
    execution_id: string,
    stage: string,
    message: string,
    options: CallOptions = {},
  ): Promise<StageResult> {
    return this.answer(execution_id, stage, "fail", { message }, options);
  }

  /**
   * Makes a link for somebody without a key. It answers this one question and nothing else; opening it answers nothing.
   *
   * @param execution_id as `startExecution` and `waits` give it
   * @param stage its name; it must wait
   * @returns the link, and the token in it
   * @throws CoordinatorClientError `EXECUTION_CONFLICT` where the stage does not wait; `EXECUTION_NOT_FOUND`,
   * `STAGE_NOT_FOUND`
   * @example
   * const { respond_url } = await client.stageToken(execution_id, "approval");
   */
  async stageToken(execution_id: string, stage: string, options: CallOptions = {}): Promise<StageToken> {
    return this.answer(execution_id, stage, "token", undefined, options);
  }

  private async answer<T>(
    execution_id: string,
    stage: string,
    verb: "complete" | "fail" | "token",
    body: unknown,
    { signal }: CallOptions,
  ): Promise<T> {
    const path = `/v1/executions/${encodeURIComponent(execution_id)}/stages/${encodeURIComponent(stage)}/${verb}`;
    return this.http.json(path, { method: "POST", body, signal });
  }
}
