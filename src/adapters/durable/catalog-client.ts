// The responses of a tenant's catalog, and the Worker's client of it: reads come from the isolate's memory, at most
// CATALOG_AGE_MS old, at once after a write of this isolate, and from the object for a caller that names a newer
// version. Where the catalog does not answer, what the isolate read last is used on, for CATALOG_STALE_MS at most; one
// that hangs delays one run by CATALOG_WAIT_MS, and then none until it has answered again. Definitions of large
// pipelines are read by name when they are needed, and kept as long as they are current.
import type {
  CatalogRpc,
  CatalogSnapshot,
  CatalogText,
  Catalogs,
  Written,
  WrittenText,
} from "../../engine/worker-ports.ts";
import type { JsonObject } from "../../contract/json.ts";
import type { Pipeline } from "../../contract/pipeline.ts";
import { type CatalogOutline, versionsOf } from "../../core/config/catalog-outline.ts";
import { EARLIER_SHARDS, firstShards } from "../../core/monitoring/shards.ts";
import type { Clock } from "../../engine/ports.ts";
import type { LogLevel } from "../../core/monitoring/log-line.ts";
import { Lru } from "../platform/lru.ts";
import { answerWithin, Guards, LOST } from "../platform/guard.ts";

/** How old a tenant's definitions may be in an isolate that did not write them; breakers travel with them. */
const CATALOG_AGE_MS = 1_900;
/** How long a caller with older definitions waits for newer ones before it uses the old ones; then none waits. */
const CATALOG_WAIT_MS = 3_000;
/** Definitions older than this are not used: a pipeline that was deleted must not run without end. */
const CATALOG_STALE_MS = 15 * 60_000;
/** Maximum number of tenants cached by an isolate; the least recently used is evicted first. */
const REMEMBERED_TENANTS = 1_000;
/** Characters of their definitions as JSON, which take a multiple of it in memory. */
const REMEMBERED_CHARS = 8 * 1024 * 1024;

/** A tenant's definitions as the catalog itself answered them. */
interface Answered {
  snapshot: CatalogSnapshot;
  revision: string;
  /** Of the outline as JSON, and of the definitions that were read by name. */
  chars: number;
  at: number;
  /** Those: their characters, by the names of their pipelines. */
  named: Map<string, number>;
}

interface Remembered {
  snapshot: Promise<CatalogSnapshot>;
  /** The same, once it is there. */
  known: CatalogSnapshot | null;
  at: number;
  /** The last snapshot, as a fallback; null if the catalog has never responded. */
  last: Answered | null;
}

export interface CatalogsWorld {
  catalog(tenant: string): CatalogRpc;
  clock: Clock;
  log(level: LogLevel, fields: JsonObject): void;
}

export function catalogsOver(world: CatalogsWorld): Catalogs {
  return new RememberedCatalogs(world);
}

class RememberedCatalogs implements Catalogs {
  private readonly world: CatalogsWorld;
  private readonly tenants = new Lru<string, Remembered>({
    entries: REMEMBERED_TENANTS,
    weight: { most: REMEMBERED_CHARS, of: ({ last }) => last?.chars ?? 0 },
  });
  /** Tenants whose catalog does not answer: logged once, and again when it does. */
  private readonly failing = new Set<string>();

  private readonly guards: Guards;

  constructor(world: CatalogsWorld) {
    this.world = world;
    this.guards = new Guards(() => ({ clock: world.clock, limit_ms: CATALOG_WAIT_MS }));
  }

  read(tenant: string, maxAgeMs = CATALOG_AGE_MS): Promise<CatalogSnapshot> {
    const before = this.tenants.peek(tenant);
    if (before !== undefined && this.world.clock.now() - before.at < maxAgeMs) return before.snapshot;
    const last = before?.last ?? null;
    const snapshot = this.ask(tenant, last, maxAgeMs === 0);
    const entry: Remembered = { snapshot, known: null, at: this.world.clock.now(), last };
    this.tenants.set(tenant, entry);
    snapshot.then(
      (known) => {
        entry.known = known;
      },
      // A read that failed is not remembered; what a write has put in its place meanwhile stays.
      () => {
        if (this.tenants.peek(tenant) === entry) this.tenants.delete(tenant);
      },
    );
    return snapshot;
  }

  async readFor(tenant: string, pipeline: string, maxAgeMs?: number): Promise<CatalogSnapshot> {
    const snapshot = await this.read(tenant, maxAgeMs);
    const version = ownValue(snapshot.versions, pipeline);
    const known = ownValue(snapshot.pipelines, pipeline);
    if (version === undefined || (known !== undefined && known.version >= version)) return snapshot;
    const text = await this.world.catalog(tenant).pipeline(pipeline);
    // Null where it was deleted since.
    if (text !== null) this.keep(tenant, snapshot, JSON.parse(text) as Pipeline, text.length);
    return snapshot;
  }

  async readAll(tenant: string): Promise<CatalogSnapshot> {
    const snapshot = await this.read(tenant, 0);
    const { versions, pipelines } = snapshot;
    if (Object.entries(versions).every(([name, version]) => ownValue(pipelines, name)?.version === version))
      return snapshot;
    const all = JSON.parse(await this.world.catalog(tenant).pipelines()) as Record<string, Pipeline>;
    return { ...snapshot, pipelines: all, versions: versionsOf({ pipelines: all }) };
  }

  peek(tenant: string): CatalogSnapshot | null {
    const known = this.tenants.peek(tenant);
    return known !== undefined && this.world.clock.now() - known.at < CATALOG_AGE_MS ? known.known : null;
  }

  last(tenant: string): CatalogSnapshot | null {
    const remembered = this.tenants.peek(tenant);
    return remembered?.known ?? remembered?.last?.snapshot ?? null;
  }

  async write<T>(tenant: string, write: (rpc: CatalogRpc) => Promise<WrittenText<T>>): Promise<Written<T>> {
    const { outcome, snapshot: text } = await write(this.world.catalog(tenant));
    const last = this.answered(tenant, text, this.tenants.peek(tenant)?.last ?? null);
    const { snapshot } = last;
    this.tenants.set(tenant, { snapshot: Promise.resolve(snapshot), known: snapshot, at: last.at, last });
    return { outcome, snapshot };
  }

  /**
   * @param waits also where the catalog hangs
   * @throws where the catalog does not answer and there is nothing to use instead
   */
  private async ask(tenant: string, last: Answered | null, waits: boolean): Promise<CatalogSnapshot> {
    const question = async (): Promise<CatalogSnapshot> => {
      const text = await this.world.catalog(tenant).snapshot(last?.revision ?? null);
      const answered = this.answered(tenant, text, last);
      const entry = this.tenants.peek(tenant);
      if (entry !== undefined) {
        entry.last = answered;
        this.tenants.trim(tenant);
      }
      return answered.snapshot;
    };
    const { clock } = this.world;
    if (last === null || clock.now() - last.at >= CATALOG_STALE_MS) return question();
    if (!waits) {
      const found = await this.guards.of(tenant).ask(question);
      return found === LOST ? this.fallBack(tenant, last) : found;
    }
    const answer = await answerWithin(clock, CATALOG_WAIT_MS, question);
    return "value" in answer ? answer.value : this.fallBack(tenant, last);
  }

  private fallBack(tenant: string, last: Answered): CatalogSnapshot {
    if (!this.failing.has(tenant)) {
      this.failing.add(tenant);
      const message = "the catalog is unavailable: the last copy read is used";
      this.world.log("ERROR", { message, tenant, read_at: new Date(last.at).toISOString() });
    }
    return last.snapshot;
  }

  private answered(tenant: string, text: CatalogText, last: Answered | null): Answered {
    const { definitions, revision, health } = text;
    this.guards.of(tenant).answered();
    if (this.failing.delete(tenant))
      this.world.log("INFO", { message: "the catalog is available again", tenant });
    const at = this.world.clock.now();
    if (definitions === null && last !== null) {
      return { ...last, snapshot: { ...last.snapshot, health }, at };
    }
    const outline = JSON.parse(definitions as string) as Omit<CatalogOutline, "versions" | "shards"> &
      Partial<Pick<CatalogOutline, "versions" | "shards">>;
    // An object of an earlier version sends every definition, no versions and no shards.
    const read: CatalogOutline = {
      ...outline,
      versions: outline.versions ?? versionsOf(outline),
      shards: outline.shards ?? firstShards(EARLIER_SHARDS),
    };
    const named = new Map<string, number>();
    let chars = (definitions as string).length;
    for (const [name, size] of last?.named ?? []) {
      const known = last?.snapshot.pipelines[name];
      if (known === undefined || ownValue(read.versions, name) !== known.version) continue;
      if (Object.hasOwn(read.pipelines, name)) continue;
      read.pipelines[name] = known;
      named.set(name, size);
      chars += size;
    }
    return { snapshot: { ...read, health }, revision, chars, at, named };
  }

  /** Keeps a definition with the snapshot for which it was read, and with the one that is there by now. */
  private keep(tenant: string, snapshot: CatalogSnapshot, pipeline: Pipeline, chars: number): void {
    const { name, version } = pipeline;
    snapshot.pipelines[name] = pipeline;
    const last = this.tenants.peek(tenant)?.last ?? null;
    // The one that is there by now may have a newer version of it, or have it no more.
    if (last === null || (ownValue(last.snapshot.versions, name) ?? Infinity) > version) return;
    last.snapshot.pipelines[name] = pipeline;
    last.chars += chars - (last.named.get(name) ?? 0);
    last.named.set(name, chars);
    this.tenants.trim(tenant);
  }
}

/** By own keys only: `toString` is a name like any other. */
function ownValue<T>(of: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(of, name) ? of[name] : undefined;
}
