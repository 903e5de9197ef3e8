// The client's calls about conversations and forks: a run again with what is changed, what that would reuse, the turns
// of a conversation, and its deletion.
import type { z } from "zod";
import type {
  Conversation as ConversationPage,
  ConversationTurn as Turn,
  ForkPlan as Plan,
} from "../../contract/conversation.ts";
import type { ForkRequest } from "../../contract/requests.ts";
import type { CallOptions, ExecuteOptions, Execution } from "../requests.ts";
import { executeRun, executionPath, startRun } from "../starts.ts";
import { WaitCalls } from "./wait-calls.ts";

/**
 * What a fork changes; what is left out stays as it was. `from` names a stage that is run again with all that depend on
 * it, or is `failed`, for what had not completed; `set` gives stages their data; with `replace_turn` the new answer
 * takes the old one's place in the conversation; `tags` replace those of the source.
 *
 * @example
 * const changes: ForkChanges = { from: "failed", pipeline_config: { source_retrieval: { timeout_seconds: 120 } } };
 */
export type ForkChanges = Omit<z.input<typeof ForkRequest>, "dry_run">;

/**
 * How a fork is started and seen.
 *
 * @example
 * const options: ForkOptions = { respondAsync: true };
 * const { execution_id: fork_id } = await client.fork(execution_id, {}, options);
 */
export interface ForkOptions extends ExecuteOptions {
  /** Resolves at once, as `startExecution` does; callbacks are not called then. */
  respondAsync?: boolean;
}

/**
 * What a fork would do: the stages whose results it takes over, and those that it runs, each with the `reason`: what
 * differs.
 *
 * @example
 * const lines = ({ rerun }: ForkPlan) => rerun.map(({ stage, reason }) => `${stage}: ${reason}`);
 */
export type ForkPlan = Plan;

/**
 * A question of a conversation with its answer; `ended_at` as RFC 3339. It is `partial` where the next question has
 * superseded it; `replaced` are the executions whose answers had the turn before.
 *
 * @example
 * const line = ({ query, answer, partial }: ConversationTurn) => `${query} ${JSON.stringify(answer)}${partial ? " …" : ""}`;
 */
export type ConversationTurn = Turn;

/**
 * A page of the turns of a conversation, the oldest first.
 *
 * @example
 * const latest = ({ data }: Conversation) => data.at(-1)?.query;
 */
export type Conversation = ConversationPage;

/**
 * Which page of a conversation `conversation` reads.
 *
 * @example
 * const options: ConversationOptions = { limit: 5 };
 * const { next_cursor } = await client.conversation("c1", options);
 */
export interface ConversationOptions extends CallOptions {
  /** Turns a page; the most that there can be where it is left out. */
  limit?: number;
  /** The `next_cursor` of the page before. */
  cursor?: string;
}

export abstract class ConversationCalls extends WaitCalls {
  /**
   * Runs an execution again as a new one with what is changed, and takes over each result that stays the same. It
   * resolves as `executePipeline` does, or at once with `respondAsync`. A source that runs is taken as it is.
   *
   * @param execution_id of the source, as `startExecution` and `listExecutions` give it
   * @param changes what differs from the source; nothing where it is left out
   * @param options those of `executePipeline`, and `respondAsync`
   * @returns the new execution: `forked_from` names its source, and `reused_from` of a stage's result where that is from
   * @throws CoordinatorClientError `EXECUTION_NOT_FOUND` where the source is gone; `STAGE_NOT_FOUND`;
   * `CONVERSATION_BUSY` as of `executePipeline`; what `executePipeline` throws for a `pipeline_config`
   * @example
   * const fork = await client.fork(execution_id, { from: "failed" }, { onUpdate: ({ type }) => console.log(type) });
   */
  async fork(execution_id: string, changes: ForkChanges = {}, options: ForkOptions = {}): Promise<Execution> {
    const start = { path: `${executionPath(execution_id)}/fork`, body: changes };
    return options.respondAsync === true
      ? startRun(this.http, start, options)
      : executeRun(this.http, start, options);
  }

  /**
   * Gives the answer again: a fork from the final stage, whose answer takes the turn of the one that it is a fork of.
   *
   * @param execution_id of the execution whose answer is wanted again
   * @param options those of `fork`, and `from`, the stage to begin at; the pipeline's last final one where it is left out
   * @throws CoordinatorClientError as `fork`
   * @example
   * const { final_result } = await client.regenerate(execution_id);
   */
  async regenerate(
    execution_id: string,
    { from, ...options }: ForkOptions & { from?: string } = {},
  ): Promise<Execution> {
    const stage = from ?? (await this.finalStage(execution_id, options));
    return this.fork(execution_id, { from: stage, replace_turn: true }, options);
  }

  /**
   * Asks another question in the place of one: a fork whose answer takes the turn of the one that it is a fork of.
   *
   * @param execution_id of the execution whose question is replaced
   * @param query the question that takes its place
   * @throws CoordinatorClientError as `fork`
   * @example
   * const { final_result } = await client.edit(execution_id, "What is a ground source heat pump?");
   */
  async edit(execution_id: string, query: string, options: ForkOptions = {}): Promise<Execution> {
    return this.fork(execution_id, { query, replace_turn: true }, options);
  }

  /**
   * Reads what `fork` would reuse and what it would run again, and starts nothing.
   *
   * @param execution_id of the source
   * @param changes as of `fork`
   * @throws CoordinatorClientError as `fork`
   * @example
   * const { reused, rerun } = await client.planFork(execution_id, { pipeline_version: 8 });
   * for (const { stage, reason } of rerun) console.log(`${stage} runs again: ${reason}`);
   */
  async planFork(
    execution_id: string,
    changes: ForkChanges = {},
    { signal }: CallOptions = {},
  ): Promise<ForkPlan> {
    const body = { ...changes, dry_run: true };
    return this.http.json(`${executionPath(execution_id)}/fork`, { method: "POST", body, signal });
  }

  /**
   * Lists the turns of a conversation, the oldest first. An answer shows within a second of its end.
   *
   * @param conversation_id as in `executePipeline`
   * @param options `limit` and `cursor` of a page
   * @returns a page; `next_cursor` as `cursor` gives the next one while `has_more`; no turns where it is not known
   * @example
   * for (const { query, answer } of (await client.conversation("c1")).data) console.log(query, answer);
   */
  async conversation(
    conversation_id: string,
    { limit, cursor, signal }: ConversationOptions = {},
  ): Promise<Conversation> {
    return this.http.json(conversationPath(conversation_id), { query: { limit, cursor }, signal });
  }

  /**
   * Deletes all of a conversation: executions, turns, open questions and cached results. A large one takes several
   * requests; the call resolves when nothing is left.
   *
   * @param conversation_id as in `executePipeline`
   * @param options `cancel`: cancels what has not ended; otherwise that is an error
   * @throws CoordinatorClientError `CONVERSATION_BUSY` while some execution has not ended: `running` names them
   * @example
   * await client.forgetConversation("c1", { cancel: true });
   */
  async forgetConversation(
    conversation_id: string,
    { cancel = false, signal }: CallOptions & { cancel?: boolean } = {},
  ): Promise<void> {
    const query = cancel ? { cancel: "true" } : {};
    for (let part = true; part; ) {
      const path = conversationPath(conversation_id);
      const response = await this.http.answered(path, { method: "DELETE", query, signal });
      await response.body?.cancel();
      // 202: a part of it is deleted.
      part = response.status === 202;
    }
  }

  /** The last of the stages that no other depends on. */
  private async finalStage(execution_id: string, { signal }: CallOptions): Promise<string> {
    const source = await this.http.json<Execution>(executionPath(execution_id), { signal });
    const stage = source.final_stages.at(-1) ?? Object.keys(source.stage_results).at(-1);
    return stage ?? "failed";
  }
}

function conversationPath(conversation_id: string): string {
  return `/v1/conversations/${encodeURIComponent(conversation_id)}`;
}
