/**
 * The loss curve, drawn while it grows: single steps pale, their running mean strong, on a logarithmic axis, because a
 * loss falls by orders of magnitude.
 */

const margin = { left: 46, right: 12, top: 8, bottom: 26 };

export class LossChart {
  #canvas;
  #steps = [];
  #losses = [];
  #means = [];
  #lastStep;
  #isDue = false;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {number} lastStep the right end of the axis when training is over
   */
  constructor(canvas, lastStep) {
    this.#canvas = canvas;
    this.#lastStep = lastStep;
    new ResizeObserver(() => this.#redraw()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#redraw());
  }

  add(step, loss) {
    const previous = this.#means.at(-1) ?? loss;
    this.#steps.push(step);
    this.#losses.push(loss);
    // In logarithms, as the axis is; over about the last 20 points, fewer at the beginning.
    const weight = Math.max(0.05, 1 / this.#losses.length);
    this.#means.push(Math.exp((1 - weight) * Math.log(previous) + weight * Math.log(Math.max(loss, 1e-6))));
    this.#redraw();
  }

  clear() {
    this.#steps = [];
    this.#losses = [];
    this.#means = [];
    this.#redraw();
  }

  #redraw() {
    if (this.#isDue) return;
    this.#isDue = true;
    requestAnimationFrame(() => {
      this.#isDue = false;
      this.#draw();
    });
  }

  #draw() {
    const canvas = this.#canvas;
    const ratio = devicePixelRatio;
    const [width, height] = [canvas.clientWidth, canvas.clientHeight];
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    const context = canvas.getContext("2d");
    context.scale(ratio, ratio);
    const style = getComputedStyle(canvas);
    const colour = (name) => style.getPropertyValue(name);
    context.font = `12px ${style.fontFamily}`;

    // The axis of steps grows by doubling, so that the curve is large from the first second on.
    let steps = 100;
    while (steps < (this.#steps.at(-1) ?? 0)) steps *= 2;
    steps = Math.min(steps, this.#lastStep);
    const highest = Math.max(2.5, ...this.#means.slice(0, 1));
    // Single steps may be luckier than the axis is long.
    const lowest = Math.min(0.5, Math.max(Math.min(...this.#losses), Math.min(...this.#means) / 4)) * 0.85;
    const x = (step) => margin.left + ((width - margin.left - margin.right) * step) / steps;
    const inner = height - margin.top - margin.bottom;
    const y = (loss) => margin.top + (inner * Math.log(highest / Math.max(loss, lowest))) / Math.log(highest / lowest);

    context.fillStyle = colour("--soft");
    context.strokeStyle = colour("--line");
    context.lineWidth = 1;
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const loss of [2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001].filter((tick) => tick >= lowest)) {
      const at = Math.round(y(loss)) + 0.5;
      line(context, [[margin.left, at], [width - margin.right, at]]);
      context.fillText(String(loss), margin.left - 8, at);
    }
    context.textBaseline = "top";
    for (const step of ticks(steps)) {
      context.textAlign = step === 0 ? "left" : x(step) > width - margin.right - 40 ? "right" : "center";
      context.fillText(step === 0 ? "step 0" : step.toLocaleString("en-US"), x(step), height - margin.bottom + 9);
    }

    context.lineJoin = "round";
    context.strokeStyle = colour("--faint");
    line(context, this.#steps.map((step, i) => [x(step), y(this.#losses[i])]));
    context.strokeStyle = colour("--accent");
    context.lineWidth = 2.2;
    line(context, this.#steps.map((step, i) => [x(step), y(this.#means[i])]));
  }
}

function line(context, points) {
  context.beginPath();
  for (const [x, y] of points) context.lineTo(x, y);
  context.stroke();
}

/** About four round numbers from 0 to `end`. */
function ticks(end) {
  const rough = end / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const distance = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * 0.99);
  return Array.from({ length: Math.floor(end / distance) + 1 }, (_, i) => i * distance);
}
