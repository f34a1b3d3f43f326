// A page of things of one kind: looked for, paged, and drawn anew when something of them happens.

import { call, command, takes } from "./api.js";
import { h, show } from "./dom.js";
import { openForm } from "./form.js";
import { onJobEnd } from "./jobs.js";
import { onEvents } from "./live.js";
import { isPast } from "./moment.js";
import { always, concerns, idOf, titleOf } from "./nouns.js";
import { labelOf, spoken, valueOf } from "./words.js";

const PAGE = 50;

/** A page with the list of a noun. Gives the element, and what ends its drawing. */
export function listPage(noun) {
  const inside = listOf(noun, {});
  const create = noun.create
    .filter(command)
    .map((name) =>
      h(
        "button.primary",
        { type: "button", disabled: isPast(), onclick: () => openForm(name) },
        spoken(name),
      ),
    );
  return {
    element: h(
      "section",
      h("header.page", h("h1", titleOf(noun)), h("div.actions", create)),
      inside.element,
    ),
    end: inside.end,
  };
}

/** The list itself, of those that `where` says: also a part of the page of what they belong to. */
export function listOf(noun, where) {
  const at = { page: 1, keyword: "", asked: 0 };
  const body = h("tbody");
  const foot = h("div.pager", { role: "status" });
  const columns = noun.columns;
  const draw = async () => {
    const own = (at.asked += 1);
    let answer;
    try {
      answer = await asked(noun, { ...where, keyword: at.keyword }, at.page);
    } catch (refused) {
      if (own === at.asked) show(foot, h("p.bad", refused.message));
      return;
    }
    if (own !== at.asked) return; // A later question is under way.
    const rows = answer[noun.key] ?? [];
    show(
      body,
      rows.map((row) => rowOf(noun, columns, row)),
    );
    show(foot, pager(at, answer.count ?? rows.length, rows.length, noun, draw));
  };
  const search = takes(noun.list, "keyword")
    ? h("input.search", {
        type: "search",
        placeholder: `find in ${titleOf(noun).toLowerCase()}`,
        "aria-label": "find",
        oninput: soon((event) => {
          at.keyword = event.target.value.trim();
          at.page = 1;
          draw();
        }),
      })
    : null;
  draw();
  const ends = [
    onEvents((topics) => (concerns(noun, topics) && !isPast() ? draw() : undefined)),
    onJobEnd(draw),
  ];
  return {
    element: h(
      "div.list",
      search,
      h(
        "div.scroll",
        h(
          "table",
          h(
            "thead",
            h(
              "tr",
              columns.map((field) => h("th", { scope: "col" }, labelOf(field))),
            ),
          ),
          body,
        ),
      ),
      foot,
    ),
    end: () => ends.forEach((end) => end()),
  };
}

/** A page of rows. What is listed oldest first is turned round where the newest is looked for. */
async function asked(noun, where, page) {
  const params = { ...always(noun), ...where };
  if (!noun.newestFirst) return call(noun.list, { ...params, page, pagesize: PAGE });
  const { count = 0 } = await call(noun.list, { ...params, page: 1, pagesize: 1 });
  const last = Math.max(1, Math.ceil(count / PAGE));
  const answer = await call(noun.list, { ...params, page: last - page + 1, pagesize: PAGE });
  return { ...answer, [noun.key]: (answer[noun.key] ?? []).reverse() };
}

function rowOf(noun, columns, row) {
  const href = `#/${noun.noun}/${encodeURIComponent(idOf(noun, row))}`;
  return h(
    "tr",
    columns.map((field, number) =>
      h("td", number === 0 ? h("a", { href }, nameIn(field, row)) : valueOf(field, row)),
    ),
  );
}

function nameIn(field, row) {
  const value = valueOf(field, row);
  return value instanceof HTMLAnchorElement ? value.textContent : value;
}

function pager(at, count, here, noun, draw) {
  if (!count)
    return h(
      "p.faint",
      at.keyword
        ? "Nothing is found."
        : `There is no ${noun.one} here${isPast() ? " at that moment" : ""}.`,
    );
  const last = Math.max(1, Math.ceil(count / PAGE));
  const go = (page) => () => {
    at.page = page;
    draw();
  };
  const from = (at.page - 1) * PAGE + 1;
  return [
    h(
      "span",
      `${from.toLocaleString()} to ${(from + here - 1).toLocaleString()} of ${count.toLocaleString()}`,
    ),
    last > 1
      ? h(
          "button",
          { type: "button", disabled: at.page === 1, onclick: go(at.page - 1) },
          "‹ before",
        )
      : null,
    last > 1
      ? h(
          "button",
          { type: "button", disabled: at.page >= last, onclick: go(at.page + 1) },
          "next ›",
        )
      : null,
  ];
}

/** Call it once nothing more is typed for a moment. */
function soon(act) {
  let timer = 0;
  return (event) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(event), 250);
  };
}
