// The product's code of an error, in whichever protocol's form a route tells it.

/** Null where the text is no error. */
export function codeIn(text: string): string | null {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return null;
  }
  const { code, error } = body as { code?: string; error?: { code?: unknown; data?: { code?: string } } };
  if (typeof code === "string") return code;
  // JSON-RPC has numbers of its own; OpenAI's codes are texts.
  return error?.data?.code ?? (typeof error?.code === "string" ? error.code : null);
}
