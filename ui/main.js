// The console: who is in, the menu, and the page that the address names. One page is drawn at a
// time, and ends before the next begins.

import { lacksSecondFactor, learn, session, signOut } from "./api.js";
import { commandPage, commandsPage } from "./commands.js";
import { detailPage } from "./detail.js";
import { button, h, show } from "./dom.js";
import { corners } from "./jobs.js";
import { listPage } from "./list.js";
import { listenNoMore, listenWhileSeen } from "./live.js";
import { momentControl, onMoment } from "./moment.js";
import { menu, nounOf, titleOf } from "./nouns.js";
import { overviewPage } from "./overview.js";
import { signInPage } from "./signin.js";

const root = document.body;
const moment = momentControl();
const main = h("main.page", { tabIndex: -1 });
let page = { end: () => {} };

async function begin() {
  session.onEnd = () => begin();
  page.end();
  listenNoMore();
  if (!session.who || lacksSecondFactor()) await signInPage(root);
  try {
    await learn();
  } catch (refused) {
    if (session.who)
      show(root, h("main.door", h("p.bad", refused.message), button("Try again", begin)));
    return;
  }
  shell();
  route();
}

function shell() {
  const line = h("span.line", { title: "whether this page hears what happens" });
  const links = [
    h("a", { href: "#/" }, "Overview"),
    menu().map((group) => [
      h("h2", group.title),
      group.nouns.map((noun) => h("a", { href: `#/${noun.noun}` }, titleOf(noun))),
    ]),
    h("h2", "API"),
    h("a", { href: "#/commands" }, "All commands"),
  ];
  show(
    root,
    h(
      "header.top",
      h(
        "a.brand",
        { href: "#/" },
        h("img", { src: "favicon.svg", alt: "", width: 24, height: 24 }),
        "Sagastack",
      ),
      line,
      moment,
      h(
        "span.who",
        `${session.who.username} · ${session.who.account}`,
        button("Sign out", signOut),
      ),
    ),
    h("nav.menu", { "aria-label": "what there is" }, links),
    main,
    corners(),
  );
  listenWhileSeen((isUp) => {
    line.textContent = isUp ? "live" : "not live";
    line.classList.toggle("up", isUp);
  });
}

/** `#/instances`, `#/instances/<id>`, `#/commands/<name>`. */
function route() {
  if (!session.commands.size) return;
  const [where = "", id = ""] = location.hash.replace(/^#\/?/, "").split("/").map(decoded);
  page.end();
  page = pageOf(where, id);
  show(main, page.element);
  main.scrollTop = 0;
  for (const link of document.querySelectorAll("nav.menu a")) {
    if (link.getAttribute("href") === `#/${where}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  const noun = nounOf(where);
  document.title = `${noun ? `${titleOf(noun)} · ` : ""}Sagastack`;
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

function pageOf(where, id) {
  if (where === "commands") return id ? commandPage(id) : commandsPage();
  const noun = nounOf(where);
  if (!noun) return overviewPage();
  return id ? detailPage(noun, id) : listPage(noun);
}

addEventListener("hashchange", route);
onMoment(route);
begin();
