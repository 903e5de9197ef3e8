// What a test file opened is closed behind it by one line.

/** Closes in this order; what a failed set-up never opened is passed over. */
export async function closeAll(
  ...opened: readonly ({ close: () => Promise<unknown> } | null | undefined)[]
): Promise<void> {
  for (const each of opened) await each?.close();
}
