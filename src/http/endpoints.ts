// Every endpoint, in the order of the OpenAPI document. The app registers them, the middlewares find a call's endpoint
// here, and a path's methods are those of its endpoints.
import type { Endpoint, TaggedEndpoint } from "./endpoint.ts";
import type { Tag } from "./openapi/description.ts";
import { about } from "./routes/about.ts";
import { agents } from "./routes/agents.ts";
import { a2a } from "./facades/a2a/a2a.ts";
import { agUi } from "./facades/ag-ui/run.ts";
import { chat } from "./facades/ai-sdk/chat.ts";
import { chatCompletions } from "./facades/openai/chat.ts";
import { responses } from "./facades/openai/responses.ts";
import { mcp } from "./facades/mcp/mcp.ts";
import { alerts } from "./routes/alerts.ts";
import { budgets } from "./routes/budgets.ts";
import { config } from "./routes/config.ts";
import { conversations } from "./routes/conversations/conversations.ts";
import { fork } from "./routes/conversations/fork.ts";
import { executionList } from "./routes/execution-list.ts";
import { executions } from "./routes/executions.ts";
import { callbacks } from "./routes/outside/callbacks.ts";
import { respond } from "./routes/outside/respond.ts";
import { signals } from "./routes/outside/signals.ts";
import { metrics } from "./routes/metrics.ts";
import { pipelines } from "./routes/pipelines.ts";
import { prometheus } from "./routes/prometheus.ts";
import { stages } from "./routes/stages.ts";
import { startExecution } from "./routes/start-execution.ts";
import { waits } from "./routes/outside/waits.ts";

function tagged(tag: Tag, ...endpoints: readonly Endpoint[]): TaggedEndpoint[] {
  return endpoints.map((endpoint) => ({ ...endpoint, tag }));
}

export const ENDPOINTS: readonly TaggedEndpoint[] = [
  ...tagged("executions", ...startExecution, ...executionList, ...executions, ...fork, ...stages),
  ...tagged("conversations", ...conversations),
  ...tagged("outside", ...waits, ...signals, ...respond, ...callbacks),
  ...tagged("protocols", ...chat),
  ...tagged("protocols", ...chatCompletions, ...responses),
  ...tagged("protocols", ...agUi, ...mcp, ...a2a),
  ...tagged("pipelines", ...pipelines),
  ...tagged("agents", ...agents),
  ...tagged("config", ...config, ...budgets),
  ...tagged("metrics", ...metrics, ...alerts, ...prometheus),
  ...tagged("about", ...about(() => ENDPOINTS)),
];

const BY_ROUTE = new Map(ENDPOINTS.map((endpoint) => [`${endpoint.method} ${endpoint.path}`, endpoint]));

/** The endpoint of a route, as the router names it. */
export function endpointOf(method: string, path: string): TaggedEndpoint | undefined {
  return BY_ROUTE.get(`${method.toLowerCase()} ${path}`);
}

/** The methods that a request's path allows; empty where there is nothing. */
export function allowedMethods(requestPath: string): string[] {
  const there = ENDPOINTS.filter(({ path }) => patternOf(path).test(requestPath));
  const methods = there.map(({ method }) => method.toUpperCase());
  if (methods.length === 0) return [];
  return [...new Set([...methods.flatMap((name) => (name === "GET" ? ["GET", "HEAD"] : [name])), "OPTIONS"])];
}

/** True for a path whose caller shows a token in it, and no key. */
export function isOpenedByToken(requestPath: string): boolean {
  return ENDPOINTS.some(
    ({ path, permission }) => permission === "token" && patternOf(path).test(requestPath),
  );
}

const patterns = new Map<string, RegExp>();

function patternOf(path: string): RegExp {
  const known = patterns.get(path);
  if (known !== undefined) return known;
  const pattern = new RegExp(`^${path.replaceAll(/:[a-z_]+/g, "[^/]+")}$`);
  patterns.set(path, pattern);
  return pattern;
}
