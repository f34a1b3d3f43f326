// What there is to look at. A noun says which command lists it, what to show first, and what is
// done with it most; its fields, all its other actions and their forms come from `listApis`.

import { command, session } from "./api.js";
import { ANYTHING } from "./live.js";

/**
 * The kinds of things, in the groups of the menu. Of each: `list` the command, `key` of its answer,
 * `id` its field if that is not "id", `param` by which other commands name one, `word` in the names
 * of the commands that take one as their `id`, `topics` of the events that change it, `always` what
 * is sent with its list (`tenant`: by who does not run the cloud), `columns` to show first, `create`
 * what makes one, `often` the actions to have at hand (`when`: in which states), `within` what
 * belongs to one (noun, parameter).
 */
const GROUPS = await (await fetch(new URL("nouns.json", import.meta.url))).json();
const NOUNS = GROUPS.flatMap((group) => group.nouns);
const BY_NOUN = new Map(NOUNS.map((one) => [one.noun, one]));

export function nounOf(name) {
  return BY_NOUN.get(name);
}

export function titleOf(noun) {
  return noun.title ?? noun.noun[0].toUpperCase() + noun.noun.slice(1);
}

export function idOf(noun, row) {
  return row[noun.id ?? "id"];
}

export function nameOf(noun, row) {
  return (
    row.displayname ||
    row.name ||
    row.username ||
    row.ipaddress ||
    row.cmd ||
    row.type ||
    idOf(noun, row)
  );
}

/** Do events of these topics change things of this kind? */
export function concerns(noun, topics) {
  const isAll = noun.topics.includes(ANYTHING) || topics.includes(ANYTHING);
  return isAll || topics.some((topic) => noun.topics.includes(topic.split(".")[0]));
}

/** The groups of the menu, each with what whoever signed in may list. */
export function menu() {
  const groups = GROUPS.map((group) => ({
    title: group.title,
    nouns: group.nouns.filter((noun) => command(noun.list)),
  }));
  return groups.filter((group) => group.nouns.length);
}

/** What to send with the noun's list, whatever is looked for. */
export function always(noun) {
  const role = session.who?.type === "1" ? noun.always : (noun.tenant ?? noun.always);
  return role ?? {};
}

/** The noun that a parameter or a field of this name is the id of. */
export function nounOfParam(name) {
  const one = SYNONYMS[name] ?? name.replace(/ids$/, "id");
  return NOUNS.find(
    (noun) => noun.param && noun.param.replace(/ids$/, "id") === one && command(noun.list),
  );
}

/** The noun that the API calls by this word: `VirtualMachine`. */
export function nounOfWord(word) {
  return NOUNS.find((noun) => noun.word === word && command(noun.list));
}

const SYNONYMS = {
  ostypeid: "",
  rootdiskofferingid: "diskofferingid",
  overridediskofferingid: "diskofferingid",
  destinationhostid: "hostid",
  lasthostid: "hostid",
  associatednetworkid: "networkid",
  sourcetemplateid: "templateid",
  parentdomainid: "domainid",
  pool: "storageid",
  poolid: "storageid",
  newdomainid: "domainid",
  vmid: "virtualmachineid",
};
