// The form of a command, made from what `listApis` says that it takes. "Try" asks the cloud what
// would be done.

import { asks, call, command, insideOf, takes } from "./api.js";
import { button, h, show } from "./dom.js";
import { isPast } from "./moment.js";
import { always, idOf, nameOf, nounOfParam } from "./nouns.js";
import { begun, toast } from "./jobs.js";
import { spoken } from "./words.js";

const CHOICES_MAX = 500;
const KERNEL = new Set(["dryrun", "idempotencykey"]);
// What most people fill in, beside what has to be: the rest is folded away.
const USUAL = await (await fetch(new URL("forms.json", import.meta.url))).json();

/** Open a dialog for a command. `given` are parameters that are known, with what they are called. */
export function openForm(name, given = {}) {
  const api = command(name);
  const inputs = api.params
    .filter((param) => isOffered(param))
    .map((param) => inputFor(param, given));
  const usual = USUAL[name] ?? [];
  const shown = inputs.filter(
    (one) => one.param.required || usual.includes(one.param.name) || one.param.name in given,
  );
  shown.sort((a, b) => rank(usual, a) - rank(usual, b));
  const folded = inputs.filter((one) => !shown.includes(one));
  const told = h("div.told", { role: "status" });
  // Sent twice, by a nervous hand or over a bad line, it is done once: until something is changed.
  let key = newKey();
  const send = async (how) => {
    show(told, h("p.faint", "Asking…"));
    try {
      const params = Object.assign(how, ...inputs.map((one) => one.read()));
      const answer = await call(name, params);
      if (asks(name)) show(told, json(answer));
      else if (how.dryrun) show(told, h("p.good", "This would be done:"), json(answer));
      else if (isOver(api, answer, form)) dialog.close();
    } catch (refused) {
      show(told, h("p.bad", refused.message));
    }
  };
  const form = h(
    "form",
    {
      method: "dialog",
      onsubmit: (event) => {
        event.preventDefault();
        send(takes(name, "idempotencykey") ? { idempotencykey: key } : {});
      },
      oninput: () => (key = newKey()),
    },
    h("h2", spoken(name)),
    h("p.faint", api.description),
    shown.map((one) => one.element),
    folded.length
      ? h(
          "details",
          h("summary", `${folded.length} more`),
          folded.map((one) => one.element),
        )
      : null,
    told,
    h(
      "footer",
      button("Cancel", () => dialog.close()),
      asks(name)
        ? null
        : button("Try", () => send({ dryrun: "true" }), {
            title: "Ask what would be done, and do nothing",
          }),
      h("button.primary", { type: "submit", disabled: isPast() && !asks(name) }, spoken(name)),
    ),
  );
  const dialog = h(
    "dialog.form",
    { onclose: () => dialog.remove(), "aria-label": spoken(name) },
    form,
  );
  document.body.append(dialog);
  dialog.showModal();
}

/** Do what needs nothing more than what is known; ask for whatever else there is. */
export async function act(name, given) {
  const api = command(name);
  const open = api.params.filter((param) => isOffered(param) && !(param.name in given));
  if (open.some((param) => param.required) || !ALONE.test(name)) {
    openForm(name, given);
    return;
  }
  try {
    accept(api, await call(name, ids(given)));
  } catch (refused) {
    toast(spoken(name), refused.message, "bad");
  }
}

// What is done at one click, because it can be done again the other way.
const ALONE =
  /^(start|reboot|enable|disable|cancel|createConsole|reconnect|restart|lock|activate|suspend)/;

function ids(given) {
  return Object.fromEntries(Object.entries(given).map(([name, one]) => [name, one.value]));
}

/** Is nothing left to be shown? A job is followed in the corner; what is told once stays here. */
function isOver(api, answer, form) {
  const inside = insideOf(answer);
  if (!SECRETS.some((field) => inside[field])) {
    accept(api, answer);
    return true;
  }
  const close = h("button.primary", { type: "button", onclick: () => form.parentElement.close() });
  close.append("Close");
  show(form, h("h2", spoken(api.name)), h("p.good", "Done. Keep this, it is told once:"));
  form.append(json(inside), h("footer", close));
  return false;
}

const SECRETS = ["privatekey", "secretkey", "password"];

/** What the cloud answered: a job to follow, a console to open, or a word in the corner. */
function accept(api, answer) {
  if (answer.jobid && api.isasync) {
    begun(api.name, answer.jobid);
    return;
  }
  const inside = insideOf(answer);
  if (inside.success === false) {
    toast(spoken(api.name), inside.details ?? inside.displaytext ?? "it was not done", "bad");
    return;
  }
  const isConsole = api.name === "createConsoleEndpoint";
  const isPage = isConsole && /^https?:/.test(inside.url);
  if (isPage) window.open(inside.url, "_blank", "noopener");
  if (isConsole && !isPage) toast(spoken(api.name), `open it with a viewer: ${inside.url}`, "kept");
  else toast(spoken(api.name), "done", "good");
}

function json(value) {
  return h("pre", JSON.stringify(value, null, 2));
}

/** Of 128 bits. `crypto.randomUUID` is there on HTTPS alone. */
function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function isOffered(param) {
  return !KERNEL.has(param.name) && !param.description.startsWith("not offered");
}

function rank(usual, one) {
  const at = usual.indexOf(one.param.name);
  return at < 0 ? usual.length : at;
}

/** A field with its label: `read` gives the parameters to send. */
function inputFor(param, given) {
  const known = given[param.name];
  const id = `field-${param.name}`;
  const field = known ? fixed(known) : fieldFor(param);
  field.id = id;
  field.name = param.name;
  if (param.required && !known) field.required = true;
  const element = h(
    "div.field",
    h(
      "label",
      { htmlFor: id },
      param.name,
      param.required ? h("span.bad", { title: "has to be given" }, " *") : null,
    ),
    field,
    h("small.faint", hintOf(param)),
  );
  return {
    param,
    element,
    read: () => (known ? { [param.name]: known.value } : readOf(param, field)),
  };
}

function fixed(known) {
  return h("output", known.label);
}

function hintOf(param) {
  if (param.type !== "map") return param.description;
  return `${param.description} (a line of name=value each; an empty line begins another one)`;
}

function fieldFor(param) {
  const noun = param.type === "uuid" || param.type === "list" ? nounOfParam(param.name) : undefined;
  if (noun) return choice(noun, param.type === "list");
  if (param.type === "boolean")
    return h(
      "select",
      ["", "true", "false"].map((value) => h("option", { value }, value || "–")),
    );
  if (param.type === "map" || param.name === "userdata")
    return h("textarea", { rows: 3, spellcheck: false });
  if (/password|secret/.test(param.name))
    return h("input", { type: "password", autocomplete: "new-password" });
  const isNumber = ["integer", "long", "short"].includes(param.type);
  return h(
    "input",
    isNumber
      ? { type: "number", step: 1 }
      : { type: "text", maxLength: param.length ?? 524288, spellcheck: false, autocomplete: "off" },
  );
}

/** The things that there are, by name. More than can be chosen from: the id is asked for. */
function choice(noun, several) {
  const holder = h(
    "select",
    { multiple: several, size: several ? 4 : undefined },
    h("option", { value: "" }, "loading…"),
  );
  call(noun.list, { ...always(noun), page: 1, pagesize: CHOICES_MAX })
    .then((answer) => {
      const rows = answer[noun.key] ?? [];
      const unique = [...new Map(rows.map((row) => [idOf(noun, row), row])).values()];
      if ((answer.count ?? 0) > CHOICES_MAX) {
        const typed = h("input", {
          type: "text",
          placeholder: `the id of a ${noun.one}: there are ${answer.count}`,
          id: holder.id,
          name: holder.name,
          required: holder.required,
        });
        holder.replaceWith(typed);
        holder.typed = typed;
        return;
      }
      const first = several ? [] : [h("option", { value: "" }, "–")];
      show(
        holder,
        first,
        unique.map((row) => h("option", { value: idOf(noun, row) }, labelOf(noun, row))),
      );
    })
    .catch((refused) => show(holder, h("option", { value: "" }, refused.message)));
  return holder;
}

function labelOf(noun, row) {
  const where = row.zonename && noun.noun !== "zones" ? ` · ${row.zonename}` : "";
  return `${nameOf(noun, row)}${row.hypervisor ? ` · ${row.hypervisor}` : ""}${where}`;
}

function readOf(param, field) {
  const { name } = param;
  const from = field.typed ?? field;
  if (from.multiple) return { [name]: [...from.selectedOptions].map((one) => one.value).join(",") };
  const value = from.value.trim();
  if (!value) return {};
  if (param.type === "map") return mapped(name, value);
  if (name === "userdata") return { [name]: base64(value) };
  return { [name]: value };
}

/** CloudStack's way to write a map: `details[0].memory=512`; tags are each an entry of their own. */
function mapped(name, text) {
  const entries = text.split(/\n\s*\n/).map((part) =>
    part
      .split("\n")
      .filter((line) => line.includes("="))
      .map(split),
  );
  if (name === "tags") {
    const flat = entries.flat();
    return Object.assign(
      {},
      ...flat.map(([key, value], at) => ({
        [`tags[${at}].key`]: key,
        [`tags[${at}].value`]: value,
      })),
    );
  }
  return Object.assign(
    {},
    ...entries.flatMap((part, at) =>
      part.map(([key, value]) => ({ [`${name}[${at}].${key}`]: value })),
    ),
  );
}

function split(line) {
  const at = line.indexOf("=");
  return [line.slice(0, at).trim(), line.slice(at + 1).trim()];
}

function base64(text) {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}
