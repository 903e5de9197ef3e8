// Tracks which origins may have a kept-alive connection. An agent closes a connection that was idle for long enough,
// and a call may be sent at that moment: the agent has not received it, and it is sent once more. The platform has
// one error for that, for a refused connection and for an agent that disconnects. A call is assumed to be the first
// only if an earlier answer left a connection open, and where it was lost at once.

/** A closed connection is noticed within a round trip; a loss after that comes from an agent that was at work. */
const LOST_WITHIN_MS = 500;
/** Bounds the memory; a call to a forgotten origin is not sent again. */
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
      // No open connection is left: the agent breaks off by itself, or does not listen.
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

/** The platform's message; a name that is not found and a TLS fault have another. */
function isConnectionLost(cause: unknown): boolean {
  return cause instanceof Error && /^network connection lost/i.test(cause.message);
}
