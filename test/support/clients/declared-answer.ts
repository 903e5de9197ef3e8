// Holds an answer of the API against the schema that its endpoint declares for the status: every field of it, and no
// other. Tests of the Worker read their answers through this, so that each of them checks it.
import { deepStrictEqual } from "node:assert";
import { ENDPOINTS } from "../../../src/http/endpoints.ts";

const schemas = await import("../../../src/contract/answers.ts");

const PATTERNS = ENDPOINTS.map((endpoint) => ({
  endpoint,
  pattern: new RegExp(`^${endpoint.path.replaceAll(/:[a-z_]+/g, "[^/]+")}$`),
}));

/** @throws where the answer is not as declared; one of an unknown path, an error and what is no JSON are passed over */
export function expectDeclared(method: string, path: string, status: number, body: unknown): void {
  const [pathname = ""] = path.split("?", 1);
  const found = PATTERNS.find(
    ({ endpoint, pattern }) => endpoint.method === method.toLowerCase() && pattern.test(pathname),
  );
  if (found === undefined || status >= 300) return;
  const { id, answers } = found.endpoint;
  const answer = Object.entries(answers).find(([declared]) => Number(declared) === status)?.[1];
  if (answer === undefined) throw new Error(`${id} does not declare ${status}`);
  if (typeof answer !== "string") return;
  const parsed = schemas[answer].safeParse(body);
  if (!parsed.success)
    throw new Error(`${id} ${status} is no ${answer}: ${JSON.stringify(parsed.error.issues)}`);
  // What the schema does not know is not in `parsed`.
  deepStrictEqual(body, parsed.data, `${id} ${status} has more than ${answer}`);
}
