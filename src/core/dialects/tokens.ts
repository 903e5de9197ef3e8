// The tokens that a run or a stage has used, from what its agents reported (src/contract/README.md section 4), also under
// the names of OpenAI's APIs.

export interface Tokens {
  input: number;
  output: number;
  total: number;
  /** Parts of `output` and `input`; 0 where no agent counted them. */
  reasoning: number;
  cached: number;
}

/** Null where no agent counted: a zero is a claim. */
export function tokensOf(usage: Readonly<Record<string, unknown>> | null): Tokens | null {
  if (usage === null) return null;
  const input = numberIn(usage, "input_tokens") ?? numberIn(usage, "prompt_tokens");
  const output = numberIn(usage, "output_tokens") ?? numberIn(usage, "completion_tokens");
  if (input === null && output === null) return null;
  const total = (input ?? 0) + (output ?? 0);
  const reasoning = numberIn(usage, "reasoning_tokens") ?? 0;
  const cached = numberIn(usage, "cached_input_tokens") ?? 0;
  return { input: input ?? 0, output: output ?? 0, total, reasoning, cached };
}

/** The counts under the names of the AI SDK and of AG-UI. */
export function tokenCounts({ input, output, total }: Tokens): Record<string, number> {
  return { inputTokens: input, outputTokens: output, totalTokens: total };
}

function numberIn(usage: Readonly<Record<string, unknown>>, name: string): number | null {
  const value = Object.hasOwn(usage, name) ? usage[name] : undefined;
  if (typeof value !== "number" && typeof value !== "bigint") return null;
  return Number(value);
}
