// One HTTP call of the client: its URL, its credentials and its response.
import { CoordinatorClientError, errorOf, networkError } from "./errors.ts";

/**
 * Which coordinator a client calls, and as whom.
 *
 * @example
 * const options: ClientOptions = { baseUrl: "https://coordinator.example.com", apiKey: "key" };
 * const client = new CoordinatorClient(options);
 */
export interface ClientOptions {
  /** Where the coordinator is, as `https://host` or `https://host/prefix`. */
  baseUrl: string;
  /** Sent as `Authorization: Bearer`; may be left out where the coordinator asks for none. */
  apiKey?: string;
  /** Another fetch, for tests or for a service binding; the global one otherwise. */
  fetch?: (input: string, init: RequestInit) => Promise<Response>;
}

export interface Send {
  method?: string;
  query?: Readonly<Record<string, string | number | undefined>>;
  /** Sent as JSON. */
  body?: unknown;
  headers?: Readonly<Record<string, string | undefined>>;
  signal?: AbortSignal | undefined;
}

export class Transport {
  private readonly base: string;
  private readonly headers: Readonly<Record<string, string>>;
  private readonly fetch: NonNullable<ClientOptions["fetch"]>;

  constructor({ baseUrl, apiKey, fetch: own }: ClientOptions) {
    this.base = baseUrl.replace(/\/+$/, "");
    this.headers = apiKey === undefined ? {} : { authorization: `Bearer ${apiKey}` };
    // Called bare, as browsers demand of theirs.
    this.fetch = own ?? ((input, init) => fetch(input, init));
  }

  /** The response, of any status. Rejects if there is no response. */
  async open(path: string, send: Send = {}): Promise<Response> {
    const query = new URLSearchParams();
    for (const [name, value] of Object.entries(send.query ?? {})) {
      if (value !== undefined) query.set(name, String(value));
    }
    const headers: Record<string, string> = { accept: "application/json", ...this.headers };
    for (const [name, value] of Object.entries(send.headers ?? {}))
      if (value !== undefined) headers[name] = value;
    if (send.body !== undefined) headers["content-type"] ??= "application/json";
    return this.fetch(`${this.base}${path}${query.size === 0 ? "" : `?${query.toString()}`}`, {
      method: send.method ?? "GET",
      headers,
      ...(send.body === undefined ? {} : { body: JSON.stringify(send.body) }),
      ...(send.signal === undefined ? {} : { signal: send.signal }),
    });
  }

  /** The answer's JSON. @throws CoordinatorClientError, or the signal's reason */
  async json<T>(path: string, send: Send = {}): Promise<T> {
    const response = await this.answered(path, send);
    try {
      return (await response.json()) as T;
    } catch (cause) {
      send.signal?.throwIfAborted();
      throw cause instanceof SyntaxError
        ? new CoordinatorClientError("INVALID_RESPONSE", "the response is not JSON", {
            status: response.status,
            cause,
          })
        : networkError(cause);
    }
  }

  /** The response, where it is a success. @throws CoordinatorClientError, or the signal's reason */
  async answered(path: string, send: Send = {}): Promise<Response> {
    let response: Response;
    try {
      response = await this.open(path, send);
    } catch (cause) {
      send.signal?.throwIfAborted();
      throw networkError(cause);
    }
    if (!response.ok) throw await errorOf(response);
    return response;
  }
}
