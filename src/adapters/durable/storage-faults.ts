// Maps a call of an execution's object that ends without a response to an error. A commit that storage refuses breaks
// the object after its own try/catch, and a file that cannot be opened prevents its construction: only the Worker
// that called it can report that.
import { err, ok, type Result } from "../../contract/problem.ts";
import { sqliteFault } from "../log/sqlite-fault.ts";

/** Number of retries after an object was reset during a call; it restarts at once. */
const TRIES = 3;

export interface ObjectCall<T> {
  execution_id: string;
  /** Made again for each try: a stub whose object broke stays broken. */
  call: () => Promise<T>;
  /** The call may be made again where its first answer was lost. */
  repeatable: boolean;
  /** Calls an object that has nothing stored. */
  probe: () => Promise<unknown>;
}

/** The call's answer, or the storage fault that prevents it. @throws any other error, for INTERNAL_ERROR */
export async function callObject<T>(of: ObjectCall<T>): Promise<Result<T>> {
  const tries = of.repeatable ? TRIES : 1;
  for (let made = 1; ; made += 1) {
    try {
      return ok(await of.call());
    } catch (cause) {
      const fault = sqliteFault(cause) ?? (isOpaque(cause) && made === tries ? await blame(of.probe) : null);
      if (fault === "full") return err({ code: "RESOURCE_EXHAUSTED", what: "storage" });
      if (fault === "corrupt") {
        const evidence = "its storage cannot be opened";
        return err({ code: "CONTEXT_CORRUPTED", execution_id: of.execution_id, evidence });
      }
      if (made === tries || isAbort(cause)) throw cause;
    }
  }
}

/** An error that names no cause: is it this object's storage alone that fails, or any? */
async function blame(probe: () => Promise<unknown>): Promise<"full" | "corrupt"> {
  try {
    await probe();
    return "corrupt";
  } catch {
    return "full";
  }
}

/** Whether the fault is the platform's own, whose message names no cause. */
function isOpaque(cause: unknown): boolean {
  return cause instanceof Error && cause.message.startsWith("internal error");
}

/** The caller has disconnected. */
function isAbort(cause: unknown): boolean {
  return cause instanceof Error && cause.name === "AbortError";
}
