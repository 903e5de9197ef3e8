// Which agents may have left a connection open for the next call. An agent closes a connection that was idle for long
// enough, and a call may be sent in just that moment: the agent has not had it, and it is sent once more. The platform
// has one error for that, for a refused connection and for an agent that breaks off; only what was known to be open
// before, and was lost at once, is taken for the first.

/** A connection that was closed meanwhile says so within the way there and back; later, the agent was at work. */
const LOST_WITHIN_MS = 500;
/** Bounds the memory; what is forgotten is not sent again. */
const ORIGINS_MOST = 1_000;

export class OpenConnections {
  private readonly origins = new Set<string>();

  /** Sends the call, and once more where its connection had been closed. Rejects as fetch does. */
  async send(origin: string, signal: AbortSignal, fetched: () => Promise<Response>): Promise<Response> {
    const began = Date.now();
    try {
      return this.answered(origin, await fetched());
    } catch (cause) {
      const wasOpen = this.origins.has(origin) && Date.now() - began <= LOST_WITHIN_MS;
      if (!wasOpen || signal.aborted || !isConnectionLost(cause)) throw cause;
    }
    try {
      return this.answered(origin, await fetched());
    } catch (cause) {
      // Nothing is open there: it is the agent that breaks off, or nobody listens.
      this.origins.delete(origin);
      throw cause;
    }
  }

  private answered(origin: string, response: Response): Response {
    const closes = /\bclose\b/i.test(response.headers.get("connection") ?? "");
    if (closes) return response;
    if (this.origins.size >= ORIGINS_MOST) this.origins.clear();
    this.origins.add(origin);
    return response;
  }
}

/** As the platform says it. A name that is not found and a TLS fault are told otherwise. */
function isConnectionLost(cause: unknown): boolean {
  return cause instanceof Error && /^network connection lost/i.test(cause.message);
}
