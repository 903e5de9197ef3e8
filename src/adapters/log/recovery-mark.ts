// The mark of a recovery that has begun: its position in the log, and how many earlier ones began there. It is durable
// before the recovery does anything, so that an object that dies in its own recovery, before it could write anything,
// is distinguished from one that a crash of another object ended. Written only if the platform has counted a crash.

/** The part of DurableObjectStorage that the mark needs. */
export interface MarkStorage {
  kv: {
    get(key: string): unknown;
    put(key: string, value: unknown): void;
    delete(key: string): boolean;
    list(options: { prefix: string; reverse: true; limit: 1 }): Iterable<[string, unknown]>;
  };
  sync(): Promise<void>;
}

interface Mark {
  /** The key of the log's last chunk. */
  at: string;
  /** Recoveries that have begun there. */
  begun: number;
}

const MARK = "recovery";

/**
 * Marks that a recovery begins.
 * @returns how many earlier recoveries from the same place were interrupted: the marked ones, and the one before them,
 * which ran before the platform had counted anything
 */
export async function markRecovery(storage: MarkStorage, logPrefix: string): Promise<number> {
  const at = lastKey(storage, logPrefix);
  const mark = storage.kv.get(MARK) as Mark | undefined;
  const before = mark?.at === at ? mark.begun : 0;
  storage.kv.put(MARK, { at, begun: before + 1 } satisfies Mark);
  await storage.sync();
  return before === 0 ? 0 : before + 1;
}

/** Removes the mark at the end of a recovery. After one that has written something the mark is void anyway. */
export function clearMark(storage: MarkStorage): void {
  storage.kv.delete(MARK);
}

function lastKey({ kv }: MarkStorage, prefix: string): string {
  for (const [key] of kv.list({ prefix, reverse: true, limit: 1 })) return key;
  return "";
}
