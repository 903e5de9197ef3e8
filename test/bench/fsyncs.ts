// Counts the fsyncs of a workerd, by the class of the Durable Object whose file it is: strace starts it and follows it
// as its own child's tracer, which needs no privilege. Slow, so that nothing is timed meanwhile.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";

const requireHere = createRequire(import.meta.url);
const WORKERD = createRequire(requireHere.resolve("miniflare"))("workerd").default as string;

export interface Tracer {
  /** The fsyncs of each class since this was last asked. */
  take(): Promise<Record<string, number>>;
  /** Starts what Miniflare starts under the tracer. */
  during<T>(start: () => Promise<T>): Promise<T>;
  remove(): Promise<void>;
}

/** Null where there is no strace, and none can be installed or used. */
export async function findTracer(): Promise<Tracer | null> {
  if (!works() && process.getuid?.() === 0) {
    spawnSync("apt-get", ["update", "-qq"], { stdio: "ignore" });
    spawnSync("apt-get", ["install", "-y", "-qq", "strace"], { stdio: "ignore" });
  }
  if (!works()) return null;
  const folder = await mkdtemp(join(tmpdir(), "agent-coordinator-strace-"));
  const trace = join(folder, "trace");
  const wrapper = join(folder, "workerd");
  // -D: the tracer is the grandchild, so that the process Miniflare knows is workerd itself. -y: paths, not numbers.
  const command = `exec strace -D -f -q --seccomp-bpf -y -e trace=fsync,fdatasync -e signal=none -o '${trace}' '${WORKERD}' "$@"`;
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
    execFileSync("strace", ["-f", "-q", "--seccomp-bpf", "-e", "trace=fsync", "true"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/** Miniflare lays a class's files under `<Worker>-<class>`; the folder's own fsync is the class's as well. */
function countByClass(trace: string): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const [, path = ""] of trace.matchAll(/^\d+\s+(?:fsync|fdatasync)\(\d+<([^>]*)>/gm)) {
    const owner = /-(\w+Object)(?:\/|$)/.exec(path)?.[1] ?? "other files";
    counts[owner] = (counts[owner] ?? 0) + 1;
  }
  return counts;
}
