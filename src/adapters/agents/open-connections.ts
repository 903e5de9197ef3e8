// Tracks which origins may have a kept-alive connection. An agent closes a connection that has been idle for some
// time. A call sent at that moment does not reach the agent, so it is sent a second time. The platform has one error
// for this case, for a refused connection and for an agent that disconnects during a call. The case is assumed only
// if an earlier answer left a connection open and the call was lost at once.

/** A closed connection is noticed within a round trip. After a longer time the agent had received the call. */
const LOST_WITHIN_MS = 500;
/** Bounds the memory. A call to an origin that was removed is not sent a second time. */
const ORIGINS_MOST = 1_000;

export class OpenConnections {
  private readonly origins = new Set<string>();

  /** Sends the call, and a second time if its connection had been closed. Rejects as fetch does. */
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
      // No open connection is left: the agent disconnects by itself, or does not listen.
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

/** By the platform's message. An unknown name and a TLS fault have another one. */
function isConnectionLost(cause: unknown): boolean {
  return cause instanceof Error && /^network connection lost/i.test(cause.message);
}
