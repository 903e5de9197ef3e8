// Removes credentials from what agents return. Streamed text, answers, questions and failures of a call lose the
// credentials that the call was made with; failures and questions also lose the query of the agent's URL. Any other call
// passes unchanged.
import type { AgentProgress, AgentRegistration } from "../../contract/agent.ts";
import type { CallEnding, CallOutcome } from "../../core/execution/command.ts";
import { credentialTexts, redactExcerpt, RedactingStream, redactValue } from "../../core/security/redact.ts";
import type { Usage } from "../../contract/stage.ts";
import type { CallFailure } from "../../core/resilience/classify.ts";
import { answerBytes } from "../../core/json/weight.ts";
import type { Sent } from "../../engine/object-protocol.ts";
import type {
  AgentCallbacks,
  AgentIdentity,
  AgentRequest,
  Agents,
  CallbackRead,
  CallHooks,
} from "../../engine/ports.ts";

/** The Worker secret that a registration's `secret:NAME` refers to. */
export function secretName(tenant: string, reference: string): string {
  return `AGENT_SECRET_${tenant.toUpperCase()}__${reference.slice("secret:".length)}`;
}

export class RedactingAgents implements Agents, AgentCallbacks {
  private readonly inner: Agents & AgentCallbacks;
  private readonly secret: (name: string) => string | null;

  constructor(inner: Agents & AgentCallbacks, secret: (name: string) => string | null) {
    this.inner = inner;
    this.secret = secret;
  }

  async call(request: AgentRequest, hooks: CallHooks): Promise<CallOutcome> {
    const token = request.callback_url?.split("/").at(-1) ?? null;
    const credentials = this.credentialsOf(request, token);
    // An answer keeps what equals a part of the URL's query: that may be a plain word. A question may become the message of
    // a failure.
    const inFailure = [...credentials, ...queryTexts(request.registration)];
    if (inFailure.length === 0) return this.inner.call(request, hooks);
    const failing = (failure: CallFailure) => hooks.failing?.(redactFailure(failure, inFailure));
    const outcome = await (credentials.length === 0
      ? this.inner.call(request, { ...hooks, failing })
      : this.callWith(credentials, request, { ...hooks, failing }));
    if (outcome.ok === "asks") return { ...outcome, prompt: redactValue(outcome.prompt, inFailure) };
    return outcome.ok ? outcome : { ...outcome, failure: redactFailure(outcome.failure, inFailure) };
  }

  async read(
    agent: AgentIdentity,
    token: string | null,
    sent: Sent,
    hooks: CallHooks,
  ): Promise<CallbackRead> {
    const credentials = this.credentialsOf(agent, token);
    if (credentials.length === 0) return this.inner.read(agent, token, sent, hooks);
    const [redactingHooks, rest] = redacting(credentials, hooks);
    const read = await this.inner.read(agent, token, sent, redactingHooks);
    rest();
    if (read.kind === "ending") {
      const { outcome } = read;
      if (outcome.ok) return { kind: "ending", outcome: redactAnswer(outcome, credentials) };
      const failure = redactFailure(outcome.failure, credentials);
      return { kind: "ending", outcome: { ...outcome, failure } };
    }
    return redactValue(read, credentials);
  }

  abandon(agent: AgentIdentity, location: string): Promise<void> {
    return this.inner.abandon(agent, location);
  }

  private async callWith(
    credentials: readonly string[],
    request: AgentRequest,
    hooks: CallHooks,
  ): Promise<CallOutcome> {
    const [redactingHooks, rest] = redacting(credentials, hooks);
    const outcome = await this.inner.call(request, redactingHooks);
    rest();
    if (outcome.ok === "asks") return redactValue(outcome, credentials);
    return outcome.ok === true ? redactAnswer(outcome, credentials) : outcome;
  }

  /** @param token under which the agent may answer later */
  private credentialsOf(
    { tenant, registration }: Pick<AgentIdentity, "tenant" | "registration">,
    token: string | null,
  ): string[] {
    const references = Object.values(registration?.headers ?? {});
    const values = references.map((reference) => this.secret(secretName(tenant, reference)) ?? "");
    return credentialTexts([...values.flatMap(writtenForms), token ?? ""]);
  }
}

/** The hooks for a text without credentials; the second passes its rest on. */
function redacting(credentials: readonly string[], hooks: CallHooks): [CallHooks, () => void] {
  const text = new RedactingStream(credentials);
  const redactingHooks = {
    ...hooks,
    delta: (piece: string, offset?: number) => {
      if (offset === undefined) return pass(text.push(piece), hooks);
      const cut = text.replace(piece, offset);
      return cut.offset === undefined ? pass(cut.text, hooks) : hooks.delta(cut.text, cut.offset);
    },
    progress: (progress: AgentProgress) => hooks.progress(redactValue(progress, credentials)),
    usage: (usage: Usage) => hooks.usage?.(redactValue(usage, credentials)),
  };
  return [redactingHooks, () => pass(text.rest(), hooks)];
}

type Answered = Extract<CallEnding, { ok: true }>;

function redactAnswer(outcome: Answered, credentials: readonly string[]): Answered {
  const redacted = redactValue(outcome, credentials);
  // The replacement and the credential differ in length.
  return { ...redacted, bytes: answerBytes(redacted.answer) };
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
