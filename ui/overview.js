// The first page: is the cloud well, how full is it, and what has just happened.

import { call, command, isOperator } from "./api.js";
import { h, show } from "./dom.js";
import { onJobEnd } from "./jobs.js";
import { onEvents } from "./live.js";
import { isPast } from "./moment.js";
import { always, nounOf } from "./nouns.js";
import { bytes, happening } from "./words.js";

const LATEST = 12;
// What a capacity of this name counts, in the order in which people ask.
const CAPACITIES = [
  ["CPU_CORE", "Cores", plain],
  ["CPU", "CPU", (mhz) => `${(mhz / 1000).toFixed(1)} GHz`],
  ["MEMORY", "Memory", bytes],
  ["STORAGE_ALLOCATED", "Storage given", bytes],
  ["STORAGE", "Storage used", bytes],
  ["VIRTUAL_NETWORK_PUBLIC_IP", "Public addresses", plain],
  ["PRIVATE_IP", "Private addresses", plain],
  ["VLAN", "VLANs", plain],
];
const LIMITS = [
  ["vm", "Instances"],
  ["cpu", "Cores"],
  ["memory", "Memory (MiB)"],
  ["volume", "Volumes"],
  ["primarystorage", "Storage (GiB)"],
  ["snapshot", "Snapshots"],
  ["template", "Templates"],
  ["network", "Networks"],
  ["ip", "Public addresses"],
];

export function overviewPage() {
  const counts = h("div.cards");
  const bars = h("div.bars");
  const latest = h("ol.history");
  const draw = () =>
    Promise.all([
      part(counts, countCards),
      part(bars, isOperator() ? capacityBars : limitBars),
      part(latest, latestEvents),
    ]);
  draw();
  const ends = [onEvents(() => (isPast() ? undefined : draw())), onJobEnd(draw)];
  return {
    element: h(
      "section",
      h("header.page", h("h1", "Overview")),
      counts,
      h(
        "div.columns",
        h("div", h("h2", isOperator() ? "Capacity" : "Limits"), bars),
        h("div", h("h2", "What was asked for"), latest),
      ),
    ),
    end: () => ends.forEach((end) => end()),
  };
}

async function part(holder, make) {
  try {
    show(holder, await make());
  } catch (refused) {
    show(holder, h("p.bad", refused.message));
  }
}

async function countCards() {
  const cards = [
    card("instances", "Running", { state: "Running" }, "good"),
    card("instances", "Stopped", { state: "Stopped" }, "off"),
    card("instances", "In error", { state: "Error" }, "bad"),
    card("hosts", "Up", { state: "Up" }, "good"),
    card("hosts", "Disconnected", { state: "Disconnected" }, "bad"),
    card("jobs", "under way", { state: "Running" }, "busy"),
    card("jobs", "parked", { state: "Parked" }, "bad"),
    card("alerts", "open", {}, "bad"),
    card("volumes", "", {}, "off"),
    card("networks", "", {}, "off"),
  ];
  return (await Promise.all(cards)).filter(Boolean);
}

async function card(name, what, where, tone) {
  const noun = nounOf(name);
  if (!command(noun.list)) return null;
  const { count = 0 } = await call(noun.list, { ...always(noun), ...where, page: 1, pagesize: 1 });
  return h(
    `a.card.${count ? tone : "off"}`,
    { href: `#/${name}` },
    h("b", count.toLocaleString()),
    h("span", `${count === 1 ? noun.one : noun.noun} ${what}`),
  );
}

async function capacityBars() {
  const { capacity = [] } = await call("listCapacity");
  const sums = new Map();
  for (const one of capacity) {
    const sum = sums.get(one.name) ?? { used: 0, total: 0 };
    sum.used += one.capacityused;
    sum.total += one.capacitytotal;
    sums.set(one.name, sum);
  }
  const found = CAPACITIES.filter(([name]) => sums.get(name)?.total);
  return found.length
    ? found.map(([name, title, said]) =>
        bar(title, sums.get(name).used, sums.get(name).total, said),
      )
    : h("p.faint", "There is nothing to run guests on yet: create a zone, and add hosts to it.");
}

async function limitBars() {
  const { account = [] } = await call("listAccounts");
  return LIMITS.map(([kind, title]) => {
    const limit = Number(account[0]?.[`${kind}limit`]);
    return bar(
      title,
      account[0]?.[`${kind}total`] ?? 0,
      Number.isNaN(limit) || limit < 0 ? 0 : limit,
      plain,
    );
  });
}

function bar(title, used, total, said) {
  const share = total ? used / total : 0;
  const meter = h("meter", {
    min: 0,
    max: 1,
    low: 0.75,
    high: 0.9,
    optimum: 0,
    value: share,
    "aria-label": title,
  });
  const words = total ? `${said(used)} of ${said(total)}` : `${said(used)}, without a limit`;
  return h("div.bar", h("span", title), meter, h("span.faint", words));
}

function plain(count) {
  return Number(count).toLocaleString();
}

async function latestEvents() {
  if (!command("listEvents")) return [];
  const { event = [] } = await call("listEvents", { listall: true, page: 1, pagesize: LATEST });
  return event.map((row) => happening(row, whom(row)));
}

function whom(row) {
  return h("span.faint", [row.resourcename, row.username].filter(Boolean).join(" · "));
}
