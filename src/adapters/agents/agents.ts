// Calls agents: by URL with fetch, or over a service binding. Owns the request (src/contract/README.md section 4) and
// its safeguards: only allowed hosts, no redirects followed, credentials resolved at the moment of the call and never
// stored.
import type { AgentRegistration } from "../../contract/agent.ts";
import type { CallOutcome } from "../../core/execution/command.ts";
import { type AllowedHosts, agentUrl } from "../../core/security/agent-target.ts";
import type { CallFailure } from "../../core/resilience/classify.ts";
import type { AgentRequest, Agents, CallHooks } from "../../engine/ports.ts";
import { readAnswer, readFailure } from "./answer.ts";
import { ACCEPT_ENCODING, type BrotliDecoder } from "./codings.ts";
import { OpenConnections } from "./open-connections.ts";
import { clip } from "./parse.ts";
import { secretName } from "./redacting.ts";
import { rejection } from "./rejection.ts";

/** What Headers takes; what it does not, it throws back with the value in its message. */
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

export interface AgentWorld {
  fetch: typeof fetch;
  /** The service binding of this name, or null. */
  binding(name: string): Fetcher | null;
  /** The Worker's secret of this name, or null. */
  secret(name: string): string | null;
  allowedHosts: AllowedHosts;
  /** Without it a body whose coding is brotli and whose header is not just `br` is refused. */
  brotli?: BrotliDecoder | null;
}

/** The destination of a call. */
interface Target {
  href: string;
  send: (init: RequestInit, signal: AbortSignal) => Promise<Response>;
  /** What it means that `send` has rejected. */
  rejected: (cause: unknown) => CallFailure;
}

export class HttpAgents implements Agents {
  private readonly world: AgentWorld;
  private readonly connections = new OpenConnections();

  constructor(world: AgentWorld) {
    this.world = world;
  }

  async call(request: AgentRequest, hooks: CallHooks): Promise<CallOutcome> {
    const target = this.target(request.registration, request.call.agent_type);
    if ("failure" in target) return { ok: false, failure: target.failure };
    const headers = this.headers(request);
    if ("failure" in headers) return { ok: false, failure: headers.failure };
    const brotli = this.world.brotli ?? null;
    let response: Response;
    try {
      const init: RequestInit = {
        method: "POST",
        headers: headers.headers,
        body: JSON.stringify(request.call),
        // "error" throws in Workers, and a followed redirect would take our headers along.
        redirect: "manual",
        signal: hooks.signal,
      };
      response = await target.send(init, hooks.signal);
    } catch (cause) {
      return { ok: false, failure: target.rejected(cause) };
    }
    hooks.alive();
    return response.ok
      ? readAnswer(response, hooks, brotli)
      : readFailure(response, target.href, hooks, brotli);
  }

  private target(
    registration: AgentRegistration | null,
    agent_type: string,
  ): Target | { failure: CallFailure } {
    if (registration === null) return { failure: { kind: "unregistered", agent_type } };
    if ("binding" in registration) {
      const service = this.world.binding(registration.binding);
      if (service === null) {
        const detail = `the agent ${agent_type} uses the service binding ${registration.binding}, which does not exist`;
        return { failure: { kind: "not_callable", detail } };
      }
      // A binding has no host; the name is what the agent sees as its own.
      const href = `https://agent.internal${registration.path ?? "/"}`;
      // What the Worker at the other end has thrown comes with its message.
      const rejected = (cause: unknown) => ({ kind: "rejected" as const, words: thrownMessage(cause) });
      return { href, send: (init) => service.fetch(href, init), rejected };
    }
    const url = agentUrl(registration.url, this.world.allowedHosts);
    if (!url.ok)
      return { failure: { kind: "not_callable", detail: `the URL of the agent ${agent_type} ${url.error}` } };
    const { href, origin } = url.value;
    return {
      href,
      rejected: (cause) => rejection(cause, url.value),
      send: (init, signal) => this.connections.send(origin, signal, () => this.world.fetch(href, init)),
    };
  }

  private headers(request: AgentRequest): { headers: Headers } | { failure: CallFailure } {
    const { call, registration } = request;
    const headers = new Headers();
    for (const [name, reference] of Object.entries(registration?.headers ?? {})) {
      const secret = secretName(request.tenant, reference);
      const value = this.world.secret(secret);
      const fault =
        value === null ? "is not set" : HEADER_VALUE.test(value) ? null : "is not a valid header value";
      if (value === null || fault !== null) {
        const detail = `the agent ${call.agent_type} needs the secret ${secret}, which ${fault}`;
        return { failure: { kind: "not_callable", detail } };
      }
      headers.set(name, value);
    }
    headers.set("content-type", "application/json");
    headers.set("accept", "text/event-stream, application/json;q=0.9");
    headers.set("accept-encoding", ACCEPT_ENCODING);
    if (request.traceparent !== null) headers.set("traceparent", request.traceparent);
    // A structured field: the quotes belong to it (draft-ietf-httpapi-idempotency-key-header).
    headers.set("idempotency-key", `"${request.idempotency_key}"`);
    headers.set("coordinator-execution-id", call.execution_id);
    headers.set("coordinator-stage", call.stage);
    headers.set("coordinator-attempt", String(call.attempt));
    headers.set("coordinator-timeout-ms", String(Math.round(call.timeout_ms)));
    return { headers };
  }
}

/** The message of an error; null for the platform's own, which say nothing of the agent. */
function thrownMessage(cause: unknown): string | null {
  const message = cause instanceof Error ? cause.message : "";
  return message === "" || /^internal error/i.test(message) ? null : clip(message);
}
