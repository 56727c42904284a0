/** A canvas to draw on with a mouse, a pen or a finger, several strokes if need be. */

/** Pixels of the drawing, however large the canvas is shown. */
const size = 280;

/** Strokes of MNIST are about two and a half of 28 pixels wide. */
const penWidth = 23;

export class DigitPad {
  #context;
  #last;
  #onChange;

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {() => void} onChange called after each movement
   */
  constructor(canvas, onChange) {
    canvas.width = size;
    canvas.height = size;
    this.#context = canvas.getContext("2d", { willReadFrequently: true });
    this.#onChange = onChange;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.#last = this.#at(canvas, event);
      this.#draw(this.#last);
      event.preventDefault();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (this.#last === undefined) return;
      const moves = event.getCoalescedEvents?.() ?? [];
      for (const move of moves.length === 0 ? [event] : moves) this.#draw(this.#at(canvas, move));
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#recolour());
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => (this.#last = undefined));
  }

  /** How much ink each pixel has, 0 to 255, row by row. */
  ink() {
    const { data } = this.#context.getImageData(0, 0, size, size);
    return { ink: data.filter((_, i) => i % 4 === 3), width: size, height: size };
  }

  clear() {
    this.#context.clearRect(0, 0, size, size);
    this.#onChange();
  }

  #draw(to) {
    const context = this.#context;
    context.strokeStyle = getComputedStyle(context.canvas).color;
    context.lineWidth = penWidth;
    context.lineCap = "round";
    context.lineJoin = "round";
    context.beginPath();
    context.moveTo(this.#last.x, this.#last.y);
    context.lineTo(to.x, to.y);
    context.stroke();
    this.#last = to;
    this.#onChange();
  }

  /** Gives all ink the colour that text has now. */
  #recolour() {
    const context = this.#context;
    context.globalCompositeOperation = "source-in";
    context.fillStyle = getComputedStyle(context.canvas).color;
    context.fillRect(0, 0, size, size);
    context.globalCompositeOperation = "source-over";
    this.#onChange();
  }

  #at(canvas, event) {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    return { x: ((event.clientX - left) * size) / width, y: ((event.clientY - top) * size) / height };
  }
}

/**
 * Shows 28 by 28 pixels in the text's colour.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {Float32Array | undefined} pixels from 0 to 1; undefined for blank paper
 */
export function showDigit(canvas, pixels) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(28, 28);
  const [red, green, blue] = getComputedStyle(canvas).color.match(/[\d.]+/g).map(Number);
  if (pixels !== undefined) {
    for (let i = 0; i < pixels.length; i++) image.data.set([red, green, blue, 255 * pixels[i]], 4 * i);
  }
  context.putImageData(image, 0, 0);
}
