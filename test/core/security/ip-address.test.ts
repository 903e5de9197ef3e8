// Which addresses are public: the first and the last of each block that is not, and their neighbours.
import { expect, test } from "vitest";
import { isPublicV4, isPublicV6 } from "../../../src/core/security/ip-address.ts";

test.each([
  ["1.0.0.0", true],
  ["0.255.255.255", false],
  ["9.255.255.255", true],
  ["10.0.0.0", false],
  ["10.255.255.255", false],
  ["11.0.0.0", true],
  ["100.63.255.255", true],
  ["100.64.0.0", false],
  ["100.127.255.255", false],
  ["100.128.0.0", true],
  ["127.0.0.1", false],
  ["169.254.169.254", false],
  ["172.15.255.255", true],
  ["172.16.0.0", false],
  ["172.31.255.255", false],
  ["172.32.0.0", true],
  ["192.0.2.1", false],
  ["192.0.3.0", true],
  ["192.167.255.255", true],
  ["192.168.0.1", false],
  ["198.17.255.255", true],
  ["198.19.255.255", false],
  ["198.20.0.0", true],
  ["203.0.113.255", false],
  ["223.255.255.255", true],
  ["224.0.0.1", false],
  ["255.255.255.255", false],
  ["168.63.129.16", false],
  ["168.63.129.17", true],
])("%s is public: %s", (address, isPublic) => {
  expect(isPublicV4(address)).toBe(isPublic);
});

test.each([
  ["::", false],
  ["::1", false],
  ["::ffff:7f00:1", false],
  ["64:ff9b::808:808", false],
  ["2000::", true],
  ["2001::1", false],
  ["2001:1ff::", false],
  ["2001:200::", true],
  ["2001:db8::1", false],
  ["2001:4860:4860::8888", true],
  ["2002:7f00:1::", false],
  ["3fff::", false],
  ["3fff:fff::", false],
  ["3fff:1000::", true],
  ["4000::", false],
  ["fc00::1", false],
  ["fe80::1", false],
  ["ff02::1", false],
])("%s is public: %s", (address, isPublic) => {
  expect(isPublicV6(address)).toBe(isPublic);
});
