// Places at agents with limits, as the calls of one isolate ask for them. Each agent has an object that grants them
// (src/objects/agent-health/agent-places.ts); what an isolate knows and has of it is in limited-agent.ts and places-in-hand.ts.
import type { AgentPlaces, Clock, Place, PlaceAnswer, PlaceAsk } from "../../../engine/ports.ts";
import type { AgentPlacesRpc } from "../../../engine/agent-protocol.ts";
import { Lru } from "../../platform/lru.ts";
import { LimitedAgent } from "./limited-agent.ts";

export interface AgentPlacesWorld {
  object(tenant: string, agent_type: string): AgentPlacesRpc;
  clock: Clock;
}

/** Agents with limits that an isolate knows; the least recently used is forgotten first. */
const AGENTS = 1_000;

export class IsolatePlaces implements AgentPlaces {
  private readonly world: AgentPlacesWorld;
  private readonly agents = new Lru<string, LimitedAgent>({ entries: AGENTS });

  constructor(world: AgentPlacesWorld) {
    this.world = world;
  }

  take(ask: PlaceAsk): PlaceAnswer | Promise<PlaceAnswer> {
    return this.agent(ask).take(ask);
  }

  turn(ask: PlaceAsk, signal: AbortSignal): Promise<Place | null> {
    return this.agent(ask).turn(ask, signal);
  }

  private agent({ agent: { tenant, agent_type } }: PlaceAsk): LimitedAgent {
    const { world } = this;
    return this.agents.get(
      `${tenant}/${agent_type}`,
      () => new LimitedAgent(() => world.object(tenant, agent_type), world.clock),
    );
  }
}
