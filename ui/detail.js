// One thing: what it is, what can be done with it, what belongs to it, and what happened to it.

import { actionsOn, paramFor, shortly } from "./actions.js";
import { call, command } from "./api.js";
import { button, h, show } from "./dom.js";
import { act, openForm } from "./form.js";
import { onJobEnd } from "./jobs.js";
import { listOf } from "./list.js";
import { onEvents } from "./live.js";
import { isPast, look, secondAfter } from "./moment.js";
import { always, concerns, idOf, nameOf, nounOf, titleOf } from "./nouns.js";
import { happening, isSaid, labelOf, state, valueOf } from "./words.js";

const HAPPENED = 100;
const WRONG_PARAMETER = 431;
const STATE_FIELDS = ["state", "jobstate", "status", "allocationstate"];

export function detailPage(noun, id) {
  const head = h("header.page");
  const facts = h("div.facts");
  const more = h("div.more");
  let seen = "";
  const draw = async () => {
    let row;
    try {
      row = await find(noun, id);
    } catch (refused) {
      show(facts, h("p.bad", refused.message));
      return;
    }
    if (!row) {
      seen = "";
      show(head, h("h1", titleOf(noun)));
      show(
        facts,
        h(
          "p",
          `There is no ${noun.one} with this id${isPast() ? " at that moment" : " (any more)"}. `,
          h("a", { href: `#/${noun.noun}` }, `All ${titleOf(noun).toLowerCase()}`),
        ),
      );
      return;
    }
    if (JSON.stringify(row) === seen) return; // What is being read or clicked stays as it is.
    seen = JSON.stringify(row);
    show(head, headOf(noun, row));
    show(facts, factsOf(noun, row));
  };
  draw();
  const parts = tabsOf(noun, id, more);
  const ends = [
    onEvents((topics) => (concerns(noun, topics) && !isPast() ? draw() : undefined)),
    onJobEnd(draw),
    parts.end,
  ];
  return {
    element: h("section", head, facts, parts.element, more),
    end: () => ends.forEach((end) => end()),
  };
}

/** The thing as it is; undefined where there is none, which the API calls a wrong parameter. */
async function find(noun, id) {
  try {
    if (noun.id === "jobid") return await call("queryAsyncJobResult", { jobid: id });
    const answer = await call(noun.list, { ...always(noun), [noun.id ?? "id"]: id });
    return (answer[noun.key] ?? []).find((row) => idOf(noun, row) === id);
  } catch (refused) {
    if (refused.status === WRONG_PARAMETER) return undefined;
    throw refused;
  }
}

function headOf(noun, row) {
  const stateField = STATE_FIELDS.find((field) => typeof row[field] === "string");
  const given = (api) => ({
    [paramFor(noun, api)]: { value: idOf(noun, row), label: nameOf(noun, row) },
  });
  const { often, others } = actionsOn(noun, row);
  const buttons = often.map((api) =>
    button(shortly(noun, api.name), () => act(api.name, given(api)), {
      disabled: isPast(),
      title: api.description,
    }),
  );
  const menu =
    others.length && !isPast()
      ? h(
          "select",
          {
            "aria-label": "more actions",
            onchange: (event) => {
              const api = command(event.target.value);
              event.target.value = "";
              openForm(api.name, given(api));
            },
          },
          h("option", { value: "" }, "More…"),
          others.map((api) => h("option", { value: api.name }, shortly(noun, api.name))),
        )
      : null;
  return [
    h(
      "h1",
      h("a.faint", { href: `#/${noun.noun}` }, titleOf(noun)),
      " / ",
      nameOf(noun, row),
      " ",
      stateField ? state(row[stateField]) : null,
    ),
    h("div.actions", buttons, menu),
  ];
}

/** Every field that says something, those of the list first. */
function factsOf(noun, row) {
  const about = new Map(
    command(noun.list).response.map((field) => [field.name, field.description]),
  );
  const said = Object.keys(row).filter(
    (field) => isSaid(field, row) || field === (noun.id ?? "id"),
  );
  const isWide = (field) => typeof row[field] === "object";
  const first = noun.columns.filter((field) => said.includes(field) && !isWide(field));
  const others = said.filter((field) => !first.includes(field) && !isWide(field));
  const fact = (field) =>
    h(
      "div.fact",
      h("dt", { title: about.get(field) ?? field }, labelOf(field)),
      h("dd", valueOf(field, row)),
    );
  return [
    h("dl.first", first.map(fact)),
    h("dl", others.map(fact)),
    h("dl.wide", said.filter(isWide).map(fact)),
  ];
}

/** Below: what belongs to it, and its history. One is shown at a time. */
function tabsOf(noun, id, more) {
  const shown = { end: () => {} };
  const inside = (noun.within ?? [])
    .map(([name, param]) => [nounOf(name), param])
    .filter(([other]) => command(other.list));
  const tabs = inside.map(([other, param]) => [
    titleOf(other),
    () => listOf(other, { [param]: id }),
  ]);
  if (noun.id === "jobid") tabs.push(["Steps", () => stepsOf(id)]);
  else if (!noun.id && command("listEvents")) tabs.push(["History", () => historyOf(id)]);
  const open = (at) => {
    shown.end();
    const part = tabs[at][1]();
    shown.end = part.end;
    show(more, part.element);
    buttons.forEach((one, number) => one.setAttribute("aria-selected", String(number === at)));
  };
  const buttons = tabs.map(([title], at) =>
    h("button", { type: "button", role: "tab", onclick: () => open(at) }, title),
  );
  if (tabs.length) open(0);
  return { element: h("nav.tabs", { role: "tablist" }, buttons), end: () => shown.end() };
}

/** What was asked for of this one, by whom, and how it ended; and the cloud as it was then. */
function historyOf(id) {
  const body = h("ol.history");
  const draw = async () => {
    try {
      const answer = await call("listEvents", {
        resourceid: id,
        listall: true,
        page: 1,
        pagesize: HAPPENED,
      });
      const rows = answer.event ?? [];
      show(
        body,
        rows.map((row) =>
          happening(
            row,
            h("span.faint", row.username ?? ""),
            " ",
            button("as it was after", () => look(secondAfter(row.created)), { className: "small" }),
            h("div", row.description),
          ),
        ),
      );
      if (!rows.length) show(body, h("li.faint", "Nothing was asked for of it."));
    } catch (refused) {
      show(body, h("li.bad", refused.message));
    }
  };
  draw();
  const end = onEvents(() => (isPast() ? undefined : draw()));
  return { element: body, end };
}

/** The steps of a job, in their order, and how each stands. */
function stepsOf(id) {
  const body = h("ol.history");
  const draw = async () => {
    try {
      const answer = await call("listJobSteps", { jobid: id });
      const rows = answer.jobstep ?? [];
      show(
        body,
        rows.map((row) =>
          h(
            "li",
            h("b", labelOf(row.name)),
            " ",
            state(row.state),
            row.attempts > 1 ? ` after ${row.attempts} attempts` : "",
            row.errortext ? h("div.bad", row.errortext) : null,
          ),
        ),
      );
      if (!rows.length) show(body, h("li.faint", "It was over as soon as it was decided."));
    } catch (refused) {
      show(body, h("li.bad", refused.message));
    }
  };
  draw();
  const end = onEvents((topics) => (concerns(nounOf("jobs"), topics) ? draw() : undefined));
  return { element: body, end };
}
