/**
 * The loss curve as a picture: Vega lays the chart out as SVG, resvg turns it into a PNG. Neither needs a browser.
 */

import { createRequire } from "node:module";
import { Resvg } from "@resvg/resvg-js";
import * as vega from "vega";

const font = createRequire(import.meta.url).resolve("dejavu-fonts-ttf/ttf/DejaVuSans.ttf");

/**
 * Draws the loss of each step, and its running mean, over epochs.
 *
 * @param {readonly number[]} losses one for each step
 * @param {number} stepsPerEpoch
 * @returns {Promise<Uint8Array>} a PNG, 1600 pixels wide
 */
export async function plotLoss(losses, stepsPerEpoch) {
  const means = runningMean(losses, Math.ceil(stepsPerEpoch / 8));
  const points = losses.map((loss, step) => ({ epoch: (step + 1) / stepsPerEpoch, loss, mean: means[step] }));
  const view = new vega.View(vega.parse(chart(points)), { renderer: "none" });
  const svg = await view.toSVG();
  const fonts = { fontFiles: [font], loadSystemFonts: false, defaultFontFamily: "DejaVu Sans" };
  return new Resvg(svg, { font: fonts, fitTo: { mode: "width", value: 1600 } }).render().asPng();
}

/** An exponential running mean over about `span` values, corrected for its start at zero. */
function runningMean(values, span) {
  const keep = 1 - 1 / span;
  let sum = 0;
  let weight = 0;
  return values.map((value) => {
    sum = keep * sum + (1 - keep) * value;
    weight = keep * weight + (1 - keep);
    return sum / weight;
  });
}

/** @returns {import("vega").Spec} */
function chart(points) {
  const series = [
    { label: "one step", color: "#b9cfe6" },
    { label: "running mean", color: "#1f5a99" },
  ];
  const line = (field, color, width) => ({
    type: "line",
    from: { data: "points" },
    encode: {
      enter: {
        x: { scale: "x", field: "epoch" },
        y: { scale: "y", field },
        stroke: { value: color },
        strokeWidth: { value: width },
        strokeJoin: { value: "round" },
      },
    },
  });
  const axis = { labelFontSize: 12, titleFontSize: 13, titlePadding: 8, titleFontWeight: "normal", gridColor: "#e6e6e6" };
  return {
    background: "white",
    width: 700,
    height: 360,
    padding: 16,
    autosize: "pad",
    config: { axis: { labelFont: "DejaVu Sans", titleFont: "DejaVu Sans" }, legend: { labelFont: "DejaVu Sans" } },
    title: { text: "MNIST training loss", font: "DejaVu Sans", fontWeight: "normal", fontSize: 16, offset: 12 },
    data: [{ name: "points", values: points }],
    scales: [
      { name: "x", type: "linear", domain: [0, { signal: "ceil(extent(pluck(data('points'), 'epoch'))[1])" }], range: "width" },
      // A loss falls by orders of magnitude: on a linear axis everything after the first epoch would be one line.
      { name: "y", type: "log", domain: { data: "points", field: "loss" }, range: "height", nice: true },
      { name: "series", type: "ordinal", domain: series.map(({ label }) => label), range: series.map(({ color }) => color) },
    ],
    axes: [
      { ...axis, orient: "bottom", scale: "x", title: "epoch", grid: true, tickMinStep: 1 },
      { ...axis, orient: "left", scale: "y", title: "mean cross entropy of a batch", grid: true, format: "~g", tickCount: 6 },
    ],
    marks: [line("loss", series[0].color, 0.8), line("mean", series[1].color, 2)],
    legends: [{ stroke: "series", orient: "top-right", symbolType: "stroke", symbolStrokeWidth: 3, labelFontSize: 12 }],
  };
}
