// Platform: what a Durable Object stands on, with a virtual clock: storage that commits a little later and keeps
// nothing else at a crash, one alarm that is redelivered where its handling was cut, an object that comes up when
// somebody asks and goes when nothing holds it. Its alarm has the real keeper; its handler does what
// src/objects/execution/alarm-handler.ts does.
import { decodeRecords } from "../../../src/adapters/log/record.ts";
import { type LogStorage, StorageLog } from "../../../src/adapters/log/storage-log.ts";
import type { LogEvent } from "../../../src/core/execution/log-event.ts";
import { TIMINGS } from "../../../src/core/timings.ts";
import { AlarmKeeper, NOTHING_ELSE } from "../../../src/engine/run/alarm-keeper.ts";
import { alarmWork } from "../../../src/engine/run/alarm-work.ts";
import { ExecutionDriver } from "../../../src/engine/run/driver.ts";
import type { Agents, Clock, Ports } from "../../../src/engine/ports.ts";
import { withTimeLimit } from "../../../src/engine/time-limit.ts";
import { SharedTimer } from "../../../src/engine/run/shared-timer.ts";
import { Outbox, type Receiver } from "../../../src/engine/watch/outbox.ts";
import { VirtualTime } from "./virtual-time.ts";

/** What chance decides of the platform. */
export interface Weather {
  commit_ms(): number;
  alarm_ms(): number;
  downtime_ms(): number;
  /** Whether the object dies here; asked at every effect that it has. */
  dies(effect: string): boolean;
  /** Whether storage refuses a record here. */
  refuses?(): boolean;
  chance(): number;
  /** Who is given the run's changes. @param instance what waits for it is gone with it */
  receivers?(instance: object): Receiver[];
}

/** One driver of the object, from its first request to its end. */
export interface Life {
  driver: ExecutionDriver;
  outbox: Outbox;
  dead: boolean;
  ports: Ports;
}

/** One instance of the object: a driver that breaks is followed by another one in the same instance. */
interface Instance {
  keeper: AlarmKeeper;
  clock: Clock;
  dead: boolean;
}

interface Disk {
  records: Map<string, Uint8Array>;
  alarm: number | null;
  /** The alarm has come and is being handled: it comes again unless the handler's end is committed. */
  handling: boolean;
}

export class Platform {
  readonly time: VirtualTime;
  life: Life | null = null;
  /** Down until then after a crash. */
  downUntil = 0;
  alarms = 0;
  /** What the alarm was set to, each time: a billed row. */
  readonly alarmSets: number[] = [];
  deaths = 0;
  /** What agents that answer later need, and the memory's accounts; of the objects that come up from now on. */
  outside: Pick<Ports, "callbacks" | "callbackToken" | "memory" | "shared"> = {};
  /** Records that storage has refused. */
  refusals = 0;
  /** The events that are on the disk, as read back from it. */
  durable: LogEvent[] = [];
  private disk: Disk = { records: new Map(), alarm: null, handling: false };
  /** What the object has written; what of it was not committed a crash undoes. */
  private written: Disk = { records: new Map(), alarm: null, handling: false };
  private commit: { done: PromiseWithResolvers<void>; stop: () => void } | null = null;
  private stopAlarm: () => void = () => {};
  private instance: Instance | null = null;
  /** The alarm's handling was cut: when it comes again its time proves nothing. */
  private wasCut = false;
  private readonly weather: Weather;
  private readonly agents: (life: () => Life) => Agents;
  private readonly onCommit: (events: LogEvent[]) => void;

  constructor(
    time: VirtualTime,
    weather: Weather,
    agents: (life: () => Life) => Agents,
    onCommit: (events: LogEvent[]) => void,
  ) {
    this.time = time;
    this.weather = weather;
    this.agents = agents;
    this.onCommit = onCommit;
  }

  get alarmAt(): number | null {
    return this.written.alarm;
  }

  /** The alarm is being handled, as far as a crash now would know. */
  get handling(): boolean {
    return this.written.handling;
  }

  /** Whether a crash now would be followed by an alarm. */
  get wouldComeBack(): boolean {
    return this.disk.handling || this.disk.alarm !== null;
  }

  /** Who sets the alarm; null while the object is not in memory. */
  get keeper(): AlarmKeeper | null {
    return this.instance?.keeper ?? null;
  }

  /** How many records there are on the disk, each a billed row. */
  get rows(): number {
    return this.disk.records.size;
  }

  get isCommitted(): boolean {
    return this.commit === null;
  }

  /** The object, brought up where it is not; null while the machine is down. */
  object(): Life | null {
    if (this.life !== null) return this.life;
    if (this.time.now < this.downUntil) return null;
    const instance = this.inMemory();
    const { keeper, clock } = instance;
    const life = { dead: false } as Life;
    life.ports = this.portsOf(life);
    life.driver = ExecutionDriver.open(life.ports, {
      fault: () => this.broke(life, keeper),
      settled: () => keeper.renew(),
    });
    const chance = () => this.weather.chance();
    life.outbox = new Outbox(life.driver, { clock, chance }, this.weather.receivers?.(instance) ?? [], {
      pending: () => keeper.renew(),
      delivered: () => {
        if (this.life === life) keeper.renew();
      },
    });
    keeper.follow(life.driver, life.outbox);
    this.life = life;
    life.driver.recover(this.deaths + this.refusals);
    return this.life;
  }

  private inMemory(): Instance {
    if (this.instance !== null) return this.instance;
    const instance = { dead: false } as Instance;
    const set = async (at: number) => {
      if (!instance.dead) {
        this.alarmSets.push(at);
        this.setAlarm(at);
      }
      if (!instance.dead && this.weather.dies("alarm.set")) this.die();
    };
    const timer = (task: () => void) => {
      if (!instance.dead) task();
      if (!instance.dead && this.weather.dies("timer")) this.die();
    };
    instance.clock = {
      now: () => this.time.now,
      after: (ms, task) => (instance.dead ? () => {} : this.time.after(ms, () => timer(task), instance)),
    };
    instance.keeper = new AlarmKeeper(() => ({ clock: instance.clock, alarm: { set } }));
    this.instance = instance;
    return instance;
  }

  /** A record was refused: whoever comes next opens another driver. */
  private broke(life: Life, keeper: AlarmKeeper): void {
    life.dead = true;
    if (this.life === life) this.life = null;
    this.time.forget(life);
    keeper.broke();
  }

  /** Takes the object out of memory between requests, as it stands. */
  evict(): void {
    const { life, instance } = this;
    if (instance !== null) {
      instance.dead = true;
      this.time.forget(instance);
    }
    this.instance = null;
    if (life === null) return;
    life.dead = true;
    this.life = null;
    this.time.forget(life);
  }

  die(): void {
    this.deaths += 1;
    this.evict();
    this.commit?.stop();
    this.commit = null;
    const { records, alarm, handling } = this.disk;
    // An alarm whose handling was cut comes again.
    this.wasCut ||= handling;
    this.disk = { records, alarm: handling ? this.time.now : alarm, handling: false };
    this.written = { ...this.disk, records: new Map(records) };
    this.downUntil = this.time.now + this.weather.downtime_ms();
    this.armAlarm();
  }

  /** Puts records on the disk that another version wrote, with the alarm that it had set. */
  seed(records: Iterable<readonly [string, Uint8Array]>, alarm: number | null): void {
    this.disk = { records: new Map(records), alarm, handling: false };
    this.written = { ...this.disk, records: new Map(this.disk.records) };
    const sorted = [...this.disk.records].toSorted(([a], [b]) => (a < b ? -1 : 1));
    this.durable = [...decodeRecords(sorted, 1)];
    this.armAlarm();
  }

  /** Resolves when everything written so far is on the disk; never for the dead. */
  synced(life: Life): Promise<void> {
    if (life.dead) return new Promise(() => {});
    return this.commit?.done.promise ?? Promise.resolve();
  }

  private portsOf(life: Life): Ports {
    const alive = (effect: string, act: () => void) => {
      if (!life.dead) act();
      // Dead in the middle: what the code still does has no effect.
      if (!life.dead && this.weather.dies(effect)) this.die();
    };
    const storage: LogStorage = {
      kv: {
        put: (key, value) => {
          if (life.dead) return;
          this.written.records.set(key, value.slice());
          this.commitSoon();
        },
        list: ({ prefix, start }) =>
          [...this.written.records]
            .filter(([key]) => key.startsWith(prefix) && key >= (start ?? ""))
            .toSorted(([a], [b]) => (a < b ? -1 : 1)),
      },
      sync: () => this.synced(life),
      transactionSync: (closure) => closure(),
    };
    const log = new StorageLog(storage);
    return {
      clock: new SharedTimer({
        now: () => this.time.now,
        after: (ms, task) => (life.dead ? () => {} : this.time.after(ms, () => alive("timer", task), life)),
      }),
      log: {
        append: (events) => {
          if (!life.dead && this.weather.refuses?.() === true) {
            this.refusals += 1;
            throw new Error("refused");
          }
          alive("append", () => log.append(events));
        },
        synced: () => log.synced(),
        read: (after) => log.read(after),
      },
      alarm: { set: () => Promise.reject(new Error("only the keeper sets the alarm")) },
      agents: this.agents(() => life),
      chance: () => this.weather.chance(),
      ...this.outside,
    };
  }

  private setAlarm(at: number): void {
    this.written.alarm = at;
    this.commitSoon();
    this.armAlarm();
  }

  private commitSoon(): void {
    if (this.commit !== null) return;
    const done = Promise.withResolvers<void>();
    const stop = this.time.after(this.weather.commit_ms(), () => {
      this.commit = null;
      this.disk = { ...this.written, records: new Map(this.written.records) };
      const records = [...this.disk.records].toSorted(([a], [b]) => (a < b ? -1 : 1));
      const events = [...decodeRecords(records, 1)];
      const fresh = events.slice(this.durable.length);
      this.durable = events;
      this.onCommit(fresh);
      done.resolve();
      if (this.life !== null && this.weather.dies("commit")) this.die();
    });
    this.commit = { done, stop };
  }

  private armAlarm(): void {
    this.stopAlarm();
    this.stopAlarm = () => {};
    const { alarm } = this.written;
    if (alarm === null) return;
    const ms = Math.max(alarm, this.downUntil) - this.time.now + this.weather.alarm_ms();
    this.stopAlarm = this.time.after(ms, () => void this.fireAlarm());
  }

  private async fireAlarm(): Promise<void> {
    // A handler that is at work finds the alarm again when it is through.
    if (this.handling) return;
    if (this.life === null && this.time.now < this.downUntil) {
      this.armAlarm();
      return;
    }
    const scheduled = this.wasCut ? null : this.written.alarm;
    this.wasCut = false;
    this.alarms += 1;
    this.written.handling = true;
    this.written.alarm = null;
    this.disk.handling = true;
    this.disk.alarm = null;
    const instance = this.inMemory();
    await instance.keeper.handle(() => this.handle(instance, scheduled));
    if (instance.dead) return;
    this.written.handling = false;
    this.commitSoon();
    this.armAlarm();
  }

  private async handle({ keeper, clock }: Instance, scheduled: number | null): Promise<() => void> {
    const life = this.object();
    if (life === null) return NOTHING_ELSE;
    await withTimeLimit(clock, TIMINGS.ALARM_HOLD_MS, life.driver.drive(), () => {});
    if (life.driver.fault !== null) return NOTHING_ELSE;
    keeper.recovered();
    const work = await alarmWork(life.driver, life.outbox, { clock }, scheduled);
    // What is left of the run is nobody's here: its object has nothing to wait for.
    if (work.next === "forget") keeper.release();
    return NOTHING_ELSE;
  }
}
