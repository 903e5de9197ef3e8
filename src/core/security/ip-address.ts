// Which IP addresses are public. Everything that a registry sets aside (this host, private networks, link
// local, shared, documentation, benchmarks, multicast, reserved) is not, nor is an IPv6 address that carries such an
// IPv4 address inside. IANA's special-purpose registries, 2025.

/** [first address, prefix length] of the IPv4 blocks that are not public. */
const RESERVED_V4: readonly (readonly [string, number])[] = [
  ["0.0.0.0", 8],
  ["10.0.0.0", 8],
  ["100.64.0.0", 10],
  ["127.0.0.0", 8],
  ["169.254.0.0", 16],
  ["172.16.0.0", 12],
  ["192.0.0.0", 24],
  ["192.0.2.0", 24],
  ["192.88.99.0", 24],
  ["192.168.0.0", 16],
  ["198.18.0.0", 15],
  ["198.51.100.0", 24],
  ["203.0.113.0", 24],
  ["224.0.0.0", 4],
  ["240.0.0.0", 4],
  // Two clouds' metadata services and hosts are at addresses that no registry sets aside.
  ["100.100.100.200", 32],
  ["168.63.129.16", 32],
];

/** True where `address` (dotted decimal, as the URL parser writes every spelling) is on the public internet. */
export function isPublicV4(address: string): boolean {
  const value = v4Value(address);
  return !RESERVED_V4.some(([first, bits]) => (value ^ v4Value(first)) >>> (32 - bits) === 0);
}

/** True where `address` (without brackets, as the URL parser writes it) is on the public internet. */
export function isPublicV6(address: string): boolean {
  const groups = v6Groups(address);
  const [a = 0, b = 0] = groups;
  // Only 2000::/3 is given out at all; so mapped (::ffff:0:0/96), NAT64 (64:ff9b::/96), unique local, link local and
  // multicast addresses are out already.
  if (a >>> 13 !== 1) return false;
  // 2001::/23 is for protocols (Teredo, ORCHID), 2001:db8::/32 and 3fff::/20 for documentation.
  if (a === 0x2001 && (b < 0x200 || b === 0xdb8)) return false;
  if (a === 0x3fff && b < 0x1000) return false;
  // 6to4 carries an IPv4 address, and is no longer in use.
  return a !== 0x2002;
}

function v4Value(address: string): number {
  return address.split(".").reduce((value, part) => ((value << 8) | Number(part)) >>> 0, 0);
}

/** The eight groups of an address in the URL parser's own spelling: lower case hex, at most one `::`. */
function v6Groups(address: string): number[] {
  const [head = "", tail] = address.split("::");
  const read = (text: string) =>
    text === "" ? [] : text.split(":").map((group) => Number.parseInt(group, 16));
  const before = read(head);
  if (tail === undefined) return before;
  const after = read(tail);
  return [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after];
}
