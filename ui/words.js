// How values are shown to people: sizes, times, states, links to what an id is of.

import { h } from "./dom.js";
import { dateOf } from "./moment.js";
import { nounOfParam, nounOfWord } from "./nouns.js";

const LABELS = {
  ipaddress: "address",
  hostname: "host",
  serviceofferingname: "offering",
  zonename: "zone",
  podname: "pod",
  clustername: "cluster",
  vmname: "instance",
  virtualmachinename: "instance",
  storage: "pool",
  displaytext: "description",
  networkofferingname: "offering",
  resourcestate: "use",
  allocationstate: "use",
  hypervisortype: "hypervisor",
  managedstate: "managed",
  cpuallocated: "CPU given",
  memoryallocatedpercentage: "memory given",
  disksizetotal: "size",
  disksizeallocated: "given",
  cpunumber: "cores",
  cpuspeed: "MHz",
  memory: "MiB",
  cmd: "command",
  jobstate: "state",
  jobinstancetype: "about",
  ostypename: "system",
  physicalsize: "size",
  rolename: "role",
  vmtotal: "instances",
  cputotal: "cores",
  memorytotal: "memory",
  issourcenat: "source NAT",
  isstaticnat: "static NAT",
  guestnetworkname: "network",
  vpcname: "VPC",
  publicip: "goes out by",
  healthchecksfailed: "ails",
  associatednetworkname: "network",
  guestiptype: "type",
  networktype: "type",
  providername: "provider",
  defaultvalue: "default",
  volumename: "volume",
  domainname: "network domain",
  offerha: "HA",
  specifyvlan: "VLAN is said",
  forvpc: "for VPCs",
  sent: "when",
  iscustomized: "size is asked",
  disksize: "GiB",
  storagetype: "storage",
  isolationmethods: "isolation",
};
const BYTES =
  /^(size|physicalsize|virtualsize|disksize(total|allocated|used)|memoryused|memoryallocatedbytes|memorywithoverprovisioning)$/;
const TIMES =
  /^(created|completed|sent|removed|lastupdated|lastserverstart|lastboottime|collectiontime|lastannotated|startdate|enddate)$/;
const STATES =
  /^(state|status|resourcestate|allocationstate|managedstate|jobstate|powerstate|hostcontrolstate|level)$/;
const GOOD =
  /^(Running|Up|Enabled|Ready|Allocated|Implemented|Succeeded|Active|BackedUp|Completed|Managed|enabled|Download Complete|Available|Done|On)$/;
const BUSY =
  /^(Starting|Stopping|Migrating|Creating|Expunging|Destroying|Upload.*|Connecting|Undoing|Started|Scheduled|PrepareFor.*|.*ing|Setup|WARN)$/;
const BAD = /^(Error.*|Failed|Parked|Alert|Down|Disconnected|Degraded|.*Fail.*|ERROR)$/;
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

export function labelOf(field) {
  return LABELS[field] ?? field;
}

export function bytes(count) {
  let size = Number(count);
  let unit = 0;
  while (Math.abs(size) >= 1024 && unit < UNITS.length - 1) {
    size /= 1024;
    unit += 1;
  }
  return `${unit && size < 100 ? size.toFixed(1) : Math.round(size)} ${UNITS[unit]}`;
}

/** A moment of the API's in this browser's own zone. */
export function when(text) {
  const at = dateOf(text);
  if (Number.isNaN(at.getTime())) return text;
  return h("time", { dateTime: at.toISOString(), title: text }, at.toLocaleString());
}

export function state(text) {
  const tone = GOOD.test(text) ? "good" : BAD.test(text) ? "bad" : BUSY.test(text) ? "busy" : "off";
  return h(`span.state.${tone}`, text);
}

/** An event in a line: when, how it ended, what was asked for; and whatever else there is to say. */
export function happening(row, ...more) {
  const how = state(row.level === "ERROR" ? "Error" : row.state);
  return h("li", when(row.created), " ", how, " ", h("b", row.type), " ", more);
}

/** The value of a field, as people read it. `row` has what its id is called. */
export function valueOf(field, row) {
  const value = row[field];
  if (value === undefined || value === null || value === "") return h("span.faint", "–");
  if (Array.isArray(value)) return value.length ? table(value) : h("span.faint", "none");
  if (typeof value === "object") return pairs(value);
  if (STATES.test(field)) return state(String(value));
  if (BYTES.test(field)) return h("span.number", { title: `${value} bytes` }, bytes(value));
  if (TIMES.test(field)) return when(String(value));
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (typeof value === "number") return h("span.number", value.toLocaleString());
  return linked(field, row) ?? String(value);
}

/** `zonename` is a link to the zone that `zoneid` says, and `zoneid` too. */
function linked(field, row) {
  if (field === "jobinstanceid") return linkTo(nounOfWord(row.jobinstancetype), row[field]);
  const idField = field.endsWith("id") ? field : (ID_OF[field] ?? field.replace(/name$/, "id"));
  const noun = idField !== "id" && row[idField] ? nounOfParam(idField) : undefined;
  return linkTo(noun, row[idField], row[field]);
}

function linkTo(noun, id, said = id) {
  return noun && h("a", { href: `#/${noun.noun}/${encodeURIComponent(id)}` }, String(said));
}

const ID_OF = {
  domain: "domainid",
  project: "projectid",
  storage: "storageid",
  vmname: "virtualmachineid",
  role: "roleid",
};

function pairs(object) {
  const entries = Object.entries(object);
  if (!entries.length) return h("span.faint", "none");
  return h(
    "dl.pairs",
    entries.map(([name, value]) => [
      h("dt", name),
      h("dd", typeof value === "object" ? folded(value) : String(value)),
    ]),
  );
}

/** What is whole in itself, to be opened by who wants it: the result of a job, say. */
function folded(value) {
  return h("details", h("summary", "show"), h("pre", JSON.stringify(value, null, 2)));
}

function table(rows) {
  if (typeof rows[0] !== "object") return rows.join(", ");
  const all = [...new Set(rows.flatMap(Object.keys))].filter((field) => !INNER.has(field));
  const fields = all.filter((field) => rows.some((row) => isSaid(field, row)));
  return h(
    "div.scroll",
    h(
      "table.inner",
      h(
        "thead",
        h(
          "tr",
          fields.map((field) => h("th", { scope: "col" }, labelOf(field))),
        ),
      ),
      h(
        "tbody",
        rows.map((row) =>
          h(
            "tr",
            fields.map((field) => h("td", valueOf(field, row))),
          ),
        ),
      ),
    ),
  );
}

// What a thing within another says only of itself and of that other.
const INNER = new Set(["id", "virtualmachineid", "broadcasturi"]);
const NAMED_BY = {
  domainid: "domain",
  projectid: "project",
  ostypeid: "osdisplayname",
  guestosid: "osdisplayname",
};

/** Does a field tell people something: it is not empty, and no id of what another field names? */
export function isSaid(field, row) {
  const value = row[field];
  if (value === undefined || value === null || value === "") return false;
  if (typeof value === "object") return Object.keys(value).length > 0;
  const name = field.endsWith("id") ? (NAMED_BY[field] ?? field.replace(/id$/, "name")) : "";
  return !(name && row[name]);
}

/** `prepareHostForMaintenance` as words: "Prepare host for maintenance". */
export function spoken(name) {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, "$1 $2")
    .replace(/([A-Z]+)([A-Z][a-z])/g, "$1 $2")
    .split(" ");
  const said = words
    .map((word, number) => (number && !/^[A-Z]{2,}/.test(word) ? word.toLowerCase() : word))
    .join(" ");
  return said[0].toUpperCase() + said.slice(1);
}
