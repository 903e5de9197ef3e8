// The card of an A2A agent: where its JSON-RPC interface is. It is asked for once in five minutes.
import { err, ok, type Result } from "../../../../contract/problem.ts";
import type { CallFailure } from "../../../../core/resilience/classify.ts";
import type { Exchange } from "../../protocol.ts";
import { listOf, membersOf, parsed, wordOf } from "../members.ts";

export interface AgentInterface {
  href: string;
  /** The agent's own name for whose agent it is, where it has one. */
  tenant: string | null;
  streams: boolean;
}

const KEPT_MS = 5 * 60_000;
const MOST_KEPT = 1_000;
const WELL_KNOWN = "/.well-known/agent-card.json";

/** By the agent's place. */
const kept = new Map<string, { until: number; found: AgentInterface }>();

/** @throws what AgentResponse throws */
export async function interfaceOf(exchange: Exchange): Promise<Result<AgentInterface, CallFailure>> {
  const { href, place } = exchange;
  const known = kept.get(place);
  if (known !== undefined && known.until > Date.now()) return ok(known.found);
  const response = await exchange.send({
    method: "GET",
    href: cardUrl(href),
    headers: { accept: "application/json" },
  });
  if (!response.ok) return response;
  const { value: answer } = response;
  if (!answer.hasBody) return err(fault("is empty", answer.status));
  const card = membersOf(parsed(await answer.text()));
  const found = listOf(card["supportedInterfaces"])
    .map(membersOf)
    .find(
      ({ protocolBinding, protocolVersion }) =>
        protocolBinding === "JSONRPC" && /^1(?:\.|$)/.test(wordOf(protocolVersion) ?? ""),
    );
  const url = wordOf(found?.["url"]);
  if (found === undefined || url === null) {
    return err(fault("names no JSONRPC interface of version 1", answer.status));
  }
  const streams = membersOf(card["capabilities"])["streaming"] === true;
  const own = { href: url, tenant: wordOf(found["tenant"]), streams };
  if (kept.size >= MOST_KEPT) kept.clear();
  kept.set(place, { until: Date.now() + KEPT_MS, found: own });
  return ok(own);
}

/** The registered URL is the card's own, or what the well-known path is appended to. */
function cardUrl(href: string): string {
  return new URL(href).pathname.endsWith(".json") ? href : href.replace(/\/?(?=\?|$)/, WELL_KNOWN);
}

function fault(detail: string, status: number): CallFailure {
  return { kind: "contract", detail: `the agent's card ${detail}`, status };
}
