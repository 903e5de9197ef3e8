// The responses of a tenant's catalog, and the Worker's client of it: reads come from the isolate's memory, at most
// CATALOG_AGE_MS old, at once after a write of this isolate, and from the object for a caller that names a newer
// version. Where the catalog does not answer, what the isolate read last is used on, for CATALOG_STALE_MS at most.
import type {
  CatalogRpc,
  CatalogSnapshot,
  CatalogText,
  Catalogs,
  Written,
  WrittenText,
} from "../../engine/worker-ports.ts";
import type { JsonObject } from "../../contract/json.ts";
import type { Definitions } from "../../core/config/catalog-bounds.ts";
import type { LogLevel } from "../../core/monitoring/log-line.ts";
import { Lru } from "../platform/lru.ts";
import { within } from "../platform/time-limit.ts";

/** How old a tenant's definitions may be in an isolate that did not write them; breakers travel with them. */
const CATALOG_AGE_MS = 1_900;
/** How long a caller with older definitions waits for newer ones before it uses the old ones. */
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
  /** Of the definitions as JSON. */
  chars: number;
  at: number;
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
  /** Milliseconds since the epoch. */
  now(): number;
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

  constructor(world: CatalogsWorld) {
    this.world = world;
  }

  read(tenant: string, maxAgeMs = CATALOG_AGE_MS): Promise<CatalogSnapshot> {
    const before = this.tenants.peek(tenant);
    if (before !== undefined && this.world.now() - before.at < maxAgeMs) return before.snapshot;
    const last = before?.last ?? null;
    const snapshot = this.ask(tenant, last);
    const entry: Remembered = { snapshot, known: null, at: this.world.now(), last };
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

  peek(tenant: string): CatalogSnapshot | null {
    const known = this.tenants.peek(tenant);
    return known !== undefined && this.world.now() - known.at < CATALOG_AGE_MS ? known.known : null;
  }

  async write<T>(tenant: string, write: (rpc: CatalogRpc) => Promise<WrittenText<T>>): Promise<Written<T>> {
    const { outcome, snapshot: text } = await write(this.world.catalog(tenant));
    const last = this.answered(tenant, text, null);
    const { snapshot } = last;
    this.tenants.set(tenant, { snapshot: Promise.resolve(snapshot), known: snapshot, at: last.at, last });
    return { outcome, snapshot };
  }

  /** @throws where the catalog does not answer and there is nothing to use instead */
  private async ask(tenant: string, last: Answered | null): Promise<CatalogSnapshot> {
    const asked = this.world.catalog(tenant).snapshot(last?.revision ?? null);
    const isUsable = last !== null && this.world.now() - last.at < CATALOG_STALE_MS;
    const text = isUsable ? await within(CATALOG_WAIT_MS, asked, null) : await asked;
    if (text === null) return this.fallBack(tenant, last as Answered);
    const answered = this.answered(tenant, text, last);
    const entry = this.tenants.peek(tenant);
    if (entry !== undefined) {
      entry.last = answered;
      this.tenants.trim(tenant);
    }
    return answered.snapshot;
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
    if (this.failing.delete(tenant))
      this.world.log("INFO", { message: "the catalog is available again", tenant });
    const at = this.world.now();
    if (definitions === null && last !== null) {
      return { ...last, snapshot: { ...last.snapshot, health }, at };
    }
    const read = JSON.parse(definitions as string) as Definitions;
    return { snapshot: { ...read, health }, revision, chars: (definitions as string).length, at };
  }
}
