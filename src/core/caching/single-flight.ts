// Single flight: which of several identical calls is made, and which callers follow it. Pure: the time is a parameter.
//
// Leadership is a lease. It lasts while the leader is known to run, and it is never passed on: when the leader ends
// without a result, or does not run any more, all its followers are released at once and call for themselves. So a
// follower that has left blocks nothing, and identical runs whose agent fails end together.
//
// A flight without followers costs nothing: its leader is probed (asked whether the call still runs) only while
// there is a follower to wait for it.
import { TIMINGS } from "../timings.ts";

/** One call of one execution. */
export interface FlightCaller {
  execution_id: string;
  /** The `seq` of the stage.started that began the call: a call that is repeated after a crash is another one. */
  call: number;
}

interface Flight {
  leader: FlightCaller;
  /** Without followers the flight holds until then, ms since the epoch: a try takes no longer. */
  ends_at: number;
  /** With followers it holds until then, unless a probe proves that the leader runs. */
  lease_until: number;
  /** When the leader is to be probed next. */
  probe_at: number;
  /** By execution. */
  followers: Map<string, { call: number; until: number }>;
}

/** A follower that waits no longer. */
export interface Released {
  key: string;
  execution_id: string;
}

/** A leader that is to be asked whether its call runs. */
export interface Probe {
  key: string;
  leader: FlightCaller;
}

/** The flights of one store of results, by the key of the result that each is to make. */
export class SingleFlight {
  private readonly flights = new Map<string, Flight>();
  /** The flights that have followers. */
  private readonly followed = new Set<string>();

  /**
   * Whether the caller leads, and so is to call, or may follow a call in flight. Call `advance` first.
   * @param lease_ms how long the caller's try may take
   */
  take(key: string, caller: FlightCaller, lease_ms: number, now: number): "lead" | "follow" {
    this.dropEnded(now);
    const flight = this.flights.get(key);
    // A run that resumes after an interruption takes its own flight again; its followers stay.
    const own = flight?.leader.execution_id === caller.execution_id;
    if (flight !== undefined && !own && this.holds(key, flight, now)) return "follow";
    this.flights.delete(key);
    this.flights.set(key, {
      leader: caller,
      ends_at: now + lease_ms,
      lease_until: now + TIMINGS.LEAD_LEASE_MS,
      probe_at: now + TIMINGS.LEAD_PROBE_MS,
      followers: flight?.followers ?? new Map(),
    });
    return "lead";
  }

  /** Follows the flight, for `ms` at most; false where there is none to follow. */
  follow(key: string, caller: FlightCaller, ms: number, now: number): boolean {
    const flight = this.flights.get(key);
    if (flight === undefined || flight.leader.execution_id === caller.execution_id) return false;
    if (flight.followers.size === 0 && now >= flight.probe_at) {
      // No follower, no probe: what is known of the leader is old. It has the time of one answer to prove itself.
      flight.probe_at = now;
      flight.lease_until = Math.max(flight.lease_until, now + TIMINGS.LEAD_PROBE_MS);
    }
    flight.followers.set(caller.execution_id, { call: caller.call, until: now + ms });
    this.followed.add(key);
    return true;
  }

  /** A call has given a result, whether it led or not: the flight is over, and its followers have their result. */
  settleFlight(key: string): Released[] {
    return this.end(key);
  }

  /** The caller has no result, or waits no longer. Where it leads, the flight is over. */
  leave(key: string, caller: FlightCaller): Released[] {
    const flight = this.flights.get(key);
    if (flight === undefined) return [];
    if (isSame(flight.leader, caller)) return this.end(key);
    const { execution_id, call } = caller;
    if (flight.followers.get(execution_id)?.call !== call) return [];
    this.drop(key, flight, execution_id);
    return [{ key, execution_id }];
  }

  /** The outcome of a probe. A leader that does not run gets a grace period for a result that may be in flight. */
  probed({ key, leader }: Probe, runs: boolean, now: number): void {
    const flight = this.flights.get(key);
    if (flight === undefined || !isSame(flight.leader, leader)) return;
    flight.lease_until = runs
      ? now + TIMINGS.LEAD_LEASE_MS
      : Math.min(flight.lease_until, now + TIMINGS.LEAD_SETTLE_MS);
  }

  /** What is due: followers that wait no longer, and leaders to be probed now. */
  advance(now: number): { released: Released[]; probes: Probe[] } {
    const released: Released[] = [];
    const probes: Probe[] = [];
    for (const key of this.followed) {
      const flight = this.flights.get(key) as Flight;
      if (now >= flight.lease_until) {
        released.push(...this.end(key));
        continue;
      }
      for (const [execution_id, { until }] of flight.followers) {
        if (now < until) continue;
        this.drop(key, flight, execution_id);
        released.push({ key, execution_id });
      }
      if (flight.followers.size === 0 || now < flight.probe_at) continue;
      flight.probe_at = now + TIMINGS.LEAD_PROBE_MS;
      probes.push({ key, leader: flight.leader });
    }
    return { released, probes };
  }

  /** When `advance` is due next, ms since the epoch; null where nothing waits. */
  get dueAt(): number | null {
    let due: number | null = null;
    for (const key of this.followed) {
      const { lease_until, probe_at, followers } = this.flights.get(key) as Flight;
      const ends = Array.from(followers.values(), ({ until }) => until);
      due = Math.min(due ?? lease_until, lease_until, probe_at, ...ends);
    }
    return due;
  }

  private holds(key: string, { lease_until, ends_at }: Flight, now: number): boolean {
    return now < (this.followed.has(key) ? lease_until : Math.max(lease_until, ends_at));
  }

  private end(key: string): Released[] {
    const flight = this.flights.get(key);
    if (flight === undefined) return [];
    this.flights.delete(key);
    this.followed.delete(key);
    return Array.from(flight.followers.keys(), (execution_id) => ({ key, execution_id }));
  }

  private drop(key: string, flight: Flight, execution_id: string): void {
    flight.followers.delete(execution_id);
    if (flight.followers.size === 0) this.followed.delete(key);
  }

  /** Leaders that died and that no call has followed since. The oldest flights come first; one that holds ends the search. */
  private dropEnded(now: number): void {
    for (const [key, flight] of this.flights) {
      if (this.followed.has(key) || this.holds(key, flight, now)) return;
      this.flights.delete(key);
    }
  }
}

function isSame(one: FlightCaller, other: FlightCaller): boolean {
  return one.execution_id === other.execution_id && one.call === other.call;
}
