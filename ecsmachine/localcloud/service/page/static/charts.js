// Memory and processor of a guest over the last two minutes, as two small lines.

import { h, svg } from "./dom.js";
import { t } from "./text.js";

const WIDTH = 90;
const HEIGHT = 22;
const SAMPLES = 60;

const mebibytes = (bytes) => `${Math.round(bytes / 1024 ** 2)} MiB`;

export function chart() {
  const memory = svg("polyline", { class: "memory" });
  const cpu = svg("polyline", { class: "cpu" });
  const label = h("span", { class: "dim" });
  const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, class: "chart", "aria-hidden": "true" }, memory, cpu);
  const element = h("span", { class: "usage" }, picture, label);
  return {
    element,
    draw(usage) {
      element.hidden = !usage;
      if (!usage) return;
      const { samples } = usage;
      const last = samples[samples.length - 1];
      const most = Math.max(...samples.map((each) => each.memory)) * 1.2;
      const busiest = Math.max(1, ...samples.map((each) => each.share));
      memory.setAttribute("points", points(samples.map((each) => each.memory / most)));
      cpu.setAttribute("points", points(samples.map((each) => each.share / busiest)));
      label.textContent = `${t("cpu")} ${Math.round(last.share * 100)} % · ${mebibytes(last.memory)}`;
    },
  };
}

function points(values) {
  const step = WIDTH / (SAMPLES - 1);
  const start = SAMPLES - values.length;
  return values
    .map((value, at) => `${((start + at) * step).toFixed(1)},${(HEIGHT - 1 - value * (HEIGHT - 2)).toFixed(1)}`)
    .join(" ");
}
