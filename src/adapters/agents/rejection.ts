// Why a fetch was rejected. The platform gives no code. It has two messages (measured on workerd 1.20261026):
// `Network connection lost.` for a refused, reset or closed connection and for a response that is not HTTP,
// `internal error; reference = …` for a name without an address and for every TLS fault. The URL tells some of these
// apart. The messages of other runtimes (Node, Cloudflare) name the cause.
import type { CallFailure, RejectionCause } from "../../core/resilience/classify.ts";

/** The failure of a call of a URL. The message is not passed on: it is the platform's and may contain any name. */
export function rejection(cause: unknown, url: URL): CallFailure {
  const message = cause instanceof Error ? `${cause.message} ${causeOf(cause)}` : "";
  return { kind: "rejected", cause: causeIn(message, url) };
}

function causeIn(message: string, url: URL): RejectionCause | undefined {
  if (/ENOTFOUND|EAI_AGAIN|\bDNS\b|getaddrinfo|could not resolve|lookup address/i.test(message)) return "dns";
  if (/\bTLS\b|\bSSL\b|certificate|handshake/i.test(message)) return "tls";
  if (/connection lost|refused|ECONN|EPIPE|reset|socket hang up|other side closed/i.test(message)) {
    return "connection";
  }
  if (!/^internal error/i.test(message)) return undefined;
  const isSecure = url.protocol === "https:";
  if (isAddress(url.hostname)) return isSecure ? "tls" : undefined;
  return isSecure ? "dns_or_tls" : "dns";
}

/** Whether the host needs no resolver: an address, or the name of the loopback. */
function isAddress(hostname: string): boolean {
  return hostname.startsWith("[") || /^\d+\.\d+\.\d+\.\d+$/.test(hostname) || hostname === "localhost";
}

/** Node's fetch gives the reason in its error's cause. */
function causeOf({ cause }: Error): string {
  if (!(cause instanceof Error)) return "";
  return `${"code" in cause ? String(cause.code) : ""} ${cause.message}`;
}
