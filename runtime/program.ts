/**
 * The Program: one compiled function for one target tier, as plain data (JSON beside kernel files); and the manifest
 * of a package, which says what Programs and kernels there are.
 *
 * A Program says what buffers a call needs and when each is alive, and the steps that fill them. Sizes are formulas
 * over the named dims, so one Program serves every size; the runtime evaluates them once for each tuple of dims and
 * caches the outcome. The writer is codegen/program.ts; readers check `format` and `version` before anything else.
 */

export const programFormat = "tsdlc-program";
export const programVersion = 1;

export interface Program {
  readonly format: typeof programFormat;
  readonly version: typeof programVersion;
  /** The exported name of the model function. */
  readonly name: string;
  /** Named dims, in the order in which kernels and formulas count them. */
  readonly dims: readonly DimSpec[];
  /** One tree for each parameter; leaves are numbered across all parameters, left to right. */
  readonly parameters: readonly ParameterSpec[];
  readonly result: Tree;
  /** Equalities and ranges that could not be proved when building; checked once for each tuple of dims. */
  readonly guards: readonly Guard[];
  readonly buffers: readonly BufferSpec[];
  readonly kernels: readonly KernelSpec[];
  /** Memory that grows while a call runs, and is gone at its end; absent where there is none. */
  readonly stacks?: readonly StackSpec[];
  readonly steps: readonly Step[];
  /** Buffer of each result leaf, left to right. Two leaves may name one buffer; a leaf may name a parameter's. */
  readonly resultBuffers: readonly number[];
  /** Writes to fields of parameter objects that the caller sees: after the call, set leaf to result. */
  readonly mutations: readonly Mutation[];
}

export interface DimSpec {
  readonly name: string;
  readonly min: number;
  readonly max?: number;
}

export interface ParameterSpec {
  readonly name: string;
  readonly tree: Tree;
  /** The call consumes the handles of this parameter and may reuse their memory for results. */
  readonly donated: boolean;
}

export type DTypeName = "f64" | "f32" | "f16" | "bf16" | "i64" | "i32" | "i8" | "u32" | "u8" | "bool";

/** The shape of an argument or result: tensors and numbers at the leaves. */
export type Tree =
  | { readonly kind: "tensor"; readonly dtype: DTypeName; readonly shape: readonly Formula[] }
  /** A JavaScript number: a rank-0 buffer of this dtype (f64 on the CPU). As a result it is a rank-0 tensor. */
  | { readonly kind: "number"; readonly dtype: DTypeName }
  | { readonly kind: "array"; readonly items: readonly Tree[] }
  | { readonly kind: "object"; readonly fields: readonly (readonly [name: string, tree: Tree])[] };

/** A size over the named dims: a number, a name, or an operation on formulas. */
export type Formula =
  | number
  | string
  | readonly ["+" | "*", ...Formula[]]
  | readonly ["floordiv" | "mod" | "min" | "max", Formula, Formula];

export interface Guard {
  readonly left: Formula;
  readonly relation: "==" | "<=" | "<";
  readonly right: Formula;
  /** Why it must hold, for the error: "axis 1 of x and axis 0 of y are contracted". */
  readonly reason: string;
}

export interface BufferSpec {
  readonly dtype: DTypeName;
  /** Elements per axis; a temporary has these too, so that every buffer can be looked at. */
  readonly shape: readonly Formula[];
  readonly role:
    /** Leaf `leaf` of the parameters. */
    | { readonly kind: "parameter"; readonly leaf: number }
    /** Allocated for each call and handed to the caller. `reuses`: a donated parameter leaf whose memory it takes. */
    | { readonly kind: "result"; readonly reuses?: number }
    /** Lives in the call's arena from step `first` to step `last`, both included, counted over `steps` depth first. */
    | { readonly kind: "temporary"; readonly first: number; readonly last: number }
    /** The same memory as an earlier buffer under another shape: a reshape. */
    | { readonly kind: "alias"; readonly of: number }
    /** Bytes at an offset in the package's constants file; never written. */
    | { readonly kind: "constant"; readonly offset: number };
}

/** What is on a stack: tensors of one type. */
export interface StackSpec {
  readonly dtype: DTypeName;
  readonly shape: readonly Formula[];
}

export interface KernelSpec {
  /** Symbol in the shared object, or entry point in the module. */
  readonly entry: string;
  /** How many independent iterations, or blocks of threads, a launch has. 0 when a size is 0: then nothing runs. */
  readonly grid: Formula;
  /** Threads of a block; absent on the CPU, whose iterations are shared among the threads there are. */
  readonly threads?: number;
  /** Where there are blocks: how many of a launch's buffers, the first ones, are only read. */
  readonly inputs?: number;
  /** Rough scalar operations for one iteration: whether a launch is worth spreading over threads. */
  readonly work: Formula;
  /** The source lines that this kernel came from, innermost first, for messages: "model.ts:11:12". */
  readonly sources: readonly string[];
  /** What it does, in a few words made of op names: "dot_general + add + select". */
  readonly summary: string;
}

/**
 * Steps run in order. A kernel receives the buffers listed (inputs, then outputs) and all named dims.
 * `if` and `loop` read one bool from a buffer; where a step needs the value of a carry it copies it.
 */
export type Step =
  | { readonly kind: "launch"; readonly kernel: number; readonly buffers: readonly number[] }
  | { readonly kind: "copy"; readonly from: number; readonly to: number }
  | { readonly kind: "if"; readonly condition: number; readonly then: readonly Step[]; readonly otherwise: readonly Step[] }
  /** do { head; if (!condition) break; body } forever. */
  | { readonly kind: "loop"; readonly head: readonly Step[]; readonly condition: number; readonly body: readonly Step[] }
  /** The body so many times. */
  | { readonly kind: "repeat"; readonly turns: number; readonly body: readonly Step[] }
  /** Copies a buffer onto a stack, or what is on top of it into a buffer and takes it off; `clear` empties it. */
  | { readonly kind: "push" | "pop"; readonly stack: number; readonly buffer: number }
  | { readonly kind: "clear"; readonly stack: number };

export interface Mutation {
  /** The path from the arguments: [0, "running", "mean"]. */
  readonly path: readonly (number | string)[];
  /** Position in `resultBuffers`, after the leaves of `result`. */
  readonly result: number;
}

/** What a package holds, and where: program.json. The Programs of a tier are a file of their own, read only where it runs. */
export interface PackageManifest {
  readonly format: typeof programFormat;
  readonly version: typeof programVersion;
  /** The compiler that wrote it: "tsdlc 0.1.0". */
  readonly producer: string;
  readonly functions: readonly string[];
  readonly tiers: readonly Tier[];
  /** Bytes shared by all tiers, or absent. */
  readonly constants?: string;
}

export interface Tier {
  /** "cpu-x86-64-v4". */
  readonly name: string;
  readonly target: "cpu" | "cuda" | "wgsl";
  /** What the device must have, as the runtime spells it: CPU features, features of a WebGPU adapter. */
  readonly requires: readonly string[];
  /** Relative to program.json: the code of all functions of this tier. */
  readonly code: string;
  /** Compiled forms of the code, for CUDA: machine code for an architecture ("sm_90a"), or PTX ("compute_80"). */
  readonly images?: readonly { readonly architecture: string; readonly file: string }[];
  /** Relative to program.json: a JSON file with the list of this tier's Programs, in the order of `functions`. */
  readonly programs: string;
}
