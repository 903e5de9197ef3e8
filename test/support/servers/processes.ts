// Commands run as a user runs them, each in a process group of its own, so that what it leaves running can be seen.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, readFileSync } from "node:fs";

export interface Command {
  pid: number;
  /** What it has written so far, both streams in one. */
  output(): string;
  /** Resolves once the output holds the text; rejects when the command ends before. */
  says(text: string): Promise<void>;
  kill(signal: NodeJS.Signals): void;
  /** Ends it and all that it started; for a test that went wrong. */
  destroy(): void;
  /** Its exit status, or the name of the signal that ended it. */
  ended: Promise<number | string>;
  /** Processes of its group that are alive. */
  left(): number[];
}

interface RunOptions {
  cwd: string;
  env?: NodeJS.ProcessEnv;
}

/** Runs Node with these arguments. */
export function runCommand(args: readonly string[], options: RunOptions): Command {
  return run(process.execPath, args, options);
}

/** Runs a line in sh, as npm does. */
export function runShell(line: string, options: RunOptions): Command {
  return run("sh", ["-c", line], options);
}

function run(file: string, args: readonly string[], options: RunOptions): Command {
  const child: ChildProcess = spawn(file, args, {
    cwd: options.cwd,
    detached: true,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  const listeners = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      for (const listen of listeners) listen();
    });
  }
  const ended = once(child, "close").then(([status, signal]) => (status ?? signal) as number | string);
  return {
    pid: child.pid ?? 0,
    output: () => output,
    says: (text) =>
      new Promise((resolve, reject) => {
        const look = () => {
          if (!output.includes(text)) return;
          listeners.delete(look);
          resolve();
        };
        listeners.add(look);
        look();
        void ended.then(() => reject(new Error(`ended without saying "${text}":\n${output}`)));
      }),
    kill: (signal) => child.kill(signal),
    destroy: () => {
      if (groupMembers(child.pid ?? 0).length > 0) process.kill(-(child.pid ?? 0), "SIGKILL");
    },
    ended,
    left: () => groupMembers(child.pid ?? 0),
  };
}

/** The dead that nobody has collected yet do not count. */
function groupMembers(group: number): number[] {
  return processTable()
    .filter((row) => row.group === group && !row.state.startsWith("Z"))
    .map((row) => row.pid);
}

function processTable(): { pid: number; group: number; state: string }[] {
  if (!existsSync("/proc/self/stat")) {
    const rows = execFileSync("ps", ["-axo", "pid=,pgid=,stat="], { encoding: "utf8" }).trim().split("\n");
    return rows.map((row) => {
      const [pid, group, state = ""] = row.trim().split(/\s+/);
      return { pid: Number(pid), group: Number(group), state };
    });
  }
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        // The name, in brackets, may itself hold spaces and brackets.
        const [state = "", , group] = (
          readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1) ?? ""
        ).split(" ");
        return [{ pid: Number(pid), group: Number(group), state }];
      } catch {
        return []; // Gone since it was listed.
      }
    });
}
