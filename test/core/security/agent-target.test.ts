// Where a call may go: SSRF in every spelling, with and without a list of allowed hosts. Nothing is connected to: the
// rules are asked, and the URL parser that they stand on.
import { describe, expect, test } from "vitest";
import { agentUrl, parseAllowedHosts } from "../../../src/core/security/agent-target.ts";

const spellings = (text: string) => text.trim().split(/\s+/);

/** Addresses of the machine itself, in every spelling that a URL parser undoes. */
const LOOPBACK = spellings(`
  127.0.0.1 127.0.0.1. 127.1 127.0.1 127.255.255.254 2130706433 0x7f000001 0x7f.1 0x7F.0.0.0x1
  017700000001 0177.0.0.1 0177.1 127.0.0.0x1 127.000.000.001 １２７.０.０.１ 127。0。0。1 127．0．0．1 ①②⑦.0.0.1 0
  0.0.0.0 0x0 00 0.0.0.1 %31%32%37.0.0.1 127.0.0.%31 [::1] [::] [0:0:0:0:0:0:0:1]
  [0000:0000:0000:0000:0000:0000:0000:0001] [::ffff:127.0.0.1] [::ffff:7f00:1] [0:0:0:0:0:ffff:7f00:1]
  [::127.0.0.1] [::7f00:1] [64:ff9b::127.0.0.1] [64:ff9b::7f00:1] [64:ff9b:1::7f00:1] [2002:7f00:1::]
  [2002:7f00:0001::1] [::ffff:0:127.0.0.1] [2001:0:7f00:1::] [2001::1]
`);
const PRIVATE = spellings(`
  10.0.0.1 10.255.255.255 0xa.1 012.0.0.1 167772161 172.16.0.1 172.31.255.255 172.20.10.2 192.168.0.1
  192.168.1.254 0xc0.0xa8.1.1 0300.0250.1.1 3232235777 0xC0A80101 100.64.0.1 100.127.255.255 192.0.0.8
  192.0.2.1 198.18.0.1 198.19.255.255 198.51.100.7 203.0.113.9 192.88.99.1 224.0.0.1 239.255.255.255
  240.0.0.1 255.255.255.255 4294967295 [fc00::1] [fd00::1] [fd12:3456:789a::1] [fe80::1] [febf::1]
  [fec0::1] [ff02::1] [ff05::2] [::ffff:10.0.0.1] [::ffff:192.168.1.1] [::ffff:c0a8:101]
  [64:ff9b::10.0.0.1] [64:ff9b::a00:1] [2002:a00:1::] [2002:c0a8:101::1] [2001:db8::1] [2001:2::1]
  [2001:10::1] [2001:20::1] [3fff::1] [100::1] [5f00::1] [4000::1]
`);
const METADATA = spellings(`
  169.254.169.254 169.254.169.254. 0xa9fea9fe 2852039166 0251.0376.0251.0376 0xA9.0xFE.0xA9.0xFE
  169.254.43518 169.16689662 １６９.２５４.１６９.２５４ [::ffff:169.254.169.254] [::ffff:a9fe:a9fe]
  [64:ff9b::a9fe:a9fe] [2002:a9fe:a9fe::] [fd00:ec2::254] [fe80::a9fe:a9fe] 169.254.170.2 169.254.0.1
  100.100.100.200 168.63.129.16 metadata.google.internal METADATA.GOOGLE.INTERNAL
  metadata.google.internal. metadata instance-data metadata.azure.internal kubernetes
  kubernetes.default.svc.cluster.local vault.service.consul.internal
`);
const NAMES = spellings(`
  localhost LOCALHOST LocalHost localhost. localhost.. foo.localhost a.b.localhost. ⓛⓞⓒⓐⓛⓗⓞⓢⓣ
  ｌｏｃａｌｈｏｓｔ loc%61lhost localhost.localdomain ip6-localhost printer.local nas.lan router.home
  router.home.arpa db.internal wiki.corp intranet mail.intranet db redis host.docker.internal
  gateway.docker.internal db.private
  example.com.. example..com .example.com a...b.example.com example.com... 8.8.8.8..
  db.test.lan agent.test db.invalid hidden.onion agent.alt 8.8.8.8.in-addr.arpa db.localnet mail.mail
  kubernetes.default.svc vault.service.consul app.workgroup x.docker X.INTERNAL x.internal.
`);
/** Whole URLs that mean another host than they seem to, or no host at all. */
const TRICKS = [
  "https://good.example.com@127.0.0.1/",
  "https://good.example.com:443@169.254.169.254/",
  "https://user:pass@example.com/",
  "https://user@example.com/",
  "https://:pass@example.com/",
  "https://%40127.0.0.1/",
  "https://127.0.0.1#@example.com/",
  "https://127.0.0.1?@example.com/",
  "https://127.0.0.1\\@example.com/",
  "https:\\\\127.0.0.1\\",
  "https:127.0.0.1",
  "https:/127.0.0.1",
  "https:///127.0.0.1/",
  "https:////127.0.0.1/",
  "\thttps://127.0.0.1",
  "https://127.0.\n0.1/",
  "https://127.0.0.1\t/",
  "https://example.com/#fragment",
  "http://example.com/",
  "HTTP://EXAMPLE.COM/",
  "ftp://example.com/",
  "file:///etc/passwd",
  "gopher://127.0.0.1:6379/_",
  "data:text/plain,x",
  "javascript:1",
  "ws://example.com/",
  "wss://example.com/",
  "blob:https://example.com/x",
  "about:blank",
  "//example.com/",
  "/path",
  "example.com",
  "",
  " ",
  "https://",
  "https://[::1",
  "https://[fe80::1%25eth0]/",
  "https://exa mple.com/",
  "https://example.com:99999/",
  "https://example.com:0/",
  "https://example.com:00/",
  "https://256.256.256.256/",
  "https://1.2.3.4.5/",
  "https://0x100000000/",
  "https://[::ffff:127.0.0.1]:8443/",
  "https://127.0.0.1:443/",
  "https://localhost:8443/x?y",
  "dict://127.0.0.1:11211/",
];
const HOSTS = [...LOOPBACK, ...PRIVATE, ...METADATA, ...NAMES];

describe("without a list", () => {
  test(`refuses ${HOSTS.length + TRICKS.length} vectors (at least 150), each once`, () => {
    const vectors = [...HOSTS.map((host) => `https://${host}/agent`), ...TRICKS];
    expect(new Set(vectors).size).toBeGreaterThanOrEqual(150);
    expect(new Set(vectors).size).toBe(vectors.length);
    expect(vectors.filter((vector) => agentUrl(vector, null).ok)).toEqual([]);
  });

  test.each([
    "https://example.com/agent",
    "https://agents.example.com:8443/a?b=c",
    "https://8.8.8.8/",
    "https://1.1.1.1./",
    "https://[2606:4700:4700::1111]/",
    "https://[2a00:1450::1]/",
    "https://localhost.example.com/",
    "https://internal.example.com/",
    "https://example.com./",
    "https://mail.example.com/",
    "https://agents.example/",
    "https://test.example.org/",
    // Public names of private addresses: what they resolve to cannot be asked here.
    "https://127.0.0.1.nip.io/",
    "https://localtest.me/",
    "https://xn--bcher-kva.example.com/",
    "https://172.15.0.1/",
    "https://172.32.0.1/",
    "https://11.0.0.1/",
    "https://100.63.0.1/",
    "https://100.128.0.1/",
    "https://169.253.1.1/",
    "https://192.167.0.1/",
  ])("allows %s", (url) => {
    expect(agentUrl(url, null)).toMatchObject({ ok: true });
  });

  test.each([
    ["https://example.com../", "an empty label"],
    ["https://example.com:0/", "the port 0"],
    ["https://db.internal/", "not on the public internet"],
  ])("says why: %s", (url, reason) => {
    expect(agentUrl(url, null)).toMatchObject({ ok: false, error: expect.stringContaining(reason) });
  });

  test("says why, without a credential in it", () => {
    const refused = agentUrl("https://admin:hunter2@example.com/", null);
    expect(refused).toMatchObject({ ok: false });
    expect(JSON.stringify(refused)).not.toContain("hunter2");
  });
});

describe("without keys and a list", () => {
  const OWN = /^(?:localhost\.?|127\.[\d.]+|\[::1\])$/;

  test.each([
    "http://localhost:9334/x",
    "http://LOCALHOST./",
    "http://127.0.0.1:9334/x",
    "http://127.9.9.9/",
    "http://2130706433:1/",
    "http://[::1]:9334/x",
    "https://localhost/",
    "https://agents.example.com/",
  ])("allows %s", (url) => {
    expect(agentUrl(url, "loopback")).toMatchObject({ ok: true });
  });

  test("and nothing else that is refused with keys", () => {
    for (const vector of [...HOSTS.map((host) => `http://${host}/agent`), ...TRICKS]) {
      const isOwn = URL.canParse(vector) && OWN.test(new URL(vector).hostname);
      if (!isOwn) expect(agentUrl(vector, "loopback").ok, vector).toBe(false);
    }
    for (const url of ["http://0.0.0.0/", "http://[::]/", "http://x.localhost/", "http://u:p@localhost/"]) {
      expect(agentUrl(url, "loopback").ok, url).toBe(false);
    }
  });
});

describe("a URL without its scheme", () => {
  test.each([
    ["localhost:9334/x", "write http://localhost:9334/x"],
    ["127.0.0.1:9334", "write http://127.0.0.1:9334/"],
    ["[::1]:9334/x", "write http://[::1]:9334/x"],
    ["localhost/x?key=abc", "write http://localhost/x?…"],
    ["agents.example.com/x", "write https://agents.example.com/x"],
    ["//agents.example.com/x", "write https://agents.example.com/x"],
    ["agents.example.com:8443/x", "write https://agents.example.com:8443/x"],
    ["inner:9000/x", "write http://inner:9000/x"],
  ])("%s: %s", (text, advice) => {
    const refused = agentUrl(text, new Set(["inner:9000"]));
    expect(refused).toEqual({ ok: false, error: `is not an absolute URL: ${advice}` });
  });

  test.each(["", "agent", "/x", "user:secret@example.com/x", "data:text/plain,x"])(
    "nothing is guessed of %j",
    (text) => {
      const refused = agentUrl(text, null);
      expect(!refused.ok && refused.error).not.toMatch(/write|secret/);
    },
  );
});

describe("with a list", () => {
  const listed = (list: string) => {
    const hosts = parseAllowedHosts(list);
    if (!hosts.ok) throw new Error(hosts.error);
    return hosts.value;
  };

  test("calls no host but those on it, in every spelling", () => {
    const allowed = listed("agents.example.com, 127.0.0.1:9000");
    for (const host of HOSTS) expect(agentUrl(`https://${host}/`, allowed).ok, host).toBe(false);
    for (const trick of TRICKS) expect(agentUrl(trick, allowed).ok, trick).toBe(false);
    for (const host of [
      "agents.example.com.",
      "agents.example.com:8443",
      "x.agents.example.com",
      "agents.example.com.evil.com",
      "evil.com",
      "127.0.0.1:9001",
      "localhost:9000",
      "agents.example.com%2eevil.com",
      "agents%00.example.com",
    ]) {
      expect(agentUrl(`https://${host}/`, allowed).ok, host).toBe(false);
    }
  });

  test("allows what it names, over http: too", () => {
    const allowed = listed("Agents.Example.com,127.0.0.1:9000, [::1]:7000,localhost:443");
    for (const url of [
      "https://agents.example.com/x",
      "http://agents.example.com/x",
      "http://127.0.0.1:9000/",
      "https://127.0.0.1:9000/",
      "http://2130706433:9000/",
      "http://[::1]:7000/",
      "https://localhost/",
    ]) {
      expect(agentUrl(url, allowed).ok, url).toBe(true);
    }
  });

  test.each([
    "https://example.com",
    "example.com/x",
    "*.example.com,exa mple",
    "a@b",
    "0x7f.1",
    "example.com:",
    "example.com:0",
    "example.com..",
    "example..com",
  ])("an entry that is no host is refused: %s", (entry) => {
    const hosts = parseAllowedHosts(`fine.example.com,${entry}`);
    if (entry.startsWith("*")) expect(hosts).toMatchObject({ ok: false });
    else expect(hosts).toEqual({ ok: false, error: entry });
  });

  test("an empty list counts as none", () => {
    expect(parseAllowedHosts(undefined)).toEqual({ ok: true, value: null });
    expect(parseAllowedHosts(" , ")).toEqual({ ok: true, value: null });
  });
});
