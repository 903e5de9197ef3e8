// The webhook of the operator: signed as Standard Webhooks has it (HMAC-SHA256 over id, time and body), sent once, and
// its outcome reported. Never follows a redirect: the signature was made for one receiver.
import { LIMITS } from "../../contract/limits.ts";
import { err, ok, type Result } from "../../contract/problem.ts";
import { retryAfterMs } from "../../contract/retry-after.ts";
import {
  type Delivery,
  type WebhookEvent,
  type WebhookFormat,
  webhookMediaType,
} from "../../core/monitoring/webhook.ts";

export interface WebhookTarget {
  url: string;
  /** The secret's bytes. */
  key: Uint8Array<ArrayBuffer>;
  events: ReadonlySet<WebhookEvent>;
  format: WebhookFormat;
}

/** The bytes of `whsec_` and base64, or what is wrong with it. */
export function readSecret(secret: string): Result<Uint8Array<ArrayBuffer>, string> {
  const encoded = secret.startsWith("whsec_") ? secret.slice("whsec_".length) : secret;
  try {
    const key = Uint8Array.from(atob(encoded), (char) => char.charCodeAt(0));
    if (key.length >= LIMITS.WEBHOOK_KEY_BYTES) return ok(key);
  } catch {
    // Reported below, without the secret.
  }
  return err(`whsec_ followed by at least ${LIMITS.WEBHOOK_KEY_BYTES} bytes in base64`);
}

/** Sends one event. Never rejects. @param now ms since the epoch */
export async function deliver(
  { url, key, format }: Pick<WebhookTarget, "url" | "key" | "format">,
  id: string,
  body: string,
  now: number,
): Promise<Delivery> {
  const timestamp = String(Math.floor(now / 1_000));
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: {
        "content-type": webhookMediaType(format, body),
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": `v1,${await signature(key, `${id}.${timestamp}.${body}`)}`,
      },
      body,
      redirect: "manual",
      signal: AbortSignal.timeout(LIMITS.EXPORT_TIMEOUT_MS),
    });
    // Its status is the answer: a body that breaks off does not change it.
    response.body?.cancel().catch(() => {});
    const wait_ms = retryAfterMs(response.headers.get("retry-after"), Date.now());
    return {
      status: response.status,
      retry_after_ms: wait_ms === null ? null : Math.min(wait_ms, DAY_MS),
    };
  } catch {
    return { status: null, retry_after_ms: null };
  }
}

/** A receiver may put a delivery off by this much. */
const DAY_MS = 86_400_000;

async function signature(key: Uint8Array<ArrayBuffer>, signed: string): Promise<string> {
  const hmac = { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", key, hmac, false, ["sign"]);
  const bytes = await crypto.subtle.sign("HMAC", imported, new TextEncoder().encode(signed));
  return btoa(String.fromCharCode(...new Uint8Array(bytes)));
}
