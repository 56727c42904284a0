/** The error of this version for everything that only a built program can do. */

/** Something that only a built program can do was called as plain JavaScript. */
export class NotBuiltError extends Error {
  constructor(what: string) {
    super(
      `${what} ran outside of a built program. This version of tsdlc has no eager execution yet: ` +
        `put the code in a model(...) function, run "npx tsdlc build", and import the package that it writes.`,
    );
    this.name = "NotBuiltError";
  }
}
