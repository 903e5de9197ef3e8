// Calls agents: by URL with fetch, or over a service binding, in the protocol of their registration. Owns the
// safeguards of every call: only allowed hosts, no redirects followed, credentials resolved at the moment of the call
// and never stored.
import type { AgentRegistration } from "../../contract/agent.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import type { CallOutcome } from "../../core/execution/command.ts";
import { type AllowedHosts, agentUrl } from "../../core/security/agent-target.ts";
import type { CallFailure } from "../../core/resilience/classify.ts";
import { TIMINGS } from "../../core/timings.ts";
import type { Sent } from "../../engine/object-protocol.ts";
import type {
  AgentCallbacks,
  AgentIdentity,
  AgentRequest,
  Agents,
  CallbackRead,
  CallHooks,
} from "../../engine/ports.ts";
import { outcomeOf, readAnswer, readFailure, shownHooks } from "./answer.ts";
import { ACCEPT_ENCODING, type BrotliDecoder } from "./body/codings.ts";
import { accepted, isWithin } from "./later/accepted.ts";
import { readCallback } from "./later/callback.ts";
import { OpenConnections } from "./open-connections.ts";
import { optionsOfCall } from "./options.ts";
import { bodyFailure, clip } from "./parse.ts";
import type {
  AgentProtocol,
  ConversingProtocol,
  ExchangeRequest,
  ProtocolCall,
  ProtocolRequest,
} from "./protocol.ts";
import { PROTOCOLS } from "./protocols.ts";
import { secretName } from "./redacting.ts";
import { rejection } from "./rejection.ts";
import { type AgentResponse, agentResponse } from "./response.ts";

/** The values that Headers accepts. For any other it throws an error whose message has the value. */
const HEADER_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/;

export interface AgentWorld {
  fetch: typeof fetch;
  /** The service binding of this name, or null. */
  binding(name: string): Fetcher | null;
  /** The Worker's secret of this name, or null. */
  secret(name: string): string | null;
  allowedHosts: AllowedHosts;
  /** Without it a brotli body is refused, unless its header is exactly `br`: the platform decodes that. */
  brotli?: BrotliDecoder | null;
}

/** The destination of a call. */
interface Target {
  href: string;
  /** @param href another URL of the same origin */
  send: (init: RequestInit, signal: AbortSignal, href?: string) => Promise<Response>;
  /** Maps a rejection of `send` to a failure. */
  rejected: (cause: unknown) => CallFailure;
}

type Failed = Extract<CallOutcome, { ok: false }>;

export class HttpAgents implements Agents, AgentCallbacks {
  private readonly world: AgentWorld;
  private readonly protocols: Readonly<Record<string, AgentProtocol | ConversingProtocol>>;
  private readonly connections = new OpenConnections();

  constructor(
    world: AgentWorld,
    protocols: Readonly<Record<string, AgentProtocol | ConversingProtocol>> = PROTOCOLS,
  ) {
    this.world = world;
    this.protocols = protocols;
  }

  async call(request: AgentRequest, hooks: CallHooks): Promise<CallOutcome> {
    const { agent_type } = request.call;
    const { registration } = request;
    if (registration === null) return failed({ kind: "unregistered", agent_type });
    const protocol = this.protocol(registration, agent_type);
    if ("failure" in protocol) return protocol;
    const options = optionsOfCall(registration, request.call.config);
    if (!options.ok) return notCallable(`the agent ${agent_type} cannot be called: ${options.error}`);
    const written: ProtocolCall = { ...request, options: options.value };
    if ("converse" in protocol) return this.converse(protocol, written, hooks);
    const asked = protocol.request(written);
    const target = this.target(registration, agent_type, asked);
    if ("failure" in target) return target;
    const { tenant, traceparent, idempotency_key, callback_url } = request;
    const headers = this.headers(
      { tenant, agent_type, registration },
      {
        ...asked.headers,
        "accept-encoding": ACCEPT_ENCODING,
        ...(traceparent === null ? {} : { traceparent }),
        // A structured field: the quotes belong to it (draft-ietf-httpapi-idempotency-key-header).
        "idempotency-key": `"${idempotency_key}"`,
        ...(callback_url === null ? {} : { "coordinator-callback": callback_url }),
      },
    );
    if (!headers.ok) return headers;
    let response: Response;
    try {
      const init: RequestInit = {
        method: "POST",
        headers: headers.value,
        body: asked.body,
        // "error" throws in Workers, and a followed redirect would take our headers along.
        redirect: "manual",
        signal: hooks.signal,
      };
      response = await target.send(init, hooks.signal);
    } catch (cause) {
      return failed(target.rejected(cause));
    }
    hooks.alive();
    if (response.status === 202) return accepted(response, request, target.href);
    const answer = agentResponse(response, hooks, this.world.brotli ?? null);
    return response.ok
      ? readAnswer(answer, protocol, hooks, written)
      : readFailure(answer, protocol, target.href, hooks);
  }

  /** A call of several requests, each under the safeguards of one. */
  private async converse(
    protocol: ConversingProtocol,
    asked: ProtocolCall,
    hooks: CallHooks,
  ): Promise<CallOutcome> {
    const { tenant, registration, traceparent } = asked;
    const { agent_type } = asked.call;
    if (registration === null) return failed({ kind: "unregistered", agent_type });
    const first = this.target(registration, agent_type, {});
    if ("failure" in first) return first;
    let status = 0;
    const send = async (request: ExchangeRequest): Promise<Result<AgentResponse, CallFailure>> => {
      const target =
        request.href === undefined ? first : this.elsewhere(agent_type, registration, first, request.href);
      if ("failure" in target) return err(target.failure);
      const own = {
        ...request.headers,
        "accept-encoding": ACCEPT_ENCODING,
        ...(traceparent === null ? {} : { traceparent }),
      };
      const isOwn = new URL(target.href).origin === new URL(first.href).origin;
      const headers = isOwn
        ? this.headers({ tenant, agent_type, registration }, own)
        : { ok: true as const, value: own };
      if (!headers.ok) return err(headers.failure);
      const { method = "POST", body = null, signal = hooks.signal } = request;
      let response: Response;
      try {
        const init: RequestInit = { method, headers: headers.value, body, redirect: "manual", signal };
        response = await target.send(init, signal, target.href);
      } catch (cause) {
        return err(target.rejected(cause));
      }
      hooks.alive();
      status = response.status;
      const answer = agentResponse(response, hooks, this.world.brotli ?? null);
      if (response.ok) return ok(answer);
      return err((await readFailure(answer, protocol, target.href, hooks)).failure);
    };
    try {
      const { href } = first;
      const place = "binding" in registration ? `${registration.binding} ${href}` : href;
      const shown = shownHooks(hooks);
      const read = await protocol.converse(asked, { href, place, send }, { ...hooks, ...shown.hooks });
      if (read.ok) shown.end();
      return read.ok === "asks" ? read : outcomeOf(read);
    } catch (cause) {
      return failed(bodyFailure(cause, status));
    }
  }

  /** Another URL, which an agent has named. */
  private elsewhere(
    agent_type: string,
    registration: AgentRegistration,
    first: Target,
    href: string,
  ): Target | Failed {
    if (!("binding" in registration)) return this.target({ ...registration, url: href }, agent_type, {});
    const isWithinIt = URL.canParse(href) && new URL(href).origin === new URL(first.href).origin;
    return isWithinIt
      ? { ...first, href }
      : notCallable(`the agent's URL ${clip(href)} is not within its binding`);
  }

  async read(
    _agent: AgentIdentity,
    _token: string | null,
    sent: Sent,
    hooks: CallHooks,
  ): Promise<CallbackRead> {
    return readCallback(sent, hooks, this.world.brotli ?? null);
  }

  async abandon(agent: AgentIdentity, location: string): Promise<void> {
    const { tenant, agent_type, registration } = agent;
    if (registration === null) return;
    const target = this.target(registration, agent_type, {});
    if ("failure" in target || !isWithin(location, target.href)) return;
    const headers = this.headers({ tenant, agent_type, registration }, {});
    if (!headers.ok) return;
    const signal = AbortSignal.timeout(TIMINGS.ABANDON_MS);
    try {
      const init: RequestInit = { method: "DELETE", headers: headers.value, redirect: "manual", signal };
      const response = await target.send(init, signal, location);
      await response.body?.cancel();
    } catch {
      // The agent's work is not wanted: that it goes on all the same changes nothing here.
    }
  }

  private protocol(
    registration: AgentRegistration,
    agent_type: string,
  ): AgentProtocol | ConversingProtocol | Failed {
    const name: string = registration.protocol;
    const protocol = Object.hasOwn(this.protocols, name) ? this.protocols[name] : undefined;
    if (protocol !== undefined) return protocol;
    // A later version stored the registration, and an earlier one was deployed after it.
    const detail = `the agent ${agent_type} has the protocol ${clip(name)}, which is not known`;
    return notCallable(detail);
  }

  private target(
    registration: AgentRegistration,
    agent_type: string,
    { path }: Pick<ProtocolRequest, "path">,
  ): Target | Failed {
    if ("binding" in registration) {
      const service = this.world.binding(registration.binding);
      if (service === null) {
        const detail = `the agent ${agent_type} uses the service binding ${registration.binding}, which does not exist`;
        return notCallable(detail);
      }
      // A binding has no host; the name is what the agent sees as its own.
      const href = withPath(`https://agent.internal${registration.path ?? "/"}`, path);
      // The error that the Worker at the other end threw arrives with its message.
      const rejected = (cause: unknown) => ({ kind: "rejected" as const, words: thrownMessage(cause) });
      return { href, send: (init, _, place = href) => service.fetch(place, init), rejected };
    }
    const url = agentUrl(registration.url, this.world.allowedHosts);
    if (!url.ok) return notCallable(`the URL of the agent ${agent_type} ${url.error}`);
    const { origin } = url.value;
    const href = withPath(url.value.href, path);
    return {
      href,
      rejected: (cause) => rejection(cause, url.value),
      send: (init, signal, place = href) =>
        this.connections.send(origin, signal, () => this.world.fetch(place, init)),
    };
  }

  /** The registered headers with their credentials, and `own`. */
  private headers(
    { tenant, agent_type, registration }: AgentIdentity,
    own: Record<string, string>,
  ): { ok: true; value: Headers | Record<string, string> } | Failed {
    const registered = Object.entries(registration?.headers ?? {});
    // Most agents have none. A Headers takes a call of the platform for each, and the request copies it.
    if (registered.length === 0) return { ok: true, value: own };
    const headers = new Headers();
    for (const [name, reference] of registered) {
      const secret = secretName(tenant, reference);
      const value = this.world.secret(secret);
      const fault =
        value === null ? "is not set" : HEADER_VALUE.test(value) ? null : "is not a valid header value";
      if (value === null || fault !== null) {
        const detail = `the agent ${agent_type} needs the secret ${secret}, which ${fault}`;
        return notCallable(detail);
      }
      headers.set(name, value);
    }
    for (const [name, value] of Object.entries(own)) headers.set(name, value);
    return { ok: true, value: headers };
  }
}

function failed(failure: CallFailure): Failed {
  return { ok: false, failure };
}

function notCallable(detail: string): Failed {
  return failed({ kind: "not_callable", detail });
}

/** The URL with `path` appended to its path; the query stays. */
function withPath(href: string, path: string | undefined): string {
  return path === undefined ? href : href.replace(/\/?(?=\?|$)/, path);
}

/** The message of an error; null for the platform's own messages, which do not describe the agent. */
function thrownMessage(cause: unknown): string | null {
  const message = cause instanceof Error ? cause.message : "";
  return message === "" || /^internal error/i.test(message) ? null : clip(message);
}
