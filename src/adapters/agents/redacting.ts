// Removes credentials from what agents return. Streamed text, answers and failures of a call lose the credentials that
// the call was made with; failures also lose the query of the agent's URL. Any other call passes unchanged.
import type { AgentRegistration } from "../../contract/agent.ts";
import type { CallOutcome } from "../../core/execution/command.ts";
import { credentialTexts, redactExcerpt, RedactingStream, redactValue } from "../../core/security/redact.ts";
import type { CallFailure } from "../../core/resilience/classify.ts";
import { answerBytes } from "../../core/json/weight.ts";
import type { AgentRequest, Agents, CallHooks } from "../../engine/ports.ts";

/** The Worker secret that a registration's `secret:NAME` refers to. */
export function secretName(tenant: string, reference: string): string {
  return `AGENT_SECRET_${tenant.toUpperCase()}__${reference.slice("secret:".length)}`;
}

export class RedactingAgents implements Agents {
  private readonly inner: Agents;
  private readonly secret: (name: string) => string | null;

  constructor(inner: Agents, secret: (name: string) => string | null) {
    this.inner = inner;
    this.secret = secret;
  }

  async call(request: AgentRequest, hooks: CallHooks): Promise<CallOutcome> {
    const credentials = this.credentialsOf(request.tenant, request.registration);
    // Only failures lose the query's texts: an answer may contain the same words for its own reasons.
    const inFailure = [...credentials, ...queryTexts(request.registration)];
    if (inFailure.length === 0) return this.inner.call(request, hooks);
    const failing = (failure: CallFailure) => hooks.failing?.(redactFailure(failure, inFailure));
    const outcome = await (credentials.length === 0
      ? this.inner.call(request, { ...hooks, failing })
      : this.callWith(credentials, request, { ...hooks, failing }));
    return outcome.ok ? outcome : { ...outcome, failure: redactFailure(outcome.failure, inFailure) };
  }

  private async callWith(
    credentials: readonly string[],
    request: AgentRequest,
    hooks: CallHooks,
  ): Promise<CallOutcome> {
    const text = new RedactingStream(credentials);
    const outcome = await this.inner.call(request, {
      ...hooks,
      delta: (piece) => pass(text.push(piece), hooks),
      progress: (progress) => hooks.progress(redactValue(progress, credentials)),
    });
    pass(text.rest(), hooks);
    if (outcome.ok !== true) return outcome;
    const redacted = redactValue(outcome, credentials);
    // The replacement and the credential differ in length.
    return { ...redacted, bytes: answerBytes(redacted.answer) };
  }

  private credentialsOf(tenant: string, registration: AgentRegistration | null): string[] {
    const references = Object.values(registration?.headers ?? {});
    const values = references.map((reference) => this.secret(secretName(tenant, reference)) ?? "");
    return credentialTexts(values.flatMap(writtenForms));
  }
}

/** The credential itself, as JSON writes it, and with its white space joined. */
function writtenForms(value: string): string[] {
  return [value, JSON.stringify(value).slice(1, -1), value.replaceAll(/\s+/g, " ")];
}

/** The texts of a URL's query that an agent's error may repeat: the whole query and each value. */
function queryTexts(registration: AgentRegistration | null): string[] {
  if (registration === null) return [];
  const target =
    "url" in registration ? registration.url : `https://agent.internal${registration.path ?? "/"}`;
  // Most have none, and each call would parse a URL for it.
  if (!target.includes("?")) return [];
  const search = URL.canParse(target) ? new URL(target).search : "";
  if (search === "") return [];
  const raw = search.slice(1).split("&");
  const values = [
    ...raw.map((pair) => pair.slice(pair.indexOf("=") + 1)),
    ...new URLSearchParams(search).values(),
  ];
  return [search, ...credentialTexts([search.slice(1), ...values].flatMap(writtenForms))];
}

/** Redacts the agent's texts in a failure. The kind and the cause are the coordinator's own and stay. */
function redactFailure(failure: CallFailure, credentials: readonly string[]): CallFailure {
  const { kind } = failure;
  const redacted = { ...redactValue(failure, credentials), kind } as CallFailure;
  if (failure.kind === "rejected") return { ...redacted, cause: failure.cause } as CallFailure;
  if (!("excerpt" in failure) || failure.excerpt === undefined) return redacted;
  return { ...redacted, excerpt: redactExcerpt(failure.excerpt, credentials) } as CallFailure;
}

function pass(text: string, hooks: CallHooks): void {
  if (text !== "") hooks.delta(text);
}
