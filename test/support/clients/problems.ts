// The product's code of an error, in whichever protocol's form a route tells it.

/** What OpenAI's clients are told instead of the product's own codes. */
const OPENAI: Readonly<Record<string, string>> = {
  invalid_api_key: "UNAUTHORIZED",
  model_not_found: "PIPELINE_NOT_FOUND",
  rate_limit_exceeded: "RATE_LIMITED",
  insufficient_quota: "BUDGET_EXCEEDED",
};

/** Null where the text is no error. */
export function codeIn(text: string): string | null {
  try {
    return codeOf(JSON.parse(text));
  } catch {
    return null;
  }
}

/** The same of a body that is parsed. */
export function codeOf(body: unknown): string | null {
  if (body === null || typeof body !== "object") return null;
  const { code, error } = body as {
    code?: string;
    error?: { code?: string | number; data?: { code?: string } };
  };
  if (typeof code === "string") return code;
  // JSON-RPC has numbers of its own; OpenAI's codes are texts.
  const own = error?.data?.code ?? error?.code;
  return own === undefined ? null : (OPENAI[String(own)] ?? String(own));
}
