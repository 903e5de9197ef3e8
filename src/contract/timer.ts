// The platform's own bound of a timer, on either side of the contract.

/** The longest delay of setTimeout, 2^31 - 1 ms: a longer one fires at once. */
export const LONGEST_TIMER_MS = 2_147_483_647;
