// Isolates that ask the object of one agent for places, in virtual time: the real client, the real object's part over a
// row that survives it, and between them a network that delays and loses requests and answers. Callers do what a run's
// driver does. What each call did is kept, by the world's own time, which nothing sets back.
import { AsyncLocalStorage } from "node:async_hooks";
import { IsolatePlaces } from "../../../src/adapters/durable/places/agent-places-client.ts";
import type { AgentLimits } from "../../../src/contract/agent.ts";
import type { Clock, Place, PlaceAsk } from "../../../src/engine/ports.ts";
import type { AgentPlacesRpc } from "../../../src/engine/agent-protocol.ts";
import { AgentPlacesRoom } from "../../../src/objects/agent-health/agent-places.ts";
import { VirtualTime } from "../../engine/simulation/virtual-time.ts";
import type { Chance } from "../values/chance.ts";

/** Of a hundred. */
export interface Weather {
  lost_requests: number;
  lost_answers: number;
  slow: number;
  lost_releases: number;
  late_releases: number;
}

export const FAIR: Weather = {
  lost_requests: 0,
  lost_answers: 0,
  slow: 0,
  lost_releases: 0,
  late_releases: 0,
};

export interface Caller {
  holder: string;
  conversation_id: string;
  priority: number;
  lease_ms: number;
  /** How long its call takes, at most `lease_ms`. */
  takes_ms: number;
}

interface Used {
  holder: string;
  at: number;
  /** When its place is certainly free: it has ended, or its lease has. */
  until: number;
}

/** What a run's object owns: its timers, and the answers to its requests, end with it. */
export interface Context {
  isAlive: boolean;
}

const contexts = new AsyncLocalStorage<Context>();

/** The task, in the context that it belongs to, as long as that lives. */
function bound(task: () => void): () => void {
  const own = contexts.getStore();
  if (own === undefined) return task;
  return () => {
    if (own.isAlive) contexts.run(own, task);
  };
}

/** Does something as a run's object. */
export function within(context: Context, work: () => void): void {
  contexts.run(context, work);
}

const BEGAN = 1_800_000_000_000;
const SLOW_MS = [700, 700, 5_000];

class Skewed implements Clock {
  offset = 0;
  private readonly time: VirtualTime;
  private readonly life: object;

  constructor(time: VirtualTime, life: object) {
    this.time = time;
    this.life = life;
  }

  now(): number {
    return this.time.now + this.offset;
  }

  after(ms: number, task: () => void): () => void {
    return this.time.after(ms, bound(task), this.life);
  }
}

export interface Isolate {
  clock: Skewed;
  places: IsolatePlaces;
  isAlive: boolean;
  life: object;
}

export class PlacesWorld {
  readonly time = new VirtualTime(BEGAN);
  readonly limits: AgentLimits;
  /** Faults that have happened, by their name. */
  readonly faults = new Map<string, number>();
  readonly uses: Used[] = [];
  /** Requests that arrived at the object. */
  hops = 0;
  /** Rows that it wrote. */
  rows = 0;
  weather = FAIR;
  private readonly chance: Chance;
  private readonly disk = new Map<string, unknown>();
  private objectLife: object = {};
  private objectOffset = 0;
  private room: AgentPlacesRoom | null = null;
  private fail = new Set<() => void>();

  constructor(limits: AgentLimits, chance: Chance) {
    this.limits = limits;
    this.chance = chance;
  }

  isolate(): Isolate {
    const life = {};
    const clock = new Skewed(this.time, life);
    const isolate: Isolate = { clock, isAlive: true, life, places: null as unknown as IsolatePlaces };
    isolate.places = new IsolatePlaces({ clock, object: () => this.rpc(isolate) });
    return isolate;
  }

  fault(name: string): void {
    this.faults.set(name, (this.faults.get(name) ?? 0) + 1);
  }

  /** The object's memory and timers are gone, and so are the requests that it was at. */
  restart(): void {
    this.fault("object restarted");
    this.time.forget(this.objectLife);
    this.objectLife = {};
    this.room = null;
    for (const fail of this.fail) fail();
    this.fail.clear();
  }

  setBack(ms: number): void {
    this.fault("object's clock set back");
    this.objectOffset -= ms;
  }

  /** Everything of the isolate is gone; what it has sent may still arrive. */
  crash(isolate: Isolate): void {
    isolate.isAlive = false;
    this.time.forget(isolate.life);
  }

  ask({ holder, conversation_id, priority, lease_ms }: Caller, may_wait = true): PlaceAsk {
    return {
      agent: { tenant: "acme", agent_type: "model", registration: null },
      limits: this.limits,
      holder,
      conversation_id,
      priority,
      lease_ms,
      may_wait,
    };
  }

  /** Gets a place as a driver does, however often it has to ask. Null once the isolate is gone. */
  async place(isolate: Isolate, caller: Caller): Promise<Place | null> {
    while (isolate.isAlive) {
      const answer = await isolate.places.take(this.ask(caller));
      if (answer.kind === "place") return answer.place;
      if (answer.kind === "full") {
        this.fault("queue full");
        await this.pause(1_000, isolate.life);
        continue;
      }
      const place = await isolate.places.turn(this.ask(caller), new AbortController().signal);
      if (place !== null) return place;
    }
    return null;
  }

  /** A call that has its place: it ends, and gives it back, or its isolate crashes. */
  async use(isolate: Isolate, { holder, lease_ms, takes_ms }: Caller, place: Place): Promise<void> {
    const used: Used = { holder, at: this.time.now, until: this.time.now + lease_ms };
    this.uses.push(used);
    await this.pause(takes_ms, isolate.life);
    used.until = this.time.now;
    const draw = this.chance.below(100);
    const { lost_releases, late_releases } = this.weather;
    if (draw < lost_releases) {
      this.fault("release lost");
      return;
    }
    if (draw < lost_releases + late_releases) {
      this.fault("release late");
      await this.pause(this.chance.below(3_000), isolate.life);
    }
    place.release();
  }

  /** The holder's call is over, since the same holder asks again. */
  over(holder: string): void {
    for (const used of this.uses) {
      if (used.holder === holder) used.until = Math.min(used.until, this.time.now);
    }
  }

  pause(ms: number, life?: object): Promise<void> {
    return new Promise((resolve) => {
      this.time.after(ms, bound(resolve), life ?? null);
    });
  }

  async run(until: () => boolean, most_ms: number): Promise<boolean> {
    const end = this.time.now + most_ms;
    while (!until() && this.time.now < end) if (!(await this.time.step())) return until();
    return until();
  }

  private rpc(isolate: Isolate): AgentPlacesRpc {
    return {
      places: (request) => this.travel(isolate, "places", (room) => room.exchange(structuredClone(request))),
      leave: (holder) => this.travel(isolate, "leave", async (room) => room.leave(holder)),
    };
  }

  private travel<T>(isolate: Isolate, what: string, call: (room: AgentPlacesRoom) => Promise<T>): Promise<T> {
    const { lost_requests, lost_answers } = this.weather;
    const isLost = this.chance.below(100) < lost_requests;
    const isAnswerLost = this.chance.below(100) < lost_answers;
    const own = contexts.getStore();
    const answered = (act: () => void) => {
      if (own?.isAlive !== false) act();
    };
    return new Promise((found, failed) => {
      const resolve = (value: T) => answered(() => found(value));
      const reject = (cause: Error) => answered(() => failed(cause));
      if (isLost) {
        this.fault(`${what} lost`);
        // Either it is known at once, or never.
        if (this.chance.below(2) === 0) this.time.after(5, () => reject(new Error("lost")), isolate.life);
        return;
      }
      const later = (act: () => void) => contexts.exit(() => this.time.after(this.delay(), act));
      later(() => {
        // It may come after its successor's.
        if (!isolate.isAlive) this.fault("request of a dead isolate");
        else if (own?.isAlive === false) this.fault("request of a dead run");
        this.hops += 1;
        const fail = () => {
          this.fault("request lost with the object");
          later(() => isolate.isAlive && reject(new Error("the object is gone")));
        };
        this.fail.add(fail);
        void contexts
          .exit(() => call(this.object()))
          .then((reply) => {
            if (!this.fail.delete(fail)) return;
            if (isAnswerLost) this.fault(`answer of ${what} lost`);
            else later(() => isolate.isAlive && resolve(structuredClone(reply)));
          });
      });
    });
  }

  private delay(): number {
    if (this.chance.below(100) >= this.weather.slow) return 1 + this.chance.below(8);
    this.fault("slow");
    return this.chance.below(this.chance.pick(SLOW_MS));
  }

  private object(): AgentPlacesRoom {
    if (this.room !== null) return this.room;
    const { disk, time, objectLife } = this;
    this.room = new AgentPlacesRoom(
      {
        get: (key) => structuredClone(disk.get(key)),
        put: (key, value) => {
          this.rows += 1;
          disk.set(key, structuredClone(value));
        },
      },
      {
        now: () => time.now + this.objectOffset,
        after: (ms, task) => time.after(ms, task, objectLife),
      },
    );
    return this.room;
  }
}

/** The most calls that were in use at once. */
export function mostAtOnce(uses: readonly Used[]): number {
  const edges = uses.flatMap(({ at, until }) => [[at, 1] as const, [Math.max(at, until), -1] as const]);
  let now = 0;
  let most = 0;
  for (const [, by] of edges.toSorted((a, b) => a[0] - b[0] || a[1] - b[1])) {
    now += by;
    most = Math.max(most, now);
  }
  return most;
}

/** The most calls that began in any period of so many ms. */
export function mostWithin(uses: readonly Used[], period_ms: number): number {
  const times = uses.map(({ at }) => at).toSorted((a, b) => a - b);
  let first = 0;
  let most = 0;
  for (const [at, time] of times.entries()) {
    while ((times[first] as number) <= time - period_ms) first += 1;
    most = Math.max(most, at - first + 1);
  }
  return most;
}
