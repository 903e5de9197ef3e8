// What a simulated run violates, by the invariant of src/README.md section 4.

export class Violation extends Error {
  constructor(invariant: string, detail: string) {
    super(`${invariant}: ${detail}`);
    this.name = "Violation";
  }
}

export function hold(invariant: string, condition: boolean, detail: () => string): void {
  if (!condition) throw new Violation(invariant, detail());
}
