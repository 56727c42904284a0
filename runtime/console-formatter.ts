/**
 * What console.log shows of a tensor in a browser's developer tools.
 *
 * By itself Chrome shows `Tensor {dtype: 'f32', shape: Array(2), Symbol(tsdlc.tensor): {…}}`: no page can change that
 * line. It can add a formatter, which counts where "Custom formatters" is ticked in the settings of the developer tools
 * (Firefox has the same switch). Then a tensor on the host is printed as in Node, and one on a device by its type, with
 * its elements behind the triangle: they are read when it is opened. `await x.text()` is the text without any switch.
 */

import { printTensor } from "./print-tensor.ts";
import { isTensor, type Shape, type Tensor, tensorBrand, typeOf } from "./tensor.ts";
import type { DTypeName } from "./program.ts";

/** Nested arrays that stand for HTML: a tag, its attributes, what is in it; or an object for the tools to show. */
type JsonMl = readonly unknown[];

interface Formatter {
  header(value: unknown): JsonMl | null;
  hasBody(value: unknown): boolean;
  body(value: unknown): JsonMl | null;
}

/** More lines than this are shown when the triangle is opened. */
const shownLines = 8;

const registered = Symbol.for("tsdlc.console-formatter");

/** Once for all copies of this package in a page. */
export function registerConsoleFormatter(): void {
  const page = globalThis as { devtoolsFormatters?: Formatter[]; [registered]?: true };
  if (page[registered] === true) return;
  page[registered] = true;
  (page.devtoolsFormatters ??= []).push(formatter);
}

const formatter: Formatter = {
  header: (value) => (isTensor(value) ? pre(headOf(value)) : null),
  hasBody: (value) => isTensor(value) && hasElements(value) && !isShown(value),
  body(value) {
    if (!isTensor(value)) return null;
    const printed = printedOnHost(value);
    // A promise, which the tools show when it is fulfilled.
    return printed === undefined ? ["div", {}, ["object", { object: value.data() }]] : pre(printed);
  },
};

function headOf(value: Tensor<Shape, DTypeName>): string {
  const printed = printedOnHost(value);
  if (printed !== undefined && isShown(value)) return printed;
  return hasElements(value) ? `${typeOf(value)} on ${value.device}` : String(value);
}

function hasElements(value: Tensor<Shape, DTypeName>): boolean {
  const { kind } = value[tensorBrand];
  return kind === "host" || kind === "device";
}

/** Whether the head is all there is. */
function isShown(value: Tensor<Shape, DTypeName>): boolean {
  const printed = printedOnHost(value);
  return printed !== undefined && printed.split("\n").length <= shownLines;
}

function printedOnHost(value: Tensor<Shape, DTypeName>): string | undefined {
  const state = value[tensorBrand];
  return state.kind === "host" ? printTensor(value.dtype, value.shape, state.data) : undefined;
}

function pre(text: string): JsonMl {
  return ["span", { style: "white-space: pre; display: inline-block; vertical-align: top" }, text];
}
