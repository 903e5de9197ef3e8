// The Worker's entry for tests that hurt it: the house's own, with an execution's object that can be made to crash
// from outside, and that crashes in each recovery where its id begins with `poison-`. What a promise rejects with
// and nobody catches is written where tests look for it.
import { ExecutionObject as RealExecution } from "../../src/objects/execution.ts";

// The class below stands before the one of the same name here.
export * from "../../src/index.ts";
export { default } from "../../src/index.ts";

addEventListener("unhandledrejection", (event) => {
  console.error(`UNHANDLED ${String(event.reason)}`);
});

export class ExecutionObject extends RealExecution {
  private poisoned = false;

  /** What a full memory or a fault of the platform does to an object. */
  crash(): void {
    this.ctx.abort("crashed by a test");
  }

  override async alarm(): Promise<void> {
    const name = (this.ctx.id.name ?? "").split("/").at(-1) ?? "";
    if (!this.poisoned && name.startsWith("poison-")) {
      this.poisoned = true;
      if (name.startsWith("poison-late")) setTimeout(() => this.crash(), 30);
    }
    return super.alarm();
  }
}
