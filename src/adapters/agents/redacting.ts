// Agents that are called with credentials, behind a wall: whatever comes back of such a call, text as it streams, an
// answer or a failure, has lost them. A call without credentials passes through untouched.
import type { AgentRegistration } from "../../contract/agent.ts";
import type { CallOutcome } from "../../core/execution/command.ts";
import { credentialTexts, RedactingStream, redactValue } from "../../core/redact.ts";
import { answerBytes } from "../../core/weight.ts";
import type { AgentRequest, Agents, CallHooks } from "../../engine/ports.ts";

/** The Worker secret that a registration's `secret:NAME` stands for. */
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
    if (credentials.length === 0) return this.inner.call(request, hooks);
    const text = new RedactingStream(credentials);
    const outcome = await this.inner.call(request, {
      signal: hooks.signal,
      alive: () => hooks.alive(),
      hears_silence: hooks.hears_silence,
      delta: (piece) => pass(text.push(piece), hooks),
      progress: (progress) => hooks.progress(redactValue(progress, credentials)),
      failing: (failure) => hooks.failing?.(redactValue(failure, credentials)),
    });
    pass(text.rest(), hooks);
    const redacted = redactValue(outcome, credentials);
    // The replacement has another length than the credential.
    return redacted.ok ? { ...redacted, bytes: answerBytes(redacted.answer) } : redacted;
  }

  private credentialsOf(tenant: string, registration: AgentRegistration | null): string[] {
    const references = Object.values(registration?.headers ?? {});
    const values = references.map((reference) => this.secret(secretName(tenant, reference)) ?? "");
    return credentialTexts(values);
  }
}

function pass(text: string, hooks: CallHooks): void {
  if (text !== "") hooks.delta(text);
}
