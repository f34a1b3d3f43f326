// The door: a name and a password, and a second factor for those who have one.

import { giveSecondFactor, lacksSecondFactor, signIn } from "./api.js";
import { h, show } from "./dom.js";

/** Ask until somebody is in. */
export function signInPage(holder) {
  return new Promise((resolve) => {
    const code = () =>
      show(
        holder,
        door("Second factor", [field("code", "text", "one-time-code")], async (told) => {
          await giveSecondFactor(told.code);
          resolve();
        }),
      );
    if (lacksSecondFactor()) {
      code();
      return;
    }
    const fields = [
      field("user", "text", "username"),
      field("password", "password", "current-password"),
      field("domain", "text", "organization", "/"),
    ];
    show(
      holder,
      door("Sign in", fields, async (told) => {
        await signIn(told.user, told.password, told.domain);
        if (lacksSecondFactor()) code();
        else resolve();
      }),
    );
    holder.querySelector("input").focus();
  });
}

function door(title, fields, enter) {
  const why = h("p.bad", { role: "alert" });
  const submit = h("button.primary", { type: "submit" }, title);
  const knock = async (event) => {
    event.preventDefault();
    submit.disabled = true;
    show(why);
    try {
      await enter(Object.fromEntries(new FormData(event.target)));
    } catch (refused) {
      show(why, refused.message);
    } finally {
      submit.disabled = false;
    }
  };
  return h(
    "main.door",
    h(
      "form",
      { onsubmit: knock },
      h("img", { src: "favicon.svg", alt: "", width: 48, height: 48 }),
      h("h1", "Sagastack"),
      fields,
      why,
      submit,
    ),
  );
}

function field(name, type, autocomplete, placeholder = "") {
  return h(
    "div.field",
    h("label", { htmlFor: `door-${name}` }, name),
    h("input", {
      id: `door-${name}`,
      name,
      type,
      autocomplete,
      placeholder,
      required: name !== "domain",
    }),
  );
}
