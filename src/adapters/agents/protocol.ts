// The interface of an agent's protocol: it writes a call and reads its answer. All that protocols share is elsewhere:
// connections, redirects, credentials and codings in agents.ts, statuses, Retry-After and sizes in answer.ts, byte
// counts in body/, redaction in redacting.ts, deadlines in the engine.
import type { AgentAnswer } from "../../contract/agent.ts";
import type { JsonObject } from "../../contract/json.ts";
import type { Result } from "../../contract/problem.ts";
import type { AskedCall } from "../../core/execution/command.ts";
import type { CallFailure } from "../../core/resilience/classify.ts";
import type { AgentRequest, CallHooks } from "../../engine/ports.ts";
import type { ErrorBody } from "./parse.ts";
import type { AgentResponse } from "./response.ts";

export interface AgentProtocol {
  /** The form of an answer, for the message about one that has no body. */
  readonly form: string;
  /** Writes the call. */
  request(asked: ProtocolCall): ProtocolRequest;
  /**
   * Reads the answer of a 2xx response that has a body, and passes text and progress on as they come.
   * @throws what AgentResponse throws
   */
  read(response: AgentResponse, hooks: AnswerHooks, asked: ProtocolCall): Promise<AnswerRead>;
  /** Reads what the body of a failure status says. @param type its media type */
  readError(body: string, type: string): ErrorBody;
}

/** A protocol of several requests, which it sends itself. */
export interface ConversingProtocol extends Pick<AgentProtocol, "form" | "readError"> {
  /** @throws what AgentResponse throws */
  converse(asked: ProtocolCall, exchange: Exchange, hooks: CallHooks): Promise<AnswerRead>;
}

/** What a protocol of several requests has of its agent. */
export interface Exchange {
  /** The URL of the registration. */
  readonly href: string;
  /** What the agent is known by: its URL, for a service binding with the binding's name. */
  readonly place: string;
  /** The 2xx answer to a request, with a body or without; or why there is none. */
  readonly send: (request: ExchangeRequest) => Promise<Result<AgentResponse, CallFailure>>;
}

export interface ExchangeRequest {
  method?: "GET" | "POST" | "DELETE";
  /** Another URL than the registration's: of an allowed host, and of the same origin or without its credentials. */
  href?: string;
  /** Besides the registration's, `accept-encoding` and `traceparent`. */
  headers?: Readonly<Record<string, string>>;
  body?: string;
  /** Instead of the call's own: for what is sent after it was given up. */
  signal?: AbortSignal;
}

export interface ProtocolCall extends AgentRequest {
  /** As the protocol's schema made them (src/contract/agent-options.ts). */
  options: JsonObject;
}

export interface ProtocolRequest {
  /** Is appended to the path of the agent's URL. */
  path?: string;
  /** Besides the registration's, `accept-encoding`, `traceparent` and `idempotency-key`. */
  headers: Readonly<Record<string, string>>;
  body: string;
}

export type AnswerHooks = Pick<CallHooks, "delta" | "progress" | "usage">;
export type AnswerRead = AskedCall | Result<AgentAnswer, CallFailure>;
