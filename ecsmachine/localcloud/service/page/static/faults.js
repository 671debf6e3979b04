// Faults: injected faults are set here, counted and removed.

import { ask, cloud } from "./cloud.js";
import { code, h, keep } from "./dom.js";
import { empty } from "./instances.js";
import { t } from "./text.js";

const NUMBERS = ["status", "seconds", "rate", "bytes", "connection", "free_mib", "nth", "times", "probability", "seed"];
const OF_EVERY_FAULT = ["id", "kind", "struck", "spent"];

export function faults() {
  const kind = h("select", { id: "kind" });
  const fields = h("div", { class: "fields" });
  const problem = h("p", { class: "problem", role: "alert" });
  const form = h("form", { class: "card" }, h("h2", {}, t("faults.set")),
    h("label", { for: "kind" }, t("faults.kind")), kind, fields,
    h("button", { class: "main" }, t("faults.add")), problem);
  const rows = h("ul", { class: "rows faults" });
  const none = empty(t("faults.none"), code("ecsmachine local fault add no-stock --times 1"));
  const element = h("div", { class: "two" }, form, h("div", {}, none, rows));

  function describe() {
    const names = cloud.info.kinds[kind.value] ?? [];
    fields.replaceChildren(...names.map((name) => h("label", {}, h("span", {}, name.replace("_", "-")),
      h("input", { name, inputmode: NUMBERS.includes(name) ? "decimal" : "text", autocomplete: "off",
        placeholder: t(`field.${name}`) || "" }))));
  }

  kind.addEventListener("change", describe);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const values = { kind: kind.value };
    for (const { name, value } of fields.querySelectorAll("input")) {
      const text = value.trim();
      if (text) values[name] = NUMBERS.includes(name) ? Number(text) : text;
    }
    problem.textContent = "";
    ask("faults", values).then(describe).catch((error) => (problem.textContent = error.message));
  });

  function row(fault) {
    const said = Object.entries(fault).filter(([name, value]) =>
      !OF_EVERY_FAULT.includes(name) && !(name === "probability" && value === 1));
    return h("li", { "data-spent": fault.spent ? "yes" : null },
      h("strong", {}, code(fault.kind)),
      h("span", { class: "dim" }, code(said.map(([name, value]) => `${name.replace("_", "-")}=${value}`).join(" "))),
      h("span", { class: "badge struck", "data-status": fault.struck ? "refused" : "idle" },
        t("struck", fault.struck)),
      h("button", { class: "quiet", "data-focus": fault.id, "aria-label": `${t("remove")} ${fault.kind} ${fault.id}`,
        onclick: () => ask(`faults/${fault.id}/remove`, {}) }, t("remove")));
  }

  return {
    element,
    update(kinds) {
      if (kinds === null || kinds.has("info")) {
        const names = Object.keys(cloud.info.kinds);
        if (kind.options.length !== names.length) {
          kind.replaceChildren(...names.map((name) => h("option", {}, name)));
          describe();
        }
      }
      none.hidden = cloud.faults.length > 0;
      keep(rows, cloud.faults, (each) => each.id, row);
    },
  };
}
