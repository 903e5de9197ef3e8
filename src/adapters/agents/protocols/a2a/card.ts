// The card of an A2A agent: where its JSON-RPC interface is. It is asked for once in five minutes.
import { ok, type Result } from "../../../../contract/problem.ts";
import type { CallFailure } from "../../../../core/resilience/classify.ts";
import type { Exchange } from "../../protocol.ts";
import { listOf, type Members, membersOf, parsed, wordOf } from "../members.ts";
import { broken } from "../outcomes.ts";

export interface AgentInterface {
  href: string;
  /** The agent's own name for whose agent it is, where it has one. */
  tenant: string | null;
  streams: boolean;
  /** Of A2A 0.3. */
  isEarlier: boolean;
}

const KEPT_MS = 5 * 60_000;
const MOST_KEPT = 1_000;
const WELL_KNOWN = "/.well-known/agent-card.json";

/** By the agent's place. */
const kept = new Map<string, { until: number; found: readonly AgentInterface[] }>();

/**
 * That of 1.0 and that of 0.3, or one of them.
 * @throws what AgentResponse throws
 */
export async function interfacesOf(
  exchange: Exchange,
): Promise<Result<readonly AgentInterface[], CallFailure>> {
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
  if (!answer.hasBody) return fault("is empty", answer.status);
  const card = membersOf(parsed(await answer.text()));
  const found = [/^1(?:\.|$)/, EARLIER].flatMap((version) => interfaceIn(card, version) ?? []);
  if (found.length === 0) return fault("names no JSONRPC interface of version 1 or 0.3", answer.status);
  if (kept.size >= MOST_KEPT) kept.clear();
  kept.set(place, { until: Date.now() + KEPT_MS, found });
  return ok(found);
}

/** The agent does not speak the version of an interface that its card names: it is not called by it again. */
export function withoutInterface({ place }: Exchange, refused: AgentInterface): void {
  const known = kept.get(place);
  if (known !== undefined) known.found = known.found.filter((one) => one !== refused);
}

const EARLIER = /^0\.3(?:\.|$)/;

function interfaceIn(card: Members, version: RegExp): AgentInterface | null {
  const found = [...listOf(card["supportedInterfaces"]).map(membersOf), ...interfacesOfEarlier(card)].find(
    ({ protocolBinding, protocolVersion }) =>
      protocolBinding === "JSONRPC" && version.test(wordOf(protocolVersion) ?? ""),
  );
  const href = wordOf(found?.["url"]);
  if (href === null) return null;
  const streams = membersOf(card["capabilities"])["streaming"] === true;
  return { href, tenant: wordOf(found?.["tenant"]), streams, isEarlier: version === EARLIER };
}

/** A card of 0.3 has one interface in its own members, and others beside it. */
function interfacesOfEarlier({
  url,
  preferredTransport = "JSONRPC",
  additionalInterfaces,
  protocolVersion,
}: Members): Members[] {
  const others = listOf(additionalInterfaces).map(membersOf);
  return [{ url, transport: preferredTransport }, ...others].map(({ url: own, transport }) => ({
    url: own,
    protocolBinding: transport,
    protocolVersion,
  }));
}

/** The registered URL is the card's own, or what the well-known path is appended to. */
function cardUrl(href: string): string {
  return new URL(href).pathname.endsWith(".json") ? href : href.replace(/\/?(?=\?|$)/, WELL_KNOWN);
}

function fault(detail: string, status: number): Result<never, CallFailure> {
  return broken(`the agent's card ${detail}`, status);
}
