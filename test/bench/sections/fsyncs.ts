// Counts the fsyncs of a workerd, by the class of the Durable Object whose file it is: strace starts it and follows it
// as its own child's tracer, which needs no privilege. Slow, so that nothing is timed meanwhile.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WORKERD } from "../servers.ts";

const STRACE = "strace";

/** Of the objects of one class. */
export interface Fsyncs {
  /** Of the objects' own files and of the folder they were made in. */
  own: number;
  /** Of the file in which workerd keeps when each object's alarm is due. */
  alarms: number;
  /** Checkpoints: of the objects that were closed meanwhile, ten seconds after they were last used. */
  closing: number;
}

export interface Tracer {
  /** The fsyncs of each class since this was last asked. */
  take(): Promise<Record<string, Fsyncs>>;
  /** Starts what Miniflare starts under the tracer. */
  during<T>(start: () => Promise<T>): Promise<T>;
  remove(): Promise<void>;
}

/** Null where there is no strace, and none can be installed or used. */
export async function findTracer(): Promise<Tracer | null> {
  if (!works() && process.getuid?.() === 0) {
    spawnSync("apt-get", ["update", "-qq"], { stdio: "ignore" });
    spawnSync("apt-get", ["install", "-y", "-qq", STRACE], { stdio: "ignore" });
  }
  if (!works()) return null;
  const folder = await mkdtemp(join(tmpdir(), "agent-coordinator-strace-"));
  const trace = join(folder, "trace");
  const wrapper = join(folder, "workerd");
  // -D: the tracer is the grandchild, so that the process Miniflare knows is workerd itself. -y: paths, not numbers.
  const command = `exec ${STRACE} -D -f -q --seccomp-bpf -y -e trace=fsync,fdatasync -e signal=none -o '${trace}' '${WORKERD}' "$@"`;
  await writeFile(wrapper, `#!/bin/sh\n${command}\n`, { mode: 0o755 });
  let seen = 0;
  return {
    async take() {
      const text = await readFile(trace, "utf8");
      const counts = countByClass(text.slice(seen));
      seen = text.length;
      return counts;
    },
    async during(start) {
      const before = process.env["MINIFLARE_WORKERD_PATH"];
      process.env["MINIFLARE_WORKERD_PATH"] = wrapper;
      try {
        return await start();
      } finally {
        if (before === undefined) delete process.env["MINIFLARE_WORKERD_PATH"];
        else process.env["MINIFLARE_WORKERD_PATH"] = before;
      }
    },
    remove: () => rm(folder, { recursive: true, force: true }),
  };
}

function works(): boolean {
  try {
    execFileSync(STRACE, ["-f", "-q", "--seccomp-bpf", "-e", "trace=fsync", "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/**
 * Miniflare lays a class's objects into one folder, a file each, beside `metadata.sqlite`, in which workerd keeps the
 * alarms of all of them. A file's checkpoint is a fsync of its write-ahead log and then one of itself.
 */
function countByClass(trace: string): Record<string, Fsyncs> {
  const counts: Record<string, Fsyncs> = {};
  const last = new Map<string, string>();
  for (const [, path = ""] of trace.matchAll(/^\d+\s+(?:fsync|fdatasync)\(\d+<([^>]*)>/gm)) {
    const [, owner = "other files", file = "", part = ""] =
      /coordinator-(\w+Object)(?:\/(\w+)\.sqlite([-\w]*))?$/.exec(path) ?? [];
    counts[owner] ??= { own: 0, alarms: 0, closing: 0 };
    const count = counts[owner];
    const kind = file === "metadata" ? "alarms" : "own";
    if (file !== "" && part === "" && last.get(file + owner) === "-wal") {
      count[kind] -= 1;
      count.closing += 2;
    } else {
      count[kind] += 1;
    }
    if (file !== "") last.set(file + owner, part);
  }
  return counts;
}
