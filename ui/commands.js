// Every command that whoever signed in may call, each with its form: what has no page here is not
// out of reach.

import { command, session } from "./api.js";
import { h, show } from "./dom.js";
import { openForm } from "./form.js";

export function commandsPage() {
  const rows = h("tbody");
  const draw = (text) => {
    const words = text.toLowerCase().split(/\s+/);
    const fit = [...session.commands.values()].filter((api) =>
      words.every((word) => `${api.name} ${api.description}`.toLowerCase().includes(word)),
    );
    show(
      rows,
      fit.map((api) =>
        h(
          "tr",
          h("td", h("a", { href: `#/commands/${api.name}` }, h("code", api.name))),
          h("td", api.description),
        ),
      ),
    );
  };
  draw("");
  return {
    element: h(
      "section",
      h("header.page", h("h1", "All commands")),
      h("input.search", {
        type: "search",
        placeholder: "find in commands",
        "aria-label": "find",
        oninput: (event) => draw(event.target.value),
      }),
      h(
        "div.scroll",
        h(
          "table",
          h(
            "thead",
            h(
              "tr",
              h("th", { scope: "col" }, "command"),
              h("th", { scope: "col" }, "what it does"),
            ),
          ),
          rows,
        ),
      ),
    ),
    end: () => {},
  };
}

/** What a command takes and answers, and a way to call it. */
export function commandPage(name) {
  const api = command(name);
  if (!api)
    return { element: h("section", h("p", `You may call no command ${name}.`)), end: () => {} };
  const params = api.params.map((param) =>
    h(
      "tr",
      h("td", h("code", param.name), param.required ? h("span.bad", " *") : null),
      h("td", param.type),
      h("td", param.description),
    ),
  );
  return {
    element: h(
      "section",
      h(
        "header.page",
        h("h1", h("a.faint", { href: "#/commands" }, "All commands"), " / ", h("code", name)),
        h(
          "div.actions",
          h("button.primary", { type: "button", onclick: () => openForm(name) }, "Fill in…"),
        ),
      ),
      h("p", api.description, api.isasync ? " It answers with a job." : ""),
      h(
        "div.scroll",
        h(
          "table",
          h(
            "thead",
            h(
              "tr",
              ["parameter", "type", "what it says"].map((title) =>
                h("th", { scope: "col" }, title),
              ),
            ),
          ),
          h("tbody", params),
        ),
      ),
    ),
    end: () => {},
  };
}
