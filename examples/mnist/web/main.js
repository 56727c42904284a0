/**
 * The page: trains the package that `tsdlc build` wrote, shows how it goes, and has it guess what is drawn. It is the
 * same package that ../main.js runs in Node.
 */

import { fetchMnist } from "tsdlc/data";
import { device } from "tsdlc-runtime";
import { centreDigit } from "./centre-digit.js";
import { DigitPad, showDigit } from "./digit-pad.js";
import { LossChart } from "./loss-chart.js";
import { Training } from "./training.js";

/** Digits to test with while training goes on, and how many of them are shown. */
const testCount = 1000;
const shownCount = 32;

const element = (id) => document.getElementById(id);

const pad = new DigitPad(element("pad"), () => guessSoon());
element("clear").addEventListener("click", () => pad.clear());
const bars = Array.from({ length: 10 }, (_, digit) => addBar(digit));

/** @type {{ model: typeof import("../dist/index.js"), training: Training } | undefined} */
let session;

try {
  await start();
} catch (error) {
  explain(error);
}

async function start() {
  const digits = fetchMnist(new URL(import.meta.env.BASE_URL, location.href));
  // Said when it is waited for; the GPU is looked at first.
  digits.catch(() => undefined);
  // Importing opens the device and makes the kernels, so this is where a browser without WebGPU stops.
  const model = await import("../dist/index.js");
  element("status").textContent = `Loading the digits; they will be learned on ${await adapterName()}`;
  const data = await digits;
  element("status").textContent = `Runs on ${await adapterName()}`;
  element("page").removeAttribute("aria-busy");

  const samples = addSamples(data.test);
  let seed = 1;
  const training = (session = { model, training: new Training(model, data, { seed, testCount }) }).training;
  const chart = new LossChart(element("chart"), training.lastStep);
  const pause = element("pause");
  const restart = element("restart");
  pause.disabled = restart.disabled = false;
  pause.addEventListener("click", () => {
    const { training } = session;
    if (training.isPaused) training.resume();
    else training.pause();
    pause.textContent = training.isPaused ? "Continue" : "Pause";
  });
  restart.addEventListener("click", () => {
    session.training.stop();
    chart.clear();
    session = { model, training: new Training(model, data, { seed: ++seed, testCount }) };
    void train(session.training);
  });
  void train(training);

  async function train(training) {
    pause.disabled = false;
    pause.textContent = "Pause";
    try {
      await training.run({
        onLoss(loss, speed) {
          if (training !== session.training) return;
          chart.add(training.steps, loss);
          element("loss").textContent = loss.toFixed(3);
          element("speed").textContent = Math.round(speed).toLocaleString("en-US");
          element("steps").textContent = training.steps.toLocaleString("en-US");
          element("progress").style.width = `${(100 * training.steps) / training.lastStep}%`;
          guessSoon();
        },
        onTest(guesses, count) {
          if (training !== session.training) return;
          const right = guesses.filter((digit, i) => digit === data.test.labels[i]).length;
          element("accuracy").textContent = `${((100 * right) / count).toFixed(1)} %`;
          element("shown").textContent = `${right} of ${count} are right; here are the first ${shownCount}`;
          samples.forEach((show, i) => show(guesses[i]));
        },
      });
      if (training === session.training && training.steps === training.lastStep) pause.disabled = true;
    } catch (error) {
      explain(error);
    }
  }
}

let isGuessing = false;
let isGuessDue = false;

/** Classifies the drawing as it is now; while one guess is on its way, at most one more waits. */
async function guessSoon() {
  if (isGuessing) {
    isGuessDue = true;
    return;
  }
  isGuessing = true;
  try {
    await guess();
  } catch (error) {
    explain(error);
  }
  isGuessing = false;
  if (isGuessDue) {
    isGuessDue = false;
    void guessSoon();
  }
}

async function guess() {
  const { ink, width, height } = pad.ink();
  const digit = centreDigit(ink, width, height);
  showDigit(element("seen"), digit);
  const probabilities = digit === undefined || session === undefined ? undefined : await session.model.classify(session.training.params, digit).data();
  const most = probabilities === undefined ? -1 : probabilities.indexOf(Math.max(...probabilities));
  element("guess").textContent = most < 0 ? "\u2013" : String(most);
  bars.forEach((show, i) => show(probabilities?.[i], i === most));
}

/** @returns {(probability: number | undefined, isMost: boolean) => void} */
function addBar(digit) {
  const bar = document.createElement("li");
  bar.innerHTML = `<span>${digit}</span><div class="track"><div class="fill"></div></div><span class="percent"></span>`;
  element("bars").append(bar);
  const [fill, percent] = [bar.querySelector(".fill"), bar.querySelector(".percent")];
  return (probability, isMost) => {
    fill.style.width = `${100 * (probability ?? 0)}%`;
    percent.textContent = probability === undefined ? "" : `${(100 * probability).toFixed(1)} %`;
    bar.classList.toggle("most", isMost);
  };
}

/** The first test digits as pictures, each with a function that says what it was taken for. */
function addSamples({ images, labels }) {
  return Array.from({ length: shownCount }, (_, i) => {
    const item = document.createElement("li");
    const picture = document.createElement("canvas");
    picture.width = picture.height = 28;
    const label = document.createElement("span");
    label.textContent = "\u2013";
    item.append(picture, label);
    element("samples").append(item);
    const pixels = images.subarray(i * 784, (i + 1) * 784);
    showDigit(picture, pixels);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => showDigit(picture, pixels));
    return (guess) => {
      label.textContent = String(guess);
      item.classList.toggle("wrong", guess !== labels[i]);
    };
  });
}

/** What the GPU calls itself; browsers tell little of it. */
async function adapterName() {
  return new Map((await device()).facts).get("name");
}

function explain(error) {
  const isMissing = error.name === "DeviceError" && session === undefined;
  element("problem-title").textContent = isMissing ? "This browser cannot run the network" : "Something went wrong";
  element("problem-text").textContent = error.message;
  element("problem").hidden = false;
  element("status").textContent = isMissing ? "Needs WebGPU" : "Stopped; load the page again to go on";
  element("pause").disabled = element("restart").disabled = true;
  console.info(error);
}
